"""CPU of the client beside bare gRPC, in one run: python -m tests.bench.client [--blocks N]

Four figures, all of them CPU of the client's whole process, user and system; the server is a process of its own.

1. First use: `import trunkline` and a Client made, in a fresh process, to `import grpc` in one. Bound: 1.5. The first
   call loads the contract and the runtime of protobuf, through the client as through a stub; neither is in this figure.
2. A unary call through the client to one through the generated stub, with the same request built by hand for each call
   and no metadata, on a channel with the same options, retries among them. Bound: 1.15.
3. Microseconds that each streamed event costs more through the client than by `for message in call: for event in
   message.events`, with 1 event a message and with 20; where the client's text is read, both sides read it. Bound: 2.
4. The same without gRPC: messages that are in memory already. With 1 event a message, gRPC's threads cost so much, and
   so unevenly, that the third figure says little about the client; this one does.

Each is the median over blocks in the order ABBA, beside the same of A to A in these blocks (median, and the 90th
percentile that a figure may reach where it misses its bound). Exits with 1 if a figure misses both.
"""

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc

import trunkline
from tests.fakes import gateway as fake
from trunkline import v1
from trunkline.connection import Connection
from trunkline.stream import AsyncStream, Stream
from trunkline.v1.completion_pb2_grpc import CompletionStub

STREAM_EVENTS: Final = 2000
UNARY_CALLS: Final = 200
TIMEOUT_S: Final = 60.0

Act = Callable[[], Awaitable[None]]
"""Does one block of work. The sync ones never await."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is told of one comparison."""

    name: str
    of_b: list[float]
    of_a: list[float]
    """The same of A to A."""
    bound: float
    unit: str

    @property
    def holds(self) -> bool:
        return statistics.median(self.of_b) <= max(self.bound, statistics.quantiles(self.of_a, n=10)[-1])

    def __str__(self) -> str:
        aside = f"A/A {statistics.median(self.of_a):5.2f}, at most {statistics.quantiles(self.of_a, n=10)[-1]:5.2f}"
        told = f"{self.name:<44}{statistics.median(self.of_b):7.2f} {self.unit:<9}({aside})   bound {self.bound}"
        return told if self.holds else f"{told}   MISSED"


def block(spent: Callable[[bool], float]) -> tuple[float, float, float, float]:
    """CPU seconds of A, B, B and A."""
    return spent(False), spent(True), spent(True), spent(False)


def ratio(name: str, blocks: list[tuple[float, float, float, float]], bound: float) -> Figure:
    of_b = [(second + third) / (first + fourth) for first, second, third, fourth in blocks]
    of_a = [max(first, fourth) / min(first, fourth) for first, _, _, fourth in blocks]
    return Figure(name=name, of_b=of_b, of_a=of_a, bound=bound, unit="x bare")


def difference(name: str, blocks: list[tuple[float, float, float, float]], events: int, bound: float) -> Figure:
    scale = 1e6 / events
    of_b = [(second + third - first - fourth) / 2 * scale for first, second, third, fourth in blocks]
    of_a = [abs(first - fourth) * scale for first, _, _, fourth in blocks]
    return Figure(name=name, of_b=of_b, of_a=of_a, bound=bound, unit="us/event")


