"""Tools, and the rules for calling them."""

import re
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.tools import tool_name
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.refusal import missing

__all__ = ["FUNCTION_NAME", "Tools", "camel"]

FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
"""FunctionDeclaration.name of Vertex AI's discovery document; the Gemini API's leaves the first character out."""

_MODES: Final = {
    v1.TOOL_CHOICE_MODE_AUTO: "AUTO",
    v1.TOOL_CHOICE_MODE_NONE: "NONE",
    v1.TOOL_CHOICE_MODE_REQUIRED: "ANY",
}
_FREE: Final = (v1.TOOL_CHOICE_MODE_UNSPECIFIED, v1.TOOL_CHOICE_MODE_AUTO)
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LISTS: Final = frozenset({"mcpServers"})
"""Members of a Tool that hold a list, of which a provider tool is one entry."""


class Tools:
    """The tools of one request. `members` go into the body."""

    __slots__ = ("_choice", "_request", "_strict", "_ways", "left_out", "members")

    def __init__(self, request: v1.CompleteRequest, ways: Ways) -> None:
        self._request = request
        self._ways = ways
        self._choice = request.tool_choice
        self._strict = False
        self.left_out: list[str] = []
        self.members: dict[str, Any] = {}
        if request.tools:
            self._write()

    def _write(self) -> None:
        functions: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for index, tool in enumerate(self._request.tools):
            if tool.HasField("cache_mark"):
                self.left_out.append(f"tools[{index}].cache_mark")
            if tool.WhichOneof("kind") == "provider":
                made, told, kind = self._provider_tool(index, tool.provider), self._may_run(tool), others
            else:
                made, told, kind = self._function(index, tool.function), self._is_told(tool), functions
            if told:
                kind.append(made)
            else:
                self.left_out.append(f"tools[{index}]")
        wire = [{"functionDeclarations": functions}, *others] if functions else others
        if wire:
            self.members["tools"] = wire
        if config := self._config(functions, others):
            self.members["toolConfig"] = config

    def _function(self, index: int, function: v1.FunctionTool) -> dict[str, Any]:
        if not FUNCTION_NAME.fullmatch(function.name):
            text = "this provider takes names that begin with a letter or an underscore; give it another"
            raise missing(f"tools[{index}].function.name", text)
        wire: dict[str, Any] = {"name": function.name}
        if function.description:
            wire["description"] = function.description
        if function.parameters_json_schema:
            wire["parametersJsonSchema"] = embedded(function.parameters_json_schema)
        if function.strict and self._choice.mode in _FREE:
            self._strict = True
        elif function.HasField("strict"):  # calls that are forced fit their schemas anyway
            self.left_out.append(f"tools[{index}].function.strict")
        return wire

    def _provider_tool(self, index: int, tool: v1.ProviderTool) -> dict[str, Any]:
        if tool.dialect != self._ways.name:
            text = "this tool is another dialect's; route the call to a provider that speaks it"
            raise missing(f"tools[{index}].provider", text)
        kind = camel(tool.type)
        if not _TYPE.fullmatch(tool.type) or kind == "functionDeclarations":
            raise missing(f"tools[{index}].provider.type", 'not a tool of this provider; write "google_search"')
        config = embedded(tool.config_json or b"{}")
        return {kind: [config] if kind in _LISTS else config}

    def _may_run(self, tool: v1.Tool) -> bool:
        """The mode is about functions only: tools of the provider that may not run are not sent at all."""
        if self._choice.mode == v1.TOOL_CHOICE_MODE_NONE:
            return False
        return not self._choice.allowed_tools or tool_name(tool) in self._choice.allowed_tools

    def _is_told(self, tool: v1.Tool) -> bool:
        """Whether the model hears of a function. In mode ANY the allowed ones are named; AUTO has no place for that."""
        return (
            self._choice.mode not in _FREE
            or not self._choice.allowed_tools
            or tool.function.name in self._choice.allowed_tools
        )

    def _config(self, functions: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, Any]:
        config: dict[str, Any] = {}
        mixed = bool(functions and others)
        if calling := self._calling(functions, mixed=mixed):
            config["functionCallingConfig"] = calling
        if mixed and self._ways.told_invocations:
            config["includeServerSideToolInvocations"] = True
        return config

    def _calling(self, functions: list[dict[str, Any]], *, mixed: bool) -> dict[str, Any]:
        choice = self._choice
        if choice.HasField("parallel"):
            self._parallel()
        mode = _MODES.get(choice.mode, "")
        if mode == "ANY":
            return self._required(functions)
        # VALIDATED is AUTO with calls that fit their schemas; beside the provider's own tools there is no other.
        if functions and mode != "NONE" and (self._strict or (mode == "AUTO" and mixed)):
            return {"mode": "VALIDATED"}
        return {"mode": mode} if mode and functions else {}

    def _required(self, functions: list[dict[str, Any]]) -> dict[str, Any]:
        if not functions:
            raise missing(
                "tool_choice.mode", "this provider can force functions only; add one, or let the model decide"
            )
        calling: dict[str, Any] = {"mode": "ANY"}
        allowed = self._choice.allowed_tools
        if allowed:
            known = {function["name"] for function in functions}
            for index, name in enumerate(allowed):
                if name not in known:
                    text = "this provider can force functions only; leave its own tools out"
                    raise missing(f"tool_choice.allowed_tools[{index}]", text)
            calling["allowedFunctionNames"] = list(allowed)
        return calling

    def _parallel(self) -> None:
        if not self._choice.parallel:
            text = "this provider can't be kept from calling several tools; leave it out, or ask for another model"
            raise missing("tool_choice.parallel", text)
        self.left_out.append("tool_choice.parallel")


def camel(name: str) -> str:
    """The name of a member as it is on the wire: both google_search and googleSearch give googleSearch."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
