"""The gateway as processes, started the way operators start it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import yaml

START_S = 30.0
_LIBRARIES = "import grpc.aio, pydantic_settings, google.protobuf.message, loguru, yaml"


def loading_s() -> float:
    """Seconds of CPU that a process takes to load the libraries alone, for ratios to it."""
    took = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", _LIBRARIES], check=True)
        after = os.times()
        took.append(sum(after[2:4]) - sum(before[2:4]))
    return min(took)


@dataclass
class Gateway:
    """A gateway that serves."""

    process: asyncio.subprocess.Process
    target: str
    probe: str | None
    config: Path
    log: Path

    def worker(self) -> psutil.Process:
        """The first worker."""
        return self.children("trunkline_server.worker")[0]

    def children(self, module: str) -> list[psutil.Process]:
        """The children that run a module."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if module in child.cmdline():
                    found.append(child)
        return found

    def channel(self, **options: Any) -> grpc.aio.Channel:
        given = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0, **options}
        return grpc.aio.insecure_channel(self.target, options=list(given.items()))

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def serving(
    folder: Path, document: Mapping[str, Any], *arguments: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Gateway]:
    """`trunkline serve` on ports of its own; killed at the end if it still runs."""
    config, ready, log = folder / "trunkline.yaml", folder / "ready.json", folder / "log.txt"
    config.write_text(yaml.safe_dump(dict(document)))
    command: Sequence[str] = (
        *(sys.executable, "-m", "trunkline_server", "serve"),
        *("--config", str(config), "--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0"),
        *("--ready-file", str(ready), *arguments),
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stderr=out, env={**clean, **(environ or {})})
    try:
        told = await _told(ready, process, log)
        yield Gateway(process, told["listen"][0], told["probe"], config, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _told(ready: Path, process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    async with asyncio.timeout(START_S):
        while not ready.exists():
            assert process.returncode is None, log.read_text()
            await asyncio.sleep(0.01)
    return json.loads(ready.read_text())


def resident(process: psutil.Process) -> int:
    """Bytes of memory that a process holds."""
    return int(process.memory_info().rss)
