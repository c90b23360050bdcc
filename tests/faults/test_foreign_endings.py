"""Endings that the transport gives, row by row as ARCHITECTURE tells them: exactly what the caller sees."""

import asyncio
import gzip
import zlib

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, PingFrame, SettingsFrame

from tests.fakes import provider as fake
from tests.frames import Wire, framed, reason, window
from tests.running import ask, completion, models, one_provider, running
from trunkline import v1

MIB = 1024 * 1024
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 11
WATCH = "/grpc.health.v1.Health/Watch"
STREAM = "/trunkline.v1.Completion/StreamComplete"
NOTHING = b"\0\0\0\0\0"


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url)) as one:
        yield one


@pytest.fixture
async def wire(gateway):
    async with await Wire.connect(gateway.target) as one:
        yield one


def bare(ending):
    """Code and message of an ending that has no details."""
    assert "grpc-status-details-bin" not in ending
    return ending["grpc-status"], ending["grpc-message"]


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def served(wire, stream):
    wire.head(stream)
    wire.body(stream, framed(ask()))
    return (await wire.ending(stream))["grpc-status"] == "0"


async def test_more_streams_than_a_connection_may_have(provider):
    """They are reset; between the two bounds the refusal has its reason, and the calls before go on."""
    limits = {"max_concurrent_streams": 8, "max_calls_per_connection": 4}
    async with (
        running(one_provider(provider.base_url), **limits) as gateway,
        await Wire.connect(gateway.target) as wire,
    ):
        await wire.until(SettingsFrame, 2)
        for number in range(4):
            wire.head(2 * number + 1)
        await until(lambda: len(gateway.app.calls) == 4)
        for number in range(4, 40):
            wire.head(2 * number + 1)
        endings = [await wire.ending(2 * number + 1) for number in range(4, 40)]
        reset = [ending for ending in endings if "reset" in ending]
        assert {ending["reset"] for ending in reset} == {str(REFUSED_STREAM)}
        assert {reason(ending) for ending in endings if "reset" not in ending} == {"OVERLOADED"}
        wire.body(1, framed(ask()))
        assert (await wire.ending(1))["grpc-status"] == "0"


async def test_more_streams_before_the_settings_are_taken_in(provider):
    """A connection that begins with a burst of streams is calmed, not served in part."""
    limits = {"max_concurrent_streams": 8, "max_calls_per_connection": 4}
    async with (
        running(one_provider(provider.base_url), **limits) as gateway,
        await Wire.connect(gateway.target) as wire,
    ):
        for number in range(40):
            wire.head(2 * number + 1)
        assert (await wire.ending(79))["reset"] in {str(ENHANCE_YOUR_CALM), str(REFUSED_STREAM)}


async def test_more_calls_than_the_transport_takes(provider):
    """Only calls that the gateway's bound does not count, health watches, get there."""
    limits = {"max_calls": 4, "max_concurrent_rpcs": 5}
    async with (
        running(one_provider(provider.base_url), **limits) as gateway,
        await Wire.connect(gateway.target) as wire,
    ):
        for number in range(5):
            wire.head(2 * number + 1, _path=WATCH)
        await until(lambda: len(gateway.app.calls) == 5)
        wire.head(11)
        assert bare(await wire.ending(11)) == ("8", "Concurrent RPC limit exceeded!")


async def test_a_message_above_the_bound(wire):
    """It is refused as soon as its length is there, before its body."""
    wire.head(1)
    wire.body(1, b"\0" + (33 * MIB).to_bytes(4), end=False)
    code, message = bare(await wire.ending(1))
    assert (code, message) == ("8", f"SERVER: Received message larger than max ({33 * MIB} vs. {32 * MIB})")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_message_that_inflates_above_the_bound(wire, name, pack):
    """The bound holds for what is unpacked too: 64 KiB that would become 64 MiB are refused."""
    packed = pack(bytes(64 * MIB))
    assert len(packed) < 70_000
    wire.send(window(0, 1))
    wire.head(1, grpc_encoding=name)
    wire.body(1, b"\1" + len(packed).to_bytes(4) + packed)
    assert bare(await wire.ending(1)) == ("8", "Decompressed message larger than max")


