"""Limits as people write them: "600 requests/minute", "250 usd/month", "20 concurrent_calls", "1M tokens/day rolling".

1. Amounts are exact: decimal text becomes whole units, money nano-USD, or is refused. No float is ever made.
2. What contradicts itself is refused with the mend: LimitRefused says which term is wrong. Nothing is guessed but the
   window, where none is said: rates of less than a day are token buckets, budgets of a day and more are calendar
   windows, and of several days or months' worth of days rolling ones.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from trunkline_server.core.limit import MAX_AMOUNT, NANO, Limit, Period, Resource, Scope, Window

__all__ = ["LimitRefused", "LimitTerms", "limit_of", "limit_text", "parse_limit", "read_notation"]

MAX_NOTATION_CHARS: Final = 256
MAX_AMOUNT_CHARS: Final = 32
MAX_PERIOD_S: Final = 366 * 86_400
DAY_S: Final = 86_400

Term = Literal["notation", "resource", "amount", "per", "window"]

_USD: Final = "usd"
_RESOURCES: Final = {_USD: Resource.NANO_USD} | {
    str(resource): resource for resource in Resource if resource is not Resource.NANO_USD
}
_SINGULAR: Final = {
    "request": "requests",
    "token": "tokens",
    "input_token": "input_tokens",
    "output_token": "output_tokens",
    "concurrent_call": "concurrent_calls",
}
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": DAY_S, "week": 7 * DAY_S}
_SHORT: Final = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day", "w": "week"}
_FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_AMOUNT: Final = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)\s*([kKmMgG]?)")
_PER: Final = re.compile(r"([0-9]{1,9})?\s*([a-z]+)")
_NOTATION: Final = re.compile(
    r"(?P<amount>[0-9][0-9_.]*\s*[kKmMgG]?)\s+(?P<resource>[A-Za-z_]+)"
    r"(?:\s*(?:/|\sper\s)\s*(?P<per>(?:[0-9]+\s*)?[A-Za-z]+))?(?:\s+(?P<window>[A-Za-z_]+))?"
)
_EXAMPLES: Final = (
    'Write it like "600 requests/minute", "250 usd/month", "20 concurrent_calls" or "1M tokens/day rolling"'
)
_FIXED: Final = 'Write days instead, such as "30 days", or take window out for calendar months'


class LimitRefused(ValueError):
    """A limit that can't be meant. Its text is message and mend."""

    def __init__(self, term: Term, message: str, mend: str) -> None:
        super().__init__(f"{message}. {mend}")
        self.term: Term = term
        self.message = message
        self.mend = mend


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTerms:
    """What is said of a limit, unchecked. Empty: not said."""

    resource: str
    """"usd", "requests", ..."""
    amount: str | int | Decimal
    """In units of the resource, US dollars for money: "2.5k", "250.50", 600."""
    per: str = ""
    """"minute", "month", "30 days"."""
    window: str = ""
    model: str = ""
    name: str = ""
    shadow: bool = False


def parse_limit(
    text: str, *, scope: Scope, scope_id: str, owner: str = "", model: str = "", name: str = "", shadow: bool = False
) -> Limit:
    """The limit in a line. Raises LimitRefused. For the rest see `limit_of`."""
    terms = read_notation(text, model=model, name=name, shadow=shadow)
    return limit_of(terms, scope=scope, scope_id=scope_id, owner=owner)


def read_notation(text: str, *, model: str = "", name: str = "", shadow: bool = False) -> LimitTerms:
    """The terms in a line. Raises LimitRefused where it has another form."""
    found = _NOTATION.fullmatch(text.strip()) if len(text) <= MAX_NOTATION_CHARS else None
    if found is None:
        raise LimitRefused("notation", "not a limit", _EXAMPLES)
    return LimitTerms(
        resource=found["resource"].lower(),
        amount=found["amount"],
        per=(found["per"] or "").lower(),
        window=(found["window"] or "").lower(),
        model=model,
        name=name,
        shadow=shadow,
    )


def limit_of(terms: LimitTerms, *, scope: Scope, scope_id: str, owner: str = "") -> Limit:
    """The limit that the terms mean. Raises LimitRefused.

    `owner`: what a name that is made begins with: "search" of "search-usd-month". Empty: the last part of scope_id.
    """
    resource = _resource(terms.resource)
    window, period, period_s = _window(resource, terms)
    return Limit(
        name=terms.name or _name(terms, resource, owner or scope_id.rpartition("/")[2]),
        scope=scope,
        scope_id=scope_id,
        resource=resource,
        window=window,
        period=period,
        period_s=period_s,
        capacity=_capacity(resource, terms.amount),
        model=terms.model,
        shadow=terms.shadow,
    )


def limit_text(limit: Limit) -> str:
    """A limit as it could have been written: "250 usd/month", "600 requests/minute", "20 concurrent_calls"."""
    if limit.resource is Resource.NANO_USD:
        amount, unit = f"{Decimal(limit.capacity) / NANO:f}", _USD
    else:
        amount, unit = str(limit.capacity), str(limit.resource)
    if limit.window is Window.IN_USE:
        return f"{amount} {unit}"
    per = str(limit.period) if limit.period else _period_text(limit.period_s)
    window = "" if limit.window is _default_window(per) else f" {limit.window}"
    return f"{amount} {unit}/{per}{window}"


