"""A whole gateway as a process: the real supervisor and probe, by default with stand-ins for what they supervise.

As a program it is `trunkline serve` with the modules and limits that its environment names.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import psutil

from trunkline_server import supervisor

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = {"worker": "tests.fakes.worker", "local_model": "tests.fakes.local_model"}

PLAIN = """
providers:
  vllm: {dialect: openai, base_url: "http://127.0.0.1:8000/v1"}
models:
  %s: {deployments: [{provider: vllm, upstream_model: m}]}
"""
LOCAL = """
providers:
  local: {dialect: local}
models:
  small: {deployments: [{provider: local, upstream_model: smollm2-135m-instruct}]}
"""


class Supervised:
    """`async with` starts it and waits until it serves; leaving kills what is left and fails if that was a child."""

    def __init__(
        self, folder: Path, config: str | None = PLAIN % "fast", *, limits=None, modules=None, wait=True, **settings
    ):
        self.folder = folder
        self.config = folder / "trunkline.yaml"
        if config is not None and not self.config.exists():
            self.config.write_text(config)
        self.ready_file = folder / "ready.json"
        self.lines: list[str] = []
        self._pidfds: dict[psutil.Process, int] = {}
        self._calls: list[Call] = []
        self._news = asyncio.Condition()
        self._wait = wait
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")},
            "PYTHONPATH": str(ROOT),
            "TRUNKLINE_CONFIG": str(self.config),
            "TRUNKLINE_LISTEN": "127.0.0.1:0",
            "TRUNKLINE_PROBE_LISTEN": "127.0.0.1:0",
            "TRUNKLINE_LOG_LEVEL": "DEBUG",
            "READY_FILE": str(self.ready_file),
            "LIMITS": json.dumps(limits or {}),
            "MODULES": json.dumps(STAND_INS if modules is None else modules),
            **{name if name.isupper() else f"TRUNKLINE_{name.upper()}": str(value) for name, value in settings.items()},
        }

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.fakes.supervised"),
            env=self.environ,
            cwd=self.folder,
            stderr=asyncio.subprocess.PIPE,
        )
        self.psutil = psutil.Process(self.process.pid)
        self._reading = asyncio.create_task(self._read())
        if self._wait:
            await self.said("serving on")
            self.note_children()
            self.ready = json.loads(self.ready_file.read_text())
        return self

    async def __aexit__(self, *_):
        for call in self._calls:
            call.close()
            with contextlib.suppress(ConnectionError):
                await call.writer.wait_closed()
        if self.process.returncode is None:
            self.note_children()
            self.process.kill()
        await self.process.wait()
        left = await self.orphans()
        for child in left:
            child.kill()
        for watched in self._pidfds.values():
            os.close(watched)
        await self._reading
        assert not left, "children have outlived their supervisor"

    async def _read(self):
        while line := await self.process.stderr.readline():
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self.lines.append("(end)")
            self._news.notify_all()

    def note_children(self):
        # A process that ends while it is looked at is none to watch.
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in self.psutil.children(recursive=True):
                if child not in self._pidfds:
                    with contextlib.suppress(ProcessLookupError):
                        self._pidfds[child] = os.pidfd_open(child.pid)

    @property
    def children(self):
        return list(self._pidfds)

    async def orphans(self, within_s=2.0):
        """The children that have not ended by then. One that nobody has reaped yet has ended."""
        ended = await asyncio.gather(*(_ended(pidfd, within_s) for pidfd in self._pidfds.values()))
        return [child for child, gone in zip(self._pidfds, ended, strict=True) if not gone]

    def count(self, text):
        return sum(text in line for line in self.lines)

    async def said(self, text, times=1, within_s=15):
        """Waits until that many lines of the log hold the text."""

        def enough():
            return self.count(text) >= times or "(end)" in self.lines

        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(enough)
        except TimeoutError:
            pass
        assert self.count(text) >= times, f"{text!r} was not said {times} times in:\n" + "\n".join(self.lines)

    async def exit_code(self, within_s=15):
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await self._reading
        return code

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    async def call(self):
        """A call to some worker; in flight until its writer is closed."""
        address = self.ready["listen"][0]
        if address.startswith("unix:"):
            call = Call(*await asyncio.open_unix_connection(address.removeprefix("unix:")))
        else:
            host, _, port = address.rpartition(":")
            call = Call(*await asyncio.open_connection(host.strip("[]"), int(port)))
        self._calls.append(call)
        return call

    async def state(self):
        """What some worker serves."""
        call = await self.call()
        try:
            return await call.ask("state")
        finally:
            call.close()


async def _ended(pidfd, within_s):
    """Whether the process ends in time."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(within_s):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
    return True


class Call:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def say(self, line):
        self.writer.write(line.encode() + b"\n")

    async def ask(self, line):
        self.say(line)
        return json.loads(await self.reader.readline())

    async def cut(self):
        """Returns when the other side has ended the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        self.close()

    def close(self):
        self.writer.close()


if __name__ == "__main__":
    sys.exit(
        supervisor.serve(
            os.environ,
            ready_file=Path(os.environ["READY_FILE"]),
            limits=supervisor.Limits(**json.loads(os.environ["LIMITS"])),
            modules=supervisor.Modules(**json.loads(os.environ["MODULES"])),
        )
    )
