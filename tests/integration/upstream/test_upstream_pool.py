"""Connections are kept, replaced, bounded and given back."""

import asyncio

import psutil
import pytest

from tests.fakes.provider import chat, cut, flood, hang_up, raw, sequence, silent, status, stream
from tests.integration.upstream.asking import fetch, listening, post, read_all
from trunkline_server.core.errors import Overloaded, UpstreamError, UpstreamUnreachable
from trunkline_server.upstream import Upstream, UpstreamLimits

NOTHING = "Upstream(0 active, 0 waiting, 0 idle)"


def silent_end():
    """An answer whose body has begun and never ends."""

    async def script(request, send):
        await send.head(200)
        await send.chunk(b"all that matters")
        await send.stall()

    return script


def now():
    return asyncio.get_running_loop().time()


async def test_thousand_requests_use_one_connection(upstream, provider):
    """Requests one after another go over the same connection."""
    for number in range(1000):
        body = b'{"stream": true}' if number % 2 else b"{}"
        await fetch(upstream, post(provider, body))
    assert provider.connections.accepted == 1
    assert len(provider.requests) == 1000


async def test_repr_says_what_is_going_on(upstream, provider):
    """The on-call question is answered by repr: how many are active, waiting, idle."""
    first, second = await upstream.open(post(provider)), await upstream.open(post(provider))
    await read_all(second)
    second.close()
    assert repr(upstream) == "Upstream(1 active, 0 waiting, 1 idle)"
    first.close()


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_stale_connection_is_replaced_unnoticed(upstream, provider, reset):
    """A pooled connection that the provider closes as the request arrives costs the caller nothing."""
    provider.script = sequence(chat(), hang_up(reset=reset), chat())
    for _ in range(2):
        assert (await fetch(upstream, post(provider)))[0] == 200
    assert provider.connections.accepted == 2
    assert [request.connection for request in provider.requests] == [1, 1, 2]


async def test_connection_closed_while_idle_is_not_used(upstream, provider):
    """A pooled connection whose end was seen is forgotten."""
    await fetch(upstream, post(provider))
    provider.drop_connections()
    await provider.open_connections(0)
    await asyncio.sleep(0.02)  # The news is under way to the client; that it is there shows nowhere but in repr.
    assert repr(upstream) == NOTHING
    assert (await fetch(upstream, post(provider)))[0] == 200
    assert [request.connection for request in provider.requests] == [1, 2]


async def test_fresh_connection_that_breaks_is_not_replaced(upstream, provider):
    """A request that failed on a connection of its own is the router's business."""
    provider.script = hang_up()
    with pytest.raises(UpstreamUnreachable):
        await fetch(upstream, post(provider))
    assert len(provider.requests) == 1


async def test_request_is_sent_at_most_twice(upstream, provider):
    """If the replacement breaks too, that is the outcome."""
    provider.script = sequence(chat(), hang_up())
    await fetch(upstream, post(provider))
    with pytest.raises(UpstreamUnreachable):
        await fetch(upstream, post(provider))
    assert len(provider.requests) == 3


async def test_request_is_not_repeated_once_an_answer_began(upstream, provider):
    """A pooled connection that breaks after a byte of the answer is not replaced."""
    provider.script = sequence(chat(), cut(chat(), at=1))
    await fetch(upstream, post(provider))
    with pytest.raises(UpstreamError):
        await fetch(upstream, post(provider))
    assert len(provider.requests) == 2


async def test_request_is_not_repeated_when_the_provider_took_its_time(upstream, provider):
    """A pooled connection that breaks late may have carried the request to someone who worked on it."""

    async def late(request, send):
        await asyncio.sleep(0.6)
        send.close()

    provider.script = sequence(chat(), late)
    await fetch(upstream, post(provider))
    with pytest.raises(UpstreamUnreachable):
        await fetch(upstream, post(provider))
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok???",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok???",
    ],
    ids=["close", "http10", "second-answer", "rubbish", "rubbish-after-close"],
)
async def test_connection_that_can_not_go_on_is_not_kept(upstream, provider, answer):
    """A connection that the provider ends, or on which it said too much, serves no second request."""
    provider.script = raw(answer)
    for _ in range(2):
        assert await fetch(upstream, post(provider)) == (200, b"ok")
        assert repr(upstream) == NOTHING
    assert provider.connections.accepted == 2


async def test_bytes_on_an_idle_connection_end_it(upstream, provider):
    """An answer that nobody asked for never becomes the answer to the next request."""
    go_on = asyncio.Event()

    async def twice(request, send):
        await send(200, b"first")
        await go_on.wait()
        await send(200, b"smuggled")

    provider.script = sequence(twice, status(200, b"second"))
    assert await fetch(upstream, post(provider)) == (200, b"first")
    go_on.set()
    await provider.requests[0].closed.wait()
    assert await fetch(upstream, post(provider)) == (200, b"second")


