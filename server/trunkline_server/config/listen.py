"""Addresses that the gateway listens on, as operators write them."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from trunkline_server.config.problems import wrong
from trunkline_server.core.addresses import IpAddress, IpNetwork

MAX_PORT: Final = 65535
MAX_UNIX_PATH_BYTES: Final = 107
"""What fits in sun_path beside its closing NUL (unix(7))."""

_MEND: Final = "Write host:port, [::1]:port or unix:/path"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """One address: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    """0: the system chooses one."""
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        address = _ip(self.host)
        return address is not None and address.is_loopback


def read_listen_address(text: str) -> ListenAddress:
    """The address in a text. Raises a validator's error."""
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port[:6]) > MAX_PORT:
        raise wrong("has no port from 0 to 65535", _MEND)
    if host in ("", "*"):
        raise wrong("has no host", "Write 0.0.0.0 or [::] for all addresses of this machine")
    return ListenAddress(host=_host(host), port=int(port))


def read_networks(text: str) -> tuple[IpNetwork, ...] | None:
    """IP addresses and networks separated by commas; None if one of them isn't one."""
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in split_list(text))
    except ValueError:
        return None


def split_list(text: str) -> list[str]:
    """The parts of a list separated by commas, without the empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _unix(path: str) -> ListenAddress:
    if not path.startswith("/"):
        raise wrong("has no absolute path after unix:", _MEND)
    if len(path.encode()) > MAX_UNIX_PATH_BYTES or not path.isprintable():
        raise wrong(f"has a path of more than {MAX_UNIX_PATH_BYTES} bytes or with odd characters", "Choose another")
    return ListenAddress(path=path)


def _host(text: str) -> str:
    bracketed = text.startswith("[") and text.endswith("]")
    host = text[1:-1] if bracketed else text
    if (":" in host) != bracketed or (bracketed and _ip(host) is None):
        raise wrong("has an IPv6 address that is not in brackets, or brackets around something else", _MEND)
    if not host.isascii() or not host.replace("-", "").replace(".", "").replace(":", "").replace("_", "").isalnum():
        raise wrong("has characters that no host has", _MEND)
    return host


def _ip(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
