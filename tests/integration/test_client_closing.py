"""The end of a client: closed while calls run, used afterwards, forgotten, and carried into a fork."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import weakref

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

import trunkline
from tests.fakes import gateway as fake
from trunkline.errors import CLIENT_DOMAIN


@pytest.fixture
def gateway():
    with fake.running_gateway() as running:
        yield running


@pytest.mark.parametrize(
    "ask",
    [lambda client: client.complete("m", "Hi"), lambda client: client.stream("m", "Hi").collect()],
    ids=["complete", "stream"],
)
def test_closing_ends_calls_that_run(gateway, ask):
    """A call in progress fails with Cancelled, which says that the client was closed; so does each after it."""
    gateway.on_complete = fake.silence
    gateway.on_stream = fake.play([], then=fake.silence)
    client = trunkline.Client(gateway.target, timeout=20)

    def close():
        gateway.arrived.wait(10)
        client.close()

    closer = threading.Thread(target=close)
    closer.start()
    for _ in range(2):
        with pytest.raises(trunkline.Cancelled) as caught:
            ask(client)
        assert (caught.value.reason, caught.value.domain) == ("CLIENT_CLOSED", CLIENT_DOMAIN)
    closer.join()
    client.close()


@pytest.mark.parametrize(
    "ask",
    [lambda client: client.complete("m", "Hi"), lambda client: client.stream("m", "Hi").collect()],
    ids=["complete", "stream"],
)
async def test_closing_ends_calls_of_tasks(gateway, ask):
    """In asyncio too, a call in progress fails with Cancelled, which says that the client was closed."""
    gateway.on_complete = fake.silence
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
    client = trunkline.AsyncClient(gateway.target, timeout=20)
    asking = asyncio.ensure_future(ask(client))
    assert await asyncio.to_thread(gateway.arrived.wait, 10)
    await client.close()
    with pytest.raises(trunkline.Cancelled) as caught:
        await asking
    assert (caught.value.reason, caught.value.domain) == ("CLIENT_CLOSED", CLIENT_DOMAIN)


def test_a_stream_that_failed_goes_with_the_last_who_holds_it(gateway):
    """A failure is raised again by its stream and does not keep it: no collector is needed to free the two."""
    gateway.on_stream = fake.play(
        fake.messages(fake.events("Hel", "lo")[:3]), then=fake.fail(grpc.StatusCode.UNAVAILABLE, "gone")
    )
    with trunkline.Client(gateway.target, timeout=20) as client:
        stream = client.stream("m", "Hi")
        gc.disable()
        try:
            for _ in range(2):
                with contextlib.suppress(trunkline.Unavailable):
                    stream.collect()
                    pytest.fail("the stream failed")
            seen = weakref.ref(stream)
            del stream
            assert seen() is None
        finally:
            gc.enable()


def run(program, *arguments):
    """Runs a program; gives its exit code and what it printed, complaints included."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_client_that_is_never_closed_leaves_quietly(gateway):
    """A program that forgets its clients and an open stream ends at once, without a word."""
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
    program = """
import asyncio, sys, trunkline
client = trunkline.Client(sys.argv[1], timeout=20)
client.complete("m", "Hi")
stream = client.stream("m", "Hi")
print(next(stream.text))
async def main():
    other = trunkline.AsyncClient(sys.argv[1], timeout=20)
    print((await other.complete("m", "Hi")).text)
asyncio.run(main())
"""
    assert run(program, gateway.target) == (0, "Hel\nHello\n", "")


def test_a_client_in_a_fork_says_so(gateway):
    """In a child, a client that has connections raises RuntimeError, an unused one works, and closing harms nobody."""
    program = """
import os, sys, trunkline
used, unused = trunkline.Client(sys.argv[1], timeout=20), trunkline.Client(sys.argv[1], timeout=20)
def child(act):
    pid = os.fork()
    if pid == 0:
        try:
            print(act(), flush=True)
        except RuntimeError as failure:
            print(failure, flush=True)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
child(lambda: unused.complete("m", "Hi").text)
used.complete("m", "Hi")
child(lambda: used.complete("m", "Hi"))
child(lambda: used.stream("m", "Hi").collect())
child(lambda: used.close())
print(used.complete("m", "Hi").text)
used.close()
"""
    code, printed, _ = run(program, gateway.target)
    told = "this client made its connections before the process forked; make a client in the child, "
    assert code == 0
    lines = printed.splitlines()
    assert (lines[0], lines[3], lines[4]) == ("Hello", "None", "Hello")
    assert all(line.startswith(told) for line in lines[1:3])


async def answering(reader, writer, status, body):
    """An HTTP/2 proxy that answers every request itself."""
    wire = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    wire.initiate_connection()
    writer.write(wire.data_to_send())
    while data := await reader.read(65_536):
        for event in wire.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = [(":status", str(status)), ("server", "proxy"), ("content-type", "text/html")]
                wire.send_headers(event.stream_id, headers, end_stream=not body)
                if body:
                    wire.send_data(event.stream_id, body, end_stream=True)
        writer.write(wire.data_to_send())


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (502, b"", trunkline.Unavailable, "HTTP_502"),
        (504, b"<html>", trunkline.Unavailable, "HTTP_504"),
        (413, b"", trunkline.TrunklineError, "HTTP_413"),
        (403, b"", trunkline.PermissionDenied, "HTTP_403"),
        (200, b"", trunkline.TrunklineError, "NO_STATUS"),
    ],
)
async def test_what_a_proxy_answers_is_told_as_that(status, body, kind, reason):
    """A bare HTTP status has a reason of its own, and nobody takes it for the gateway's word."""
    handlers = []

    async def handle(reader, writer):
        handlers.append(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
            await answering(reader, writer, status, body)

    proxy = await asyncio.start_server(handle, "127.0.0.1", 0)
    target = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    try:
        async with trunkline.AsyncClient(target, timeout=20) as client:
            with pytest.raises(kind) as caught:
                await client.complete("m", "Hi")
    finally:
        proxy.close()
        for handler in handlers:  # gRPC closes a connection in its own time
            handler.cancel()
        await asyncio.gather(*handlers)
    assert (caught.value.reason, caught.value.domain) == (reason, CLIENT_DOMAIN)
    assert str(status) in caught.value.message or "no gRPC status" in caught.value.message
