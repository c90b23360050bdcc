"""Health of services, as grpc.health.v1 states it.

1. `set` never waits, and no watcher can delay another or the setter: each reads the latest state when it gets to it,
   so a slow one skips states in between.
2. At most MAX_WATCHES streams are open at a time, and MAX_WATCHES_PER_CONNECTION on one connection; one more is refused
   with Overloaded.
3. `end_watches` ends all streams, open and to come: an open one would hold a server's stop for its whole grace.

Source of the protocol: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final

from grpc_health.v1 import health_pb2

from trunkline_server.core.call import Call
from trunkline_server.core.errors import FieldViolation, HealthServiceUnknown, InvalidRequest
from trunkline_server.core.places import Places
from trunkline_server.engine.method import Method, StreamMethod, UnaryMethod

SERVICE: Final = "grpc.health.v1.Health"
MAX_WATCHES: Final = 1000
MAX_WATCHES_PER_CONNECTION: Final = 16
"""A client's balancer has one per connection and service; a few channels may share a connection."""

MAX_NAME_BYTES: Final = 256
"""A watch keeps its request for as long as it is open."""

_Response = health_pb2.HealthCheckResponse


class Health:
    """The states, by service name. Used from one event loop."""

    def __init__(self, *, max_watches: int = MAX_WATCHES, max_per_connection: int = MAX_WATCHES_PER_CONNECTION) -> None:
        self._places = Places("health watches", in_all=max_watches, per_connection=max_per_connection)
        self._states: dict[str, bool] = {}
        self._watchers: set[asyncio.Event] = set()
        self._ended = False

    def __repr__(self) -> str:
        states = ", ".join(f"{name or '(all)'} {'up' if up else 'down'}" for name, up in self._states.items())
        return f"<Health: {states}; {len(self._watchers)} watchers>"

    def set(self, service: str, *, serving: bool) -> None:
        """States whether a service takes calls. "" stands for the whole server."""
        self._states[service] = serving
        self._wake()

    def end_watches(self) -> None:
        """Ends all watch streams, also those that are yet to be opened."""
        self._ended = True
        self._wake()

    async def check(self, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        """The state now. Raises HealthServiceUnknown, or InvalidRequest for a name that is too long."""
        _check_name(request.service)
        if request.service not in self._states:
            raise HealthServiceUnknown("no such service here; the empty name asks for the whole server")
        return _Response(status=self._status(request.service))

    async def watch(
        self, request: health_pb2.HealthCheckRequest, peer: str = ""
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse, None]:
        """The state now, and each later one. Raises Overloaded, or InvalidRequest as `check` does."""
        _check_name(request.service)
        told = None
        with self._places.one(peer), self._watching() as changed:
            while not self._ended:
                changed.clear()
                status = self._status(request.service)
                if status != told:
                    told = status
                    yield _Response(status=status)
                else:
                    await changed.wait()

    @contextmanager
    def _watching(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever a state may have changed."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def _status(self, service: str) -> "_Response.ServingStatus":
        state = self._states.get(service)
        if state is None:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if state else _Response.NOT_SERVING

    def _wake(self) -> None:
        for changed in self._watchers:
            changed.set()


def _check_name(service: str) -> None:
    if len(service.encode()) > MAX_NAME_BYTES:
        raise InvalidRequest(
            FieldViolation(field="service", description=f"longer than {MAX_NAME_BYTES} bytes; shorten it")
        )


def health_methods(health: Health) -> tuple[Method, ...]:
    """The methods of grpc.health.v1.Health. A watch has no end of its own, so it is given no deadline."""

    async def check(request: health_pb2.HealthCheckRequest, _call: Call) -> health_pb2.HealthCheckResponse:
        return await health.check(request)

    def watch(
        request: health_pb2.HealthCheckRequest, call: Call
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse, None]:
        return health.watch(request, call.peer)

    request = health_pb2.HealthCheckRequest
    return (
        UnaryMethod(name=f"/{SERVICE}/Check", request=request, serve=check),
        StreamMethod(name=f"/{SERVICE}/Watch", request=request, serve=watch, timed=False),
    )
