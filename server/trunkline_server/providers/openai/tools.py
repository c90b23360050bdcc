"""Tools, and the rules for calling them."""

from typing import Any, Final

from trunkline import v1
from trunkline_server.core.tools import configured_name, tool_name
from trunkline_server.providers.jsontext import embedded, members_of
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.refusal import missing

__all__ = ["Tools"]

_MODES: Final = {
    v1.TOOL_CHOICE_MODE_AUTO: "auto",
    v1.TOOL_CHOICE_MODE_NONE: "none",
    v1.TOOL_CHOICE_MODE_REQUIRED: "required",
}


class Tools:
    """The tools of one request. `members` go into the body; `custom` names tools that take free text."""

    __slots__ = ("_names", "_quirks", "_references", "custom", "left_out", "members")

    def __init__(self, request: v1.CompleteRequest, quirks: Quirks) -> None:
        self._quirks = quirks
        self._names = [tool_name(tool) for tool in request.tools]
        """What `allowed_tools` calls each."""
        self._references: dict[str, dict[str, Any]] = {}
        """By what a tool is called, what stands for it on the wire where it is chosen."""
        self.left_out: list[str] = []
        self.members: dict[str, Any] = {}
        if request.tools and not quirks.tools:
            raise missing("tools", "this provider can't call tools; leave them out, or ask for another model")
        if request.tools:
            self.members["tools"] = [self._tool(index, tool) for index, tool in enumerate(request.tools)]
        self.custom = frozenset(name for name, chosen in self._references.items() if "custom" in chosen)
        if request.HasField("tool_choice"):
            self._choose(request.tool_choice)

    def _tool(self, index: int, tool: v1.Tool) -> dict[str, Any]:
        if tool.HasField("cache_mark"):
            self.left_out.append(f"tools[{index}].cache_mark")
        if tool.WhichOneof("kind") == "provider":
            return self._provider_tool(index, tool.provider)
        function = tool.function
        self._references[function.name] = {"type": "function", "function": {"name": function.name}}
        wire: dict[str, Any] = {"name": function.name}
        if function.description:
            wire["description"] = function.description
        if function.parameters_json_schema:
            wire["parameters"] = embedded(function.parameters_json_schema)
        elif self._quirks.needs_parameters:
            wire["parameters"] = {"type": "object", "properties": {}}
        if function.HasField("strict"):
            wire["strict"] = function.strict
        return {"type": "function", "function": wire}

    def _provider_tool(self, index: int, tool: v1.ProviderTool) -> dict[str, Any]:
        if tool.dialect != self._quirks.name:
            text = "this tool is another dialect's; route the call to a provider that speaks it"
            raise missing(f"tools[{index}].provider", text)
        config = members_of(tool.config_json) if tool.config_json else {}
        name = configured_name(tool)
        chosen = self._references[name or tool.type] = {"type": tool.type}
        if name:
            chosen[tool.type] = {"name": name}
        return {**config, "type": tool.type}

    def _choose(self, choice: v1.ToolChoice) -> None:
        wire = self._choice(choice)
        if wire is not None:
            self.members["tool_choice"] = wire
        if not choice.HasField("parallel"):
            return
        if self._quirks.parallel_tool_calls:
            self.members["parallel_tool_calls"] = choice.parallel
        elif choice.parallel:
            self.left_out.append("tool_choice.parallel")
        else:
            raise missing("tool_choice.parallel", "this provider can't be held to one call at a time; leave it out")

    def _choice(self, choice: v1.ToolChoice) -> str | dict[str, Any] | None:
        mode, forms = _MODES.get(choice.mode), self._quirks.tool_choices
        if mode == "none" and "none" not in forms:
            if self.members.pop("tools", None):  # whoever has no tool calls none
                self.left_out.append("tools")
            return None
        if mode == "required" and "required" not in forms:
            raise missing("tool_choice.mode", "this provider can't be made to call a tool; let the model choose")
        if mode == "none" or not choice.allowed_tools:
            return mode if mode in forms else None
        tools = [self._references[name] for name in choice.allowed_tools]
        if mode == "required" and len(tools) == 1 and len(tools[0]) > 1 and "named" in forms:
            return tools[0]  # the wire forces one tool by its name; one that has only a type is the only one allowed
        if "subset" in forms:
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode or "auto", "tools": tools}}
        self._keep_only(set(choice.allowed_tools))
        return mode if mode in forms else None

    def _keep_only(self, names: set[str]) -> None:
        """A server that knows only the modes can't call what it isn't given."""
        tools = enumerate(zip(self.members["tools"], self._names, strict=True))
        kept = {index: tool for index, (tool, name) in tools if name in names}
        self.left_out += [f"tools[{index}]" for index in range(len(self._names)) if index not in kept]
        self.members["tools"] = list(kept.values())
