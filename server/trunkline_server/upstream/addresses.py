"""Which addresses may be connected to, and how names become addresses.

1. Link-local and cloud metadata addresses are refused unless the operator lists them, whatever notation they come in.
2. A name is looked up once per connection attempt and cached for 5 s; many who ask at once share one lookup.
3. At most 256 names are kept; the one longest there goes first.
"""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import chain, zip_longest

from trunkline_server.core.errors import UpstreamUnreachable

CACHE_S = 5.0
MAX_NAMES = 256
MAX_ADDRESSES = 8
"""Addresses of one name that are tried. Further ones are ignored."""

_REFUSED = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; metadata of AWS, Azure, Google, OpenStack
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # metadata and pod identity of AWS
        "fd20:ce::/32",  # metadata of Google
        "100.100.100.200/32",  # metadata of Alibaba
        "192.0.0.192/32",  # metadata of Oracle
        "168.63.129.16/32",  # wire server of Azure
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")

IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One place to connect to."""

    family: socket.AddressFamily
    ip: str


class AddressPolicy:
    """Says which addresses are refused. `allowed` holds addresses and networks that are fit nevertheless."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(ip_network(text, strict=False) for text in allowed)

    def permits(self, ip: str) -> bool:
        """Whether a connection to this IP address may be made."""
        forms = _forms(ip_address(ip))
        if any(form in network for form in forms for network in self._allowed):
            return True
        return not any(form in network for form in forms for network in _REFUSED)


def _forms(address: IpAddress) -> tuple[IpAddress, ...]:
    """The address, and the IPv4 address that it stands for, if it is one in the clothes of IPv6."""
    if isinstance(address, IPv4Address):
        return (address,)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or address in _COMPATIBLE):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return (address,) if inner is None else (address, inner)


class Resolver:
    """Names to addresses that the policy permits."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._lookups: dict[str, tuple[float, asyncio.Task[tuple[Address, ...]]]] = {}

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """Where to connect to, best first, never empty. Raises UpstreamUnreachable. An IP address needs no lookup."""
        found = _literal(host) or await asyncio.shield(self._lookup(host))
        fit = tuple(address for address in found if self._policy.permits(address.ip))
        if not fit:
            raise UpstreamUnreachable("the provider's address is link-local or a metadata service, and not allowed")
        return fit

    def check_literal(self, host: str) -> None:
        """Refuse a forbidden IP address. For connections through a proxy, which looks names up itself."""
        for address in _literal(host):
            if not self._policy.permits(address.ip):
                raise UpstreamUnreachable("the provider's address is link-local or a metadata service, and not allowed")

    def _lookup(self, host: str) -> "asyncio.Task[tuple[Address, ...]]":
        loop = asyncio.get_running_loop()
        now = loop.time()
        expires, task = self._lookups.get(host, (0.0, None))
        if task is None or expires <= now or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = loop.create_task(_resolve(host))
            task.add_done_callback(_retrieve)
            self._lookups.pop(host, None)
            if len(self._lookups) >= MAX_NAMES:
                del self._lookups[next(iter(self._lookups))]
            self._lookups[host] = (now + CACHE_S, task)
        return task


def _retrieve(task: "asyncio.Task[tuple[Address, ...]]") -> None:
    """Take note of a failure that nobody waits for any more, or the loop would complain of it."""
    if not task.cancelled():
        task.exception()


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
