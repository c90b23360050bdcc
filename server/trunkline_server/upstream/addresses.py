"""Which addresses may be connected to, and how names become addresses.

1. Every address is put to core.addresses before it is connected to.
2. A name is looked up once per connection attempt and cached for 5 s; many who ask at once share one lookup.
3. At most 256 names are kept; the one longest there goes first.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain, zip_longest

from trunkline_server.core.addresses import AddressPolicy, literal_address
from trunkline_server.core.errors import UpstreamUnreachable

CACHE_S = 5.0
MAX_NAMES = 256
MAX_ADDRESSES = 8
"""Addresses of one name that are tried. Further ones are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One place to connect to."""

    family: socket.AddressFamily
    ip: str


class Resolver:
    """Names to addresses that the policy permits."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._lookups: dict[str, _Lookup] = {}

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """Where to connect to, best first, never empty. Raises UpstreamUnreachable. An IP address needs no lookup."""
        found = _literal(host) or await asyncio.shield(self._lookup(host))
        fit = tuple(address for address in found if self._policy.permits(address.ip))
        if not fit:
            raise _refused()
        return fit

    def check_literal(self, host: str) -> None:
        """Refuse a forbidden IP address, however it is written.

        For connections through a proxy, which looks names up itself.
        """
        address = literal_address(host)
        if address is not None and not self._policy.permits(address):
            raise _refused()

    def _lookup(self, host: str) -> "asyncio.Task[tuple[Address, ...]]":
        loop = asyncio.get_running_loop()
        now = loop.time()
        lookup = self._lookups.get(host)
        if lookup is None or lookup.stale(now):
            lookup = _Lookup(loop.create_task(_resolve(host)), loop.time)
            self._lookups.pop(host, None)
            if len(self._lookups) >= MAX_NAMES:
                del self._lookups[next(iter(self._lookups))]
            self._lookups[host] = lookup
        return lookup.task


class _Lookup:
    """A look-up and how long its result holds: from its end on, since one that hangs must not be joined by others."""

    __slots__ = ("_clock", "_expires", "task")

    def __init__(self, task: "asyncio.Task[tuple[Address, ...]]", clock: Callable[[], float]) -> None:
        self.task = task
        self._clock = clock
        self._expires = math.inf
        task.add_done_callback(self._ended)

    def stale(self, now: float) -> bool:
        """Whether another look-up has to be made."""
        return now >= self._expires

    def _ended(self, task: "asyncio.Task[tuple[Address, ...]]") -> None:
        # The failure is taken note of, or the loop would complain of it if nobody waits for it any more.
        failed = task.cancelled() or task.exception() is not None
        self._expires = -math.inf if failed else self._clock() + CACHE_S


def _refused() -> UpstreamUnreachable:
    return UpstreamUnreachable("the provider's address is link-local, a metadata service or no host's, and not allowed")


def _literal(host: str) -> tuple[Address, ...]:
    try:
        version = ip_address(host).version
    except ValueError:
        return ()
    return (Address(family=socket.AF_INET if version == 4 else socket.AF_INET6, ip=host),)  # noqa: PLR2004


async def _resolve(host: str) -> tuple[Address, ...]:
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UpstreamUnreachable("the provider's host name could not be looked up") from error
    found = [
        Address(family=family, ip=str(sockaddr[0]))
        for family, _, _, _, sockaddr in rows
        if family in (socket.AF_INET, socket.AF_INET6)
    ]
    return tuple(_interleaved(found)[:MAX_ADDRESSES])


def _interleaved(found: list[Address]) -> list[Address]:
    """The families by turns, so that one family without a way out does not use up the time of the other."""
    first = [address for address in found if address.family == found[0].family]
    other = [address for address in found if address.family != found[0].family]
    pairs = chain.from_iterable(zip_longest(first, other))
    return [address for address in pairs if address is not None]
