"""What every store of quotas does, and the words that workers and stores say to each other.

1. A worker is a *holder*. It takes slices of a limit, uses them, and gives back what it does not need.
2. Reports are cumulative: all that a holder has used and returned of a window since it first took something of it.
   One that comes twice, late or out of order therefore changes nothing that is not true.
3. Each ask is atomic by itself: it is done as a whole or not at all. Asks of one exchange do not depend on each other.
4. A store that can't be reached, or does not answer in time, raises StoreDown and nothing else.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from trunkline_server.core.limit import Limit

SLICE_PERCENT: Final = 1
"""Largest slice, as a share of the capacity; a single call may still be given more."""
IN_USE_TTL_S: Final = 10.0
"""A holder of concurrent calls that is silent for so long has lost them."""
MAX_HOLDERS: Final = 4096
"""Holders of one limit at once. One more is granted nothing until another has let go of all it held."""


class StoreDown(Exception):
    """The store can't be reached, did not answer in time, or can't write. Says which, never an address or a secret."""


class Report(Struct, frozen=True, kw_only=True):
    """What a holder did with what it was granted of one window of a limit. Never falls."""

    limit_id: str
    window_id: str
    """As the grant named it."""
    used: int
    """Of calls that were settled, above the granted too."""
    returned: int
    """Given back unused."""


class Ask(Struct, frozen=True, kw_only=True):
    """A wish for some of a limit, and what became of what was had before."""

    limit: Limit
    need: int
    """What the calls that wait need. 0 if none waits."""
    want: int
    """What would be had with pleasure: the need and a slice. At least the need."""
    reports: tuple[Report, ...] = ()


class Grant(Struct, frozen=True, kw_only=True):
    """What a store gives, and what it knows."""

    limit_id: str
    window_id: str
    """To be named in reports of it."""
    amount: int
    """At most what was wanted; it may be less than the need, and then belongs to the holder all the same."""
    ends_in_s: float
    """Until the window or the grant's validity ends. What is unused by then must not be used. inf: it does not end."""
    retry_after_s: float | None
    """When the rest of the need would be there if nobody else called. 0 if it was granted; None if it never will be, or
    only when others give back what they hold."""
    remaining: int
    """Left for anyone after this; below 0 is debt."""
    held_by_others: int
    """Granted to other holders and not yet reported as used or returned."""


class Standing(Struct, frozen=True, kw_only=True):
    """How a limit stands, for people."""

    limit_id: str
    capacity: int
    remaining: int
    """Not used and not held; below 0 is debt."""
    held: int
    """In slices of workers, neither used nor returned."""
    resets_in_s: float | None
    """When all of it is there again if nobody calls and what is held comes back; None if that can't be said."""


class Store(Protocol):
    """Where limits are shared. All methods run on the worker's loop and never block it."""

    async def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Grant]:
        """Take reports and give grants, one for each ask, in their order. Raises StoreDown."""
        ...

    async def reap(self, holder: str, reports: Sequence[tuple[Limit | str, Report]]) -> None:
        """End a holder that has died: these were its last numbers; what it still held comes back. A limit that is no
        longer configured is named by its id. Raises StoreDown."""
        ...

    async def beat(self, holder: str, ttl_s: float) -> None:
        """Say that the holder lives, and will until so long from now. Raises StoreDown."""
        ...

    async def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """How they stand, in their order. Changes nothing. Raises StoreDown."""
        ...

    async def close(self) -> None:
        """Let go of files and connections. What holders hold is not given back by this."""
        ...
