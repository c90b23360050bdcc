"""Builds the tools of a request, and the rules for calling them, from what people like to write."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trunkline import parts, v1
from trunkline.notation import checked, checked_text, enum_value, json_bytes, placed, unknown_keys

if TYPE_CHECKING:
    pass

__all__ = ["PythonTool", "ToolForm", "read_functions", "tool_choice", "tools"]


class PythonTool:
    """A Python function as a tool: trunkline.Function, which is loaded with the first of them."""

    __slots__ = ("tool",)

    tool: v1.FunctionTool
    """What the model is told of it."""


ToolForm = v1.Tool | v1.FunctionTool | v1.ProviderTool | PythonTool | Callable[..., Any] | Mapping[str, Any]
"""A tool: of the contract, a Python function, or a function as a dict."""

_FUNCTION_KEYS: Final = frozenset({"name", "description", "parameters", "strict"})
_TOOL_WORDS: Final = (
    "a Python function, a v1.Tool, a v1.FunctionTool, a v1.ProviderTool, or a dict of name, description, parameters, "
    "strict"
)
_MODES: Final = ("auto", "none", "required")


def tools(given: Iterable[ToolForm]) -> list[v1.Tool]:
    """The tools. Raises TypeError or ValueError that names the place."""
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(read_functions(given))]


def read_functions(given: Iterable[ToolForm]) -> list[ToolForm]:
    """The same tools, with each Python function as a Function."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"tools: a list of tools, not {type(given).__name__}")
    return [_read(tool, f"tools[{index}]") for index, tool in enumerate(given)]


def _read(tool: ToolForm, place: str) -> ToolForm:
    if not callable(tool) or isinstance(tool, type):
        return tool
    with placed(place):
        return parts.Function(tool)


def _tool(tool: ToolForm, place: str) -> v1.Tool:
    match tool:
        case v1.Tool():
            return tool
        case v1.FunctionTool():
            return v1.Tool(function=tool)
        case v1.ProviderTool():
            return v1.Tool(provider=tool)
        case PythonTool():
            return v1.Tool(function=tool.tool)
    described: Mapping[str, Any] = checked(tool, Mapping, _TOOL_WORDS, place)
    return v1.Tool(function=_function(_unwrapped(described), place))


def _unwrapped(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function in OpenAI's shapes: {"type": "function", "function": {...}}, or its members beside the type."""
    if tool.get("type") != "function":
        return tool
    inner = tool.get("function")
    return inner if isinstance(inner, Mapping) else {key: tool[key] for key in tool if key != "type"}


def _function(tool: Mapping[str, Any], place: str) -> v1.FunctionTool:
    if not tool.get("name"):
        raise ValueError(f"{place}.name: the function needs a name; a tool is {_TOOL_WORDS}")
    unknown_keys(tool, _FUNCTION_KEYS, place)
    parameters, strict = tool.get("parameters"), tool.get("strict")
    return v1.FunctionTool(
        name=checked_text(tool["name"], f"{place}.name"),
        description=checked_text(tool.get("description") or "", f"{place}.description"),
        parameters_json_schema=b"" if parameters is None else json_bytes(parameters, f"{place}.parameters"),
        strict=None if strict is None else checked(strict, bool, "True or False", f"{place}.strict"),
    )


def tool_choice(choice: str | v1.ToolChoice | Mapping[str, Any], given: Iterable[v1.Tool]) -> v1.ToolChoice:
    """The rules. A word is a mode, or the name of one of the given tools, which the model then has to call."""
    if isinstance(choice, v1.ToolChoice):
        return choice
    wanted: Any = choice
    names = [tool.function.name for tool in given if tool.HasField("function")]
    match choice:
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            wanted = name
        case str() if choice in _MODES:
            return v1.ToolChoice(mode=enum_value(v1.ToolChoiceMode, "TOOL_CHOICE_MODE_", choice, "tool_choice"))
    if wanted not in names:
        told = f"the name of a given tool ({', '.join(names)})" if names else "the name of a tool in tools"
        raise ValueError(f"tool_choice: one of {', '.join(_MODES)}, {told}, or a v1.ToolChoice; not {choice!r}")
    return v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=[wanted])
