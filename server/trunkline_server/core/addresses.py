"""Which addresses a provider may not have.

Cloud machines hand out credentials to whoever asks at link-local and metadata addresses. They are refused, whatever
notation they come in, unless the operator lists them.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

REFUSED: Final = tuple(
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


def _forms(address: IpAddress) -> tuple[IpAddress, ...]:
    """The address, and the IPv4 address that it stands for, if it is one in the clothes of IPv6."""
    if isinstance(address, IPv4Address):
        return (address,)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or address in _COMPATIBLE):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return (address,) if inner is None else (address, inner)
