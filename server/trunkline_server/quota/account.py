"""The account of one limit in a store: what was granted, to whom, and what came of it. Pure: time is an argument.

```
            grant                 report(used)
  free ───────────────▶ leased ───────────────▶ settled
   ▲                      │  │                      ▲
   └──── report(returned) ┘  └── lost: forfeited ───┘ (concurrent calls: free)
```

For each window, over all leases: granted + overage = settled + returned + forfeited + open. Overage is what a lease
used beyond what it had; it is taken from the limit all the same, whose balance may go below zero: debt, which blocks
until it has come back. Time never runs backwards in an account: a clock that was set back stands still for it.
"""

import msgspec

from trunkline_server.core.limit import Limit, Window
from trunkline_server.quota.store import LEASE_S, MAX_LEASES, Ask, Grant, Report, Standing
from trunkline_server.quota.windows import SECOND, counts_until, ends_at, period_ns, window_id

LEASE_NS = int(LEASE_S * SECOND)
KEPT_NS = 600 * SECOND
"""How long a lease is known after its last word, so that the last word may be said twice."""
SLICE_SHARE = 100
"""A lease beyond need is at most a hundredth of the limit."""
IDLE_NS = 2 * SECOND
"""Leases that lie idle are back by then."""
IN_USE_RETRY_S = 0.15
"""When to ask again for a place that a call holds: nobody knows."""


class Lease(msgspec.Struct):
    """Totals of one lease in one window."""

    granted: int = 0
    used: int = 0
    returned: int = 0
    seen: int = 0
    """When it was last spoken of."""
    lost: bool = False

    @property
    def overage(self) -> int:
        """Used beyond what it had."""
        return max(0, self.used + self.returned - self.granted)

    @property
    def open(self) -> int:
        """Neither used nor returned yet."""
        return max(0, self.granted - self.used - self.returned)

    @property
    def taken(self) -> int:
        """What the limit has less by it."""
        return self.granted - self.returned + self.overage


class Frame(msgspec.Struct):
    """One window of the account."""

    leases: dict[str, Lease] = {}
    past: int = 0
    """Taken by leases that are no longer known."""

    def taken(self) -> int:
        """All that counts in this window."""
        return self.past + sum(lease.taken for lease in self.leases.values())


class Account(msgspec.Struct):
    """All that a store keeps of one limit."""

    seen: int = 0
    """Latest time that it was told of, nanoseconds since 1970."""
    level: int | None = None
    """Of a token bucket: what is in it and not leased. None: it is full."""
    carry: int = 0
    """Of a token bucket: the part of a unit that has come back, in unit-nanoseconds of its period."""
    frames: dict[str, Frame] = {}


