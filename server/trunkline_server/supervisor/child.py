"""One child process and its channel.

1. Spawned afresh with the same interpreter, never forked with state; the channel is the only descriptor it inherits
   besides stdout and stderr, and nothing secret is in its argv.
2. In a process group of its own: Ctrl-C at the terminal reaches the supervisor alone, which then drains.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Self

from trunkline_server.core.control import Channel


class Child:
    """A running child. Its owner ends it with `end`."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self._process = process
        self.channel = channel

    @classmethod
    async def spawn(cls, module: str, index: int) -> Self:
        """Starts `python -m module`. Raises OSError when the system can't."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # what lies in the working directory is not ours to import
                    "-m",
                    module,
                    *("--control-fd", str(descriptor), "--index", str(index)),
                    pass_fds=(descriptor,),
                    stdin=asyncio.subprocess.DEVNULL,
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, await Channel.open(ours))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL. Harmless if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        """Returns when it has ended."""
        await self._process.wait()

    async def end(self, *, within_s: float) -> str:
        """Closes the channel, which ends a child, kills it if that takes longer, and tells how it ended."""
        self.channel.close()
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        return _ending(await self._process.wait())


def _ending(code: int) -> str:
    if code >= 0:
        return f"it exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"
