"""The account of one limit in a store: what was granted, to whom, and what came of it. Pure: time is an argument.

```
            grant                 report(used)
  free ───────────────▶ open ─────────────────▶ settled
   ▲                    │  │
   │  report(returned)  │  │ silent for LEASE_S      ┌── the next word: open again
   └────────────────────┘  └───────────────▶ forfeited
```

1. In each window, over all leases: granted + overage = settled + returned + forfeited + open. Overage is what a lease
   used beyond what it had; it is taken from the limit all the same, whose balance may go below zero: debt, which
   blocks until it has come back.
2. What is forfeited counts as used, but for concurrent calls: their places are free.
3. Time never runs backwards in an account: a clock that was set back stands still for it.
4. An account is bounded: at most MAX_LEASES leases in a window, of which those that came to an end are forgotten.
   A rolling window has at most PARTS + 1 parts, a calendar window is dropped at its end.
"""

from itertools import takewhile
from typing import Final

import msgspec

from trunkline_server.core.limit import Limit, Window
from trunkline_server.quota.store import LEASE_S, MAX_LEASES, Ask, Grant, Report, Standing
from trunkline_server.quota.windows import SECOND, counts_until, ends_at, period_ns, window_id

LEASE_NS: Final = int(LEASE_S * SECOND)
ENDED_NS: Final = 60 * SECOND
"""How long a lease with nothing open is known after its last word."""
KEPT_NS: Final = 600 * SECOND
"""How long one with something open is: so long a machine that was cut off may take to tell what it used."""
SWEEP_NS: Final = SECOND
"""How often leases are looked through for those that are lost or ended."""
SLICE_SHARE: Final = 100
"""A lease beyond need is at most a hundredth of the limit."""
IDLE_NS: Final = 2 * SECOND
"""Leases that lie idle are back by then."""
IN_USE_RETRY_S: Final = 0.15
"""When to ask again for a place that a call holds: nobody knows."""
_ENDLESS: Final = (Window.TOKEN_BUCKET, Window.IN_USE)


class Lease(msgspec.Struct, array_like=True):
    """Totals of one lease in one window."""

    granted: int = 0
    overage: int = 0
    """Used beyond what was granted. Once told it is taken from the limit, and the next grant comes on top of it."""
    used: int = 0
    returned: int = 0
    seen: int = 0
    """When it was last spoken of."""
    lost: bool = False

    @property
    def open(self) -> int:
        """Neither used nor returned yet."""
        return self.granted + self.overage - self.used - self.returned


class Frame(msgspec.Struct, array_like=True):
    """One window of the account: the sums over its leases, and the leases that are still known."""

    granted: int = 0
    overage: int = 0
    used: int = 0
    returned: int = 0
    forfeited: int = 0
    leases: dict[str, Lease] = {}

    @property
    def open(self) -> int:
        """Neither used nor returned yet, by leases that are not lost."""
        return self.granted + self.overage - self.used - self.returned - self.forfeited

    @property
    def taken(self) -> int:
        """What the limit has less by it."""
        return self.granted + self.overage - self.returned

    def drop(self, lease: Lease) -> None:
        """Take a lease's numbers out of the sums."""
        self.granted -= lease.granted
        self.overage -= lease.overage
        self.used -= lease.used
        self.returned -= lease.returned
        self.forfeited -= lease.open if lease.lost else 0


class Account(msgspec.Struct):
    """All that a store keeps of one limit."""

    seen: int = 0
    """Latest time that it was told of, nanoseconds since 1970."""
    swept: int = 0
    """When its leases were last looked through."""
    level: int | None = None
    """Of a token bucket: what is in it and not leased. None: it is full."""
    carry: int = 0
    """Of a token bucket: the part of a unit that has come back, in unit-nanoseconds of its period."""
    frames: dict[str, Frame] = {}
    """By window, the oldest first."""


