"""CPU of the dialects: python -m tests.bench.dialect [NAME ...]

Prints a line for each dialect, of near-twins for the first: microseconds for encoding a conversation with five tools,
of 20 messages and of 81, and for decoding a whole answer; and for each event of a streamed text. An answer and a stream
are golden ones, with the event that gives the most text repeated. Each figure is the median of several runs.

The bounds: 20 messages out and an answer back in 150 us, and 6 us for a streamed event, on a machine that is idle.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from tests.golden.exchange import Exchange, feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.errors import CapabilityMissing
from trunkline_server.providers.registry import ROWS

_RUNS: Final = 11
_FRAMES: Final = 2000
_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {name: {"type": "string", "description": f"The {name}."} for name in ("city", "day", "unit")},
        "required": ["city"],
        "additionalProperties": False,
    }
).encode()


def conversation(messages: int, tools: int = 5) -> v1.CompleteRequest:
    """Instructions, then a question, a tool call, its result and an answer, again and again."""
    request = v1.CompleteRequest(model="small", max_output_tokens=512)
    for number in range(tools):
        request.tools.add(
            function=v1.FunctionTool(name=f"tool_{number}", description="D" * 80, parameters_json_schema=_SCHEMA)
        )
    request.messages.add(role=v1.ROLE_SYSTEM).blocks.add(text=v1.Text(text="Be brief. " * 20))
    for turn in range(messages // 4):
        request.messages.add(role=v1.ROLE_USER).blocks.add(text=v1.Text(text="What is the weather there? " * 4))
        call = v1.ToolCall(id=f"call_{turn}", name="tool_1", arguments_json=b'{"city":"Lima"}', arguments_valid=True)
        request.messages.add(role=v1.ROLE_ASSISTANT).blocks.add(tool_call=call)
        result = v1.ToolResult(
            tool_call_id=f"call_{turn}", blocks=[v1.Block(text=v1.Text(text="12 degrees, rain " * 10))], name="tool_1"
        )
        request.messages.add(role=v1.ROLE_TOOL).blocks.add(tool_result=result)
        request.messages.add(role=v1.ROLE_ASSISTANT).blocks.add(text=v1.Text(text="It rains and is cold. " * 4))
    del request.messages[messages:]
    return request


def median(act: Callable[[], object], times: int) -> float:
    """Microseconds of CPU for one act."""
    act()
    runs = []
    for _ in range(_RUNS):
        start = time.process_time()
        for _ in range(times):
            act()
        runs.append((time.process_time() - start) / times * 1e6)
    return statistics.median(runs)


def longest(exchange: Exchange) -> bytes:
    """The stream with the event that gives the most text many times over; empty if it gives no text."""
    assert exchange.stream is not None
    parts = [part + b"\n\n" for part in exchange.stream.split(b"\n\n") if part]
    texts: list[tuple[int, int]] = []
    decoder = exchange.dialect.stream_decoder(exchange.deployment)
    for index, part in enumerate(parts):
        events = decoder.feed(part)
        size = sum(len(event.block_delta.text) for event in events if event.HasField("block_delta"))
        if size and len(events) == 1:  # the first text starts a block as well
            texts.append((size, index))
    if not texts:
        return b""
    _, at = max(texts)
    return b"".join([*parts[: at + 1], *[parts[at]] * _FRAMES, *parts[at + 1 :]])


def _first_of_each(names: list[str]) -> Iterator[str]:
    seen = set()
    for name, row in ROWS.items():
        if name in names or (not names and row.speaker not in seen):
            seen.add(row.speaker)
            yield name


def _encoding(exchange: Exchange, messages: int) -> float:
    request = conversation(messages)
    return median(lambda: exchange.dialect.encode(request, exchange.deployment, stream=False), 200)


def _decoding(exchange: Exchange) -> float:
    assert exchange.upstream_response is not None
    body = json.dumps(exchange.upstream_response["body"]).encode()
    return median(lambda: exchange.decode(body), 300)


def _streaming(exchange: Exchange) -> float:
    data = longest(exchange)
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)]
    return median(lambda: feed_all(exchange.dialect.stream_decoder(exchange.deployment), pieces), 1) / _FRAMES


def _line(name: str, exchanges: list[Exchange]) -> str:
    try:
        encodings = [_encoding(exchanges[0], messages) for messages in (20, 81)]
    except CapabilityMissing as error:
        return f"{name:<18} takes no such conversation: {error.violations[0].field}"
    answered = next(each for each in exchanges if each.upstream_response and each.response)
    decoding = _decoding(answered)
    told = next((each for each in exchanges if each.stream and each.events and not each.error and longest(each)), None)
    event = f"{_streaming(told):>12.1f}" if told else f"{'-':>12}"
    figures = [*encodings, decoding, encodings[0] + decoding]
    return f"{name:<18}" + "".join(f"{figure:>12.1f}" for figure in figures) + event


def main() -> None:
    """Print the table."""
    found = [each for each in find().exchanges if each.verb == "complete"]
    heads = ("20 messages", "81", "answer", "20 + answer", "event")
    print(f"{'us':<18}" + "".join(f"{head:>12}" for head in heads))
    for name in _first_of_each(sys.argv[1:]):
        if exchanges := [each for each in found if each.dialect.name == name]:
            text = [each for each in exchanges if each.name.endswith(("/text", "/tool", "/reasoning"))]
            print(_line(name, text + exchanges), flush=True)


if __name__ == "__main__":
    main()
