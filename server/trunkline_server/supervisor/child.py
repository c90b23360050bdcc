"""One child process and its channel.

1. Spawned afresh with the same interpreter, never forked with state; the channel is the only descriptor it inherits
   besides stdout and stderr, and nothing secret is in its argv. Where what it writes to these is to be told in our log,
   they are a pipe.
2. In a process group of its own: Ctrl-C at the terminal reaches the supervisor alone, which then drains.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import Final, Self

from trunkline_server.core.control import Channel
from trunkline_server.supervisor.relay import Says, relay

# gRPC's core has a log of its own, in a form of its own, and what matters of it reaches us as errors.
_QUIET: Final = {"GRPC_VERBOSITY": "NONE"}
_LAST_WORDS_S: Final = 1.0


class Child:
    """A running child. Its owner ends it with `end`."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel, says: Says | None) -> None:
        self._process = process
        self.channel = channel
        out = process.stdout
        self._relay = asyncio.create_task(relay(out, says)) if out and says else None

    @classmethod
    async def spawn(cls, module: str, index: int, says: Says | None = None) -> Self:
        """Starts `python -m module`; `says` is told each line that it writes. Raises OSError when the system can't."""
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
                    env=_QUIET | os.environ,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE if says else None,
                    stderr=asyncio.subprocess.STDOUT if says else None,
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, await Channel.open(ours), says)

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
        code = await self._process.wait()
        if self._relay:  # what it wrote last comes before what is said of its end
            await asyncio.wait([self._relay], timeout=_LAST_WORDS_S)
            self._relay.cancel()
        return _ending(code)


def _ending(code: int) -> str:
    if code >= 0:
        return f"it exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"
