"""Floods, odd frames, refusals: the worker answers others all the while; its memory and descriptors come back."""

import asyncio
import functools
import gzip
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.fakes import provider as fake
from tests.frames import Wire, framed, window
from tests.processes import resident, serving
from tests.running import ask, completion, one_provider

MIB = 1024 * 1024
FRAMES = 20_000
AT_ONCE = 50
GROWTH = 24 * MIB
"""What the allocator may keep of a flood. The floods below are larger, or would be if anything of them were kept."""
WARM = 10
ROUNDS = 5
"""A leak grows in each of them; what the allocator keeps settles."""


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@asynccontextmanager
async def unharmed(provider, folder, hurt, **environ):
    """A gateway whose worker is as it was, after having been hurt: once to warm up, and until it grows no more."""
    async with (
        serving(folder, one_provider(provider.base_url), environ=environ) as gateway,
        gateway.channel() as channel,
    ):
        worker, stub = gateway.worker(), completion(channel)
        for _ in range(WARM):
            await stub.Complete(ask())
        await hurt(gateway)
        files, grown = worker.num_fds(), [GROWTH]
        while grown[-1] >= GROWTH and len(grown) <= ROUNDS:
            memory = resident(worker)
            await hurt(gateway)
            assert (await stub.Complete(ask(), timeout=5)).finished
            async with asyncio.timeout(5):
                while worker.num_fds() > files:
                    await asyncio.sleep(0.05)
            grown.append(resident(worker) - memory)
        assert grown[-1] < GROWTH, grown
        yield gateway


