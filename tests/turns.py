"""Turns of a model that asks for tools, as a fake gateway streams them, and what it is told of their results."""

import json
from typing import Any

from tests.fakes import gateway as fake
from trunkline import v1


def turn(text: str = "", calls: Any = (), reason: Any = None) -> list[v1.StreamCompleteResponse]:
    """The events of one turn: text, then calls as (id, name, arguments)."""
    events = fake.events(text)
    for index, (number, name, arguments) in enumerate(calls, start=1):
        header = v1.Block(tool_call=v1.ToolCall(id=number, name=name))
        raw = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
        events[-1:-1] = [
            v1.StreamEvent(block_start=v1.BlockStart(index=index, header=header)),
            v1.StreamEvent(block_delta=v1.BlockDelta(index=index, arguments_json=raw)),
            v1.StreamEvent(block_stop=v1.BlockStop(index=index, arguments_valid=True)),
        ]
    given = v1.FINISH_REASON_TOOL_CALLS if calls else v1.FINISH_REASON_STOP
    events[-1].finished.finish_reason = given if reason is None else reason
    return fake.messages(events, 100)


def play(gateway: fake.Gateway, *turns: list[v1.StreamCompleteResponse]) -> None:
    """Answer call after call with these turns; the last again and again."""
    waiting = list(turns)

    async def stream(request, context):
        for message in waiting.pop(0) if len(waiting) > 1 else waiting[0]:
            yield message

    gateway.on_stream = stream


def results(request: v1.CompleteRequest) -> list[v1.ToolResult]:
    """What tools gave back, in the order of the conversation."""
    return [
        block.tool_result for message in request.messages for block in message.blocks if block.HasField("tool_result")
    ]


def told(result: v1.ToolResult) -> str:
    """The text of a result."""
    return "".join(block.text.text for block in result.blocks)
