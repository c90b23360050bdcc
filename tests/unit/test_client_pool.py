"""How a client shares its connections among its calls."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from trunkline.errors import Cancelled, DeadlineExceeded, RateLimited
from trunkline.pool import AsyncPool, Limits, Pool, decide

LIMITS = Limits(calls_per_connection=2, connections=2, waiting=2, idle_s=0.0)


def soon(seconds=5.0):
    return time.monotonic() + seconds


class Connections:
    """Hands out numbers as connections and remembers which were closed."""

    def __init__(self):
        self.made = 0
        self.closed = []

    def __call__(self):
        self.made += 1
        return self.made


@pytest.mark.parametrize(
    ("calls", "index"),
    [([], 0), ([0], 0), ([1], 0), ([2], 1), ([2, 1], 1), ([1, 2], 0), ([2, 2], None)],
)
def test_the_first_connection_with_room_is_used(calls, index):
    """A call goes to the first connection with room, else to a new one, else it waits."""
    assert decide(calls, LIMITS) == index


def waiting_threads(pool, count, threads):
    """Takes that wait, begun one after the other."""
    takes = []
    for number in range(count):
        takes.append(threads.submit(pool.take, soon()))
        until = soon()
        while f"{number + 1} waiting" not in repr(pool):
            assert time.monotonic() < until
    return takes


def test_places_go_to_those_who_waited_longest():
    """Threads get places in the order in which they came, and a newcomer does not overtake them."""
    connections = Connections()
    pool = Pool(connections, connections.closed.append, LIMITS)
    leases = [pool.take(soon()) for _ in range(4)]
    assert [lease.connection for lease in leases] == [1, 1, 2, 2]
    with ThreadPoolExecutor(2) as threads:
        first, second = waiting_threads(pool, 2, threads)
        with pytest.raises(RateLimited, match="fewer calls at once"):
            pool.take(soon())
        leases[2].give_back()
        leases[2].give_back()
        assert first.result(5).connection == 2
        assert not second.done()
        leases[0].give_back()
        assert second.result(5).connection == 1
    assert connections.made == 2


def test_waiting_ends_at_the_deadline_and_leaves_no_trace():
    """A thread that waits in vain gets DeadlineExceeded; the place it waited for goes to the next."""
    pool = Pool(Connections(), lambda _: None, LIMITS)
    leases = [pool.take(soon()) for _ in range(4)]
    with pytest.raises(DeadlineExceeded, match="2 connections carry 2 calls each"):
        pool.take(soon(0.01))
    assert repr(pool) == "4 calls on 2 connections, 0 waiting"
    leases[3].give_back()
    assert pool.take(soon(0.01)).connection == 2


def test_idle_connections_beyond_the_first_are_closed():
    """The next call closes what has been idle for too long, and the first connection stays."""
    connections = Connections()
    pool = Pool(connections, connections.closed.append, LIMITS)
    for lease in [pool.take(soon()) for _ in range(4)]:
        lease.give_back()
    assert pool.take(soon()).connection == 1
    assert connections.closed == [2]
    assert repr(pool) == "1 calls on 1 connections, 0 waiting"


def test_closing_wakes_those_who_wait():
    """Threads that wait when a pool is closed get Cancelled, as do those that come later."""
    connections = Connections()
    pool = Pool(connections, connections.closed.append, LIMITS)
    leases = [pool.take(soon()) for _ in range(4)]
    with ThreadPoolExecutor(1) as threads:
        (waiting,) = waiting_threads(pool, 1, threads)
        pool.close()
        with pytest.raises(Cancelled, match="closed"):
            waiting.result(5)
    with pytest.raises(Cancelled, match="closed"):
        pool.take(soon())
    leases[0].give_back()
    assert connections.closed == [1, 2]


def test_many_threads_never_hold_more_than_there_is():
    """Whatever the interleaving, no connection carries more calls than it may, and all places come back."""
    holders, peak, lock = {1: 0, 2: 0}, [], threading.Lock()
    pool = Pool(Connections(), lambda _: None, Limits(calls_per_connection=2, connections=2, waiting=50))

    def hold(_):
        with pool.take(soon(20)) as connection:
            with lock:
                holders[connection] += 1
                peak.append(holders[connection])
            with lock:
                holders[connection] -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(hold, range(500)))
    assert max(peak) <= 2
    assert "0 calls" in repr(pool)


async def test_tasks_get_places_in_order():
    """Tasks get places in the order in which they came; one that was cancelled while it waited is passed over."""
    pool = AsyncPool(Connections(), LIMITS)
    leases = [await pool.take(soon()) for _ in range(4)]
    gone, stays = (asyncio.create_task(pool.take(soon())) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await pool.take(soon())
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    leases[3].give_back()
    assert (await stays).connection == 2
    assert repr(pool) == "4 calls on 2 connections, 0 waiting"


async def test_a_place_given_to_a_task_that_is_cancelled_comes_back():
    """A task that is cancelled after its turn came, and before it ran, gives the place back."""
    pool = AsyncPool(Connections(), LIMITS)
    leases = [await pool.take(soon()) for _ in range(4)]
    waiting = asyncio.create_task(pool.take(soon()))
    await asyncio.sleep(0)
    leases[0].give_back()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert repr(pool) == "3 calls on 2 connections, 0 waiting"


async def test_tasks_wait_no_longer_than_their_deadline():
    """A task that waits in vain gets DeadlineExceeded, and a closed pool wakes it with Cancelled."""
    pool = AsyncPool(Connections(), LIMITS)
    for _ in range(4):
        await pool.take(soon())
    with pytest.raises(DeadlineExceeded):
        await pool.take(soon(0.01))
    waiting = asyncio.create_task(pool.take(soon()))
    await asyncio.sleep(0)
    assert pool.close() == [1, 2]
    with pytest.raises(Cancelled):
        await waiting
