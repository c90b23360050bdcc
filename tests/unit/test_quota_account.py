"""The account of a limit: what is granted never exceeds it, and nothing of it is lost or counted twice."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger import HOUR, Clock, Ledger, done, limit
from trunkline_server.core.limit import Period, Window
from trunkline_server.quota import windows
from trunkline_server.quota.account import KEPT_NS, LEASE_NS
from trunkline_server.quota.memory import MemoryStore
from trunkline_server.quota.store import Ask, Report
from trunkline_server.quota.windows import SECOND


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


async def take(store, one, need, lease="a", want=0, reports=()):
    [grant] = await store.exchange([Ask(limit=one, lease=lease, need=need, want=max(need, want), reports=reports)])
    return grant


ALL = pytest.mark.parametrize("window", list(Window), ids=str)
TIMED = pytest.mark.parametrize("window", [each for each in Window if each is not Window.IN_USE], ids=str)


@ALL
async def test_no_more_is_granted_than_there_is(store, window):
    """Two leases together get the whole limit and not a unit more."""
    one = limit(window)
    first, second, third = [await take(store, one, 600, lease) for lease in "abc"]
    assert (first.amount, second.amount, third.amount) == (600, 400, 0)
    assert second.retry_after_s > 0


@ALL
async def test_what_is_given_back_can_be_taken_again(store, window):
    """A return is free for others at once, however often it is told."""
    one = limit(window)
    grant = await take(store, one, 1000)
    back = Report(lease="a", window=grant.window, used=100, returned=900)
    for _ in range(3):
        await take(store, one, 0, reports=(back,))
    left = await take(store, one, 1000, "b")
    assert left.amount == 900


@TIMED
async def test_use_beyond_what_was_granted_is_owed(store, clock, window):
    """Overage makes a debt: nothing is granted until it has come back."""
    one = limit(window)
    grant = await take(store, one, 1000)
    over = Report(lease="a", window=grant.window, used=1500, returned=0)
    refused = await take(store, one, 1, reports=(over,))
    assert (refused.amount, refused.remaining) == (0, -500)
    clock.now += round(refused.retry_after_s * SECOND)
    assert (await take(store, one, 1, "b")).amount == 1


@TIMED
async def test_the_time_to_wait_is_enough_and_needed(store, clock, window):
    """After retry_after_s what was lacking is there; a little before it is not."""
    one = limit(window)
    for part in range(4):
        grant = await take(store, one, 250)
        await take(store, one, 0, reports=(Report(lease="a", window=grant.window, used=250 * (part + 1), returned=0),))
        if window is Window.ROLLING:
            clock.now += 5 * SECOND
            await take(store, one, 0, reports=(Report(lease="a", window=grant.window, used=250, returned=0),))
    wait = round((await take(store, one, 100, "b")).retry_after_s * SECOND)
    clock.now += wait * 9 // 10
    standings = await store.standings([one])
    assert standings[0].remaining < 100
    clock.now += wait - wait * 9 // 10
    assert (await take(store, one, 100, "c")).amount == 100


USES = st.lists(
    st.tuples(st.integers(1, 1000), st.integers(0, 1500), st.integers(0, 90 * SECOND)), min_size=1, max_size=8
)


@TIMED
@settings(max_examples=100, deadline=None, derandomize=True)
@given(capacity=st.integers(1, 1000), uses=USES, need=st.integers(1, 1000), period_s=st.floats(0.01, 100_000))
def test_who_waits_as_told_is_served(window, capacity, uses, need, period_s):
    """After any use, also beyond what was granted: waiting retry_after_s, and nobody else calling, there is enough."""
    clock = Clock()
    store, one = MemoryStore(clock), limit(window, capacity, period_s=period_s, period=Period.DAY)
    for number, (wanted, used, passed) in enumerate(uses):
        lease = f"lease{number}"
        grant = done(take(store, one, wanted, lease))
        told = Report(lease=lease, window=grant.window, used=used, returned=max(0, grant.amount - used))
        done(take(store, one, 0, lease, reports=(told,)))
        clock.now += passed
    grant = done(take(store, one, need, "last"))
    if need > capacity:
        assert grant.retry_after_s is None
        return
    back = Report(lease="last", window=grant.window, used=0, returned=grant.amount)
    done(take(store, one, 0, "last", reports=(back,)))
    clock.now += -int(-grant.retry_after_s * SECOND // 1)
    assert done(take(store, one, need, "again")).amount == need


@ALL
async def test_more_than_the_whole_limit_never_comes(store, window):
    """Who needs more than the limit allows at all is told that waiting does not help."""
    assert (await take(store, limit(window), 1001)).retry_after_s is None


@TIMED
async def test_what_a_lost_machine_held_counts_as_used(store, clock, window):
    """A lease that nobody speaks of is not given to others."""
    one = limit(window)
    await take(store, one, 1000)
    clock.now += LEASE_NS
    assert (await take(store, one, 1000, "b")).amount < 1000


async def test_places_of_a_lost_machine_come_back_and_are_taken_again_if_it_was_only_slow(store, clock):
    """Concurrent calls of a lease that is silent are free after its time; its next word takes them back."""
    one = limit(Window.IN_USE, 10)
    grant = await take(store, one, 10)
    clock.now += LEASE_NS
    assert (await take(store, one, 10, "b")).amount == 10
    again = await take(store, one, 0, reports=(Report(lease="a", window=grant.window, used=0, returned=0),))
    assert again.remaining == -10


@ALL
async def test_a_dead_workers_rest_comes_back_once(store, window):
    """The last word on a lease frees what was not used, and saying it twice frees nothing more."""
    one = limit(window)
    grant = await take(store, one, 1000)
    last = Report(lease="a", window=grant.window, used=300, returned=100)
    for _ in range(2):
        await store.reap([(one, last)])
    assert (await take(store, one, 1000, "b")).amount == (1000 if window is Window.IN_USE else 700)


@ALL
async def test_a_lease_that_was_forgotten_is_not_counted_twice(store, clock, window):
    """A worker that was cut off for long and comes back with the totals of its lease adds nothing to the account."""
    one = limit(window, period_s=86_400.0, period=Period.DAY)
    grant = await take(store, one, 400)
    told = Report(lease="a", window=grant.window, used=300, returned=100)
    await take(store, one, 0, reports=(told,))
    clock.now += KEPT_NS
    [before] = await store.standings([one])
    again = await take(store, one, 10, reports=(told,))
    assert (again.amount, again.remaining) == (10, before.remaining - 10)


@ALL
async def test_a_grant_tells_what_the_lease_has_in_all(store, window):
    """So a worker that never got the answer to an ask knows by the next one, also when it was overdrawn meanwhile."""
    one = limit(window)
    lost = await take(store, one, 300)
    over = Report(lease="a", window=lost.window, used=350, returned=0)
    grant = await take(store, one, 100, reports=(over,))
    assert grant.total == (400 if window is Window.IN_USE else 450)


async def test_leases_that_come_and_go_leave_room_for_others(store, clock):
    """Workers that begin a new lease each second for a day never fill an account with those that ended."""
    one = limit(Window.CALENDAR, period=Period.MONTH)
    for number in range(5000):
        grant = await take(store, one, 1, f"lease{number}")
        assert grant.amount == 1
        back = Report(lease=f"lease{number}", window=grant.window, used=0, returned=1)
        await take(store, one, 0, f"lease{number}", reports=(back,))
        clock.now += SECOND
    [account] = store.accounts.values()
    assert sum(len(frame.leases) for frame in account.frames.values()) < 100


@TIMED
async def test_a_clock_that_is_set_back_gives_nothing_twice(store, clock, window):
    """An hour back and forth: only time that is new to the account counts."""
    one = limit(window)
    grant = await take(store, one, 1000)
    used = Report(lease="a", window=grant.window, used=1000, returned=0)
    await take(store, one, 0, reports=(used,))
    clock.now -= HOUR
    assert (await take(store, one, 1, "b")).amount == 0
    clock.now += HOUR
    assert (await take(store, one, 1, "b")).amount == 0


@TIMED
async def test_a_late_report_counts_in_the_window_of_its_grant(store, clock, window):
    """What was granted in a window that is over does not burden the next one."""
    one = limit(window)
    grant = await take(store, one, 1000)
    clock.now += 2 * HOUR
    late = Report(lease="a", window=grant.window, used=1000, returned=0)
    assert (await take(store, one, 1000, "b", reports=(late,))).amount == 1000


async def test_a_limit_that_shrinks_below_its_use_is_owed(store):
    """A capacity that was lowered holds at once, without forgetting what was used."""
    one = limit(Window.CALENDAR)
    grant = await take(store, one, 800)
    smaller = replace(one, capacity=500)
    used = Report(lease="a", window=grant.window, used=800, returned=0)
    assert (await take(store, smaller, 1, reports=(used,))).remaining == -300
    assert (await take(store, one, 200, "b")).amount == 200


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        (Period.MINUTE, (2026, 11, 24, 3, 4, 5), (2026, 11, 24, 3, 4), (2026, 11, 24, 3, 5)),
        (Period.HOUR, (2026, 12, 31, 23, 59, 59), (2026, 12, 31, 23), (2027, 1, 1)),
        (Period.DAY, (2028, 2, 28, 12), (2028, 2, 28), (2028, 2, 29)),
        (Period.WEEK, (2026, 11, 22, 23, 59, 59), (2026, 11, 16), (2026, 11, 23)),
        (Period.WEEK, (2026, 11, 23), (2026, 11, 23), (2026, 11, 30)),
        (Period.MONTH, (2028, 2, 29, 23), (2028, 2, 1), (2028, 3, 1)),
        (Period.MONTH, (2026, 12, 1), (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_calendar_windows_turn_in_utc(period, moment, start, end):
    """Weeks begin on Monday, months on the first, leap days count."""

    def at(parts):
        return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND

    assert windows.calendar(period, at(moment)) == (at(start), at(end))


Ledger.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True)
TestLedger = Ledger.TestCase
