"""Limits in a real Redis or Valkey: the script says what the account says, and failures are told within the bound."""

import asyncio
import itertools
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger import Clock, Ledger, comparable, limit
from tests.valkey import present, valkey
from trunkline_server.core.limit import MAX_AMOUNT, Period, Window
from trunkline_server.quota.memory import MemoryStore
from trunkline_server.quota.redis import RedisStore
from trunkline_server.quota.store import Ask, Report, StoreDown
from trunkline_server.quota.windows import SECOND

pytestmark = pytest.mark.skipif(not present(), reason="there is neither valkey-server nor redis-server")


@pytest.fixture(scope="module")
def server():
    with valkey() as running:
        yield running


@pytest.fixture
def own():
    """A server that the test may stop."""
    with valkey() as running:
        yield running


@pytest.fixture
async def store(server):
    store = RedisStore.open(server.address, within_s=5)
    yield store
    await store.close()


NAMES = itertools.count()


def fresh(one):
    """The limit under a name that nobody has used."""
    return replace(one, scope_id=f"acme/{next(NAMES)}")


async def take(store, one, need, lease="a", reports=()):
    [grant] = await store.exchange([Ask(limit=one, lease=lease, need=need, want=need, reports=reports)])
    return grant


async def test_racing_stores_get_all_of_it_and_no_more(server):
    """Eight that take at once, each over connections of its own, have the whole limit between them, to the unit."""
    one = fresh(limit(Window.CALENDAR, 1000, period=Period.MONTH))
    stores = [RedisStore.open(server.address, within_s=5) for _ in range(8)]

    async def greedy(store, lease):
        mine = 0
        while (grant := await take(store, one, 3, lease)).amount:
            mine += grant.amount
        return mine

    got = await asyncio.gather(*(greedy(store, f"lease{n}") for n, store in enumerate(stores)))
    assert sum(got) == 1000
    for store in stores:
        await store.close()


async def test_asks_of_one_exchange_are_answered_in_their_order(store):
    """Each limit by itself, whatever the others say."""
    limits = [fresh(limit(window, 10)) for window in Window]
    asks = [Ask(limit=one, lease="a", need=n, want=n) for n, one in enumerate(limits, 8)]
    assert [grant.amount for grant in await store.exchange(asks)] == [8, 9, 10, 10]
    assert [each.held for each in await store.standings(limits)] == [8, 9, 10, 10]
    assert await store.exchange([]) == []


async def test_more_exchanges_than_connections_wait_for_each_other(store):
    """A burst is served over the few connections that there are."""
    one = fresh(limit(Window.CALENDAR, 1000))
    grants = await asyncio.gather(*(take(store, one, 10, f"lease{n}") for n in range(110)))
    assert sum(grant.amount for grant in grants) == 1000


async def test_the_servers_clock_counts(store):
    """A bucket refills by the time of the server."""
    one = fresh(limit(Window.TOKEN_BUCKET, 1000, period_s=0.2))
    grant = await take(store, one, 1000)
    used = Report(lease="a", window=grant.window, used=1000, returned=0)
    dry = await take(store, one, 1, reports=(used,))
    assert dry.amount in (0, 1)
    deadline = time.monotonic() + 10
    while not (await take(store, one, 500, "b")).amount:
        assert time.monotonic() < deadline


async def test_a_server_that_lost_its_scripts_gets_them_again(server, store):
    """After a restart the first exchange goes through."""
    one = fresh(limit(Window.CALENDAR, 10))
    assert (await take(store, one, 4)).amount == 4
    assert server.say("SCRIPT", "FLUSH").startswith(b"+OK")
    assert (await take(store, one, 10, "b")).amount == 6


async def test_keys_name_nobody_and_vanish(server, store):
    """A key holds a hash in a cluster's tag, and has an end."""
    assert server.say("FLUSHALL").startswith(b"+OK")
    one = replace(limit(Window.TOKEN_BUCKET, 10), scope_id="secret-team")
    await take(store, one, 4)
    keys = server.say("KEYS", "*").split(b"\r\n")
    assert keys[0] == b"*1"
    assert keys[2].startswith(b"tl:{")
    assert b"secret" not in keys[2]
    left_ms = int(server.say("PTTL", keys[2].decode()).strip(b":\r\n"))
    assert 0 < left_ms <= (600 + 7200 + 60) * 1000


async def test_a_server_that_is_gone_is_told_and_comes_back(own):
    """While it is down each exchange is StoreDown; when it is there again, so is the store."""
    store = RedisStore.open(own.address, within_s=1)
    one = limit(Window.CALENDAR, 10)
    await take(store, one, 1)
    own.stop()
    with pytest.raises(StoreDown, match="can't be reached"):
        await take(store, one, 1)
    own.start()
    assert (await take(store, one, 1)).amount == 1
    await store.close()


