"""Tools, and the rules for calling them."""

from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.refusal import missing

__all__ = ["Tools"]

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
"""The wire wants a schema."""


class Tools:
    """The tools of one request. `members` go into the body."""

    __slots__ = ("left_out", "members")

    def __init__(self, request: v1.CompleteRequest) -> None:
        self.left_out: list[str] = []
        self.members: dict[str, Any] = {}
        tools = [self._tool(index, tool) for index, tool in enumerate(request.tools)]
        if request.HasField("tool_choice"):
            tools = self._choose(request.tool_choice, tools)
        if tools:
            self.members["tools"] = tools
            self._hold(request)

    def _tool(self, index: int, tool: v1.Tool) -> dict[str, Any]:
        if tool.WhichOneof("kind") == "provider":
            text = "this provider runs no tools of its own; route the call to one that does"
            raise missing(f"tools[{index}].provider", text)
        if tool.HasField("cache_mark"):
            self.left_out.append(f"tools[{index}].cache_mark")
        function = tool.function
        wire: dict[str, Any] = {"name": function.name}
        if function.description:
            wire["description"] = function.description
        schema = function.parameters_json_schema
        wire["parameters"] = embedded(schema) if schema else _NO_ARGUMENTS
        return {"type": "function", "function": wire}

    def _choose(self, choice: v1.ToolChoice, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The tools that are sent: the wire can force a call, and can't say which."""
        if choice.mode == v1.TOOL_CHOICE_MODE_NONE:
            if tools:
                self.members["tool_choice"] = "NONE"
            self.left_out += [f"tool_choice.{field.name}" for field, _ in choice.ListFields() if field.name != "mode"]
            return tools
        if choice.HasField("parallel"):
            if not choice.parallel:
                raise missing("tool_choice.parallel", "this provider can't be held to one call at a time; leave it out")
            self.left_out.append("tool_choice.parallel")  # it may call several as it is
        if choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED:
            self.members["tool_choice"] = "REQUIRED"
        if not choice.allowed_tools:
            return tools
        names = frozenset(choice.allowed_tools)
        kept = [tool for tool in tools if tool["function"]["name"] in names]
        if len(kept) == len(tools):
            self.left_out.append("tool_choice.allowed_tools")  # there are no others
        return kept

    def _hold(self, request: v1.CompleteRequest) -> None:
        """Whether arguments must fit the schemas is said of all tools at once."""
        sent = frozenset(tool["function"]["name"] for tool in self.members["tools"])
        said = [
            (index, tool.function.strict if tool.function.HasField("strict") else None)
            for index, tool in enumerate(request.tools)
            if tool.function.name in sent
        ]
        strict = any(value for _, value in said)
        if strict:
            for index, value in said:
                if not value:
                    text = "this provider holds all tools to their schemas, or none; say the same of each"
                    raise missing(f"tools[{index}].function.strict", text)
        if strict or any(value is False for _, value in said):
            self.members["strict_tools"] = strict
