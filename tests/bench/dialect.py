"""CPU of OpenAI's dialect: python -m tests.bench.dialect

Prints microseconds for encoding the request of a 20-turn conversation with tools and decoding its answer, and for each
chunk of a streamed answer. Each figure is the best of several runs.
"""

import json
import time
from collections.abc import Callable
from typing import Final

from tests.golden.folders import DEPLOYMENT, DIALECT
from trunkline import v1

_RUNS: Final = 7
_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {name: {"type": "string", "description": f"The {name}."} for name in ("city", "day", "unit")},
        "required": ["city"],
        "additionalProperties": False,
    }
).encode()


def conversation(turns: int = 20, tools: int = 5) -> v1.CompleteRequest:
    """A question, a tool call, its result and an answer, again and again: five messages for two turns of each side."""
    request = v1.CompleteRequest(model="small", max_output_tokens=512)
    for number in range(tools):
        request.tools.add(
            function=v1.FunctionTool(name=f"tool_{number}", description="D" * 80, parameters_json_schema=_SCHEMA)
        )
    request.messages.add(role=v1.ROLE_SYSTEM).blocks.add(text=v1.Text(text="Be brief. " * 20))
    for turn in range(turns):
        request.messages.add(role=v1.ROLE_USER).blocks.add(text=v1.Text(text="What is the weather there? " * 4))
        call = v1.ToolCall(id=f"call_{turn}", name="tool_1", arguments_json=b'{"city":"Lima"}', arguments_valid=True)
        request.messages.add(role=v1.ROLE_ASSISTANT).blocks.add(tool_call=call)
        result = v1.ToolResult(
            tool_call_id=f"call_{turn}", blocks=[v1.Block(text=v1.Text(text="12 degrees, rain " * 10))]
        )
        request.messages.add(role=v1.ROLE_TOOL).blocks.add(tool_result=result)
        request.messages.add(role=v1.ROLE_ASSISTANT).blocks.add(text=v1.Text(text="It rains and is cold. " * 4))
    return request


def answer() -> bytes:
    """A whole answer with text and a tool call."""
    call = {"id": "call_x", "type": "function", "function": {"name": "tool_1", "arguments": '{"city":"Lima"}'}}
    message = {"role": "assistant", "content": "Let me look. " * 20, "refusal": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 2000, "completion_tokens": 90, "prompt_tokens_details": {"cached_tokens": 1024}}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return json.dumps(body).encode()


def stream(chunks: int) -> bytes:
    """A streamed text, as OpenAI sends it."""
    choice = {"index": 0, "delta": {"content": " token"}, "logprobs": None, "finish_reason": None}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini-2025-08-07"}
    chunk |= {
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [choice],
        "usage": None,
        "obfuscation": "a1B2",
    }
    return (b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n") * chunks


def feed(data: bytes, step: int) -> None:
    """Decode a stream that comes in pieces of this many bytes."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])


def best(act: Callable[[], object], times: int) -> float:
    """Microseconds of CPU for one act."""
    act()
    runs = []
    for _ in range(_RUNS):
        start = time.process_time()
        for _ in range(times):
            act()
        runs.append((time.process_time() - start) / times * 1e6)
    return min(runs)


def main() -> None:
    """Print the figures."""
    request, body = conversation(), answer()
    encode = best(lambda: DIALECT.encode(request, DEPLOYMENT, stream=False), 200)
    decode = best(lambda: DIALECT.decode(body, DEPLOYMENT), 1000)
    print(f"encode of {len(request.messages)} messages, {len(request.tools)} tools: {encode:8.1f} us")
    print(f"decode of a whole answer:           {decode:8.1f} us")
    print(f"together:                           {encode + decode:8.1f} us")
    chunks = 5000
    data = stream(chunks)
    for name, step in (("one read each", len(data) // chunks), ("reads of 16 KiB", 16384)):
        print(f"streamed chunk, {name + ':':<18}  {best(lambda step=step: feed(data, step), 1) / chunks:8.2f} us")


if __name__ == "__main__":
    main()