async def test_answer_before_the_request_was_taken_ends_the_connection(upstream, provider):
    """A provider that refuses without reading the whole request is understood, and the connection is not reused."""
    async with listening(_refuse_at_once) as provider.port:
        with await upstream.open(post(provider, b"x" * 20_000_000)) as answer:
            assert (answer.status, await answer.read()) == (413, b"big")
        assert repr(upstream) == NOTHING


async def _refuse_at_once(reader, writer):
    await reader.readexactly(10)
    writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
    await reader.read(-1)


async def test_idle_connections_are_bounded_in_number_and_age(provider):
    """More idle connections than allowed are closed at once, the others when they come of age."""
    client = Upstream(UpstreamLimits(max_idle_per_endpoint=2, max_idle_s=0.05))
    answers = [await client.open(post(provider)) for _ in range(5)]
    for answer in answers:
        await read_all(answer)
        answer.close()
    assert repr(client) == "Upstream(0 active, 0 waiting, 2 idle)"
    await provider.open_connections(2)
    await provider.open_connections(0)
    assert repr(client) == NOTHING
    client.close()


async def test_close_ends_idle_connections_and_leaves_open_answers(upstream, provider):
    """An answer that is open when the client is closed is read to its end; then its connection is closed."""
    await fetch(upstream, post(provider))
    answer, other = await upstream.open(post(provider)), await upstream.open(post(provider))
    await read_all(other)
    other.close()
    upstream.close()
    await provider.open_connections(1)
    assert len(await read_all(answer)) > 100
    answer.close()
    await provider.open_connections(0)
    assert (await fetch(upstream, post(provider)))[0] == 200
    await provider.open_connections(0)


async def test_request_beyond_the_bound_waits_its_turn(provider):
    """With all connections in use the next requests wait, first come, first served."""
    client = Upstream(UpstreamLimits(max_connections_per_endpoint=1))
    first = await client.open(post(provider))
    await read_all(first)
    order = []

    async def one(name):
        await fetch(client, post(provider))
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(one(name))
        await asyncio.sleep(0)
        assert repr(client) == "Upstream(1 active, 3 waiting, 0 idle)"
        first.close()
    assert order == ["a", "b", "c"]
    assert provider.connections.accepted == 1
    client.close()


async def test_waiting_ends_at_its_limit_and_in_cancellation(provider):
    """A request that gave up waiting leaves the queue, and its place goes to the next."""
    client = Upstream(UpstreamLimits(max_connections_per_endpoint=1))
    provider.script = sequence(stream(stall_after=0), chat())
    first = await client.open(post(provider))
    with pytest.raises(TimeoutError):
        await client.open(post(provider), until=now() + 0.02)
    assert repr(client) == "Upstream(1 active, 0 waiting, 0 idle)"
    waiter, last = [asyncio.create_task(fetch(client, post(provider))) for _ in range(2)]
    await asyncio.sleep(0)
    first.close()
    waiter.cancel()  # The place has been handed to it, but it has not run yet.
    assert (await last)[0] == 200
    assert waiter.cancelled()
    assert repr(client) == "Upstream(0 active, 0 waiting, 1 idle)"
    client.close()


async def test_too_many_waiting_are_refused(provider):
    """The queue has a bound, and beyond it the answer is ours, not the provider's."""
    client = Upstream(UpstreamLimits(max_connections_per_endpoint=1, max_waiting_per_endpoint=0))
    with await client.open(post(provider)), pytest.raises(Overloaded) as caught:
        await client.open(post(provider))
    assert caught.value.retry_after_s, "a repeat may help, and says so"
    client.close()


@pytest.mark.parametrize("script", [silent(), stream(stall_after=1)], ids=["head", "body"])
async def test_cancelled_call_closes_its_connection_at_once(upstream, provider, script):
    """The provider sees the end of the connection within 50 ms of the cancellation."""
    provider.script = script
    call = asyncio.create_task(fetch(upstream, post(provider)))
    request = await provider.seen()
    await asyncio.sleep(0.02)
    call.cancel()
    cancelled_at = now()
    await request.closed.wait()
    assert request.closed_at - cancelled_at < 0.05
    assert call.cancelled()
    assert repr(upstream) == NOTHING


async def test_cancelled_read_closes_the_connection_by_itself(upstream, provider):
    """A reader who is cancelled need not come back to close: the provider is told at once."""
    provider.script = stream(stall_after=0)
    answer = await upstream.open(post(provider))
    reading = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    reading.cancel()
    await provider.requests[0].closed.wait()
    answer.close()
    assert repr(upstream) == NOTHING


async def test_unread_body_is_not_seen_by_the_next_request(upstream, provider):
    """A whole body that nobody read is dropped with its answer, and the connection goes on."""
    provider.script = sequence(status(200, b"x" * 10_000), status(200, b"second"))
    (await upstream.open(post(provider))).close()
    assert await fetch(upstream, post(provider)) == (200, b"second")
    assert provider.connections.accepted == 1


