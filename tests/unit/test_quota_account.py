"""The account of a limit: what is granted never exceeds it, and nothing of it is lost or counted twice."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from trunkline_server.core.limit import Limit, Period, Resource, Scope, Window
from trunkline_server.quota import windows
from trunkline_server.quota.account import ENDED_NS, KEPT_NS, LEASE_NS
from trunkline_server.quota.memory import MemoryStore
from trunkline_server.quota.store import Ask, Report
from trunkline_server.quota.windows import SECOND

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * SECOND
HOUR = 3600 * SECOND


def limit(window, capacity=1000, **changes):
    shape = {
        Window.TOKEN_BUCKET: {"period_s": 60.0},
        Window.ROLLING: {"period_s": 60.0},
        Window.CALENDAR: {"period": Period.HOUR},
        Window.IN_USE: {},
    }[window]
    resource = Resource.CONCURRENT_CALLS if window is Window.IN_USE else Resource.TOKENS
    return Limit(
        name="one", scope=Scope.TEAM, scope_id="acme/search", resource=resource, window=window, capacity=capacity,
        **shape, **changes,
    )  # fmt: skip


def done(coroutine):
    """What a coroutine that never waits returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


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

    assert windows.calendar(period, at(moment)) == (at(start), at(end if len(end) > 2 else (*end, 1)))


class Ledger(RuleBasedStateMachine):
    """Workers that take, use, overdraw, return, die, fall silent, and say things twice, while clocks jump."""

    grants = Bundle("grants")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.latest = self.clock.now
        self.store = MemoryStore(self.clock)
        self.names = itertools.count()
        self.limits = [limit(window, capacity) for window, capacity in zip(Window, (60, 50, 40, 5), strict=True)]
        self.truth = {}
        """By lease: its limit and window, what it was granted, has used, and has returned."""

    def ask(self, ask):
        [grant] = done(self.store.exchange([ask]))
        self.latest = max(self.latest, self.clock.now)
        return grant

    @rule(target=grants, which=st.integers(0, 3), need=st.integers(0, 30), want=st.integers(0, 30))
    def take(self, which, need, want):
        one = self.limits[which]
        name = f"lease{next(self.names)}"
        before = done(self.store.standings([one]))[0].remaining
        grant = self.ask(Ask(limit=one, lease=name, need=need, want=max(need, want)))
        assert 0 <= grant.amount <= max(need, want)
        assert grant.amount <= max(0, before)
        assert grant.retry_after_s == 0.0 or grant.amount < need
        self.truth[name] = {"limit": one, "window": grant.window, "granted": grant.amount, "used": 0, "returned": 0}
        self.truth[name] |= {"word": self.latest, "vague": False}
        assert grant.total == grant.amount
        return name

    @rule(name=grants, need=st.integers(1, 30))
    def take_more(self, name, need):
        """A lease grows, and learns what it has in all: what it overdrew is behind it."""
        mine = self.truth[name]
        ask = Ask(limit=mine["limit"], lease=name, need=need, want=need, reports=(self.report(name),))
        if mine.get("dead") or windows.window_id(mine["limit"], max(self.latest, self.clock.now)) != mine["window"]:
            return
        silent = max(self.latest, self.clock.now) - mine["word"]
        grant = self.ask(ask)
        mine["word"] = self.latest
        mine["granted"] += grant.amount
        if silent >= ENDED_NS:  # it may have been forgotten, and then goes on with what it told
            mine["granted"] = mine["used"] + mine["returned"] + grant.amount
            assert grant.total >= mine["granted"]
            mine["vague"] = True
        assert grant.amount == 0 or grant.total - mine["used"] - mine["returned"] >= grant.amount

    @rule(name=grants, used=st.integers(0, 40), returned=st.integers(0, 30), told=st.integers(1, 3))
    def use(self, name, used, returned, told):
        """Settles some, more than it had at times, gives back some of the rest, and says so more than once."""
        mine = self.truth[name]
        if mine.get("dead"):
            return
        if mine["limit"].window is Window.IN_USE:
            used = 0
        mine["used"] += used
        mine["returned"] += min(returned, max(0, mine["granted"] - mine["used"] - mine["returned"]))
        for _ in range(told):
            self.ask(Ask(limit=mine["limit"], lease=name, reports=(self.report(name),)))

    @rule(name=grants)
    def die(self, name):
        """A worker that is gone: others report what it recorded, twice."""
        mine = self.truth[name]
        for _ in range(2):
            done(self.store.reap([(mine["limit"], self.report(name))]))
        mine["dead"] = True

    @rule(name=grants)
    def stale(self, name):
        """A report from long ago comes late; totals never go down."""
        mine = self.truth[name]
        old = Report(lease=name, window=mine["window"], used=mine["used"] // 2, returned=mine["returned"] // 2)
        if not mine.get("dead"):
            self.ask(Ask(limit=mine["limit"], lease=name, reports=(old,)))

    @rule(seconds=st.sampled_from([0.001, 0.5, 1, 7, 61, 3600, -3600, -1]))
    def pass_time(self, seconds):
        self.clock.now += round(seconds * SECOND)

    def report(self, name):
        mine = self.truth[name]
        return Report(lease=name, window=mine["window"], used=mine["used"], returned=mine["returned"])

    @invariant()
    def what_is_granted_is_within_the_limit(self):
        """But for what was overdrawn or taken back, no window ever has more out than the limit allows."""
        for one in self.limits:
            account = self.store.accounts.get(one.id)
            if account is None or one.window is Window.TOKEN_BUCKET:
                continue
            for frame in account.frames.values():
                assert frame.used + frame.open - frame.overage <= one.capacity

    @invariant()
    def nothing_is_lost_or_made(self):
        """For each window: granted + overage = settled + returned + forfeited + open, as its leases tell, and no part
        is below zero."""
        for account in self.store.accounts.values():
            for frame in account.frames.values():
                for each in frame.leases.values():
                    assert min(each.granted, each.used, each.returned, each.overage, each.open) >= 0
                known = frame.leases.values()
                assert frame.open == sum(each.open for each in known if not each.lost) >= 0
                for name in ("granted", "overage", "used", "returned"):
                    assert getattr(frame, name) >= sum(getattr(each, name) for each in known)

    @invariant()
    def the_account_says_what_happened(self):
        """What a lease is known to have had, used and returned is the truth, unless it has been forgotten."""
        for name, mine in self.truth.items():
            account = self.store.accounts[mine["limit"].id]
            frame = account.frames.get(mine["window"])
            if frame is not None and name in frame.leases and not mine.get("dead"):
                lease = frame.leases[name]
                assert lease.granted == mine["granted"] or mine["vague"]
                assert lease.used == (0 if mine["limit"].window is Window.IN_USE else mine["used"])
                assert lease.returned == mine["returned"]

    @invariant()
    def a_bucket_never_holds_more_than_its_capacity(self):
        [one] = [each for each in self.limits if each.window is Window.TOKEN_BUCKET]
        account = self.store.accounts.get(one.id)
        assert account is None or account.level is None or account.level <= one.capacity

    def teardown(self):
        """When all has ended and time has passed, all of every limit is there again."""
        for name in self.truth:
            self.die(name)
        self.clock.now = self.latest + 3 * HOUR + KEPT_NS
        for one in self.limits:
            # One exchange lets the bucket refill; what was owed is long back.
            self.ask(Ask(limit=one, lease="end"))
            assert self.ask(Ask(limit=one, lease="end", need=one.capacity, want=one.capacity)).amount == one.capacity


Ledger.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True)
TestLedger = Ledger.TestCase
