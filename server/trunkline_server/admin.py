"""The process that serves operators: trunkline.admin.v1 and Health.

1. The Unix socket data_dir/admin.sock is its user's alone, from its first moment. One process serves it: who holds
   data_dir/admin.lock. A file that a dead one left is replaced.
2. With TRUNKLINE_ADMIN_LISTEN it is served over TCP too, there to operators with a key alone, and with the gateway's
   TLS if it has any.
3. Calls do not pass here: at the loss of this process they go on.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from trunkline.admin.v1 import keys_pb2, usage_pb2
from trunkline_server.core.calls import Calls
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.policy import Policy
from trunkline_server.engine.health import Health, health_methods
from trunkline_server.engine.intake import Intake
from trunkline_server.engine.method import Method, methods_of
from trunkline_server.engine.server import TransportLimits, make_server
from trunkline_server.engine.tls import ServerTls
from trunkline_server.interceptors.errors import Errors
from trunkline_server.interceptors.metadata import Metadata

SOCKET: Final = "admin.sock"
LOCK: Final = "admin.lock"
DEFAULT_TIMEOUT_S: Final = 30.0
_ONLY_OURS: Final = 0o177
"""umask by which a socket is made with mode 0600."""
_KEYS: Final = keys_pb2.DESCRIPTOR.services_by_name["Keys"]
_USAGE: Final = usage_pb2.DESCRIPTOR.services_by_name["Usage"]

# Few operators, small messages.
_LIMITS: Final = TransportLimits(
    max_concurrent_streams=100,
    max_concurrent_rpcs=200,
    max_connections=100,
    max_receive_message_bytes=1024 * 1024,
    max_metadata_bytes=16 * 1024,
    handshake_timeout_s=10,
    max_connection_age_s=600,
    max_connection_age_grace_s=60,
    max_connection_idle_s=300,
    min_ping_interval_s=10,
)


class AlreadyServed(Exception):
    """Another process serves operators from this data directory."""


@contextmanager
def held(data_dir: Path) -> Iterator[str]:
    """The address of the socket, which is this process's to serve. Raises AlreadyServed, or OSError."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyServed(f"another gateway serves operators in {data_dir}") from error
        socket = data_dir / SOCKET
        socket.unlink(missing_ok=True)  # nobody serves it: the lock is ours
        try:
            yield f"unix:{socket}"
        finally:
            socket.unlink(missing_ok=True)


class AdminServer:
    """Serves methods on the socket, and on TCP within the policies of operators."""

    def __init__(self, methods: Sequence[Method]) -> None:
        self._clock = asyncio.get_running_loop().time
        self._faults = FaultLog(self._clock)
        health = Health()
        health.set("", serving=True)
        self._methods = (*methods, *health_methods(health))
        self._servers: list[grpc.aio.Server] = []

    async def listen_on_socket(self, address: str) -> None:
        """Serve the gateway's own user. Raises RuntimeError if the address can't be had."""
        server = self._server(())
        before = os.umask(_ONLY_OURS)
        try:
            server.add_insecure_port(address)
        finally:
            os.umask(before)
        await server.start()

    async def listen(self, address: str, policies: Sequence[Policy], tls: ServerTls | None) -> int:
        """Serve operators over TCP; returns the port. Raises RuntimeError if the address can't be had."""
        server = self._server(policies, asks_certificates=tls is not None and tls.mutual)
        port = server.add_secure_port(address, tls.credentials()) if tls else server.add_insecure_port(address)
        await server.start()
        return port

    async def stop(self) -> None:
        """Ends open calls and gives the addresses back."""
        for server in self._servers:
            await server.stop(None)

    def _server(self, policies: Sequence[Policy], *, asks_certificates: bool = False) -> grpc.aio.Server:
        server = make_server(
            self._methods,
            (Errors(self._faults, self._clock), Metadata(_LIMITS.max_metadata_bytes), *policies),
            _LIMITS,
            calls=Calls(),
            intake=Intake(max_slow=64, max_held_bytes=16 * _LIMITS.max_receive_message_bytes),
            faults=self._faults,
            clock=self._clock,
            default_timeout_s=DEFAULT_TIMEOUT_S,
            share_port=False,
            asks_certificates=asks_certificates,
        )
        self._servers.append(server)
        return server


def admin_methods(keys: object, usage: object) -> tuple[Method, ...]:
    """The methods of trunkline.admin.v1. None: a service that is not served yet."""
    return (*methods_of(_KEYS, keys), *methods_of(_USAGE, usage))
