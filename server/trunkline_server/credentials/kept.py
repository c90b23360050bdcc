"""One credential that is kept fresh.

    empty ── fetched ──> held ── replaced ahead of its end ──> held
      |                   |
      |                   └── expired or refused ──> empty
      └── not fetched ──> failed ── a moment later ──> empty

1. A fetch runs in a thread that holds nothing up at exit; the loop never waits for it. There is one at a time.
2. A call that finds a valid grant does not wait, whatever goes on behind it. Those that wait share one fetch, and none
   of them stops it by going away.
3. A failed fetch is remembered for a moment, which grows with each failure, so that calls don't become a stampede. A
   grant that is still valid goes on being used meanwhile.
"""

import asyncio
import math
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from trunkline_server.core.errors import UpstreamAuthFailed, UpstreamError, UpstreamUnreachable
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.http import HttpRequest
from trunkline_server.credentials.grant import Grant, NoGrant

_DROPPED: Final = -math.inf
"""The end of a grant that is not to be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepLimits:
    """Times in seconds."""

    lead_s: float = 225.0
    """How long before its end a grant is replaced, at most, and up to 30 % more for jitter. Metadata services hand a
    new token out only 5 minutes before the old one ends."""
    lead_share: float = 0.2
    """The same as a share of what the grant has left to live when it comes; the less of the two counts."""
    margin_s: float = 10.0
    """How long before its end a grant is not used any more, at most: requests take time to arrive."""
    least_s: float = 1.0
    """A grant that ends sooner than this is not replaced ahead of need."""
    first_delay_s: float = 1.0
    most_delay_s: float = 5.0
    """How long a failure is remembered: doubled from the first to the most."""
    patience_s: float = 30.0
    """How long a call waits for a fetch at most; then another deployment may have it."""
    quiet_s: float = 30.0
    """A grant younger than this is not dropped when it is refused: another would be refused too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    why: str
    unreachable: bool
    retry_at: float = 0.0

    def error(self, issuer: str, now: float) -> UpstreamError:
        """As a call meets it: a new one for each."""
        after = max(0.0, self.retry_at - now)
        if self.unreachable:
            return UpstreamUnreachable(f"the gateway could not reach {issuer} for a token", retry_after_s=after)
        return UpstreamAuthFailed(f"the gateway could not get a token from {issuer}", retry_after_s=after)


