"""What follows a failed attempt. Pure: time and randomness are arguments.

1. Nothing is tried again once content was sent: the caller would get it twice.
2. What the request itself caused is not tried again: it would fail everywhere.
3. A repeat that can't fit what is left of the deadline is not started.
"""

import random
from dataclasses import dataclass
from typing import Final

from trunkline_server.core.errors import (
    FirstTokenTimeout,
    GatewayError,
    Overloaded,
    UpstreamAuthFailed,
    UpstreamBroken,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamUnreachable,
)

MAX_ATTEMPTS: Final = 4
"""The last deployment is not tried again after so many attempts in all."""
MAX_TRIES: Final = 16
"""Deployments that one call goes to at most."""
FIRST_DELAY_S: Final = 0.05
MAX_DELAY_S: Final = 2.0
LEAST_TIME_S: Final = 0.05
"""An attempt that would have less time than this is not started."""

ELSEWHERE: Final = (
    FirstTokenTimeout,
    Overloaded,  # of the connections to one endpoint; nothing was sent
    UpstreamAuthFailed,
    UpstreamModelNotFound,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
"""Failures that another deployment may not share, but that this one would repeat."""
AGAIN: Final = (UpstreamBroken, UpstreamFailed, UpstreamMalformed, UpstreamOverloaded, UpstreamUnreachable)
"""Failures that the same deployment may not repeat either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try once more."""

    delay_s: float
    same: bool
    """At the same deployment; else at the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The failure is the caller's."""


def decide(
    error: GatewayError, *, attempts: int, others: bool, content_sent: bool, remaining_s: float, rng: random.Random
) -> Retry | GiveUp:
    """What follows the failure of the last of `attempts` attempts. `others`: whether there are deployments untried."""
    if content_sent or attempts >= (MAX_TRIES if others else MAX_ATTEMPTS):
        return GiveUp()
    if isinstance(error, UpstreamError) and error.renewed:
        delay_s, others = 0.0, False
    elif others and isinstance(error, (*ELSEWHERE, *AGAIN)):
        delay_s = 0.0
    elif isinstance(error, AGAIN):
        delay_s = _delay(error, attempts, rng)
    else:
        return GiveUp()
    # A provider that wants to be left alone for long is the caller's to know of: the wait costs it a call slot here.
    if delay_s > MAX_DELAY_S or remaining_s - delay_s < LEAST_TIME_S:
        return GiveUp()
    return Retry(delay_s=delay_s, same=not others)


def _delay(error: GatewayError, attempts: int, rng: random.Random) -> float:
    """What the provider asks for, else full jitter (the AWS architecture blog's "Exponential Backoff And Jitter")."""
    if error.retry_after_s is not None:
        return error.retry_after_s
    return rng.uniform(0, min(MAX_DELAY_S, FIRST_DELAY_S * 2**attempts))
