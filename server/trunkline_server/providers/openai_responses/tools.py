"""Tools, and the rules for calling them."""

from typing import Any, Final

from trunkline import v1
from trunkline_server.core.tools import tool_name
from trunkline_server.providers.jsontext import embedded, members_of
from trunkline_server.providers.refusal import missing

__all__ = ["Tools"]

_MODES: Final = {
    v1.TOOL_CHOICE_MODE_AUTO: "auto",
    v1.TOOL_CHOICE_MODE_NONE: "none",
    v1.TOOL_CHOICE_MODE_REQUIRED: "required",
}
_NAMING: Final = ("name", "server_label")
"""Settings by which a choice tells tools of one type apart."""


class Tools:
    """The tools of one request. `members` go into the body; `custom` names tools that take free text."""

    __slots__ = ("_dialect", "_references", "custom", "left_out", "members")

    def __init__(self, request: v1.CompleteRequest, dialect: str) -> None:
        self._dialect = dialect
        self._references: dict[str, dict[str, Any]] = {}
        """By what a tool is called, what stands for it on the wire where it is chosen."""
        self.left_out: list[str] = []
        self.members: dict[str, Any] = {}
        if request.tools:
            self.members["tools"] = [self._tool(index, tool) for index, tool in enumerate(request.tools)]
        self.custom = frozenset(name for name, chosen in self._references.items() if chosen["type"] == "custom")
        if request.HasField("tool_choice"):
            self._choose(request.tool_choice)

    def _tool(self, index: int, tool: v1.Tool) -> dict[str, Any]:
        if tool.HasField("cache_mark"):
            self.left_out.append(f"tools[{index}].cache_mark")
        if tool.WhichOneof("kind") == "provider":
            return self._provider_tool(index, tool)
        function = tool.function
        self._references[function.name] = {"type": "function", "name": function.name}
        wire: dict[str, Any] = {"type": "function", "name": function.name}
        if function.description:
            wire["description"] = function.description
        schema = function.parameters_json_schema
        # Both have to be there; null is the wire's word for unset.
        wire["parameters"] = embedded(schema) if schema else None
        wire["strict"] = function.strict if function.HasField("strict") else None
        return wire

    def _provider_tool(self, index: int, tool: v1.Tool) -> dict[str, Any]:
        own = tool.provider
        if own.dialect != self._dialect:
            text = "this tool is another dialect's; route the call to a provider that speaks it"
            raise missing(f"tools[{index}].provider", text)
        config = members_of(own.config_json) if own.config_json else {}
        chosen: dict[str, Any] = {"type": own.type}
        chosen.update((name, config[name]) for name in _NAMING if name in config)
        self._references[tool_name(tool)] = chosen
        return {**config, "type": own.type}

    def _choose(self, choice: v1.ToolChoice) -> None:
        wire = self._choice(choice)
        if wire is not None:
            self.members["tool_choice"] = wire
        if choice.HasField("parallel"):
            self.members["parallel_tool_calls"] = choice.parallel

    def _choice(self, choice: v1.ToolChoice) -> str | dict[str, Any] | None:
        mode = _MODES.get(choice.mode)
        if mode == "none" or not choice.allowed_tools:
            return mode
        tools = [self._references[name] for name in choice.allowed_tools]
        if mode == "required" and len(tools) == 1:
            return tools[0]
        return {"type": "allowed_tools", "mode": mode or "auto", "tools": tools}
