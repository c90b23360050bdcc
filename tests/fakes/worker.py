"""A stand-in for a worker: speaks the control protocol, and serves lines over TCP instead of gRPC.

A connection is a call: it is in flight until its client closes it. Lines that it understands:
    state           answers one JSON object: pid, index, generation, document, local_model
    hang            stops the loop for good, as a worker that is stuck would
    exit N          ends with that code
"""

import asyncio
import json
import os
import sys
import threading

from trunkline_server.core import control

REFUSED = "refuse-me"
"""A document that holds this word is refused."""


class Worker:
    def __init__(self, channel: control.Channel, index: int) -> None:
        self.channel = channel
        self.index = index
        self.message: control.Configure | None = None
        self.open: set[asyncio.StreamWriter] = set()
        self.idle = asyncio.Event()

    def configure(self, message: control.Configure) -> None:
        if REFUSED in message.document:
            self.channel.send(control.Refused(generation=message.generation, why="it says refuse-me"))
            return
        self.message = message
        self.channel.send(control.Configured(generation=message.generation))

    def state(self) -> dict:
        message = self.message
        at = message.local_model
        return {
            "pid": os.getpid(),
            "index": self.index,
            "generation": message.generation,
            "document": json.loads(message.document),
            "local_model": at and {"port": at.port, "api_key": at.api_key},
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        self.idle.clear()
        try:
            while line := await reader.readline():
                match line.split():
                    case [b"state"]:
                        writer.write(json.dumps(self.state()).encode() + b"\n")
                    case [b"hang"]:
                        threading.Event().wait()
                    case [b"exit", code]:
                        os._exit(int(code))
        finally:
            self.open.discard(writer)
            if not self.open:
                self.idle.set()
            writer.close()

    async def listen(self, address: str, share_port: bool) -> asyncio.Server:
        if address.startswith("unix:"):
            return await asyncio.start_unix_server(self.serve, address.removeprefix("unix:"))
        host, _, port = address.rpartition(":")
        return await asyncio.start_server(self.serve, host.strip("[]"), int(port), reuse_port=share_port)

    async def drain(self, drain: control.Drain, servers: list[asyncio.Server]) -> None:
        self.channel.send(control.Heartbeat(in_flight=len(self.open)))
        print(f"draining: {len(self.open)} open", file=sys.stderr, flush=True)
        await asyncio.sleep(drain.delay_s)
        for server in servers:
            server.close()
        try:
            async with asyncio.timeout(drain.grace_s):
                while self.open:
                    await self.idle.wait()
        except TimeoutError:
            pass
        self.channel.send(control.Drained())
        os._exit(0)


async def run(arguments: control.ChildArguments) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    worker = Worker(channel, arguments.index)
    first = await channel.receive()
    assert isinstance(first, control.Configure)
    if os.environ.get("FAKE_WORKER") == "never ready":
        await channel.receive()
        control.exit_orphaned()
    if os.environ.get("FAKE_WORKER") == "broken":
        sys.exit(3)
    worker.configure(first)
    servers = [await worker.listen(address, first.share_port) for address in first.listen]
    channel.send(control.Ready())
    tasks = [asyncio.create_task(control.beat(channel, lambda: len(worker.open)))]
    while message := await channel.receive():
        if isinstance(message, control.Configure):
            worker.configure(message)
        elif isinstance(message, control.Drain):
            tasks.append(asyncio.create_task(worker.drain(message, servers)))
    control.exit_orphaned()


if __name__ == "__main__":
    asyncio.run(run(control.enter_child(sys.argv[1:])))