def fresh_process(program: str) -> float:
    """CPU seconds of a process that runs this and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_use(blocks: int) -> Iterator[Figure]:
    bare = "import grpc"
    for name in ("Client", "AsyncClient"):
        ours = f"import trunkline\ntrunkline.{name}('127.0.0.1:1')"
        fresh_process(bare), fresh_process(ours)
        measured = [block(lambda ours_now, ours=ours: fresh_process(ours if ours_now else bare)) for _ in range(blocks)]
        yield ratio(f"first use of {name}, to import grpc", measured, 1.5)


def scripts() -> dict[str, list[bytes]]:
    """The messages of a stream, by how many events stand in each."""
    events = fake.events(*["some words "] * (STREAM_EVENTS - 4))
    return {str(count): [message.SerializeToString() for message in fake.messages(events, count)] for count in (1, 20)}


async def serve() -> None:
    """Answers with bytes made beforehand, until its input ends; the model says how many events go in a message."""
    whole = (await fake.answer("Hello")(v1.CompleteRequest(model="m"), None)).SerializeToString()
    messages = scripts()

    async def complete(request: bytes, context: Any) -> bytes:
        return whole

    async def stream(request: bytes, context: Any) -> None:
        for message in messages[v1.CompleteRequest.FromString(request).model]:
            await context.write(message)

    server = grpc.aio.server()
    handlers = {
        "Complete": grpc.unary_unary_rpc_method_handler(complete),
        "StreamComplete": grpc.unary_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("trunkline.v1.Completion", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.client", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        with server.stdin:
            yield f"127.0.0.1:{int(server.stdout.readline())}"


def asked(model: str) -> v1.CompleteRequest:
    turn = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hello"))])
    return v1.CompleteRequest(model=model, messages=[turn])


def channel_options(target: str) -> Any:
    """Those of the client."""
    return Connection.resolve(target, None, TIMEOUT_S, None).options


async def read_messages(start: Callable[[str], Any], model: str) -> None:
    for message in start(model):
        for _ in message.events:
            pass


async def read_raw_text(start: Callable[[str], Any], model: str) -> None:
    for message in start(model):
        for event in message.events:
            _ = event.block_delta.text


async def read_events(start: Callable[[str], Any], model: str) -> None:
    with start(model) as stream:
        for _ in stream:
            pass


async def read_text(start: Callable[[str], Any], model: str) -> None:
    with start(model) as stream:
        for _ in stream.text:
            pass


async def aread_messages(start: Callable[[str], Any], model: str) -> None:
    async for message in start(model):
        for _ in message.events:
            pass


async def aread_raw_text(start: Callable[[str], Any], model: str) -> None:
    async for message in start(model):
        for event in message.events:
            _ = event.block_delta.text


async def aread_events(start: Callable[[str], Any], model: str) -> None:
    async with start(model) as stream:
        async for _ in stream:
            pass


async def aread_text(start: Callable[[str], Any], model: str) -> None:
    async with start(model) as stream:
        async for _ in stream.text:
            pass


def streams(bare: Callable[[str], Any], ours: Callable[[str], Any]) -> dict[str, Act]:
    return of_each(
        raw_events=partial(read_messages, bare),
        raw_text=partial(read_raw_text, bare),
        events=partial(read_events, ours),
        text=partial(read_text, ours),
    )


def astreams(bare: Callable[[str], Any], ours: Callable[[str], Any]) -> dict[str, Act]:
    return of_each(
        raw_events=partial(aread_messages, bare),
        raw_text=partial(aread_raw_text, bare),
        events=partial(aread_events, ours),
        text=partial(aread_text, ours),
    )


@contextmanager
def sync_acts(target: str) -> Iterator[dict[str, Act]]:
    """What is compared, through the client for threads."""
    options = channel_options(target)
    with trunkline.Client(target, timeout=TIMEOUT_S) as client, grpc.insecure_channel(target, options) as channel:
        stub, requests = CompletionStub(channel), {model: asked(model) for model in ("1", "20")}

        async def raw_unary() -> None:
            for _ in range(UNARY_CALLS):
                stub.Complete(asked("m"), timeout=TIMEOUT_S)

        async def unary() -> None:
            for _ in range(UNARY_CALLS):
                client.complete("m", "Hello")

        read = streams(
            lambda model: stub.StreamComplete(requests[model], timeout=TIMEOUT_S),
            lambda model: client.stream(model, "Hello"),
        )
        yield {"raw_unary": raw_unary, "unary": unary, **read}


@asynccontextmanager
async def async_acts(target: str) -> AsyncIterator[dict[str, Act]]:
    """The same, through the client for asyncio."""
    options = channel_options(target)
    async with (
        trunkline.AsyncClient(target, timeout=TIMEOUT_S) as client,
        grpc.aio.insecure_channel(target, options) as channel,
    ):
        stub: Any = CompletionStub(channel)
        requests = {model: asked(model) for model in ("1", "20")}

        async def raw_unary() -> None:
            for _ in range(UNARY_CALLS):
                await stub.Complete(asked("m"), timeout=TIMEOUT_S)

        async def unary() -> None:
            for _ in range(UNARY_CALLS):
                await client.complete("m", "Hello")

        read = astreams(
            lambda model: stub.StreamComplete(requests[model], timeout=TIMEOUT_S),
            lambda model: client.stream(model, "Hello"),
        )
        yield {"raw_unary": raw_unary, "unary": unary, **read}


class Kept:
    """A call whose messages are here already. They are parsed as they are read, as gRPC does it."""

    def __init__(self, messages: list[bytes]) -> None:
        self._parsed = map(v1.StreamCompleteResponse.FromString, messages)

    def __iter__(self) -> Iterator[v1.StreamCompleteResponse]:
        return self._parsed

    def __next__(self) -> v1.StreamCompleteResponse:
        return next(self._parsed)

    async def __aiter__(self) -> AsyncIterator[v1.StreamCompleteResponse]:
        while (message := await self.read()) is not grpc.aio.EOF:
            yield message

    async def read(self) -> Any:
        return next(self._parsed, grpc.aio.EOF)

    def cancel(self) -> bool:
        return False


def kept_acts() -> tuple[dict[str, Act], dict[str, Act]]:
    """The same without gRPC, for threads and for asyncio."""
    messages = scripts()

    async def start(model: str) -> Kept:
        return Kept(messages[model])

    return (
        streams(lambda model: Kept(messages[model]), lambda model: Stream("r", lambda: Kept(messages[model]))),
        astreams(lambda model: Kept(messages[model]), lambda model: AsyncStream("r", lambda: start(model))),
    )


def of_each(**acts: Callable[[str], Awaitable[None]]) -> dict[str, Act]:
    """Streams of 1 event a message and of 20."""
    return {
        f"{name} {model}": lambda act=act, model=model: act(model)
        for name, act in acts.items()
        for model in ("1", "20")
    }


async def spent(act: Act) -> float:
    before = time.process_time()
    await act()
    return time.process_time() - before


async def compare(kind: str, acts: dict[str, Act], blocks: int) -> AsyncIterator[Figure]:
    """Each act through the client with its bare one."""
    for name, act in acts.items():
        word, _, model = name.partition(" ")
        if word.startswith("raw_"):
            continue
        bare = acts[f"raw_{name}"]
        await bare(), await act()
        measured = [(await spent(bare), await spent(act), await spent(act), await spent(bare)) for _ in range(blocks)]
        if model:
            yield difference(f"{kind}: {word}, {model} in a message", measured, STREAM_EVENTS, 2.0)
        else:
            yield ratio(f"{kind}: {word} call", measured, 1.15)


async def figures(blocks: int) -> AsyncIterator[Figure]:
    for figure in first_use(blocks):
        yield figure
    for kind, acts in zip(("threads, no gRPC", "asyncio, no gRPC"), kept_acts(), strict=True):
        async for figure in compare(kind, acts, blocks):
            yield figure
    with serving() as target:
        with sync_acts(target) as acts:
            async for figure in compare("threads", acts, blocks):
                yield figure
        async with async_acts(target) as acts:
            async for figure in compare("asyncio", acts, blocks):
                yield figure


async def report(blocks: int) -> int:
    held = True
    async for figure in figures(blocks):
        print(figure, flush=True)
        held = held and figure.holds
    return 0 if held else 1


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--serve", action="store_true", help="be the server")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return 0
    return asyncio.run(report(given.blocks))


if __name__ == "__main__":
    sys.exit(main())
