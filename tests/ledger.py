"""A model of all that can happen to limits in a store: workers, lost machines, late reports and jumping clocks."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from trunkline_server.core.limit import Limit, Period, Resource, Scope, Window
from trunkline_server.quota import windows
from trunkline_server.quota.account import ENDED_NS, KEPT_NS
from trunkline_server.quota.memory import MemoryStore
from trunkline_server.quota.store import Ask, Report
from trunkline_server.quota.windows import SECOND

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * SECOND
HOUR = 3600 * SECOND


DAY = 24 * HOUR


def limit(window, capacity=1000, *, period_s=60.0, period=Period.HOUR, **changes):
    shape = {
        Window.TOKEN_BUCKET: {"period_s": period_s},
        Window.ROLLING: {"period_s": period_s},
        Window.CALENDAR: {"period": period},
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


def comparable(answers):
    """Answers with their times to two microseconds: a store may round up to whole ones."""
    return [
        {
            name: pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
            for name, value in structs.asdict(each).items()
        }
        for each in answers or ()
    ]


class Ledger(RuleBasedStateMachine):
    """Workers that take, use, overdraw, return, die, fall silent, and say things twice, while clocks jump."""

    grants = Bundle("grants")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.latest = self.clock.now
        self.store = MemoryStore(self.clock)
        self.names = itertools.count()
        self.runner = asyncio.Runner()
        self.twin = self.open_twin()
        self.truth = {}
        """By lease: its limit and window, what it was granted, has used, and has returned."""

    def open_twin(self):
        """A store that has to say the same as the one in memory, word for word; or none."""

    @initialize(
        capacities=st.tuples(*[st.integers(1, 60)] * 4),
        period_s=st.sampled_from([60.0, 7.3, 3600.0, 86_400.0]),
        period=st.sampled_from(Period),
    )
    def choose(self, capacities, period_s, period):
        self.limits = [
            limit(window, capacity, period_s=period_s, period=period)
            for window, capacity in zip(Window, capacities, strict=True)
        ]
        self.most = list(capacities)

    def do(self, act):
        """What the store answers, which its twin answers too."""
        answer = done(act(self.store))
        if self.twin is not None:
            theirs = self.runner.run(act(self.twin))
            assert comparable(theirs) == comparable(answer)
        return answer

    def ask(self, ask):
        [grant] = self.do(lambda store: store.exchange([ask]))
        self.latest = max(self.latest, self.clock.now)
        return grant

    @rule(target=grants, which=st.integers(0, 3), need=st.integers(0, 30), want=st.integers(0, 30))
    def take(self, which, need, want):
        one = self.limits[which]
        name = f"lease{next(self.names)}"
        [before] = self.do(lambda store: store.standings([one]))
        grant = self.ask(Ask(limit=one, lease=name, need=need, want=max(need, want)))
        assert 0 <= grant.amount <= max(need, want)
        assert grant.amount <= max(0, before.remaining)
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
            self.do(lambda store: store.reap([(mine["limit"], self.report(name))]))
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

    @rule(which=st.integers(0, 3), capacity=st.integers(1, 80))
    def configure(self, which, capacity):
        """A reload makes a limit larger or smaller, below what is used of it too."""
        self.limits[which] = replace(self.limits[which], capacity=capacity)
        self.most[which] = max(self.most[which], capacity)

    def report(self, name):
        mine = self.truth[name]
        return Report(lease=name, window=mine["window"], used=mine["used"], returned=mine["returned"])

    @invariant()
    def what_is_granted_is_within_the_limit(self):
        """But for what was overdrawn, no window has more used and open than the limit ever allowed."""
        for one, most in zip(getattr(self, "limits", ()), getattr(self, "most", ()), strict=True):
            account = self.store.accounts.get(one.id)
            if account is None or one.window in (Window.TOKEN_BUCKET, Window.IN_USE):
                continue  # what comes back of a lost lease has been refilled, or its places taken
            for frame in account.frames.values():
                assert frame.used + frame.open - frame.overage <= most

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
        for one, most in zip(getattr(self, "limits", ()), getattr(self, "most", ()), strict=True):
            account = self.store.accounts.get(one.id)
            assert account is None or account.level is None or account.level <= most

    def teardown(self):
        """When all has ended and time has passed, all of every limit is there again."""
        for name in self.truth:
            self.die(name)
        self.clock.now = self.latest + 100 * DAY + KEPT_NS
        for one in getattr(self, "limits", ()):
            # One exchange lets the bucket refill; what was owed is long back.
            self.ask(Ask(limit=one, lease="end"))
            assert self.ask(Ask(limit=one, lease="end", need=one.capacity, want=one.capacity)).amount == one.capacity
        if self.twin is not None:
            self.runner.run(self.twin.close())
        self.runner.close()
