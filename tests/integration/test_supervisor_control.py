"""The channel between supervisor and children, over a real socketpair, on both event loops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import pytest
import uvloop

from trunkline_server.core import control

SECRET = "sk-canary-0123456789"  # a value that must not be seen


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on the loop of that kind."""

    def on_loop(main):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return on_loop


async def both_ends():
    ours, theirs = socket.socketpair()
    return await control.Channel.open(ours), await control.Channel.open(theirs.detach())


def configure(document="{}"):
    at = control.LocalModelAt(port=1, api_key=SECRET)
    return control.Configure(generation=1, document=document, listen=("127.0.0.1:1",), local_model=at)


def test_messages_arrive_as_they_were_sent(run):
    """Messages come out in order and equal, and the end of the other side comes out as None, again and again."""
    sent = [configure("ü\n" * 100_000), control.Drain(delay_s=0.5, grace_s=1), control.Ready(), control.Heartbeat()]

    async def main():
        ours, theirs = await both_ends()
        for message in sent:
            ours.send(message)
        ours.close()
        received = [await theirs.receive() for _ in sent]
        assert received == sent
        assert [await theirs.receive(), await theirs.receive()] == [None, None]
        theirs.send(control.Ready())
        theirs.close()

    run(main())


@pytest.mark.parametrize(
    "line",
    [b"hello\n", b"{}\n", b'{"type": "unknown"}\n', b'{"type": "configure", "document": "sk-canary-0123456789"}\n'],
)
def test_what_is_no_message_breaks_the_channel(run, line):
    """Another line is ControlBroken, and the error does not quote it."""

    async def main():
        ours, theirs = socket.socketpair()
        channel = await control.Channel.open(ours)
        theirs.sendall(line)
        with pytest.raises(control.ControlBroken) as broken:
            await channel.receive()
        assert SECRET not in repr(broken.value)
        assert broken.value.__context__ is None or broken.value.__suppress_context__
        channel.close()
        theirs.close()

    run(main())


def test_an_endless_line_breaks_the_channel(run):
    """After 8 MiB without a line's end the channel is broken; it does not go on collecting."""

    async def main():
        ours, theirs = socket.socketpair()
        channel = await control.Channel.open(ours)
        flood = asyncio.create_task(asyncio.to_thread(_flood, theirs))
        with pytest.raises(control.ControlBroken, match="8 MiB"):
            await channel.receive()
        channel.close()
        assert await flood < 32 * 1024 * 1024

    run(main())


def _flood(end):
    accepted = 0
    with end:
        try:
            while accepted < 64 * 1024 * 1024:
                accepted += end.send(b"x" * 65536)
        except OSError:
            pass
    return accepted


def test_a_peer_that_does_not_read_is_cut_off(run):
    """At 16 MiB of unread messages the channel ends, for both sides."""

    async def main():
        ours, theirs = await both_ends()
        for _ in range(10):
            ours.send(configure("x" * 4_000_000))
        received = []
        while (message := await theirs.receive()) is not None:
            received.append(message)
        assert len(received) < 10
        assert await ours.receive() is None
        theirs.close()

    run(main())


def test_a_message_shows_its_type_alone():
    """Neither repr nor str of a message shows what it carries."""
    message = configure(SECRET)
    assert SECRET not in f"{message!r} {message} {message.local_model!r} {message.local_model}"
    assert repr(message) == "<Configure>"


ORPHAN = """
import os, signal, socket, sys
from trunkline_server.core import control
control.die_with_parent(int(sys.argv[1]))
print("tied", flush=True)
signal.pause()
"""


def test_a_child_whose_parent_is_gone_already_ends_at_once():
    """When the process that is to be the parent is another one by now, the child ends and does nothing."""
    child = subprocess.run([sys.executable, "-c", ORPHAN, "1"], capture_output=True, timeout=10, check=False)
    assert (child.returncode, child.stdout) == (70, b"")


def test_the_kernel_ends_a_child_with_its_parent():
    """A child that waits for nothing in particular is killed when its parent is."""
    parent_code = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {ORPHAN!r}, str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"tied\n"
        parent.send_signal(signal.SIGKILL)
        assert parent.stdout.read() == b""  # ends once no process holds the pipe


def test_the_other_end_of_a_socketpair_is_known_by_its_maker():
    """A child learns the supervisor's process id from the channel itself."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert control.supervisor_pid(theirs) == os.getpid()