async def test_metadata_far_above_the_bound(wire):
    """Whichever of the two gets to see it refuses it, and the connection serves on."""
    wire.head(1, [("x", "a" * 4 * MIB)])
    ending = await wire.ending(1)
    if ending["grpc-status"] == "3":
        assert reason(ending) == "INVALID_METADATA"
    else:
        code, message = bare(ending)
        assert code == "8"
        assert message.startswith("received metadata size exceeds")
    assert await served(wire, 3)


BROKEN = [
    ({"grpc_encoding": "gzip"}, b"\1\0\0\0\3abc", ("13", "Decompression failed due to zlib error")),
    ({}, b"\1\0\0\0\3abc", ("13", "Compression bit set but no encoding configured")),
    ({"grpc_encoding": "zstd"}, NOTHING, ("13", "Error parsing 'grpc-encoding' metadata")),
    ({"grpc_timeout": "5x"}, NOTHING, ("13", "Error parsing 'grpc-timeout' metadata")),
    ({"grpc_timeout": "-1S"}, NOTHING, ("13", "Error parsing 'grpc-timeout' metadata")),
    ({"te": "gzip"}, NOTHING, ("13", "Error parsing 'te' metadata")),
    ({"x_bin": "!!!"}, NOTHING, ("13", "Error parsing 'x-bin' metadata: illegal base64 encoding")),
    ({"X": "upper"}, NOTHING, ("13", "Illegal header key: X")),
    ({"_method": "DELETE"}, NOTHING, ("13", "Error parsing ':method' metadata")),
]


@pytest.mark.parametrize(("head", "body", "expected"), BROKEN, ids=str)
async def test_what_is_no_such_thing(wire, head, body, expected):
    """The transport says which, and the connection serves on."""
    wire.head(1, **head)
    wire.body(1, body)
    assert bare(await wire.ending(1)) == expected
    assert await served(wire, 3)


@pytest.mark.parametrize("head", [{"_method": "GET"}, {"_method": "PUT"}, {"te": ""}, {"_path": ""}], ids=str)
async def test_what_is_no_call_at_all(wire, head):
    """Its stream is reset, and the connection serves on."""
    wire.head(1, **head)
    wire.body(1, NOTHING)
    assert await wire.ending(1) == {"reset": str(INTERNAL_ERROR)}
    assert await served(wire, 3)


@pytest.mark.parametrize("timeout", ["0n", "0S", "0H"])
async def test_a_deadline_that_is_no_time(wire, timeout):
    """It has expired before anything is called."""
    wire.head(1, grpc_timeout=timeout)
    wire.body(1, framed(ask()))
    ending = await wire.ending(1)
    assert ending["grpc-status"] == "4"
    assert "grpc-status-details-bin" in ending or bare(ending) == ("4", "Deadline Exceeded")


async def test_an_answer_that_nobody_reads_until_the_deadline(provider, gateway, wire):
    """Its status can't get past the data, so the transport's own comes, and the call is gone."""
    provider.script = fake.stream_text("x" * 400_000, chunks=400)
    wire.head(1, _path=STREAM, grpc_timeout="500m")
    wire.body(1, framed(ask()))
    assert bare(await wire.ending(1)) == ("4", "Deadline Exceeded")
    assert sum(len(frame.data) for frame in wire.came if isinstance(frame, DataFrame)) == 65_535
    await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


async def test_data_beyond_the_windows(provider, gateway, wire):
    """It is thrown away and the stream is reset; the call keeps its place, which goes with the connection at last."""
    provider.script = fake.silent()
    wire.head(1)
    wire.body(1, framed(ask()), end=False)
    seen = await provider.seen(1)
    while not any(getattr(frame, "error_code", None) == PROTOCOL_ERROR for frame in wire.came):
        wire.body(1, bytes(MIB), end=False)
        assert await wire.drained()
        await asyncio.sleep(0)
    assert await served_elsewhere(gateway)
    await wire.__aexit__()
    await asyncio.wait_for(seen.closed.wait(), 2)
    await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


async def served_elsewhere(gateway):
    async with gateway.channel() as channel:
        return (await models(channel).ListModels(v1.ListModelsRequest())).models


