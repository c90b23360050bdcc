"""What comes back is what the provider sent, or an error that says it is not."""

import asyncio

import pytest

from tests.fakes.provider import cut, raw, status, stream, stream_text
from tests.integration.upstream.asking import fetch, post, read_all
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed, UpstreamUnreachable
from trunkline_server.upstream import Upstream

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nX-Twice: a\r\nx-empty:\r\nX-TWICE: b\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5;why=not\r\nHello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nx-trailer: dropped\r\n\r\n"
)
SIZED = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nHello"


async def test_request_arrives_as_it_was_meant(upstream, provider):
    """The provider sees the method, target, headers and body that were asked for, and the host's authority."""
    request = post(provider, b'{"a": 1}', target="/v1/x?y=z", headers=[("authorization", "Bearer k"), ("x-b", "ü")])
    await fetch(upstream, request)
    seen = await provider.seen()
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/x?y=z", b'{"a": 1}')
    assert seen.headers == {
        "host": f"127.0.0.1:{provider.port}",
        "authorization": "Bearer k",
        "x-b": "ü",
        "user-agent": "trunkline",
        "content-length": "8",
    }


async def test_large_request_arrives_whole(upstream, provider):
    """A body of many megabytes arrives byte for byte."""
    provider.script = status(200, b"ok")
    body = bytes(range(256)) * 40_000
    assert await fetch(upstream, post(provider, body)) == (200, b"ok")
    assert (await provider.seen()).body == body


@pytest.mark.parametrize("bad", ["a\r\nx-smuggled: 1", "a\nb", "a\rb", "a\0b", "☃"])
async def test_header_that_would_be_two_is_refused(upstream, provider, bad):
    """A header value with a line break never reaches the wire, and the error does not show it."""
    request = post(provider, headers=[("authorization", f"Bearer canary{bad}")])
    with pytest.raises(ValueError) as caught:
        await upstream.open(request)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert provider.connections.accepted == 0
    assert repr(upstream) == "Upstream(0 active, 0 waiting, 0 idle)"


async def test_target_with_a_space_is_refused(upstream, provider):
    """A target can't bring an HTTP version of its own."""
    with pytest.raises(ValueError):
        await upstream.open(post(provider, target="/v1 HTTP/1.0"))


async def test_answer_is_read_by_status_headers_and_body(upstream, provider):
    """Informational heads are skipped, doubled headers joined, empty ones kept, trailers dropped."""
    provider.script = raw(CHUNKED)
    with await upstream.open(post(provider)) as answer:
        assert answer.status == 200
        assert answer.headers == {"x-twice": "a, b", "x-empty": "", "transfer-encoding": "chunked"}
        assert await read_all(answer) == b"Hello world"
        assert await answer.read() == b""


@pytest.mark.parametrize("code", [204, 301, 304, 307, 429, 500])
async def test_every_final_status_is_an_answer(upstream, provider, code):
    """Redirects and errors are handed out as they are, and the connection stays usable."""
    provider.script = status(code, b"", {"location": "/elsewhere", "retry-after": "7"})
    for _ in range(2):
        with await upstream.open(post(provider)) as answer:
            assert (answer.status, answer.headers["location"]) == (code, "/elsewhere")
            assert await read_all(answer) == b""
    assert provider.connections.accepted == 1
    assert len(provider.requests) == 2


@pytest.mark.parametrize("answer", [CHUNKED, SIZED], ids=["chunked", "sized"])
async def test_split_anywhere_the_answer_is_the_same(upstream, provider, answer):
    """However the answer's bytes are cut into two packets, status, headers and body are the same."""
    provider.script = raw(answer)
    whole = await fetch(upstream, post(provider))
    for at in range(1, len(answer)):
        provider.script = raw(answer[:at], answer[at:], interval_s=0.0001)
        assert await fetch(upstream, post(provider)) == whole
    assert provider.connections.accepted == 1


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("answer", [CHUNKED, SIZED], ids=["chunked", "sized"])
async def test_cut_anywhere_the_answer_is_an_error(upstream, provider, answer, reset):
    """An answer whose connection ends one or more bytes early is never taken for whole."""
    for at in range(len(answer)):
        provider.script = cut(raw(answer), at=at, reset=reset)
        expected = UpstreamBroken if at else UpstreamUnreachable
        with pytest.raises(expected) as caught:
            await fetch(upstream, post(provider))
        assert "127.0.0.1" not in str(caught.value)
    await provider.open_connections(0)
    assert len(provider.requests) == len(answer)


