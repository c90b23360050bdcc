"""What the operator hears of calls: faults that nobody foresaw, and providers that fail.

1. The text of an exception is not logged, since it may quote a prompt or a key: its type and the places it passed are.
   Of a provider's failure deployment, reason and status are logged, and never its words.
2. The same thing is logged at most once in QUIET_S seconds, with the number of times it came, so that a failure of
   every call does not become a line per call. At most MAX_PLACES different ones are told apart.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from loguru import logger

from trunkline import v1
from trunkline_server.core.call import Call

QUIET_S: Final = 60.0
MAX_PLACES: Final = 256
MAX_FRAMES: Final = 6


@dataclass(slots=True)
class _Seen:
    logged_at: float
    unlogged: int = 0


@dataclass(slots=True)
class FaultLog:
    """Logs what goes wrong, each thing at most once a minute."""

    clock: Callable[[], float]
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def seen(self, error: BaseException, call: Call) -> None:
        """Tell the operator of a fault of ours in a call."""
        place = describe(error)
        self._tell("ERROR", place, f"fault in {call.method} (request {call.request_id}): {place}")

    def failed(self, attempt: v1.Attempt, call: Call) -> None:
        """Tell the operator of a provider's failure."""
        status = f", HTTP {attempt.http_status}" if attempt.http_status else ""
        what = f"{attempt.deployment}: {attempt.reason}{status}"
        self._tell("WARNING", what, f"{what} (request {call.request_id})")

    def no_credential(self, provider: str, why: str) -> None:
        """Tell the operator that a provider's credential can't be had, in words of ours."""
        self._tell("WARNING", f"{provider}: {why}", f"{provider}: {why}")

    def _tell(self, level: str, thing: str, line: str) -> None:
        now = self.clock()
        seen = self._seen.get(thing)
        if seen is not None and now - seen.logged_at < QUIET_S:
            seen.unlogged += 1
            return
        more = f"; {seen.unlogged} more since it was last told" if seen is not None and seen.unlogged else ""
        if seen is None and len(self._seen) >= MAX_PLACES:
            self._seen.clear()
        self._seen[thing] = _Seen(now)
        logger.log(level, "{}{}", line, more)


def describe(error: BaseException) -> str:
    """Type of an exception and the last places it passed: "KeyError at router.py:31 < completion.py:20"."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places or 'an unknown place'}"
