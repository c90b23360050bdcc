"""Tools, and the rules for calling them, as `toolConfig` and what Claude has beside it.

1. Converse has no word for "none" and none for how many calls there may be. Claude has both, and takes them in
   additionalModelRequestFields, where its whole tool_choice then stands.
2. Converse wants the tools declared that an earlier turn called. Where the caller sends none, they are declared by name
   and may not be called.
3. Claude's own tools for computers need a beta, which Converse takes beside them.
4. A response format that the model does not have stands as a tool that has to be called; its name is reserved.

Sources: the shape ToolConfiguration in botocore 1.44, tool_choice and the betas in anthropic 2.12,
https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use-inference-call.html and .../computer-use.html.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.tools import configured_name, tool_name
from trunkline_server.providers.bedrock.families import Family
from trunkline_server.providers.bedrock.messages import Marks
from trunkline_server.providers.bedrock.options import BETAS
from trunkline_server.providers.bedrock.pieces import ANSWER_TOOL
from trunkline_server.providers.jsontext import embedded, members_of
from trunkline_server.providers.refusal import missing

__all__ = ["Tools", "answer_tool"]

_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_ANY_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object"}')
_SYSTEM_TOOL: Final = "systemTool"
"""Type of the provider's tools that Bedrock itself runs; others are the model's vendor's."""
_BETAS: Final = {
    "computer_20241022": "computer-use-2024-10-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
}
"""By the type of the tool."""
_OF_CLAUDE: Final = {
    v1.TOOL_CHOICE_MODE_UNSPECIFIED: "auto",
    v1.TOOL_CHOICE_MODE_AUTO: "auto",
    v1.TOOL_CHOICE_MODE_NONE: "none",
    v1.TOOL_CHOICE_MODE_REQUIRED: "any",
}

_Wire = dict[str, Any]


