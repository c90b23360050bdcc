"""Which proxy a connection goes through, and the CONNECT exchange with it.

1. HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are read from the mapping that is passed in, lower case first, as curl does.
   NO_PROXY lists hosts, domains, networks and `host:port`; `*` means all. localhost and loopback addresses are
   never proxied.
2. A proxy speaks plain HTTP: https is tunnelled with CONNECT, http is asked for in absolute form.
3. The proxy's credential is in no repr and no error.
"""

import asyncio
import base64
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from trunkline_server.core.errors import UpstreamMalformed, UpstreamUnreachable
from trunkline_server.core.http import Endpoint
from trunkline_server.core.secret import Secret

MAX_ANSWER = 16 * 1024
"""Bytes of a proxy's answer to CONNECT. Beyond it UpstreamMalformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A forward proxy that speaks plain HTTP/1.1."""

    host: str
    port: int
    authorization: Secret
    """Value of Proxy-Authorization; empty if none is sent."""


class Proxies:
    """Chooses by the usual variables. Raises ValueError for a variable that is no proxy's URL, naming the variable."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        fallback = _proxy(environ, "ALL_PROXY")
        self._by_scheme = {
            "http": _proxy(environ, "HTTP_PROXY") or fallback,
            "https": _proxy(environ, "HTTPS_PROXY") or fallback,
        }
        listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        self._bypass = tuple(entry.strip().lower() for entry in listed.split(",") if entry.strip())

    def find(self, endpoint: Endpoint) -> Proxy | None:
        """The proxy for this endpoint; None means to connect directly."""
        proxy = self._by_scheme[endpoint.scheme]
        if proxy is None or _is_loopback(endpoint.host):
            return None
        return None if any(_matches(entry, endpoint) for entry in self._bypass) else proxy


def _proxy(environ: Mapping[str, str], name: str) -> Proxy | None:
    url = environ.get(name.lower()) or environ.get(name) or ""
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise ValueError(f"{name} has a port that is no number") from None
    if parts.scheme != "http" or not host:
        raise ValueError(f"{name} must be the URL of an HTTP proxy: http://host:port")
    user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    token = "" if user == ":" else "Basic " + base64.b64encode(user.encode()).decode()
    return Proxy(host=host, port=port, authorization=Secret(token))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(entry: str, endpoint: Endpoint) -> bool:
    """Whether an entry of NO_PROXY means this endpoint. A domain means its subdomains too, with or without a dot."""
    host = endpoint.host.lower()
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass  # One of them is a name, so names are compared.
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        if int(port) != endpoint.port:
            return False
        entry = name
    domain = entry.removeprefix("*").removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


async def tunnel(sock: socket.socket, endpoint: Endpoint, proxy: Proxy) -> None:
    """Ask the proxy at the other end of `sock` to connect on to `endpoint` (RFC 9110, 9.3.6).

    Raises UpstreamUnreachable if it will not, UpstreamMalformed if it does not speak HTTP.
    """
    loop = asyncio.get_running_loop()
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [f"CONNECT {host}:{endpoint.port} HTTP/1.1", f"host: {host}:{endpoint.port}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    answer = bytearray()
    try:
        await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        while b"\r\n\r\n" not in answer:
            data = await loop.sock_recv(sock, MAX_ANSWER)
            answer += data
            if not data or len(answer) > MAX_ANSWER:
                raise UpstreamMalformed("the proxy's answer to CONNECT is no HTTP answer")
    except OSError as error:
        raise UpstreamUnreachable("the proxy ended the connection") from error
    _check_answer(bytes(answer))


def _check_answer(answer: bytes) -> None:
    first, _, rest = answer.partition(b"\r\n")
    version, _, status = first.partition(b" ")
    code = status[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit():
        raise UpstreamMalformed("the proxy's answer to CONNECT is no HTTP answer")
    if not code.startswith(b"2"):
        raise UpstreamUnreachable(f"the proxy refused to connect to the provider (status {int(code)})")
    # In a tunnel for TLS the client speaks first, so nothing may follow the head yet.
    if not rest.endswith(b"\r\n") or (b"\r\n" + rest).partition(b"\r\n\r\n")[2]:
        raise UpstreamMalformed("the proxy sent bytes of its own into the tunnel")