def exchange(account: Account, ask: Ask, now: int) -> Grant:
    """Take in the reports, then grant. Changes the account."""
    limit = ask.limit
    now = _advance(account, limit, now)
    for report in ask.reports:
        _take_in(account, limit, report, now)
    free = _free(account, limit, now)
    window = window_id(limit, now)
    leases = account.frames.setdefault(window, Frame()).leases
    full = ask.lease not in leases and len(leases) >= MAX_LEASES
    amount = 0 if full else max(0, min(free, max(ask.need, min(ask.want, max(1, limit.capacity // SLICE_SHARE)))))
    if not full and (ask.want or not ask.reports):
        lease = leases.setdefault(ask.lease, Lease())
        lease.granted += amount
        lease.seen, lease.lost = now, False
        if account.level is not None:
            account.level -= amount
    end = ends_at(limit, now)
    return Grant(
        window=window,
        amount=amount,
        ends_in_s=None if end is None else (end - now) / SECOND,
        retry_after_s=_retry_after_s(account, limit, ask.need, amount, now),
        remaining=free - amount,
        held_by_others=sum(lease.open for name, lease in _counting(account, limit, now) if name != ask.lease),
    )


def reap(account: Account, limit: Limit, report: Report, now: int) -> None:
    """The last word on a dead worker's lease: what was recorded as used counts, the rest is free."""
    now = _advance(account, limit, now)
    _take_in(account, limit, report, now)
    frame = account.frames.get(report.window)
    lease = frame.leases.get(report.lease) if frame else None
    if lease is not None:
        used = 0 if limit.window is Window.IN_USE else lease.used
        _change(account, limit, lease, used=used, returned=max(lease.returned, lease.granted - used))


def standing(account: Account, limit: Limit, now: int) -> Standing:
    """Where the limit stands. Moves the account on to `now`."""
    now = _advance(account, limit, now)
    idle = sum(lease.open for _, lease in _counting(account, limit, now) if not lease.lost)
    busy = limit.window is Window.IN_USE
    remaining = _free(account, limit, now) + (0 if busy else idle)
    return Standing(
        remaining=remaining, held=idle, resets_in_s=None if busy else _all_back_s(account, limit, remaining, now)
    )


def _advance(account: Account, limit: Limit, now: int) -> int:
    """Bring the account to `now`, or to the latest time that it knows: buckets refill, what no longer counts goes."""
    elapsed = max(0, now - account.seen) if account.seen else 0
    now = account.seen = max(now, account.seen)
    _lose(account, now)
    if limit.window is Window.TOKEN_BUCKET:
        _refill(account, limit, elapsed, now)
    for name, frame in list(account.frames.items()):
        until = counts_until(limit, name)
        if until is not None and until + KEPT_NS <= now:
            del account.frames[name]
            continue
        for lease_name, lease in list(frame.leases.items()):
            if lease.seen + KEPT_NS <= now:
                frame.past += 0 if limit.window in (Window.IN_USE, Window.TOKEN_BUCKET) else lease.taken
                del frame.leases[lease_name]
    return now


def _refill(account: Account, limit: Limit, elapsed: int, now: int) -> None:
    most = limit.capacity - sum(lease.open for _, lease in _counting(account, limit, now) if not lease.lost)
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
    if lease is None:
        return  # of a window that is over, or said again long after it was the last word
    lease.seen, lease.lost = now, False
    _change(account, limit, lease, used=max(lease.used, report.used), returned=max(lease.returned, report.returned))


def _change(account: Account, limit: Limit, lease: Lease, *, used: int, returned: int) -> None:
    before = lease.taken
    lease.used, lease.returned = used, returned
    if account.level is not None and limit.window is Window.TOKEN_BUCKET:
        account.level += before - lease.taken


def _lose(account: Account, now: int) -> None:
    """Leases that nobody speaks of are lost with their machine."""
    for frame in account.frames.values():
        for lease in frame.leases.values():
            if not lease.lost and lease.seen + LEASE_NS <= now:
                lease.lost = True


def _free(account: Account, limit: Limit, now: int) -> int:
    match limit.window:
        case Window.TOKEN_BUCKET:
            return account.level if account.level is not None else limit.capacity
        case Window.IN_USE:
            held = sum(lease.granted - lease.returned for _, lease in _counting(account, limit, now) if not lease.lost)
            return limit.capacity - held
        case _:
            return limit.capacity - sum(frame.taken() for frame in _counting_frames(account, limit, now).values())


def _counting_frames(account: Account, limit: Limit, now: int) -> dict[str, Frame]:
    """Those whose use counts now, the oldest first."""
    frames = {}
    for name in sorted(account.frames, key=lambda name: int(name or 0)):
        until = counts_until(limit, name)
        if until is None or until > now:
            frames[name] = account.frames[name]
    return frames


def _counting(account: Account, limit: Limit, now: int) -> list[tuple[str, Lease]]:
    frames = _counting_frames(account, limit, now).values()
    return [(name, lease) for frame in frames for name, lease in frame.leases.items()]


def _retry_after_s(account: Account, limit: Limit, need: int, amount: int, now: int) -> float | None:
    """When the rest of the need is there, if nobody else calls. None if it will never be."""
    if amount >= need:
        return 0.0
    if need > limit.capacity:
        return None
    if limit.window is Window.IN_USE:
        return IN_USE_RETRY_S
    return _back_after_s(account, limit, need - amount - _free(account, limit, now), now)


def _back_after_s(account: Account, limit: Limit, amount: int, now: int) -> float:
    """When `amount` more than is free now has come back."""
    if limit.window is Window.TOKEN_BUCKET:
        needed = amount * period_ns(limit) - account.carry
        wait = max(0, -(-needed // limit.capacity))
        idle = sum(lease.open for _, lease in _counting(account, limit, now) if not lease.lost)
        room = limit.capacity - idle - (account.level or 0)
        return max(wait, IDLE_NS if amount > room else 0) / SECOND
    back = 0
    for name, frame in _counting_frames(account, limit, now).items():
        back += frame.taken()
        if back >= amount:
            return ((counts_until(limit, name) or now) - now) / SECOND
    return 0.0


def _all_back_s(account: Account, limit: Limit, remaining: int, now: int) -> float:
    if remaining >= limit.capacity:
        return 0.0
    if limit.window is Window.TOKEN_BUCKET:
        needed = (limit.capacity - remaining) * period_ns(limit) - account.carry
        return max(0, -(-needed // limit.capacity)) / SECOND
    frames = [name for name, frame in _counting_frames(account, limit, now).items() if frame.taken()]
    return max((((counts_until(limit, name) or now) - now) / SECOND for name in frames), default=0.0)
