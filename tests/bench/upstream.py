"""CPU per request of the upstream client beside that of other clients, in one run.

`python -m tests.bench.upstream` starts the fake provider as a process of its own and asks it, with each client in
turn, block by block in the order ABBA, for small answers over one kept connection: unary ones and streamed ones. It
prints the CPU of this process per request (median of the blocks) and the ratio to the floor: bytes written to and read
from a bare asyncio transport, with no HTTP at all. The server's CPU is not in it.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx2
import uvloop

from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.upstream import Upstream

UNARY = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]}'
STREAMED = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
HEADERS = (("content-type", "application/json"), ("authorization", "Bearer sk-bench"))
TARGET = "/v1/chat/completions"

Ask = Callable[[bytes], Awaitable[int]]


async def trunkline_client(port: int, stack: AsyncExitStack) -> Ask:
    client = Upstream()
    stack.callback(client.close)
    endpoint = Endpoint(scheme="http", host="127.0.0.1", port=port)
    loop = asyncio.get_running_loop()

    async def ask(body: bytes) -> int:
        request = HttpRequest(method="POST", endpoint=endpoint, target=TARGET, headers=HEADERS, body=body)
        size = 0
        # With limits in time, as the router asks.
        with await client.open(request, until=loop.time() + 60) as answer:
            while data := await answer.read(until=loop.time() + 60):
                size += len(data)
        return size

    return ask


async def httpx2_client(port: int, stack: AsyncExitStack) -> Ask:
    client = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False))

    async def ask(body: bytes) -> int:
        size = 0
        async with client.stream("POST", TARGET, content=body, headers=dict(HEADERS)) as answer:
            async for data in answer.aiter_raw():
                size += len(data)
        return size

    return ask


class _Floor(asyncio.Protocol):
    """Writes, and counts until the bytes that end an answer."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.size += len(data)
        if data.endswith(self.ending):
            self.answered.set_result(self.size)


async def floor_client(port: int, stack: AsyncExitStack) -> Ask:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Floor, "127.0.0.1", port)
    stack.callback(transport.abort)
    lines = [f"POST {TARGET} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in HEADERS)]
    head = "\r\n".join(lines) + "\r\ncontent-length: "

    async def ask(body: bytes) -> int:
        protocol.size, protocol.answered = 0, loop.create_future()
        protocol.ending = b"0\r\n\r\n" if body is STREAMED else b"}"
        transport.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        return await protocol.answered

    return ask


CLIENTS = {"floor": floor_client, "trunkline": trunkline_client, "httpx2": httpx2_client}


async def measure(port: int, blocks: int, count: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds of CPU per request: kind -> client -> one figure per block."""
    kinds = {"unary": UNARY, "streamed": STREAMED}
    spent: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in CLIENTS} for kind in kinds}
    async with AsyncExitStack() as stack:
        asks = {name: await make(port, stack) for name, make in CLIENTS.items()}
        for ask in asks.values():
            for body in kinds.values():
                await ask(body)
        for block in range(blocks):
            for name in list(asks)[:: -1 if block % 2 else 1]:
                for kind, body in kinds.items():
                    before = time.process_time()
                    for _ in range(count):
                        await asks[name](body)
                    spent[kind][name].append((time.process_time() - before) / count * 1e6)
    return spent


def main() -> None:
    """Measure on both loops and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--count", type=int, default=200, help="requests in a block")
    given = parser.parse_args()
    command = [sys.executable, "-m", "tests.fakes.provider", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            for loop_name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
                report(loop_name, run(measure(port, given.blocks, given.count)))
        finally:
            server.terminate()


def report(loop_name: str, spent: dict[str, dict[str, list[float]]]) -> None:
    for kind, figures in spent.items():
        medians = {name: statistics.median(values) for name, values in figures.items()}
        for name, value in medians.items():
            print(
                f"{loop_name:8} {kind:9} {name:10} {value:8.1f} us/request   "
                f"{value / medians['floor']:6.2f} x floor   {value / medians['trunkline']:6.2f} x trunkline"
            )


if __name__ == "__main__":
    main()
