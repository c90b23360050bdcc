"""What the client does when the gateway, or what stands in its place, is broken or malicious."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

import trunkline
from tests.fakes.gateway import Gateway, fail, running_gateway
from trunkline import v1
from trunkline.fold import MAX_BLOCKS

NOT_PROTOBUF = b"\xff\xff\xff"
Call = Callable[[trunkline.AsyncClient], Awaitable[Any]]


async def _collect(client: trunkline.AsyncClient) -> Any:
    async with client.stream("m", "Hello") as stream:
        return await stream.collect()


CALLS: dict[str, Call] = {
    "complete": lambda client: client.complete("m", "Hello"),
    "stream": _collect,
    "embed": lambda client: client.embed("m", "Hello"),
    "count_tokens": lambda client: client.count_tokens("m", "Hello"),
    "models": lambda client: client.models(),
    "model": lambda client: client.model("m"),
    "outcome": lambda client: client.outcome("poem-1"),
    "health": lambda client: client.health(),
}
BLOCKING: dict[str, Callable[[trunkline.Client], Any]] = {
    "complete": lambda client: client.complete("m", "Hello"),
    "embed": lambda client: client.embed("m", "Hello"),
    "models": lambda client: client.models(),
}


class _AnyMethod(grpc.GenericRpcHandler):
    """Answers every method with these bytes, and OK."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers

    def service(self, handler_call_details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._answer)

    async def _answer(self, requests: Any, context: Any) -> None:
        await context.read()
        for answer in self._answers:
            await context.write(answer)


@asynccontextmanager
async def _answering(*answers: bytes) -> AsyncIterator[str]:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((_AnyMethod(*answers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answers", [(), (NOT_PROTOBUF,)], ids=["none", "not protobuf"])
async def test_an_answer_that_is_none_raises(name: str, answers: tuple[bytes, ...]):
    """OK without a message, and a message that is none, end each kind of call with an error of ours."""
    async with _answering(*answers) as target, trunkline.AsyncClient(target, timeout=30) as client:
        with pytest.raises(trunkline.TrunklineError) as raised:
            await CALLS[name](client)
    assert raised.value.code in ("DATA_LOSS", "INTERNAL")
    assert raised.value.request_id


@pytest.mark.parametrize("name", BLOCKING)
def test_a_delay_beyond_all_bounds_is_left_out(name: str):
    """A delay that no Duration may have is left out, and the failure is still raised as what it is."""
    with running_gateway() as gateway, trunkline.Client(gateway.target, timeout=30) as client:
        for seconds in (2**62, -(2**62)):
            gateway.on_complete = gateway.on_embed = gateway.on_models = fail(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "no", reason="RATE_LIMITED", retry_after_s=seconds
            )
            with pytest.raises(trunkline.RateLimited) as raised:
                BLOCKING[name](client)
            assert raised.value.retry_after is None
            assert raised.value.reason == "RATE_LIMITED"


async def test_a_health_that_nobody_knows_is_unknown():
    """A status beyond those of the protocol is UNKNOWN."""
    answer = health_pb2.HealthCheckResponse.FromString(b"\x08\x63").SerializeToString()
    async with _answering(answer) as target, trunkline.AsyncClient(target, timeout=30) as client:
        assert await client.health() == "UNKNOWN"


async def _endless(events: Callable[[int], v1.StreamEvent]) -> AsyncIterator[v1.StreamCompleteResponse]:
    yield v1.StreamCompleteResponse(events=[v1.StreamEvent(started=v1.Started(request_id="endless"))])
    for number in count():
        first = 1 + 100 * number
        yield v1.StreamCompleteResponse(first_seq=first, events=[events(first - 1 + more) for more in range(100)])


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (lambda number: v1.StreamEvent(block_start=v1.BlockStart(index=number)), f"at most {MAX_BLOCKS}"),
        (lambda number: v1.StreamEvent(usage_update=v1.UsageUpdate()), "larger than"),
        (lambda number: v1.StreamEvent(), "larger than"),
    ],
    ids=["blocks", "usage", "unknown events"],
)
async def test_an_answer_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, event: Any, word: str):
    """A stream that goes on for ever is cut at a bound, and its call is cancelled."""
    monkeypatch.setattr("trunkline.fold.MAX_ANSWER_BYTES", 1024 * 1024)
    async with Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=60) as client:
        gateway.on_stream = lambda request, context: _endless(event)
        with pytest.raises(trunkline.BrokenStream, match=word):
            await _collect(client)
        assert await asyncio.to_thread(gateway.last.ended.wait, 10)


async def test_a_list_of_models_without_end_is_ended(monkeypatch: pytest.MonkeyPatch):
    """Pages that go on for ever are cut at a bound on their bytes."""
    monkeypatch.setattr("trunkline.aio.MODELS_BYTES", 100_000)
    page = v1.ListModelsResponse(models=[v1.Model(name="m", description="x" * 60_000)], next_page_token="more")
    async with _answering(page.SerializeToString()) as target, trunkline.AsyncClient(target, timeout=30) as client:
        with pytest.raises(trunkline.BrokenStream, match="does not end"):
            await client.models()