class Kept:
    """A Presenter. `fetch` blocks and raises NoGrant; `wall` is the wall clock. Make it in the running loop."""

    def __init__(
        self,
        fetch: Callable[[], Grant],
        faults: FaultLog,
        limits: KeepLimits,
        *,
        issuer: str,
        provider: str,
        wall: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._fetch = fetch
        self._faults = faults
        self._limits = limits
        self._issuer = issuer
        self._provider = provider
        self._wall = wall
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._grant: Grant | None = None
        self._got_at = 0.0
        self._good_until = _DROPPED
        self._pending: asyncio.Future[Grant | _Failure] | None = None
        self._failure: _Failure | None = None
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is presented at the moment."""
        return () if self._grant is None else self._grant.secrets

    def warm(self) -> None:
        """Begin to fetch, so that the first call need not wait."""
        if self._grant is None and self._pending is None:
            self._start()

    async def present(self, request: HttpRequest, *, until: float) -> HttpRequest:
        """The same request with headers that authorise it. Raises UpstreamError or TimeoutError."""
        grant = self._grant
        if grant is None or self._loop.time() >= self._good_until:
            grant = await self._wait(until)
        return grant.put_on(request, self._wall())

    def refused(self, request: HttpRequest, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the request is worth a repeat with another grant."""
        grant = self._grant
        if grant is None or not grant.refused(status, headers):
            return False
        if not grant.made(request) or self._good_until == _DROPPED:
            return True  # of another call's doing it has a successor, or will have
        if self._loop.time() - self._got_at < self._limits.quiet_s:
            return False
        self._good_until = _DROPPED
        self._stop_timer()
        return True

    def close(self) -> None:
        """Stop keeping it fresh."""
        self._closed = True
        self._stop_timer()

    def __repr__(self) -> str:
        held = self._loop.time() < self._good_until
        state = "held" if held else "failed" if self._failure is not None else "empty"
        return f"Kept({self._issuer} for {self._provider}, {state}{', fetching' if self._pending is not None else ''})"

    async def _wait(self, until: float) -> Grant:
        now = self._loop.time()
        if self._pending is None and self._failure is not None and now < self._failure.retry_at:
            raise self._failure.error(self._issuer, now)
        pending = self._pending or self._start()
        patience = now + self._limits.patience_s
        try:
            async with asyncio.timeout_at(min(until, patience)):
                outcome = await asyncio.shield(pending)
        except TimeoutError:
            if until <= patience:
                raise
            raise UpstreamUnreachable(f"{self._issuer} did not give the gateway a token in time") from None
        if isinstance(outcome, _Failure):
            raise outcome.error(self._issuer, self._loop.time())
        return outcome

    def _start(self) -> "asyncio.Future[Grant | _Failure]":
        self._stop_timer()
        pending = self._pending = self._loop.create_future()
        # A thread of a pool would be waited for when the process ends.
        thread = threading.Thread(target=self._run, name=f"credentials of {self._provider}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no more of them
            self._loop.call_soon(self._settle, _Failure(why=type(error).__name__, unreachable=False))
        return pending

    def _run(self) -> None:
        """In the thread."""
        outcome = _outcome(self._fetch)
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Grant | _Failure) -> None:
        now = self._loop.time()
        if not isinstance(outcome, _Failure) and outcome.expires_at is not None and outcome.expires_at <= self._wall():
            outcome = _Failure(why="what came has expired; is this machine's clock right?", unreachable=False)
        if isinstance(outcome, _Failure):
            outcome = self._failed(outcome, now)
        else:
            self._hold(outcome, now)
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.set_result(outcome)

    def _hold(self, grant: Grant, now: float) -> None:
        self._grant, self._got_at = grant, now
        self._failure, self._failures = None, 0
        if grant.expires_at is None:
            self._good_until = math.inf
            return
        limits, left = self._limits, grant.expires_at - self._wall()
        self._good_until = now + left - min(limits.margin_s, left / 10)
        if left >= limits.least_s:
            self._renew_at(now + left - min(limits.lead_s, left * limits.lead_share) * self._rng.uniform(1, 1.3))

    def _failed(self, failure: _Failure, now: float) -> _Failure:
        limits = self._limits
        delay = min(limits.most_delay_s, limits.first_delay_s * 2 ** min(self._failures, 16))
        self._failures += 1
        failure = _Failure(
            why=failure.why,
            unreachable=failure.unreachable,
            retry_at=now + delay * self._rng.uniform(0.75, 1),
        )
        self._failure = failure
        what = "no answer from" if failure.unreachable else "no token from"
        self._faults.no_credential(self._provider, f"{what} {self._issuer} ({failure.why})")
        if self._grant is not None and failure.retry_at < self._good_until:
            self._renew_at(failure.retry_at)
        return failure

    def _renew_at(self, when: float) -> None:
        if not self._closed:
            self._timer = self._loop.call_at(when, self._renew)

    def _renew(self) -> None:
        self._timer = None
        if self._pending is None:
            self._start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _outcome(fetch: Callable[[], Grant]) -> Grant | _Failure:
    """Without the exception: its frames hold secrets, and whoever waits raises one of its own."""
    try:
        return fetch()
    except NoGrant as error:
        return _Failure(why=str(error), unreachable=error.unreachable)
    except Exception as error:  # noqa: BLE001 - whatever a foreign library raises, the call gets an answer
        return _Failure(why=type(error).__name__, unreachable=False)