async def test_a_server_that_hangs_costs_no_more_than_the_bound(own):
    """A stopped process keeps its connections, but nobody waiting."""
    store = RedisStore.open(own.address, within_s=0.05)
    one = limit(Window.CALENDAR, 10)
    await take(store, one, 1)
    own.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(StoreDown, match="in time"):
            await take(store, one, 1)
        assert time.monotonic() - began < 0.5
    finally:
        own.process.send_signal(signal.SIGCONT)
    patient = RedisStore.open(own.address, within_s=5)
    grant = await take(patient, one, 1)
    assert grant.total == 10 - grant.remaining  # what was carried out after all is told of
    await patient.close()
    await store.close()


async def test_a_server_that_wants_a_password_is_told_from_one_that_is_gone():
    """The address and what is in it are in no text."""
    with valkey("--requirepass", "hunter2") as locked:
        for address in (locked.address, f"unix://:hunter3@{locked.socket}"):
            store = RedisStore.open(address, within_s=5)
            with pytest.raises(StoreDown, match="does not let us in") as refused:
                await take(store, limit(Window.CALENDAR), 1)
            assert not {"hunter3", str(locked.folder)} & {*f"{refused.value} {store!r}".split()}
            await store.close()


async def test_a_full_server_is_told():
    """One that is out of memory says so, and nothing is granted."""
    with valkey("--maxmemory", "1") as full:
        store = RedisStore.open(full.address, within_s=5)
        with pytest.raises(StoreDown, match="out of memory"):
            await take(store, limit(Window.CALENDAR), 1)
        await store.close()


def test_an_address_of_something_else_is_refused():
    """And not repeated."""
    with pytest.raises(StoreDown) as refused:
        RedisStore.open("amqp://user:hunter2@nowhere", within_s=1)
    assert "hunter2" not in str(refused.value)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    moment=st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2120, 1, 1)),  # noqa: DTZ001
    period=st.sampled_from(Period),
)
def test_calendars_agree(server, moment, period):
    """The script turns windows when the account does, in leap years and at the turn of centuries too."""
    now = int(moment.replace(tzinfo=UTC).timestamp()) * SECOND
    one = fresh(limit(Window.CALENDAR, 10, period=period))
    assert_agreed(server, [Ask(limit=one, lease="a", need=1, want=1)], [now])


MOST = MAX_AMOUNT // 5
"""The test uses up a bucket five times, and what a lease has used in all has to stay exact, too."""
AMOUNTS = st.one_of(st.integers(1, MOST), st.integers(1, 1000), st.sampled_from([MOST, MOST - 1]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    capacity=AMOUNTS,
    period_us=st.integers(60, 31 * 86_400 * 10**6),
    need=AMOUNTS,
    elapsed_us=st.lists(st.integers(0, 40 * 86_400 * 10**6), min_size=1, max_size=4),
)
def test_large_numbers_stay_exact(server, capacity, period_us, need, elapsed_us):
    """Buckets as large as limits may be refill to the unit, though Lua counts in doubles."""
    one = fresh(limit(Window.TOKEN_BUCKET, capacity, period_s=period_us / 10**6))
    ask = Ask(limit=one, lease="a", need=min(need, capacity), want=min(need, capacity))
    used = Report(lease="a", window="", used=ask.need, returned=0)
    again = Ask(limit=one, lease="a", need=capacity, want=capacity, reports=(used,))
    moments = itertools.accumulate(elapsed_us, lambda now, more: now + more * 1000, initial=Clock().now)
    assert_agreed(server, [ask, *[again] * len(elapsed_us)], list(moments))


def assert_agreed(server, asks, moments):
    clock = Clock()

    async def both():
        redis = RedisStore.open(server.address, within_s=5, now=clock)
        memory = MemoryStore(clock)
        for ask, clock.now in zip(asks, moments, strict=True):
            theirs, ours = await redis.exchange([ask]), await memory.exchange([ask])
            assert comparable(theirs) == comparable(ours)
            assert comparable(await redis.standings([ask.limit])) == comparable(await memory.standings([ask.limit]))
        await redis.close()

    asyncio.run(both())


class RedisLedger(Ledger):
    """All that can happen to an account, in Redis as in memory, answer for answer."""

    server = None

    def open_twin(self):
        assert self.server.say("FLUSHALL").startswith(b"+OK")
        return RedisStore.open(self.server.address, within_s=5, now=self.clock)


@pytest.fixture
def ledger(server):
    RedisLedger.server = server
    return RedisLedger


def test_it_says_what_the_account_in_memory_says(ledger):
    """Crashes, late words, lost machines, clocks that jump and limits that change are the same to both."""
    ledger.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
    ledger.TestCase().runTest()
