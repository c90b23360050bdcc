"""What a run of turns with tools decides. Does no I/O.

1. A turn is one call of the model. Its message and the results of all its tools join the conversation together, so the
   conversation can go on from wherever a run ended.
2. A tool that fails does not end the run: the model is told what was wrong, in at most 2,000 characters. So it is with
   arguments that don't fit, and with names that nobody gave.
3. The texts of one result have at most 1 Mi characters together; what is beyond is cut, and the model is told so.
4. Tools that are no Python functions are the caller's to run: the run ends with the turn that asks for them.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from trunkline import parts, v1
from trunkline.completion import Completion
from trunkline.content import Content, blocks
from trunkline.errors import DeadlineExceeded, TurnLimit
from trunkline.messages import CompletionOptions, Messages, build_request
from trunkline.notation import checked_text
from trunkline.tools import PythonTool, ToolForm, read_functions

if TYPE_CHECKING:
    from trunkline.functions import Function

__all__ = ["Loop", "OnToolError"]

MOST_TOLD: Final = 2_000
"""Characters of a failure that the model is told."""
MOST_RETURNED: Final = 1024 * 1024
"""Characters of a result that the model is told."""

OnToolError = Callable[[v1.ToolCall, Exception], str]
"""Told of a tool's failure; gives what the model is told of it. What it raises ends the run."""


def _as_it_is(_: v1.ToolCall, failure: Exception) -> str:
    """KeyError: 'Paris'."""
    return f"{type(failure).__name__}: {failure}"


class Loop:
    """The conversation of one run, and what it has to do next.

    It goes through these states; `ended` is true in the last alone:

        asking --an answer without calls--> ended
        asking --an answer with calls--> calling --all results--> asking, or ended where calls are left to the caller
    """

    def __init__(
        self,
        model: str,
        messages: Messages,
        options: CompletionOptions,
        *,
        max_turns: int,
        on_tool_error: OnToolError | None,
        deadline: float,
    ) -> None:
        if max_turns < 1:
            raise ValueError(f"max_turns: at least 1, not {max_turns}")
        if options.get("idempotency_key") is not None:
            raise TypeError("idempotency_key: a run makes several calls, and a key names one")
        tools = read_functions(options.get("tools") or ())
        self.functions = _by_name(tools)
        given: CompletionOptions = {**options, "tools": tools}
        self.asked = build_request(model, messages, None, given)
        self.messages = list(self.asked.messages)
        self.asked.ClearField("messages")
        self._kept_choice = isinstance(options.get("tool_choice"), v1.ToolChoice)
        self._max_turns = max_turns
        self._on_tool_error = on_tool_error or _as_it_is
        self._deadline = deadline
        self.turns: list[Completion] = []
        self.pending: tuple[v1.ToolCall, ...] = ()
        """Calls of the last turn that are the caller's to answer."""
        self.ended = False

    def remaining(self) -> float:
        """Seconds until the deadline of the run. Raises DeadlineExceeded when it has come."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded(f"the deadline of the run came after {len(self.turns)} turns")
        return seconds

    def request(self) -> v1.CompleteRequest:
        """What to ask in the next turn. Raises TurnLimit when there was the last."""
        if len(self.turns) >= self._max_turns:
            raise TurnLimit(
                f"the model still asks for tools after {self._max_turns} turns; allow more, or go on from messages",
                messages=tuple(self.messages),
                request_id=self.turns[-1].request_id,
            )
        request = v1.CompleteRequest()
        request.CopyFrom(self.asked)
        request.messages.extend(self.messages)
        return request

    def take(self, answer: Completion) -> list[v1.ToolCall]:
        """The answer of the turn has come. Gives the calls that are to be answered here."""
        self.turns.append(answer)
        self.pending = tuple(call for call in answer.tool_calls if self._is_callers(call.name))
        calls = [call for call in answer.tool_calls if not self._is_callers(call.name)]
        if calls:
            self._free_choice()
        return calls

    def settle(self, results: Sequence[v1.ToolResult]) -> None:
        """All calls of the turn that are answered here are answered."""
        answer = self.turns[-1]
        self.messages.append(answer.message)
        self.messages.extend(v1.Message(role=v1.ROLE_TOOL, blocks=[v1.Block(tool_result=result)]) for result in results)
        paused = answer.finish_reason == v1.FINISH_REASON_PAUSED  # the same conversation again goes on
        self.ended = bool(self.pending) or not (results or paused)

    def prepared(self, call: v1.ToolCall) -> "tuple[Function, dict[str, Any]] | v1.ToolResult":
        """The function with its arguments, or what to tell the model where there are none."""
        function = self.functions.get(call.name)
        if function is None:
            return _failure(call, f"there is no tool {call.name}; there are {', '.join(self.functions) or 'none'}")
        try:
            return function, function.arguments(call.arguments_json)
        except ValueError as wrong:
            return _failure(call, f"wrong arguments: {wrong}")

    def returned(self, call: v1.ToolCall, value: Any) -> v1.ToolResult:
        """What a function gave back, for the model. Raises TypeError or ValueError for what can't be told."""
        return _result(call, parts.content_of(value))

    def failed(self, call: v1.ToolCall, failure: Exception) -> v1.ToolResult:
        """What a function raised, for the model. What `on_tool_error` raises ends the run."""
        return _failure(call, checked_text(self._on_tool_error(call, failure), "on_tool_error"))

    def _is_callers(self, name: str) -> bool:
        if name in self.functions:
            return False
        # How the calls of a provider's tools are named is the provider's to say.
        return any(tool.HasField("provider") or tool.function.name == name for tool in self.asked.tools)

    def _free_choice(self) -> None:
        """A tool that had to be called was called. A choice that went on would never let the model answer."""
        if self.asked.tool_choice.mode != v1.TOOL_CHOICE_MODE_REQUIRED:
            return
        if self._kept_choice:
            self.asked.tool_choice.mode = v1.TOOL_CHOICE_MODE_AUTO
        else:
            self.asked.ClearField("tool_choice")


def _by_name(tools: list[ToolForm]) -> "dict[str, Function]":
    functions: dict[str, Function] = {}
    for index, tool in enumerate(tools):
        if not isinstance(tool, PythonTool):
            continue
        function: Any = tool
        if function.name in functions:
            raise ValueError(f"tools[{index}]: another function is called {function.name}; give one a name")
        functions[function.name] = function
    return functions


def _failure(call: v1.ToolCall, text: str) -> v1.ToolResult:
    """What went wrong. The name of a file may hold what is no Unicode, and would end the run."""
    told = text[:MOST_TOLD].encode(errors="backslashreplace").decode()
    result = _result(call, told)
    result.is_error = True
    return result


def _result(call: v1.ToolCall, content: Content) -> v1.ToolResult:
    told = _bounded(blocks(content, f"the result of {call.name}"))
    return v1.ToolResult(tool_call_id=call.id, name=call.name, blocks=told)


def _bounded(given: Sequence[v1.Block]) -> list[v1.Block]:
    """The same blocks, with texts of no more than the bound. A text that begins beyond it is a note alone."""
    told, room = [], MOST_RETURNED
    for block in given:
        length = len(block.text.text)
        if length > room:
            note = f"\n[cut: {length - room:,} of {length:,} characters are left out here; ask for less]"
            block = v1.Block(text=v1.Text(text=block.text.text[:room] + note))  # noqa: PLW2901 - the caller's stays
        room -= min(length, room)
        told.append(block)
    return told
