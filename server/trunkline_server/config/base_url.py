"""What a base URL may be, and which addresses it may not name.

Cloud machines hand out credentials to whoever asks at link-local and metadata addresses. An operator who means one
lists it. Names are looked up when a connection is made, and checked there again.
"""

import ipaddress
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

from trunkline_server.config.problems import wrong
from trunkline_server.core.http import Endpoint

MAX_URL_CHARS: Final = 2048

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# The client that makes the connections has the last word and a table of its own: it also sees what names stand for.
# This one is here so that a file can be refused without loading that client.
_REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; metadata of AWS, Azure, Google, OpenStack
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # metadata of AWS
        "fd20:ce::/32",  # metadata of Google
        "100.100.100.200/32",  # metadata of Alibaba
        "192.0.0.192/32",  # metadata of Oracle
        "168.63.129.16/32",  # wire server of Azure
    )
)


def split_base_url(url: str) -> tuple[Endpoint, str]:
    """Endpoint and base path of a base URL. Raises a validator's error that doesn't show the URL."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong("not an HTTP address", "Write it like https://host.example/v1")
    if "@" in parts.netloc:
        raise wrong("has a user or password in it", "Put the credential in api_key or headers")
    if "?" in url or "#" in url:
        raise wrong("has a query or fragment", "End it with the path, such as /v1")
    endpoint = Endpoint(
        scheme="https" if parts.scheme == "https" else "http",
        host=parts.hostname,
        port=parts.port or (443 if parts.scheme == "https" else 80),
    )
    return endpoint, parts.path.rstrip("/")


def refused_address(host: str, allowed: tuple[IPNetwork, ...]) -> bool:
    """Whether the host is a literal link-local or metadata address that isn't allowed."""
    address = literal_address(host)
    if address is None or any(address in network for network in allowed):
        return False
    return any(address in network for network in _REFUSED)


def literal_address(host: str) -> IPAddress | None:
    """The address that a host stands for without a look-up; None for a name.

    IPv4 is also read in the old forms that the system's resolver takes (169.254.43518, 0xa9fea9fe), and out of IPv6
    addresses that map it.
    """
    text = host.partition("%")[0]
    address = _parsed(text) or _old_form(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _split(url: str) -> SplitResult | None:
    # urlsplit drops tabs and line breaks silently; what is not plain never gets that far.
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > MAX_URL_CHARS:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _parsed(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _old_form(text: str) -> IPAddress | None:
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None
