"""Limits counted in the memory of one process, until it ends: for tests, and for one worker alone."""

from collections.abc import Callable, Sequence

from trunkline_server.core.limit import Limit
from trunkline_server.quota import account
from trunkline_server.quota.account import Account
from trunkline_server.quota.store import Ask, Grant, Report, Standing


class MemoryStore:
    """A Store. `now` gives nanoseconds since 1970."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.accounts: dict[str, Account] = {}
        """By the id of their limit."""

    def __repr__(self) -> str:
        return f"MemoryStore({len(self.accounts)} accounts)"

    async def exchange(self, asks: Sequence[Ask]) -> list[Grant]:
        """Take in reports and grant leases."""
        return [account.exchange(self._of(ask.limit), ask, self._now()) for ask in asks]

    async def reap(self, reports: Sequence[tuple[Limit, Report]]) -> None:
        """Close leases of a dead worker."""
        for limit, report in reports:
            account.reap(self._of(limit), limit, report, self._now())

    async def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """Where limits stand."""
        return [account.standing(self._of(limit), limit, self._now()) for limit in limits]

    async def close(self) -> None:
        """Forget everything."""
        self.accounts.clear()

    def _of(self, limit: Limit) -> Account:
        return self.accounts.setdefault(limit.id, Account())
