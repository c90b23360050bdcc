"""HTTP as values: what a dialect asks for and an upstream client carries out."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where connections go. Connections are pooled by it."""

    scheme: Literal["http", "https"]
    host: str
    """Host name or IP address, without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header: the port is left out where it is the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request to a provider. Headers and body hold secrets and prompts, so its repr shows neither."""

    method: Literal["GET", "POST"]
    endpoint: Endpoint
    target: str
    """Path and query, starting with a slash."""
    headers: tuple[tuple[str, str], ...] = ()
    """In order, names in lower case; without host, content-length and connection, which the upstream client adds."""
    body: bytes = b""
    left_out: tuple[str, ...] = ()
    """Paths of request fields that the dialect can't carry to this deployment: "messages[3].blocks[0].signature"."""

    def __repr__(self) -> str:
        path = self.target.partition("?")[0]
        return f"HttpRequest({self.method} {self.endpoint}{path}, {len(self.body)} bytes)"