async def test_bytes_before_the_cut_are_handed_out_first(upstream, provider):
    """What arrived before the connection broke is read before the error is raised, and the error is raised again."""
    provider.script = cut(raw(SIZED), at=len(SIZED) - 2)
    with await upstream.open(post(provider)) as answer:
        assert await answer.read() == b"Hel"
        for _ in range(2):
            with pytest.raises(UpstreamBroken):
                await answer.read()


async def test_body_may_end_with_the_connection(upstream, provider):
    """Without length and chunks the body is whole when the provider ends the connection in order."""
    provider.script = raw(b"HTTP/1.1 200 OK\r\n\r\nHello", b" world", interval_s=0.01, close=True)
    assert await fetch(upstream, post(provider)) == (200, b"Hello world")
    assert repr(upstream) == "Upstream(0 active, 0 waiting, 0 idle)"


async def test_body_until_close_is_not_ended_by_a_reset(upstream, provider):
    """A reset is no end of a body."""
    answer = b"HTTP/1.1 200 OK\r\n\r\nHello"
    provider.script = cut(raw(answer, b"x", interval_s=0.05), at=len(answer) + 1, reset=True)
    with pytest.raises(UpstreamBroken):
        await fetch(upstream, post(provider))


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nx-empty:\r\nContent-Encoding: br\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 513 + b"\r\n",
    ],
)
async def test_what_is_not_our_http_is_malformed(upstream, provider, answer):
    """Bytes that are no HTTP/1.1, or an encoding nobody asked for, are refused and the connection is gone."""
    provider.script = raw(answer)
    with pytest.raises(UpstreamMalformed) as caught:
        await fetch(upstream, post(provider))
    assert "gzip" not in str(caught.value)
    await (await provider.seen()).closed.wait()


async def test_reads_hand_out_what_waits_and_no_more_than_16_kib(upstream, provider):
    """A read gives everything that has come, up to 16 KiB, and all of it in order."""
    body = bytes(range(256)) * 1000
    provider.script = status(200, body)
    got = []
    with await upstream.open(post(provider)) as answer:
        while data := await answer.read():
            got.append(data)
    assert b"".join(got) == body
    assert max(map(len, got)) == 16 * 1024


async def test_chunks_that_waited_come_together(upstream, provider):
    """A reader who was busy gets all chunks of the meantime in one read."""
    provider.script = stream_text("0123456789", chunks=10)
    with await upstream.open(post(provider)) as answer:
        await (await provider.seen()).reply.wire.writable.wait()
        await asyncio.sleep(0.05)
        data = await answer.read()
        assert data.endswith(b"data: [DONE]\n\n")
        assert await answer.read() == b""


async def test_streamed_text_arrives_as_it_is_sent(upstream, provider):
    """The first token is handed out while the provider is silent about the rest."""
    provider.script = stream(stall_after=2)
    with await upstream.open(post(provider)) as answer:
        data = b""
        while b"Hell" not in data:
            data += await answer.read()
        with pytest.raises(TimeoutError):
            await answer.read(until=asyncio.get_running_loop().time() + 0.02)


async def test_closed_answer_can_not_be_read(upstream, provider):
    """After close the connection belongs to others, so reading is a mistake that is told."""
    answer = await upstream.open(post(provider))
    answer.close()
    answer.close()
    with pytest.raises(RuntimeError):
        await answer.read()


async def test_close_while_another_task_reads_ends_the_reading(upstream, provider):
    """A reader whose answer is closed under its hands gets an error, never an empty end."""
    provider.script = stream(stall_after=0)
    answer = await upstream.open(post(provider))
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_outcome(answer))
        await asyncio.sleep(0)
        answer.close()
    assert isinstance(reading.result(), UpstreamBroken)


async def _outcome(answer):
    try:
        return await answer.read()
    except UpstreamBroken as error:
        return error


async def test_two_clients_share_nothing(provider):
    """Each client has a pool of its own."""
    for _ in range(2):
        client = Upstream()
        await fetch(client, post(provider))
        client.close()
    assert provider.connections.accepted == 2
