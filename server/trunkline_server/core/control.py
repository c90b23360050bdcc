"""The channel between the supervisor and its children.

1. One JSON object a line, each with a "type", over a socketpair that only the two ends hold.
2. A line is at most 8 MiB; a longer one breaks the channel. At most 16 MiB wait for a peer that does not read; beyond
   that the channel is cut, which ends the child.
3. Messages carry keys and resolved configuration: their repr shows the type alone, and no error quotes them.
4. A child whose supervisor is gone learns it twice: its channel ends, and the kernel kills it (die_with_parent).
"""

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Self

import msgspec

from trunkline_server.core.tls import TlsMaterial

LINE_LIMIT: Final = 8 * 1024 * 1024
UNSENT_LIMIT: Final = 16 * 1024 * 1024
HEARTBEAT_S: Final = 1.0
"""How often each child says that it lives."""

_PR_SET_PDEATHSIG = 1


class ControlBroken(Exception):
    """The other side sent what is no message. Says nothing of its content."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LocalModelAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where the local model listens, on 127.0.0.1."""

    port: int
    api_key: str

    def __repr__(self) -> str:
        return f"<LocalModelAt port {self.port}>"


class Configure(_Message, frozen=True, kw_only=True, tag="configure"):
    """To a worker: serve this. The first message, and again at each change; answered by Configured or Refused."""

    generation: int
    """Grows with each change."""
    document: str
    """Document.to_json()."""
    local_model: LocalModelAt | None = None
    listen: tuple[str, ...]
    """Numeric addresses, ports resolved: "127.0.0.1:50051", "[::1]:50051", "unix:/path". They never change."""
    share_port: bool = True
    """Whether to bind TCP addresses with SO_REUSEPORT."""
    tls: TlsMaterial | None = None
    """What TCP addresses present. None: they are plaintext, which never changes either."""


class Renew(_Message, frozen=True, kw_only=True, tag="renew"):
    """To a worker: present this at connections to come. Answered by NotRenewed, or not at all."""

    renewal: int
    """Grows with each change."""
    tls: TlsMaterial


class Drain(_Message, frozen=True, kw_only=True, tag="drain"):
    """To a worker: be NOT_SERVING for delay_s, then take no new calls, end within grace_s, say Drained and exit 0."""

    delay_s: float
    grace_s: float


class Ready(_Message, frozen=True, kw_only=True, tag="ready"):
    """From a worker: it serves."""


class Configured(_Message, frozen=True, kw_only=True, tag="configured"):
    """From a worker: that generation is in effect."""

    generation: int


class Refused(_Message, frozen=True, kw_only=True, tag="refused"):
    """From a worker: that generation can't be used; the one before stays."""

    generation: int
    why: str
    """For the operator; without secrets."""


class NotRenewed(_Message, frozen=True, kw_only=True, tag="not_renewed"):
    """From a worker: its TLS library refuses what that renewal brought; what was presented before still is."""

    renewal: int


class Drained(_Message, frozen=True, kw_only=True, tag="drained"):
    """From a worker: the last call has ended; it exits now."""


class Heartbeat(_Message, frozen=True, kw_only=True, tag="heartbeat"):
    """From each child, every second."""

    in_flight: int = 0
    """Open calls."""


class Failed(_Message, frozen=True, kw_only=True, tag="failed"):
    """From any child, before it exits: why it can't do its work."""

    why: str
    """For the operator, with the mend; without secrets."""


class StartProbe(_Message, frozen=True, kw_only=True, tag="start_probe"):
    """To the probe: where to listen and how to log. Answered by Listening or Failed."""

    listen: str
    log_level: str = "INFO"
    log_json: bool = False


class State(_Message, frozen=True, kw_only=True, tag="state"):
    """To the probe, every second and at each change: whether a worker is ready. The supervisor lives: it says so."""

    ready: bool


class StartModel(_Message, frozen=True, kw_only=True, tag="start_model"):
    """To the local model: what to load. Answered by Listening or Failed."""

    gguf: str | None
    """None: the embedded weights."""
    context_tokens: int
    slots: int
    threads: int
    alias: str
    api_key: str


class Listening(_Message, frozen=True, kw_only=True, tag="listening"):
    """From the probe and the local model: the port they serve on."""

    port: int


Message = (
    Configure
    | Renew
    | Drain
    | Ready
    | Configured
    | Refused
    | NotRenewed
    | Drained
    | Heartbeat
    | Failed
    | StartProbe
    | State
    | StartModel
    | Listening
)


class Channel:
    """One end of the channel. Works on any asyncio loop; one task may receive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)

    @classmethod
    async def open(cls, end: int | socket.socket) -> Self:
        """A channel over a socket or its file descriptor, which belongs to the channel from now on."""
        end = socket.socket(fileno=end) if isinstance(end, int) else end
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end, limit=LINE_LIMIT))

    async def receive(self) -> Message | None:
        """The next message; None once the other side is gone. Raises ControlBroken. May be cancelled without loss."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        except ValueError:
            raise ControlBroken("a line on the control channel is longer than 8 MiB") from None
        if not line.endswith(b"\n"):
            return None
        try:
            return self._decoder.decode(line)
        except msgspec.MsgspecError:
            raise ControlBroken("a line on the control channel is no known message") from None

    def send(self, message: Message) -> None:
        """Queues a message. Does nothing when the other side is gone; `receive` tells of that."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        line = self._encoder.encode(message) + b"\n"
        if len(line) > LINE_LIMIT or transport.get_write_buffer_size() + len(line) > UNSENT_LIMIT:
            transport.abort()
            return
        self._writer.write(line)

    def close(self) -> None:
        """Ends the channel; what was sent still leaves."""
        self._writer.close()


async def beat(channel: Channel, in_flight: Callable[[], int] = lambda: 0) -> NoReturn:
    """Says every second that this process lives and how many calls are open. A task of its own in each child."""
    while True:
        channel.send(Heartbeat(in_flight=in_flight()))
        await asyncio.sleep(HEARTBEAT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildArguments:
    """What a child is told in its argv: nothing secret."""

    control_fd: int
    index: int
    """Counts children of one kind from 0."""


def enter_child(argv: Sequence[str]) -> ChildArguments:
    """First act of a child's main: reads its arguments and ties its life to the supervisor's.

    SIGTERM and SIGINT are ignored from here on: service managers send them to every process of a service, and it is
    the supervisor that says when a child has drained.
    """
    parser = argparse.ArgumentParser(description="A child of `trunkline serve`; not to be started by hand.")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--index", type=int, default=0)
    known = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(known.control_fd)) as end:
        die_with_parent(supervisor_pid(end))
    return ChildArguments(control_fd=known.control_fd, index=known.index)


def supervisor_pid(end: socket.socket) -> int:
    """The process that made the socketpair. 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    size = struct.calcsize("3i")
    pid: int = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]
    return pid


def die_with_parent(expected_ppid: int) -> None:
    """Has the kernel kill this process when its parent ends, however that happens.

    The parent may have ended before the request was made: then this process ends now. Linux only; elsewhere the end
    of the channel alone tells.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if expected_ppid and os.getppid() != expected_ppid:
        exit_orphaned()


def exit_orphaned() -> NoReturn:
    """Ends this process at once: without its supervisor a child must not go on, and clean-up could hang."""
    os._exit(70)