async def pour(wire, frame_of):
    """Send frames until there are enough or the connection is gone."""
    for start in range(0, FRAMES, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            frame_of(wire, number)
        if not await wire.drained():
            return


def endless_headers(wire, number):
    literal = b"\x00\x01x\x7f\x81\x3d" + b"a" * 8000
    wire.send(HeadersFrame(1, data=b"") if number == 0 else ContinuationFrame(1, data=literal))


def endless_nothing(wire, number):
    wire.send(HeadersFrame(1, data=b"") if number == 0 else ContinuationFrame(1, data=b""))


def rapid_reset(wire, number):
    wire.head(2 * number + 1)
    wire.send(RstStreamFrame(2 * number + 1, error_code=8))


def pings(wire, number):
    wire.send(PingFrame(opaque_data=number.to_bytes(8)))


def settings(wire, number):
    wire.send(SettingsFrame(settings={4: 65_535 + number}))


def priorities(wire, number):
    wire.send(PriorityFrame(2 * number + 1, depends_on=0, stream_weight=3))


def windows(wire, number):
    wire.send(window(0, 1))


def empty_data(wire, number):
    if number == 0:
        wire.head(1)
    wire.send(DataFrame(1, data=b""))


def resets_of_nothing(wire, number):
    wire.send(RstStreamFrame(2 * number + 1, error_code=0))


FLOODS = (
    *(endless_headers, endless_nothing, rapid_reset, pings, settings),
    *(priorities, windows, empty_data, resets_of_nothing),
)


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_a_flood_of_frames_leaves_nothing(provider, tmp_path, flood):
    """Whether the transport ends the connection or takes it all, nothing of it stays."""

    async def hurt(gateway):
        async with await Wire.connect(gateway.target) as wire:
            await pour(wire, flood)

    async with unharmed(provider, tmp_path, hurt):
        pass


async def test_connections_that_do_nothing_leave_nothing(provider, tmp_path):
    """Two hundred of them, silent, half-greeting and idle."""

    async def hurt(gateway):
        wires = [await Wire.connect(gateway.target, greets=number % 2 == 0) for number in range(200)]
        for wire in wires[1::4]:
            wire.raw(b"PRI * HT")
        for wire in wires[::2]:
            await wire.until(SettingsFrame)
        for wire in wires:
            await wire.__aexit__()

    async with unharmed(provider, tmp_path, hurt):
        pass


CALLS = 20
"""Of one kind. Unpacked, decoded or announced, each kind is more than GROWTH in all."""


@functools.cache
def packed(byte, size):
    """So many of a byte as a message that is packed."""
    data = gzip.compress(byte * size)
    return b"\1" + len(data).to_bytes(4) + data


async def bombs(wire):
    wire.send(window(0, 1))
    wire.head(1, grpc_encoding="gzip")
    wire.body(1, packed(b"\0", 64 * MIB))


async def lengths_above_the_bound(wire):
    wire.head(1)
    wire.body(1, b"\0" + (33 * MIB).to_bytes(4) + bytes(FIRST), end=False)


async def wide_metadata(wire):
    wire.head(1, [("x", "a" * 2 * MIB)])


async def fields_without_end(wire):
    wire.head(1)
    body = b"\x12\0" * 30_000
    wire.body(1, b"\0" + len(body).to_bytes(4) + body)


async def bytes_that_are_no_request(wire):
    wire.head(1, grpc_encoding="gzip")
    wire.body(1, packed(b"\xff", 8 * MIB))


REFUSED = (bombs, lengths_above_the_bound, wide_metadata, fields_without_end, bytes_that_are_no_request)


@pytest.mark.parametrize("send", REFUSED, ids=lambda send: send.__name__)
async def test_refused_calls_leave_nothing(provider, tmp_path, send):
    """Each on a connection of its own, and each with a status that is no success."""

    async def hurt(gateway):
        for _ in range(CALLS):
            async with await Wire.connect(gateway.target) as wire:
                await send(wire)
                assert (await wire.ending(1))["grpc-status"] in {"3", "8"}

    async with unharmed(provider, tmp_path, hurt):
        assert len(provider.requests) <= WARM + ROUNDS < CALLS, "the refused ones reached the provider"


async def test_large_requests_that_are_refused_leave_nothing(provider, tmp_path):
    """Twenty of 8 MiB with one wrong field, four at a time."""
    request = ask("x" * (8 * MIB), max_output_tokens=-1)

    async def hurt(gateway):
        async with gateway.channel() as channel:
            stub = completion(channel)
            for _ in range(CALLS // 4):
                ended = await asyncio.gather(*(stub.Complete(request) for _ in range(4)), return_exceptions=True)
                assert {each.code() for each in ended} == {grpc.StatusCode.INVALID_ARGUMENT}

    async with unharmed(provider, tmp_path, hurt):
        pass


STREAMS = (1, 3, 5, 7, 9)
FIRST = 40_000
"""Bytes that fit the first window."""


async def survivors(wires):
    """The streams that have no ending, once all others have one."""
    async with asyncio.timeout(5):
        while True:
            open_ones = [
                (wire, stream)
                for wire in wires
                for stream in STREAMS
                if not any(isinstance(frame, HeadersFrame) and frame.stream_id == stream for frame in wire.came)
            ]
            if len(open_ones) <= 4:
                return open_ones
            await asyncio.sleep(0.05)


async def test_half_sent_bodies_leave_nothing_and_fill_little(provider, tmp_path):
    """Forty bodies of 4 MiB that lack their last byte: four may wait for it, and only they are held."""
    body = framed(ask("x" * (4 * MIB)))[:-1]
    most = 0

    async def hurt(gateway):
        nonlocal most
        before = resident(gateway.worker())
        async with AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(await Wire.connect(gateway.target)) for _ in range(8)]
            for wire in wires:
                for stream in STREAMS:
                    wire.head(stream)
                    wire.body(stream, body[:FIRST], end=False)
            waiting = await survivors(wires)
            assert len(waiting) == 4
            for wire, stream in waiting:
                wire.body(stream, body[FIRST:], end=False)
                assert await wire.drained()
            left = await survivors(wires)
            assert [await wire.ending(stream) for wire, stream in waiting if (wire, stream) not in left] == []
            most = max(most, resident(gateway.worker()) - before)

    async with unharmed(provider, tmp_path, hurt, TRUNKLINE_MAX_SLOW_REQUESTS="4"):
        assert most < 32 * MIB
