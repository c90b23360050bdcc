"""The gateway before llama.cpp's own server, which answers in the dialects of several providers."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import grpc
import pytest

from tests.integration.test_real_model import LLAMA
from tests.running import Running, ask, completion, reason, running
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.local_model import weights

QUESTION: Final = "Name three colours."
PATHS: Final = {"openai": "/v1", "llamacpp": "/v1", "openai-responses": "/v1", "anthropic": "/v1"}
"""Dialects that it speaks, and the path of the base URL for each."""
OWN: Final = {"openai-responses": {"native_count": True}}
TELLS_LENGTH: Final = [name for name in PATHS if name != "openai-responses"]
"""In OpenAI's newer dialect it calls an answer completed that was cut at its bound (xllamacpp 2026.10.11549)."""


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """A llama.cpp server of its own."""
    command = (sys.executable, "-c", LLAMA, str(weights.find(None)))
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **streams) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
async def gateway(llama: str) -> AsyncIterator[Running]:
    """A model for each dialect, called by the dialect's name."""
    document = {
        "providers": {
            name: {"dialect": name, "base_url": f"{llama}{path}", "api_key": "none", **OWN.get(name, {})}
            for name, path in PATHS.items()
        },
        "models": {name: {"deployments": [{"provider": name, "upstream_model": "any"}]} for name in PATHS},
    }
    async with running(document) as one:
        yield one


def asked(model: str, **fields: Any) -> v1.CompleteRequest:
    """A request whose answer is the same each time."""
    return ask(QUESTION, model=model, sampling=v1.Sampling(temperature=0), **fields)


async def whole(gateway: Running, request: v1.CompleteRequest) -> v1.CompleteResponse:
    async with gateway.channel() as channel:
        return await completion(channel).Complete(request, timeout=60)


def text(answer: v1.CompleteResponse) -> str:
    return "".join(block.text.text for block in answer.message.blocks)


@pytest.mark.parametrize("model", PATHS)
async def test_text(gateway: Running, model: str) -> None:
    """A real model's answer streams in many pieces, and says the same as the whole one, usage included."""
    request = asked(model, max_output_tokens=12)
    unary = await whole(gateway, request)
    async with gateway.channel() as channel:
        stream = completion(channel).StreamComplete(request, timeout=60)
        events = [event async for message in stream for event in message.events]
    streamed = fold(events)
    assert sum(event.block_delta.text != "" for event in events) > 5
    assert text(streamed) == text(unary) != ""
    for answer in (unary, streamed):
        usage = answer.finished.usage
        assert (usage.input_tokens, usage.output_tokens) == (34, 12)
        assert usage.input_source == usage.output_source == v1.USAGE_SOURCE_PROVIDER


@pytest.mark.parametrize("model", TELLS_LENGTH)
async def test_length(gateway: Running, model: str) -> None:
    """An answer that was cut at the output bound says so."""
    answer = await whole(gateway, asked(model, max_output_tokens=4))
    assert answer.finished.finish_reason == v1.FINISH_REASON_LENGTH


@pytest.mark.parametrize("model", [name for name in PATHS if name != "openai-responses"])
async def test_stop_sequence(gateway: Running, model: str) -> None:
    """A stop sequence ends the answer and is no part of it."""
    answer = await whole(gateway, asked(model, max_output_tokens=40, stop=["e"]))
    assert answer.finished.finish_reason == v1.FINISH_REASON_STOP
    assert text(answer)
    assert "e" not in text(answer)


@pytest.mark.parametrize("model", PATHS)
async def test_context_length(gateway: Running, model: str) -> None:
    """A prompt that does not fit is told as that."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await whole(gateway, ask("x " * 9000, model=model, max_output_tokens=4))
    assert reason(caught.value) == "CONTEXT_LENGTH_EXCEEDED"


@pytest.mark.parametrize("model", [name for name in PATHS if name not in ("openai", "llamacpp")])
async def test_count(gateway: Running, model: str) -> None:
    """The count that the server gives before is the usage that it reports after."""
    async with gateway.channel() as channel:
        counted = await completion(channel).CountTokens(v1.CountTokensRequest(request=asked(model)), timeout=60)
    assert (counted.input_tokens, counted.source) == (34, v1.USAGE_SOURCE_PROVIDER)
