"""What a principal may use: limits, as data. What has been used of them is the business of `quota`.

A call has to pass every limit of its org, team and key that its model falls under, or takes none.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NANO: Final = 1_000_000_000
"""Nano-USD in a US dollar."""
MAX_AMOUNT: Final = 2**53
"""Largest capacity and balance. A store that counts in doubles (Redis' Lua) is exact up to here, 9 million USD."""


class Resource(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"
    """Input and output together."""
    CONCURRENT_CALLS = "concurrent_calls"
    NANO_USD = "nano_usd"


class Window(StrEnum):
    """How a limit comes back."""

    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - the name of an algorithm
    """Refills steadily: its capacity in each period."""
    ROLLING = "rolling"
    """The use of the last period counts."""
    CALENDAR = "calendar"
    """Starts anew at the turn of the period in UTC. Weeks begin on Monday."""
    IN_USE = "in_use"
    """Comes back when calls end. The window of concurrent calls, and of nothing else."""


class Scope(StrEnum):
    """Whose limit it is."""

    ORG = "org"
    TEAM = "team"
    KEY = "key"


class Period(StrEnum):
    """Calendar periods."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So much of a resource in a window, for all calls of a scope together."""

    name: str
    """As refusals name it: "search-monthly-budget"."""
    scope: Scope
    scope_id: str
    """"acme", "acme/search" or the id of a key."""
    resource: Resource
    window: Window
    period_s: float = 0.0
    """Length of a rolling window, or the time in which an empty bucket is full again. 0 for the others."""
    period: Period | None = None
    """Of a calendar window, else None."""
    capacity: int
    """Units of the resource, 1 to MAX_AMOUNT."""
    model: str = ""
    """The model it is for, as callers name it. Empty: all together."""
    shadow: bool = False
    """True if it only counts and never refuses."""

    @property
    def id(self) -> str:
        """What makes it this limit and not another: its window too, but not its capacity, which may be changed."""
        window = f"{self.window}:{self.period or f'{self.period_s:g}'}"
        return f"{self.scope}:{self.scope_id}:{self.model}:{self.resource}:{window}"