def exchange(account: Account, ask: Ask, now: int) -> Grant:
    """Take in the reports, then grant. Changes the account."""
    limit = ask.limit
    now = _advance(account, limit, now)
    for report in ask.reports:
        _take_in(account, limit, report, now)
    _fill(account, limit, 0)
    free = _free(account, limit)
    amount, total = _grant(account, ask, free, now)
    end = ends_at(limit, now)
    return Grant(
        window=window_id(limit, now),
        amount=amount,
        total=total,
        ends_in_s=None if end is None else (end - now) / SECOND,
        retry_after_s=_retry_after_s(account, limit, ask.need - amount, ask.need, now),
        remaining=free - amount,
        held_by_others=_open(account) - _open_of(account, ask.lease),
    )


def reap(account: Account, limit: Limit, report: Report, now: int) -> None:
    """The last word on a dead worker's lease: what was recorded as used counts, the rest is free."""
    now = _advance(account, limit, now)
    _take_in(account, limit, report, now)
    frame = account.frames.get(report.window)
    lease = frame.leases.get(report.lease) if frame else None
    if frame is not None and lease is not None:
        _change(account, frame, lease, used=0, returned=lease.open)
    _fill(account, limit, 0)


def standing(account: Account, limit: Limit, now: int) -> Standing:
    """Where the limit stands. Moves the account on to `now`."""
    now = _advance(account, limit, now)
    held = _open(account)
    if limit.window is Window.IN_USE:
        return Standing(remaining=_free(account, limit), held=held, resets_in_s=None)
    remaining = _free(account, limit) + held
    return Standing(remaining=remaining, held=held, resets_in_s=_all_back_s(account, limit, remaining, now))


