"""New connections: name, address check, TCP, proxy, TLS, in that order and within one limit in time."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trunkline_server.core.errors import UpstreamUnreachable
from trunkline_server.core.http import Endpoint
from trunkline_server.upstream.addresses import Address, Resolver
from trunkline_server.upstream.connection import Connection
from trunkline_server.upstream.limits import UpstreamLimits
from trunkline_server.upstream.proxies import Proxy, tunnel

TLS_WAITING = 64 * 1024
"""Bytes still encrypted that wait in our memory before TLS stops reading, too."""

KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Probes in seconds: a model may think for minutes, and a NAT in between must neither forget the connection nor let a
dead peer look like a thinking one. Set where the system knows the option."""


class Dialer:
    """Makes connections for one worker. Raises UpstreamUnreachable, or TimeoutError when `until` passes."""

    def __init__(
        self,
        limits: UpstreamLimits,
        resolver: Resolver,
        ca_file: str | None,
        make: Callable[[], Connection],
    ) -> None:
        self._limits = limits
        self._resolver = resolver
        self._make = make
        # Made now, in the start of the worker: to load the trust store in the first call would block the loop.
        self._tls = ssl.create_default_context()
        if ca_file:
            self._tls.load_verify_locations(ca_file)
        self._tls.set_alpn_protocols(["http/1.1"])

    async def dial(self, endpoint: Endpoint, proxy: Proxy | None, until: float) -> Connection:
        """A connection that nobody has used yet."""
        limit = asyncio.get_running_loop().time() + self._limits.connect_s
        try:
            async with asyncio.timeout_at(min(until, limit)):
                return await self._dial(endpoint, proxy, min(until, limit))
        except TimeoutError:
            if until <= limit:
                raise
            raise UpstreamUnreachable("no connection to the provider was made within the limit") from None

    async def _dial(self, endpoint: Endpoint, proxy: Proxy | None, limit: float) -> Connection:
        if proxy is None:
            sock = await self._connect(endpoint.host, endpoint.port, limit)
        else:
            self._resolver.check_literal(endpoint.host)
            sock = await self._connect(proxy.host, proxy.port, limit)
        with _closed_on_failure(sock):
            if endpoint.scheme == "http":
                return await self._attach(sock, None, None)
            if proxy is not None:
                await tunnel(sock, endpoint, proxy)
            return await self._attach(sock, self._tls, endpoint.host)

    async def _connect(self, host: str, port: int, limit: float) -> socket.socket:
        """A TCP connection to the first address that takes it. Each address gets a fair share of the time left."""
        addresses = await self._resolver.addresses(host)
        failure: Exception | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            now = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(now + (limit - now) / left):
                    return await self._connect_to(address, port)
            except OSError as error:  # TimeoutError is one, too.
                failure = error
        raise UpstreamUnreachable("the provider's address takes no connection") from failure

    async def _connect_to(self, address: Address, port: int) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        with _closed_on_failure(sock):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Before connecting, because the window's scale is fixed in the handshake.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._limits.receive_buffer_bytes)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE.items():
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            await _connect_now(sock, address.ip, port)
        return sock

    async def _attach(self, sock: socket.socket, tls: ssl.SSLContext | None, host: str | None) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            transport, connection = await loop.create_connection(self._make, sock=sock, ssl=tls, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise UpstreamUnreachable("the provider's certificate is not trusted for its host name") from error
        except (OSError, ssl.SSLError) as error:
            raise UpstreamUnreachable("the connection to the provider broke in the TLS handshake") from error
        if tls is not None:
            transport.set_read_buffer_limits(high=TLS_WAITING)  # type: ignore[attr-defined]  # of TLS transports
        return connection


async def _connect_now(sock: socket.socket, ip: str, port: int) -> None:
    """Connect to just this address. The loops' own sock_connect is not used: uvloop's looks the address up again."""
    try:
        sock.connect((ip, port))
    except BlockingIOError:
        loop = asyncio.get_running_loop()
        writable = loop.create_future()
        loop.add_writer(sock, _settle, writable)
        try:
            await writable
        finally:
            loop.remove_writer(sock)
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code)) from None


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


@contextmanager
def _closed_on_failure(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise
