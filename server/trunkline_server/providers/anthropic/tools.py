"""Tools, and the rules for calling them."""

from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.tools import tool_name
from trunkline_server.providers.anthropic.cache import CacheMarks
from trunkline_server.providers.anthropic.flavour import FORMAT, Flavour
from trunkline_server.providers.jsontext import embedded, members_of
from trunkline_server.providers.refusal import missing

__all__ = ["ANSWER_TOOL", "Tools", "answer_tool", "can_force"]

ANSWER_TOOL: Final = "trunkline_answer"
"""The tool that the model is made to call where an answer in JSON has no form of its own; the decoder makes a text of
that call. No caller's tool may have this name."""

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
_MODES: Final = {
    v1.TOOL_CHOICE_MODE_UNSPECIFIED: "auto",
    v1.TOOL_CHOICE_MODE_AUTO: "auto",
    v1.TOOL_CHOICE_MODE_NONE: "none",
    v1.TOOL_CHOICE_MODE_REQUIRED: "any",
}


def can_force(capability: Capability | None) -> bool:
    """Whether the model can be made to call a tool, by what is known of that, or else of its thinking.

    Models whose thinking can't be wholly switched off refuse it:
    https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5
    """
    if capability is None:
        return True
    if capability.forced_tools is not None:
        return capability.forced_tools
    return not (capability.reasoning_always or capability.reasoning_off == "between_tools")


def answer_tool(schema: bytes, description: str, *, strict: bool | None) -> dict[str, Any]:
    """The members that make the model answer with JSON by a call."""
    tool: dict[str, Any] = {"name": ANSWER_TOOL, "description": description or "Give the answer by calling this."}
    tool["input_schema"] = embedded(schema)
    if strict is not None:
        tool["strict"] = strict
    choice = {"type": "tool", "name": ANSWER_TOOL, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


class Tools:
    """The tools of one request. `members` go into the body; `types` are those of the provider's own."""

    __slots__ = ("_capability", "_flavour", "_marks", "_names", "left_out", "members", "types")

    def __init__(
        self, request: v1.CompleteRequest, flavour: Flavour, capability: Capability | None, marks: CacheMarks
    ) -> None:
        self._flavour = flavour
        self._capability = capability
        self._marks = marks
        self._names: dict[str, str] = {}
        """By what callers call a tool, what it is called on the wire."""
        self.types: list[str] = []
        self.left_out: list[str] = []
        self.members: dict[str, Any] = {}
        tools = request.tools
        if tools and capability is not None and capability.tools is False:
            raise missing("tools", "this model can't call tools; leave them out, or ask for another model")
        allowed = self._allowed(request.tool_choice) if request.HasField("tool_choice") else None
        kept = [
            self._tool(index, tool) for index, tool in enumerate(tools) if allowed is None or tool_name(tool) in allowed
        ]
        if kept:
            self.members["tools"] = kept
        if request.HasField("tool_choice"):
            self._choose(request.tool_choice)

    @property
    def forced(self) -> bool:
        """Whether the model has to call one of them."""
        return self.members.get("tool_choice", {}).get("type") in ("any", "tool")

    def _allowed(self, choice: v1.ToolChoice) -> frozenset[str] | None:
        """The names of the tools that are sent: the wire forces one by its name, and can't allow some of many."""
        names = choice.allowed_tools
        if not names or choice.mode == v1.TOOL_CHOICE_MODE_NONE:
            return None
        if choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED and len(names) == 1:
            return None
        return frozenset(names)

    def _tool(self, index: int, tool: v1.Tool) -> dict[str, Any]:
        function = tool.function if tool.WhichOneof("kind") == "function" else None
        wire = self._function(index, function) if function else self._provider_tool(index, tool.provider)
        if tool.HasField("cache_mark"):
            self._marks.add(wire, tool.cache_mark, f"tools[{index}].cache_mark")
        elif "cache_control" in wire:
            self._marks.add_configured()
        return wire

    def _function(self, index: int, function: v1.FunctionTool) -> dict[str, Any]:
        if function.name == ANSWER_TOOL:
            raise missing(f"tools[{index}].function.name", "the gateway has its own use for this name; take another")
        self._names[function.name] = function.name
        wire: dict[str, Any] = {"name": function.name}
        if function.description:
            wire["description"] = function.description
        schema = function.parameters_json_schema
        wire["input_schema"] = embedded(schema) if schema else _NO_ARGUMENTS
        if function.HasField("strict"):
            wire["strict"] = function.strict
        return wire

    def _provider_tool(self, index: int, tool: v1.ProviderTool) -> dict[str, Any]:
        if tool.dialect not in {self._flavour.name, FORMAT}:  # near-twins have the same tools
            text = "this tool is another dialect's; route the call to a provider that speaks it"
            raise missing(f"tools[{index}].provider", text)
        config: dict[str, Any] = dict(members_of(tool.config_json)) if tool.config_json else {}
        self.types.append(tool.type)
        name = _text(config.get("name"))
        if name == ANSWER_TOOL:
            raise missing(f"tools[{index}].provider.config_json", "the gateway has its own use for this name")
        self._names[tool.type] = name
        return {**config, "type": tool.type}

    def _choose(self, choice: v1.ToolChoice) -> None:
        kind = _MODES[choice.mode]
        if kind == "none":
            if choice.HasField("parallel"):
                self.left_out.append("tool_choice.parallel")
            if choice.allowed_tools:
                self.left_out.append("tool_choice.allowed_tools")
            self.members["tool_choice"] = {"type": "none"}
            return
        wire: dict[str, Any] = {"type": kind}
        if kind == "any":
            if not can_force(self._capability):
                raise missing("tool_choice.mode", "this model can't be made to call a tool; let it decide")
            if len(choice.allowed_tools) == 1:
                wire = {"type": "tool", "name": self._wire_name(choice.allowed_tools[0])}
        if choice.HasField("parallel"):
            wire["disable_parallel_tool_use"] = not choice.parallel
        if choice.mode or choice.HasField("parallel"):
            self.members["tool_choice"] = wire

    def _wire_name(self, name: str) -> str:
        wire = self._names.get(name, name)
        if not wire:
            text = "this tool's settings give it no name, and the provider forces tools by their names; set one"
            raise missing("tool_choice.allowed_tools[0]", text)
        return wire


def _text(value: msgspec.Raw | None) -> str:
    """The text that a member of a tool's settings is; empty if it is none."""
    try:
        return msgspec.json.decode(value, type=str) if value is not None else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
