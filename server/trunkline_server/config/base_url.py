"""What a base URL may be, and which addresses it may not name: those that core.addresses refuses.

Names are looked up when a connection is made, and checked there.
"""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from trunkline_server.config.problems import wrong
from trunkline_server.core.addresses import AddressPolicy, IpNetwork, literal_address
from trunkline_server.core.http import Endpoint

MAX_URL_CHARS: Final = 2048


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


def refused_address(host: str, allowed: tuple[IpNetwork, ...]) -> bool:
    """Whether the host is literally an address that providers may not have, and that isn't allowed."""
    address = literal_address(host)
    return address is not None and not AddressPolicy(allowed).permits(address)


def _split(url: str) -> SplitResult | None:
    # urlsplit drops tabs and line breaks silently; what is not plain never gets that far.
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > MAX_URL_CHARS:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None
