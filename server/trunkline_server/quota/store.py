"""What every store of quotas does, and the words that workers and stores say to each other.

1. A worker *asks* for a part of what a limit still allows, and gets a *grant*, which adds to a *lease*. Calls are
   admitted from leases in the worker's memory, so that no store stands in the path of a call.
2. A worker *reports* what it used of a lease and what it gives back. Numbers are totals since the lease began: told
   twice, late or out of order they change nothing that is not true.
3. Each ask is atomic by itself: it is done as a whole or not at all. Asks of one exchange do not depend on each other,
   since a call takes from all its leases or from none in the memory of one worker.
4. A store that can't be reached, or does not answer in time, raises StoreDown and nothing else.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from trunkline_server.core.limit import Limit

LEASE_S: Final = 10.0
"""A lease that nobody speaks of for so long is lost: places of concurrent calls come back, all else counts as used."""
MAX_LEASES: Final = 4096
"""Leases of one limit at once. One more is granted nothing until another is forgotten."""


class StoreDown(Exception):
    """The store can't be reached, did not answer in time, or can't write. Says which, never an address or a secret."""


class Report(Struct, frozen=True, kw_only=True):
    """What became of a lease. Never falls."""

    lease: str
    """Unique for all time; the worker makes it."""
    window: str
    """As the grant named it."""
    used: int
    """Of calls that were settled, above what was granted too."""
    returned: int
    """Given back unused."""


class Ask(Struct, frozen=True, kw_only=True):
    """A wish for some of a limit, and what became of what was had before."""

    limit: Limit
    lease: str
    need: int = 0
    """What the calls that wait need. 0 if none waits."""
    want: int = 0
    """What would be had with pleasure: the need and a slice. At least the need."""
    reports: tuple[Report, ...] = ()
    """Taken in before anything is granted. The lease's own is among them if it used or returned anything of this
    window, even if it is the same as before: one that was silent for long goes on from there. Reports of leases that
    are not known are ignored."""


class Grant(Struct, frozen=True, kw_only=True):
    """What a store gives, and what it knows."""

    window: str
    """To be named in reports of it."""
    amount: int
    """At most what was wanted; it may be less than the need, and then belongs to the lease all the same."""
    total: int
    """All that the lease was ever given in this window, and what it told of beyond that: an overage is taken from the
    limit once it is told, and grants come on top. Less what it used and returned it is what the lease holds, also
    after an answer that was lost on its way."""
    ends_in_s: float | None
    """From then on nothing may be admitted from it. None: it has no such end."""
    retry_after_s: float | None
    """When the rest of the need would be there if nobody else called. 0 if it was granted; None if it never will be."""
    remaining: int
    """Left for anyone after this; below 0 is debt."""
    held_by_others: int
    """In other leases, neither used nor returned."""


class Standing(Struct, frozen=True, kw_only=True):
    """How a limit stands, for people."""

    remaining: int
    """Not used, whether it lies in leases or not; below 0 is debt."""
    held: int
    """In leases, neither used nor returned."""
    resets_in_s: float | None
    """When all of it is there again if nobody calls. None for concurrent calls."""


class Store(Protocol):
    """Where limits are shared. All methods run on the worker's loop and never block it. Each may raise StoreDown."""

    async def exchange(self, asks: Sequence[Ask]) -> list[Grant]:
        """Take reports and give grants, one for each ask, in their order."""
        ...

    async def reap(self, reports: Sequence[tuple[Limit, Report]]) -> None:
        """End leases whose worker has died: these were its last numbers; what it still held comes back."""
        ...

    async def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """How they stand, in their order. Takes nothing."""
        ...

    async def close(self) -> None:
        """Let go of files and connections. What leases hold is not given back by this."""
        ...
