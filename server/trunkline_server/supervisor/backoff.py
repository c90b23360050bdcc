"""How long to wait before a child that ended is started again."""

import random

from trunkline_server.supervisor.limits import Limits


class Backoff:
    """Doubles from the first delay to the longest, with jitter; a healthy life resets it."""

    def __init__(self, limits: Limits, rng: random.Random | None = None) -> None:
        self._limits = limits
        self._rng = rng or random.Random()  # noqa: S311  spreads restarts, guards nothing
        self._next_s = limits.backoff_first_s

    def delay(self, *, up_s: float) -> float:
        """Seconds to wait after a life that was up for `up_s`: half of the step at least, the whole at most."""
        if up_s >= self._limits.healthy_s:
            self._next_s = self._limits.backoff_first_s
        step = self._next_s
        self._next_s = min(step * 2, self._limits.backoff_most_s)
        return step * self._rng.uniform(0.5, 1.0)
