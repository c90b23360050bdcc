"""Whatever a provider sends, what it costs us has a bound."""

import asyncio
import time

import psutil
import pytest

from tests.fakes.provider import FakeProvider, endless_headers, endless_line, flood
from tests.integration.upstream.asking import fetch, post, standstill
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.upstream import Upstream, UpstreamLimits

MEBIBYTE = 1 << 20
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        endless_headers(),
        endless_line(),
        flood(1 << 30, head=b"HTTP/1.1 200 "),
        flood(1 << 30, head=b"", piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 2600),
        flood(1 << 30, head=CHUNKED + b"5\r\nHello\r\n0\r\n", piece=b"x-trailer: more\r\n" * 4000),
        flood(1 << 30, head=CHUNKED + b"5\r\nHello\r\n0\r\nx-trailer: "),
        flood(1 << 30, head=CHUNKED + b"5;"),
    ],
    ids=["headers", "line", "reason", "informational", "trailers", "trailer-line", "chunk-extension"],
)
async def test_endless_framing_is_refused_soon(upstream, provider, script):
    """Whatever has no end around a body is cut off after kilobytes and milliseconds."""
    provider.script = script
    before = time.process_time()
    with pytest.raises(UpstreamMalformed):
        await fetch(upstream, post(provider))
    assert time.process_time() - before < 0.25
    request = await provider.seen()
    await request.closed.wait()
    assert request.reply.written < 4 * MEBIBYTE


async def test_head_is_bounded_to_the_byte(provider):
    """A head of just the allowed size is taken, one byte more is refused."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: %b\r\n\r\n"
    for size, taken in ((1000, True), (1001, False)):
        padding = b"y" * (size - len(head) + 2)
        provider.script = flood(2, head=head % padding, piece=b"ok")
        client = Upstream(UpstreamLimits(max_header_bytes=1000))
        if taken:
            assert await fetch(client, post(provider)) == (200, b"ok")
        else:
            with pytest.raises(UpstreamMalformed):
                await fetch(client, post(provider))
        client.close()


async def test_head_in_small_pieces_costs_linear_time(upstream, provider):
    """A header that trickles in never makes the parser gather it in quadratic time."""
    provider.script = flood(MEBIBYTE, head=b"HTTP/1.1 200 OK\r\nx-long: ", piece=b"y" * 16)
    before = time.process_time()
    with pytest.raises(UpstreamMalformed):
        await fetch(upstream, post(provider))
    assert time.process_time() - before < 1.0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_reader_who_does_not_read_stops_the_provider(certificate, tls, framing):
    """Of 50 MB that nobody reads the provider gets rid of less than 2 MB, and our memory does not grow by it."""
    piece = b"x" * 65536 if framing == "sized" else b"4\r\nabcd\r\n" * 6553
    head = None if framing == "sized" else CHUNKED
    async with FakeProvider(
        flood(50_000_000, head=head, piece=piece), tls=certificate.context if tls else None
    ) as fake:
        client = Upstream(ca_file=certificate.file)
        with await client.open(post(fake)) as answer:
            before = psutil.Process().memory_info().rss
            taken = await standstill(fake.requests[0].reply)
            assert taken < 2 * MEBIBYTE
            assert psutil.Process().memory_info().rss - before < 4 * MEBIBYTE
            for _ in range(200):
                assert 0 < len(await answer.read()) <= 16 * 1024
            await asyncio.sleep(0)
            assert fake.requests[0].reply.taken > taken
        client.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_slow_reader_gets_every_byte(certificate, tls):
    """A body that was held back again and again arrives whole and in order."""
    piece = bytes(range(256)) * 256
    async with FakeProvider(flood(4 * MEBIBYTE, piece=piece), tls=certificate.context if tls else None) as fake:
        client = Upstream(ca_file=certificate.file)
        got = bytearray()
        with await client.open(post(fake)) as answer:
            while data := await answer.read():
                got += data
                await asyncio.sleep(0)
        assert got == piece * 64
        assert repr(client) == "Upstream(0 active, 0 waiting, 1 idle)"
        client.close()


async def test_many_readers_at_once_get_their_own_bytes(upstream, provider):
    """Connections share a receive buffer; their answers do not mix."""

    async def handler(request, send):
        await send.head(200)
        for _ in range(50):
            await send.chunk(request.body * 500)
            await asyncio.sleep(0)
        await send.end()

    provider.script = handler
    names = [b"%04d" % number for number in range(40)]
    answers = await asyncio.gather(*(fetch(upstream, post(provider, name)) for name in names))
    assert answers == [(200, name * 25_000) for name in names]
