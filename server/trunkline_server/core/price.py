"""What tokens cost, as data, and what a call cost by it. Money is nano-USD, in integers.

Prices are per million tokens, so a price of 1 is a thousand-billionth of a dollar for a token; the sum of a call is
rounded up once, at its end.
"""

from dataclasses import dataclass
from typing import Final

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Prices of calls whose input is above a number of tokens."""

    above_input_tokens: int
    input_nano_usd: int
    output_nano_usd: int
    cache_read_nano_usd: int | None = None
    cache_write_nano_usd: int | None = None
    reasoning_nano_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one model at one provider, in nano-USD for a million tokens."""

    input_nano_usd: int
    output_nano_usd: int
    cache_read_nano_usd: int | None = None
    """Of input read from a cache. None: as other input."""
    cache_write_nano_usd: int | None = None
    """Of input written to a cache. None: as other input."""
    reasoning_nano_usd: int | None = None
    """Of output that was reasoning. None: as other output."""
    request_nano_usd: int = 0
    """Of each call, beside its tokens; nano-USD for one."""
    tiers: tuple[Tier, ...] = ()
    """By above_input_tokens, ascending. The last one that the input reaches counts for the whole call."""
    version: str = ""
    """Of the table that it comes from: "2026-11-20", or "configured"."""
