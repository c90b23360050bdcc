"""When windows begin and end. Pure; times are whole nanoseconds since 1970, in UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from trunkline_server.core.limit import Limit, Period, Window

SECOND: Final = 1_000_000_000
MICROS: Final = 1_000_000
"""Microseconds in a second: a store that counts in doubles is exact to them for the next two centuries."""
PARTS: Final = 60
"""A rolling window is counted in so many parts. A part counts until it has wholly passed out of the window."""


def window_id(limit: Limit, now: int) -> str:
    """The window that what is granted now belongs to. Empty for windows without an end."""
    match limit.window:
        case Window.CALENDAR:
            return str(calendar(_period(limit), now)[0] // SECOND)
        case Window.ROLLING:
            return str(now // part_ns(limit))
        case _:
            return ""


def ends_at(limit: Limit, now: int) -> int | None:
    """When the window that `now` lies in takes no more grants; None if it has no end."""
    match limit.window:
        case Window.CALENDAR:
            return calendar(_period(limit), now)[1]
        case Window.ROLLING:
            return (now // part_ns(limit) + 1) * part_ns(limit)
        case _:
            return None


def counts_until(limit: Limit, window: str) -> int | None:
    """When what was used in a window stops to count; None if it never does by itself."""
    match limit.window:
        case Window.CALENDAR:
            return calendar(_period(limit), int(window) * SECOND)[1]
        case Window.ROLLING:
            return (int(window) + 1) * part_ns(limit) + period_ns(limit)
        case _:
            return None


def calendar(period: Period, now: int) -> tuple[int, int]:
    """Beginning and end of the calendar period around a moment. Weeks begin on Monday (ISO 8601)."""
    return _calendar(period, now // (60 * SECOND))


@lru_cache(maxsize=64)
def _calendar(period: Period, minute: int) -> tuple[int, int]:
    """All periods are of whole minutes: what is true in one second of a minute is true in all."""
    moment = datetime.fromtimestamp(minute * 60, UTC)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case Period.MINUTE:
            start = moment.replace(second=0, microsecond=0)
            return _span(start, start + timedelta(minutes=1))
        case Period.HOUR:
            start = moment.replace(minute=0, second=0, microsecond=0)
            return _span(start, start + timedelta(hours=1))
        case Period.DAY:
            return _span(day, day + timedelta(days=1))
        case Period.WEEK:
            start = day - timedelta(days=day.weekday())
            return _span(start, start + timedelta(days=7))
        case Period.MONTH:
            start = day.replace(day=1)
            return _span(start, (start + timedelta(days=32)).replace(day=1))


def period_ns(limit: Limit) -> int:
    """Length of a rolling window, or of a bucket's refill: whole microseconds, at least one for each part."""
    return max(PARTS, round(limit.period_s * MICROS)) * (SECOND // MICROS)


def part_ns(limit: Limit) -> int:
    """Length of a part of a rolling window: whole microseconds, too."""
    return -(-period_ns(limit) // (PARTS * (SECOND // MICROS))) * (SECOND // MICROS)


def _period(limit: Limit) -> Period:
    if limit.period is None:
        raise ValueError(f"limit {limit.name} has a calendar window and no period")
    return limit.period


def _span(start: datetime, end: datetime) -> tuple[int, int]:
    return int(start.timestamp()) * SECOND, int(end.timestamp()) * SECOND
