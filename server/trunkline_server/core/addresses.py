"""Which addresses a provider may not have.

Cloud machines hand out credentials to whoever asks at link-local and metadata addresses. They are refused, whatever
notation they come in, unless the operator lists them; so are addresses that belong to no single host. Loopback and
private networks are not: models run there.
"""

import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

METADATA: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; metadata of AWS, Azure, Google, IBM, OpenStack, Tencent
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # metadata and pod identity of AWS
        "fd20:ce::/32",  # metadata of Google
        "fd00:42::42/128",  # metadata of Scaleway
        "100.100.100.200/32",  # metadata of Alibaba
        "192.0.0.192/32",  # metadata of Oracle
        "168.63.129.16/32",  # wire server of Azure
    )
)
NO_HOST: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # no host; systems take it for themselves, resolvers answer it for names they block
        "::/128",
        "224.0.0.0/4",  # multicast
        "ff00::/8",
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
)
REFUSED: Final = METADATA + NO_HOST

_LAST_FOUR = tuple(
    ip_network(text)
    for text in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215), with a prefix of 96 bits
    )
)
"""Networks whose addresses end with an IPv4 address."""
_OWN_NAT64 = ip_network("64:ff9b:1::/48")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What stands before the IPv4 address at the end, in any network (RFC 5214, 6.1)."""
_WORD = 0xFFFF_FFFF


class AddressPolicy:
    """Says which addresses are refused. `allowed` holds addresses and networks that are fit nevertheless."""

    def __init__(self, allowed: Iterable[str | IpNetwork] = ()) -> None:
        self._allowed = tuple(ip_network(one, strict=False) for one in allowed)

    def permits(self, ip: str | IpAddress) -> bool:
        """Whether a connection to this IP address may be made."""
        forms = _forms(ip_address(ip))
        if any(form in network for form in forms for network in self._allowed):
            return True
        return not any(form in network for form in forms for network in REFUSED)


def is_no_host(address: IpAddress) -> bool:
    """Whether the address belongs to no single host."""
    return any(address in network for network in NO_HOST)


def literal_address(host: str) -> IpAddress | None:
    """The address that a host stands for without a look-up; None for a name.

    IPv4 is also read in the old forms that the system's resolver takes (169.254.43518, 0xa9fea9fe), with a dot at its
    end, and out of IPv6 addresses that map it. An IPv6 address loses its zone.
    """
    text = host.partition("%")[0].removesuffix(".")
    address = _parsed(text) or _old_form(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _parsed(text: str) -> IpAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _old_form(text: str) -> IpAddress | None:
    try:
        # It takes what follows a space for a comment.
        return None if " " in text else IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):  # a NUL, or what is no ASCII
        return None


def _forms(address: IpAddress) -> tuple[IpAddress, ...]:
    """The address, and the IPv4 addresses that it stands for, if it is one in the clothes of IPv6."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return (address,)
    return (address, *_within(address))


def _within(address: IPv6Address) -> Iterator[IPv4Address]:
    number = int(address)
    if any(address in network for network in _LAST_FOUR) or number >> 32 & _WORD in _ISATAP:
        yield IPv4Address(number & _WORD)
    if address in _OWN_NAT64:
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)  # RFC 6052, 2.2: a byte lies between
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