def _resource(word: str) -> Resource:
    resource = _RESOURCES.get(_SINGULAR.get(word, word))
    if resource is None:
        raise LimitRefused("resource", "nothing that can be limited", f"Write one of {', '.join(_RESOURCES)}")
    return resource


def _capacity(resource: Resource, amount: str | int | Decimal) -> int:
    units = _decimal(amount) * (NANO if resource is Resource.NANO_USD else 1)
    if units != units.to_integral_value():
        if resource is Resource.NANO_USD:
            raise LimitRefused("amount", "finer than a nano-USD", "At most nine digits after the point")
        raise LimitRefused("amount", "not a whole number", "Only usd may have digits after a point")
    if not 1 <= units <= MAX_AMOUNT:
        most = f"{MAX_AMOUNT // NANO} usd" if resource is Resource.NANO_USD else str(MAX_AMOUNT)
        raise LimitRefused("amount", "zero, or too large to be counted exactly", f"More than 0, at most {most}")
    return int(units)


def _decimal(amount: str | int | Decimal) -> Decimal:
    text = str(amount)
    found = _AMOUNT.fullmatch(text.strip()) if len(text) <= MAX_AMOUNT_CHARS else None
    if found is None:
        raise LimitRefused("amount", "not an amount", 'Write a number above 0, such as 600, "2.5k", "1M" or "250.50"')
    try:
        return Decimal(found[1].replace("_", "")) * _FACTORS[found[2].lower()]
    except InvalidOperation as error:  # more digits than the context holds
        raise LimitRefused("amount", "not an amount", "Write it with fewer digits") from error


def _window(resource: Resource, terms: LimitTerms) -> tuple[Window, Period | None, float]:
    """The window, its calendar period, its length in seconds."""
    if resource is Resource.CONCURRENT_CALLS:
        return _in_use(terms)
    if not terms.per:
        raise LimitRefused("per", "missing", "Say in which time: minute, hour, day, week, month, or as in 30 days")
    window = _chosen_window(terms)
    count, unit = _period(terms.per)
    if window is Window.CALENDAR:
        if count != 1 or unit not in set(Period):
            mend = "Write per: minute, hour, day, week or month, or window: rolling"
            raise LimitRefused("per", "no period of a calendar", mend)
        return window, Period(unit), 0.0
    if unit not in _SECONDS:
        raise LimitRefused("per", f"a month has no fixed length, which window {window} needs", _FIXED)
    length = count * _SECONDS[unit]
    if not 1 <= length <= MAX_PERIOD_S:
        raise LimitRefused("per", "shorter than a second or longer than a year", "Write 1 second to 366 days")
    return window, None, float(length)


def _in_use(terms: LimitTerms) -> tuple[Window, None, float]:
    if terms.per:
        raise LimitRefused("per", "concurrent_calls are counted at each moment, not per time", "Take it out")
    if terms.window not in ("", Window.IN_USE):
        raise LimitRefused("window", "concurrent_calls come back when calls end", "Take window out")
    return Window.IN_USE, None, 0.0


def _chosen_window(terms: LimitTerms) -> Window:
    if terms.window == Window.IN_USE:
        raise LimitRefused("window", "only concurrent_calls come back when calls end", "Take window out")
    if not terms.window:
        return _default_window(terms.per)
    try:
        return Window(terms.window)
    except ValueError as error:
        raise LimitRefused("window", "no window", "Write token_bucket, rolling or calendar") from error


def _default_window(per: str) -> Window:
    count, unit = _period(per)
    if _SECONDS.get(unit, DAY_S) * count < DAY_S:
        return Window.TOKEN_BUCKET
    return Window.CALENDAR if count == 1 else Window.ROLLING


def _period(per: str) -> tuple[int, str]:
    """How many of which: "30 days" is (30, "day")."""
    found = _PER.fullmatch(per.strip().lower())
    word = found[2] if found else ""
    word = _SHORT.get(word, word)
    unit = word if word in _SECONDS or word == Period.MONTH else word.removesuffix("s")
    if found is None or (unit not in _SECONDS and unit != Period.MONTH):
        raise LimitRefused("per", "no length of time", 'Write minute, hour, day, week or month, or as in "30 days"')
    return int(found[1] or 1), unit


def _period_text(seconds: float) -> str:
    """The largest unit that the length is whole in: "minute", "30days"."""
    whole = int(seconds)
    for unit in ("week", "day", "hour", "minute"):
        if whole and whole % _SECONDS[unit] == 0:
            count = whole // _SECONDS[unit]
            return unit if count == 1 else f"{count}{unit}s"
    return "second" if whole == 1 else f"{whole}seconds"


def _name(terms: LimitTerms, resource: Resource, owner: str) -> str:
    """A name that people can read, and that no other limit of the scope gets: "search-usd-month"."""
    unit = _USD if resource is Resource.NANO_USD else str(resource).replace("_", "-")
    parts = [owner, terms.model, unit, _per_of_name(terms)]
    if terms.window and terms.per and terms.window != _default_window(terms.per):
        parts.append(terms.window.replace("_", "-"))
    return "-".join(part for part in parts if part)


def _per_of_name(terms: LimitTerms) -> str:
    if not terms.per:
        return ""
    count, unit = _period(terms.per)
    return unit if count == 1 else f"{count}-{unit}s"
