"""Requests that take long to read do so one after another."""

import asyncio

import pytest

from trunkline_server.engine.turns import ROUND_BYTES, SMALL_BYTES, Turns


async def test_rounds_lie_between_large_requests():
    """Between two large requests everybody else gets a round of the loop."""
    turns, seen = Turns(), []
    loop = asyncio.get_running_loop()

    async def read() -> None:
        await turns.take(ROUND_BYTES, "a")
        seen.append("read")
        loop.call_soon(seen.append, "other")

    await asyncio.gather(*(read() for _ in range(4)))
    assert "".join(word[0] for word in seen) == "rorororo"[: len(seen)]


async def test_smaller_ones_share_a_round():
    """As many go through in one round as fit its bytes."""
    turns, size = Turns(), ROUND_BYTES // 2
    rounds = []

    async def read() -> None:
        await turns.take(size, "a")
        rounds.append(count)

    reading = [asyncio.ensure_future(read()) for _ in range(4)]
    for count in range(20):  # noqa: B007 (what a round sees)
        await asyncio.sleep(0)
    assert all(task.done() for task in reading)
    assert rounds[0] == rounds[1] < rounds[2] == rounds[3]


async def test_connections_take_turns():
    """A connection with one request waits for one of each other, not for all of one."""
    turns, order = Turns(), []

    async def read(peer: str) -> None:
        await turns.take(ROUND_BYTES, peer)
        order.append(peer)

    await asyncio.gather(*(read(peer) for peer in "aaaaab"))
    assert order == ["a", "a", "b", "a", "a", "a"]


async def test_small_requests_never_wait():
    """A small request goes through while others wait."""
    turns = Turns()
    await turns.take(ROUND_BYTES, "a")
    waiting = asyncio.ensure_future(turns.take(ROUND_BYTES, "a"))
    small = turns.take(SMALL_BYTES, "a")
    with pytest.raises(StopIteration):
        small.send(None)
    assert not waiting.done()
    await waiting


async def test_a_call_that_ends_while_it_waits_loses_its_turn():
    """A cancelled wait holds nobody up, and leaves nothing behind."""
    turns = Turns()
    await turns.take(ROUND_BYTES, "a")
    gone, next_one = (asyncio.ensure_future(turns.take(ROUND_BYTES, "a")) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(next_one, 5)
    assert repr(turns) == "<Turns: 0 connections wait>"


async def test_after_a_long_round_others_have_as_long():
    """A large request that took long is followed by a pause in which other calls run."""
    turns, ticks = Turns(), []
    loop = asyncio.get_running_loop()

    async def read(seconds: float) -> float:
        await turns.take(ROUND_BYTES, "a")
        until = loop.time() + seconds
        while loop.time() < until:
            pass
        return loop.time()

    def tick() -> None:
        ticks.append(loop.time())
        loop.call_later(0.001, tick)

    tick()
    first, second = await asyncio.gather(read(0.1), read(0))
    assert second - first >= 0.1
    assert sum(first < at < second for at in ticks) > 1
