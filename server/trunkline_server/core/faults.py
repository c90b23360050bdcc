"""What the operator hears of faults that nobody foresaw.

1. The text of an exception is not logged, since it may quote a prompt or a key: its type and the places it passed are.
2. The same fault is logged at most once in QUIET_S seconds, with the number of times it came, so that a fault in every
   call does not become a line per call. At most MAX_PLACES different ones are told apart.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from loguru import logger

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
    """Logs faults, each place at most once a minute."""

    clock: Callable[[], float]
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def seen(self, error: BaseException, call: Call) -> None:
        """Tell the operator of a fault in a call."""
        place = describe(error)
        now = self.clock()
        seen = self._seen.get(place)
        if seen is not None and now - seen.logged_at < QUIET_S:
            seen.unlogged += 1
            return
        more = f" ({seen.unlogged} more since the last time)" if seen is not None and seen.unlogged else ""
        if seen is None and len(self._seen) >= MAX_PLACES:
            self._seen.clear()
        self._seen[place] = _Seen(now)
        logger.error("fault in {} (request {}): {}{}", call.method, call.request_id, place, more)


def describe(error: BaseException) -> str:
    """Type of an exception and the last places it passed: "KeyError at router.py:31 < completion.py:20"."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places or 'an unknown place'}"