async def test_a_call_while_the_worker_stops(gateway, wire):
    """GOAWAY has said so; the calls before it go on to their end."""
    wire.head(1, _path=WATCH)
    wire.body(1, NOTHING)
    await wire.until(DataFrame)
    stopping = asyncio.create_task(gateway.server.stop(5))
    goaway = await wire.until(GoAwayFrame)
    assert (goaway[0].error_code, goaway[0].additional_data) == (NO_ERROR, b"Server shutdown")
    wire.head(3)
    wire.body(3, framed(ask()))
    gateway.app.health.end_watches()
    assert (await wire.ending(1))["grpc-status"] == "0"
    ending = await wire.ending(3)
    assert ending == {"closed": ""} or bare(ending)[0] in {"1", "14"}
    await asyncio.wait_for(stopping, 5)


async def test_pings_too_often(wire):
    """The connection is closed with the word for it, and its calls end with UNAVAILABLE."""
    wire.head(1)
    while not any(isinstance(frame, GoAwayFrame) for frame in wire.came):
        wire.send(PingFrame(opaque_data=b"12345678"))
        assert await wire.drained() or wire.closed.is_set()
        await asyncio.sleep(0.01)
    assert bare(await wire.ending(1)) == ("14", "Too many pings")
    assert await wire.goaway() == (ENHANCE_YOUR_CALM, b"too_many_pings")


async def test_more_connections_than_the_bound(provider):
    """One more is closed without a word, those before serve on, and a place that is left is given again."""
    async with running(one_provider(provider.base_url), max_connections=2) as gateway:
        first, second = await Wire.connect(gateway.target), await Wire.connect(gateway.target)
        assert await served(first, 1)
        assert await served(second, 1)
        async with await Wire.connect(gateway.target) as third:
            assert await third.goaway() == (-1, b"")
        assert await served(first, 3)
        await first.__aexit__()
        async with asyncio.timeout(5):
            while True:
                async with await Wire.connect(gateway.target) as again:
                    again.head(1)
                    again.body(1, framed(ask()))
                    if (await again.ending(1)).get("grpc-status") == "0":
                        break
        await second.__aexit__()


async def test_a_connection_without_a_call(provider):
    """It is closed after its time; a client connects anew when it calls."""
    async with (
        running(one_provider(provider.base_url), max_connection_idle_s=1) as gateway,
        gateway.channel() as channel,
    ):
        assert (await completion(channel).Complete(ask())).finished
        async with await Wire.connect(gateway.target) as wire:
            assert (await wire.goaway())[1] == b"connection idle"
        assert (await completion(channel).Complete(ask())).finished


async def test_a_connection_of_age_whose_calls_outlast_the_grace(provider):
    """They end with UNAVAILABLE when the grace is over."""
    limits = {"max_connection_age_s": 1, "max_connection_age_grace_s": 1}
    async with running(one_provider(provider.base_url), **limits) as gateway:
        async with await Wire.connect(gateway.target) as wire:
            wire.head(1)
            assert bare(await wire.ending(1)) == ("14", "max connection age")
            assert await wire.goaway() == (NO_ERROR, b"max_age")
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


FORBIDDEN = {
    "no frame at all": b"\xff" * 100,
    "a window that grows by nothing": window(0, 0).serialize(),
    # Above what the gateway's settings allow too, so that it does not matter whether they have been taken in.
    "a frame above the size of frames": (5 * MIB).to_bytes(3) + bytes([0, 0]) + (1).to_bytes(4),
    "a ping of four bytes": b"\0\0\4\6\0\0\0\0\0abcd",
}


@pytest.mark.parametrize("said", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_what_http_2_forbids(gateway, wire, said):
    """The connection is closed, its calls end, and nobody else notices."""
    wire.head(1)
    wire.raw(said)
    ending = await wire.ending(1)
    assert ending.get("grpc-status") in {None, "14"} or reason(ending) == "MALFORMED_MESSAGE"
    await asyncio.wait_for(wire.closed.wait(), 5)
    await asyncio.wait_for(gateway.app.calls.all_ended(), 2)
    assert await served_elsewhere(gateway)


@pytest.mark.parametrize("said", [b"", b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=["", "half", "preface"])
async def test_a_connection_that_never_greets(provider, said):
    """It is closed when the time for it is over."""
    async with (
        running(one_provider(provider.base_url), handshake_timeout_s=1) as gateway,
        await Wire.connect(gateway.target, greets=False) as wire,
    ):
        wire.raw(said)
        await wire.goaway()


async def test_what_is_not_http_2(gateway):
    """It is closed at once."""
    async with await Wire.connect(gateway.target, greets=False) as wire:
        wire.raw(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await wire.goaway() == (-1, b"")