def forgettable_at(account: Account, limit: Limit) -> int:
    """From when on the account tells nothing that a new one would not."""
    known = account.seen + KEPT_NS
    match limit.window:
        case Window.TOKEN_BUCKET:
            lacking = max(0, limit.capacity - (limit.capacity if account.level is None else account.level))
            return known + -(-lacking * period_ns(limit) // limit.capacity)
        case Window.IN_USE:
            return known
        case _:
            ends = (counts_until(limit, name) or 0 for name in account.frames)
            return max(known, max(ends, default=0))


def _advance(account: Account, limit: Limit, now: int) -> int:
    """Bring the account to `now`, or to the latest time that it knows: buckets refill, what no longer counts goes."""
    elapsed = max(0, now - account.seen) if account.seen else 0
    now = account.seen = max(now, account.seen)
    for name in list(takewhile(lambda name: _is_over(limit, name, now), account.frames)):
        del account.frames[name]
    if account.swept + SWEEP_NS <= now:
        account.swept = now
        for frame in account.frames.values():
            _sweep(frame, limit, now)
    _fill(account, limit, elapsed)
    return now


def _is_over(limit: Limit, window: str, now: int) -> bool:
    until = counts_until(limit, window)
    return until is not None and until <= now


def _sweep(frame: Frame, limit: Limit, now: int) -> None:
    """Leases that nobody speaks of are lost with their machine; those that came to an end are forgotten."""
    for name, lease in list(frame.leases.items()):
        silent = now - lease.seen
        if silent >= LEASE_NS and not lease.lost:
            lease.lost = True
            frame.forfeited += lease.open
        if silent >= (KEPT_NS if lease.open else ENDED_NS):
            del frame.leases[name]
            if limit.window in _ENDLESS:
                frame.drop(lease)


def _fill(account: Account, limit: Limit, elapsed: int) -> None:
    """Refill a bucket. With what is open it never has more than the limit's capacity."""
    if limit.window is not Window.TOKEN_BUCKET:
        return
    most = max(0, limit.capacity - _open(account))
    if account.level is None:
        account.level = most
        return
    units, account.carry = divmod(elapsed * limit.capacity + account.carry, period_ns(limit))
    account.level += units
    if account.level >= most:
        account.level, account.carry = most, 0


def _take_in(account: Account, limit: Limit, report: Report, now: int) -> None:
    frame = account.frames.get(report.window)
    lease = frame.leases.get(report.lease) if frame else None
    if frame is None or lease is None:
        return  # of a window that is over, or said again long after it was the last word
    _found(frame, lease, now)
    used = 0 if limit.window is Window.IN_USE else report.used
    _change(account, frame, lease, used=max(0, used - lease.used), returned=max(0, report.returned - lease.returned))


def _found(frame: Frame, lease: Lease, now: int) -> None:
    """A lease is spoken of: it is not lost, or no longer."""
    lease.seen = now
    if lease.lost:
        lease.lost = False
        frame.forfeited -= lease.open


def _change(account: Account, frame: Frame, lease: Lease, *, used: int, returned: int) -> None:
    """So much more was used and returned."""
    over = max(0, used + returned - lease.open)
    for sums in (lease, frame):
        sums.used += used
        sums.returned += returned
        sums.overage += over
    if account.level is not None:
        account.level += returned - over


def _grant(account: Account, ask: Ask, free: int, now: int) -> tuple[int, int]:
    """Give what there is of what is wanted, beyond need not more than a slice. Returns amount and the lease's total."""
    window = window_id(ask.limit, now)
    frame = account.frames.get(window)
    lease = frame.leases.get(ask.lease) if frame else None
    if frame is not None and lease is not None:
        _found(frame, lease, now)
    if not ask.want:
        return 0, lease.granted + lease.overage if lease else 0
    if frame is None:
        frame = account.frames[window] = Frame()
    if lease is None:
        if len(frame.leases) >= MAX_LEASES:
            return 0, 0
        lease = frame.leases[ask.lease] = _begin(frame, ask, window)
        lease.seen = now
    slice_ = min(ask.want, max(1, ask.limit.capacity // SLICE_SHARE))
    amount = max(0, min(free, max(ask.need, slice_)))
    lease.granted += amount
    frame.granted += amount
    if account.level is not None:
        account.level -= amount
    return amount, lease.granted + lease.overage


def _begin(frame: Frame, ask: Ask, window: str) -> Lease:
    """A lease as it is first seen. One that was forgotten goes on from its totals, which were counted then."""
    lease = Lease()
    for report in ask.reports:
        if report.lease == ask.lease and report.window == window:
            lease.used = 0 if ask.limit.window is Window.IN_USE else report.used
            lease.returned = report.returned
            lease.granted = lease.used + lease.returned
    if ask.limit.window in _ENDLESS:
        frame.granted += lease.granted
        frame.used += lease.used
        frame.returned += lease.returned
    return lease


def _open(account: Account) -> int:
    return sum(frame.open for frame in account.frames.values())


def _open_of(account: Account, name: str) -> int:
    leases = (frame.leases.get(name) for frame in account.frames.values())
    return sum(lease.open for lease in leases if lease is not None and not lease.lost)


def _free(account: Account, limit: Limit) -> int:
    match limit.window:
        case Window.TOKEN_BUCKET:
            return limit.capacity if account.level is None else account.level
        case Window.IN_USE:
            return limit.capacity - _open(account)
        case _:
            return limit.capacity - sum(frame.taken for frame in account.frames.values())


def _retry_after_s(account: Account, limit: Limit, lacking: int, need: int, now: int) -> float | None:
    """When the rest of the need is there, if nobody else calls. None if it will never be."""
    if lacking <= 0:
        return 0.0
    if need > limit.capacity:
        return None
    if limit.window is Window.IN_USE:
        return IN_USE_RETRY_S
    amount = lacking - _free(account, limit)
    if limit.window is Window.TOKEN_BUCKET:
        return _refilled_after_s(account, limit, amount)
    back = 0
    for name, frame in account.frames.items():
        back += frame.taken
        if back >= amount:
            return ((counts_until(limit, name) or now) - now) / SECOND
    return IDLE_NS / SECOND


def _refilled_after_s(account: Account, limit: Limit, amount: int) -> float:
    """When a bucket has so much more. What lies idle in leases may have to come back first."""
    wait = max(0, -(-(amount * period_ns(limit) - account.carry) // limit.capacity))
    room = max(0, limit.capacity - _open(account)) - (account.level or 0)
    return max(wait, IDLE_NS if amount > room else 0) / SECOND


def _all_back_s(account: Account, limit: Limit, remaining: int, now: int) -> float:
    if remaining >= limit.capacity:
        return 0.0
    if limit.window is Window.TOKEN_BUCKET:
        return max(0, -(-((limit.capacity - remaining) * period_ns(limit) - account.carry) // limit.capacity)) / SECOND
    ends = [counts_until(limit, name) or now for name, frame in account.frames.items() if frame.taken]
    return (max(ends, default=now) - now) / SECOND