class Tools:
    """The tools of one request. `config` is toolConfig, if there is one; `members` are for the model itself."""

    __slots__ = ("_choice", "_family", "_marks", "_own", "_tools", "config", "forced", "left_out", "members")

    def __init__(self, request: v1.CompleteRequest, family: Family, marks: Marks) -> None:
        self._family = family
        self._marks = marks
        self._choice = request.tool_choice
        self._tools: list[_Wire] = []
        self._own: set[str] = set()
        """Names of the provider's tools."""
        self.left_out: list[str] = []
        self.members: _Wire = {}
        self.config: _Wire = {}
        self.forced = ""
        """Path of what has a tool forced, if one is."""
        wanted = frozenset(request.tool_choice.allowed_tools) if request.HasField("tool_choice") else frozenset()
        for index, tool in enumerate(request.tools[:]):
            if wanted and tool_name(tool) not in wanted:
                self.left_out.append(f"tools[{index}]")  # what may not be called is not shown
            else:
                self._add(index, tool)
        if request.HasField("tool_choice"):
            self._choose(request.tool_choice)
        if self._tools:
            self.config = {"tools": self._tools, **self.config}

    def _add(self, index: int, tool: v1.Tool) -> None:
        if tool.WhichOneof("kind") == "function":
            self._tools.append({"toolSpec": self._function(index, tool.function)})
        elif not self._provider_tool(index, tool.provider):
            if tool.HasField("cache_mark"):
                self.left_out.append(f"tools[{index}].cache_mark")
            return
        if tool.HasField("cache_mark"):
            if self._marks.taken:
                self._tools.append(self._marks.point(tool.cache_mark))
            else:
                self.left_out.append(f"tools[{index}].cache_mark")

    def _function(self, index: int, function: v1.FunctionTool) -> _Wire:
        if function.name == ANSWER_TOOL:
            raise missing(f"tools[{index}].function.name", "this name is the gateway's own here; take another")
        wire: _Wire = {"name": function.name}
        if function.description:
            wire["description"] = function.description
        schema = function.parameters_json_schema
        wire["inputSchema"] = {"json": embedded(schema) if schema else _NO_ARGUMENTS}
        if function.HasField("strict"):
            wire["strict"] = function.strict
        return wire

    def _provider_tool(self, index: int, tool: v1.ProviderTool) -> bool:
        """Whether it stands in toolConfig; else it is the model's own business."""
        where = f"tools[{index}].provider"
        if tool.dialect != "bedrock":
            raise missing(where, "this tool is another dialect's; route the call to a provider that speaks it")
        config = members_of(tool.config_json) if tool.config_json else {}
        self._own.add(configured_name(tool) or tool.type)
        if tool.type == _SYSTEM_TOOL:
            self._tools.append({_SYSTEM_TOOL: config})
            return True
        if not self._family.tool_choice:
            raise missing(f"{where}.type", f"this model has Bedrock's own tools alone; set {_SYSTEM_TOOL}")
        self.members.setdefault("tools", []).append({**config, "type": tool.type})
        if beta := _BETAS.get(tool.type):
            self.members[BETAS] = [beta]
        return False

    def _choose(self, choice: v1.ToolChoice) -> None:
        required = choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED
        one = choice.allowed_tools[0] if required and len(choice.allowed_tools) == 1 else ""
        if required:
            self.forced = "tool_choice.mode"
        none = choice.mode == v1.TOOL_CHOICE_MODE_NONE
        if self._family.tool_choice and (choice.HasField("parallel") or none or not self._tools):
            self._choose_as_claude(choice, one)
            return
        if choice.HasField("parallel"):
            if not choice.parallel:
                raise missing("tool_choice.parallel", "this model's calls can't be limited to one; leave it out")
            self.left_out.append("tool_choice.parallel")
        if required:
            self.config["toolChoice"] = {"tool": {"name": one}} if one else {"any": {}}
        elif choice.mode == v1.TOOL_CHOICE_MODE_AUTO:
            self.config["toolChoice"] = {"auto": {}}

    def _choose_as_claude(self, choice: v1.ToolChoice, one: str) -> None:
        wire: _Wire = {"type": "tool", "name": one} if one else {"type": _OF_CLAUDE[choice.mode]}
        if choice.HasField("parallel"):
            if wire["type"] == "none":
                self.left_out.append("tool_choice.parallel")
            else:
                wire["disable_parallel_tool_use"] = not choice.parallel
        self.members["tool_choice"] = wire

    def after(self, called: Iterable[str], path_of_call: str) -> None:
        """What the conversation asks of the tools: `called` are the names of those that were called in it."""
        none = self._choice.mode == v1.TOOL_CHOICE_MODE_NONE
        if self._tools and none and not self._family.tool_choice:
            if path_of_call:
                text = "this model can't be kept from calling tools that were called before; leave it out"
                raise missing("tool_choice.mode", text)
            self.config = {}
            self.left_out.append("tools")
        elif not self.config and path_of_call:
            self._declare(called, path_of_call)

    def _declare(self, called: Iterable[str], path_of_call: str) -> None:
        if not self._family.tool_choice:
            raise missing(path_of_call, "this model wants the tools declared that were called; send them in tools")
        names = [name for name in called if name not in self._own]
        specs = ({"name": name, "inputSchema": {"json": _ANY_ARGUMENTS}} for name in names)
        if names:
            self.config = {"tools": [{"toolSpec": spec} for spec in specs]}
        if "tools" not in self.members:  # those of the vendor's own may be called
            self.members["tool_choice"] = {"type": "none"}


def answer_tool(schema: msgspec.Raw | None, description: str, *, strict: bool) -> _Wire:
    """The toolConfig of a response format that the model does not have. No schema: any object."""
    spec: _Wire = {"name": ANSWER_TOOL, "description": description or "Gives the answer. Call it once."}
    spec["inputSchema"] = {"json": schema or _ANY_ARGUMENTS}
    if strict:
        spec["strict"] = True
    return {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": ANSWER_TOOL}}}