async def test_dead_idle_connections_take_no_place(provider):
    """A connection is kept although the places for idle ones are taken, if those there are dead."""
    client = Upstream(UpstreamLimits(max_idle_per_endpoint=1))
    first, second = await client.open(post(provider)), await client.open(post(provider))
    for answer in (first, second):
        await read_all(answer)
    first.close()
    provider.requests[0].reply.close()
    await provider.open_connections(1)
    await asyncio.sleep(0.02)  # The news is under way to the client.
    second.close()
    assert repr(client) == "Upstream(0 active, 0 waiting, 1 idle)"
    assert (await fetch(client, post(provider)))[0] == 200
    assert provider.connections.accepted == 2
    client.close()


async def test_closed_answer_closes_its_connection_at_once(upstream, provider):
    """Leaving an answer before its end is seen by the provider within 50 ms, also while it sends with all its might."""
    for script in (stream(stall_after=1), flood(50_000_000)):
        provider.script = script
        with await upstream.open(post(provider)) as answer:
            await answer.read()
        left_at = now()
        request = provider.requests[-1]
        await request.closed.wait()
        assert request.closed_at - left_at < 0.05


@pytest.mark.parametrize("where", ["head", "body"])
async def test_limit_in_time_is_kept(upstream, provider, where):
    """`until` ends the waiting on time; in the body the caller may go on reading, and decides what it means."""
    provider.script = silent() if where == "head" else stream(stall_after=0)
    until = now() + 0.05
    if where == "head":
        with pytest.raises(TimeoutError):
            await upstream.open(post(provider), until=until)
        await provider.requests[0].closed.wait()
    else:
        with await upstream.open(post(provider)) as answer:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await answer.read(until=until)
            assert provider.connections.open == 1
    assert 0.0 <= now() - until < 0.1


async def test_nothing_leaks(upstream, provider):
    """After every kind of ending all sockets of both sides are closed and the client holds nothing."""
    await fetch(upstream, post(provider))
    before = psutil.Process().num_fds()
    for script in (chat(), hang_up(), hang_up(reset=True), cut(chat(), at=30), raw(b"junk"), silent(), stream()) * 5:
        provider.script = script
        try:
            with await upstream.open(post(provider), until=now() + 0.02) as answer:
                await answer.read()
        except (UpstreamError, TimeoutError):
            pass
    upstream.close()
    await provider.open_connections(0)
    await asyncio.sleep(0.01)
    assert repr(upstream) == NOTHING
    assert psutil.Process().num_fds() <= before


async def test_the_end_of_a_finished_answer_is_awaited_without_anyone(upstream, provider):
    """When all that matters has come, the connection comes back as soon as the body ends, and nobody waits for it."""
    end = asyncio.Event()

    async def script(request, send):
        await send.head(200)
        await send.chunk(b"all that matters")
        await end.wait()
        await send.chunk(b"a little more")
        await send.end()

    provider.script = script
    response = await upstream.open(post(provider))
    assert await response.read() == b"all that matters"
    response.finish()
    response.close()
    assert repr(upstream) == "Upstream(1 active, 0 waiting, 0 idle)"
    end.set()
    async with asyncio.timeout(1):
        while repr(upstream) != "Upstream(0 active, 0 waiting, 1 idle)":
            await asyncio.sleep(0.001)
    provider.script = chat()
    await fetch(upstream, post(provider))
    assert provider.connections.accepted == 1


@pytest.mark.parametrize("script", [silent_end(), flood(1 << 20)], ids=["no end", "too much"])
async def test_a_finished_answer_that_does_not_end_is_aborted(upstream, provider, script):
    """Neither a provider that keeps the body open nor one that goes on and on holds a connection."""
    provider.script = script
    response = await upstream.open(post(provider))
    await response.read()
    response.finish()
    request = await provider.seen(1)
    await asyncio.wait_for(request.closed.wait(), 2)
    assert repr(upstream) == NOTHING


async def test_closing_waits_for_no_end_of_a_finished_answer(upstream, provider):
    """A connection that only lingers is closed with the client, and not left to itself."""
    provider.script = silent_end()
    response = await upstream.open(post(provider))
    await response.read()
    response.finish()
    upstream.close()
    assert repr(upstream) == NOTHING
    request = await provider.seen(1)
    await asyncio.wait_for(request.closed.wait(), 0.5)


async def test_a_finished_whole_answer_is_given_back_at_once(upstream, provider):
    """There is nothing to wait for."""
    response = await upstream.open(post(provider))
    await read_all(response)
    response.finish()
    assert repr(upstream) == "Upstream(0 active, 0 waiting, 1 idle)"
    with pytest.raises(RuntimeError):
        await response.read()
