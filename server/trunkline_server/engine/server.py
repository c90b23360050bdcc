"""The gRPC server of one worker: options, interceptors in order, services."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from trunkline_server.core.calls import Calls
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.policy import Policy
from trunkline_server.engine.adapter import Adapter
from trunkline_server.engine.handlers import Handler, handler_of
from trunkline_server.engine.intake import Intake
from trunkline_server.engine.interceptor import PolicyInterceptor
from trunkline_server.engine.method import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Bounds that gRPC itself holds. Unset ones would be unlimited, so every one is set."""

    max_concurrent_streams: int
    """Calls at a time on one connection. A finite bound is what stops a flood of opened and reset streams."""
    max_concurrent_rpcs: int
    """Calls at a time in all. Above the gateway's own bound, since refusals here carry no details."""
    max_connections: int
    max_receive_message_bytes: int
    max_metadata_bytes: int
    handshake_timeout_s: float
    max_connection_age_s: float
    """Connections are closed gently at this age, so that clients find new workers."""
    max_connection_age_grace_s: float
    """At least the longest completion: what runs longer is cut."""
    max_connection_idle_s: float
    """Connections without a call are closed gently after this, so that they cost nothing."""
    min_ping_interval_s: float
    """Clients that ping more often are told to go away; shipped clients ping every 30 s."""

    channelz: bool = False
    """Whether gRPC keeps what channelz tells."""

    def options(self, *, share_port: bool) -> Sequence[tuple[str, Any]]:
        """As gRPC channel arguments (grpc/impl/channel_arg_names.h)."""
        return (
            ("grpc.so_reuseport", int(share_port)),
            ("grpc.enable_channelz", int(self.channelz)),
            ("grpc.max_concurrent_streams", self.max_concurrent_streams),
            ("grpc.http.overload_protection", 1),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            ("grpc.max_receive_message_length", self.max_receive_message_bytes),
            ("grpc.max_send_message_length", -1),
            # Above the gateway's own bound, since refusals here carry no details: by chance from the first, always
            # from the second.
            ("grpc.max_metadata_size", 2 * self.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", 4 * self.max_metadata_bytes),
            ("grpc.server_handshake_timeout_ms", _ms(self.handshake_timeout_s)),
            ("grpc.max_connection_age_ms", _ms(self.max_connection_age_s)),
            ("grpc.max_connection_age_grace_ms", _ms(self.max_connection_age_grace_s)),
            ("grpc.max_connection_idle_ms", _ms(self.max_connection_idle_s)),
            ("grpc.http2.min_ping_interval_without_data_ms", _ms(self.min_ping_interval_s)),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(self.min_ping_interval_s)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        )


KEEPALIVE_MS: Final = 60_000
"""How often the server asks a silent connection whether its client lives."""
KEEPALIVE_TIMEOUT_MS: Final = 20_000


def make_server(
    methods: Iterable[Method],
    policies: Iterable[Policy],
    limits: TransportLimits,
    *,
    request_policies: Sequence[Policy] = (),
    calls: Calls,
    intake: Intake,
    faults: FaultLog,
    clock: Callable[[], float],
    default_timeout_s: float,
    share_port: bool,
    asks_certificates: bool = False,
) -> grpc.aio.Server:
    """A server that is neither bound nor started. Policies are opened in their order and closed in reverse.

    `request_policies` stand inside of the others and are opened once the request is read: it is in `Call.request`.
    `asks_certificates`: whether callers show certificates, which are then told to each Call.
    """
    by_name = {method.name: method for method in methods}
    adapter = Adapter(
        by_name,
        calls,
        faults,
        clock=clock,
        default_timeout_s=default_timeout_s,
        asks_certificates=asks_certificates,
    )
    server = grpc.aio.server(
        interceptors=[adapter, *(PolicyInterceptor(policy) for policy in policies)],
        options=limits.options(share_port=share_port),
        maximum_concurrent_rpcs=limits.max_concurrent_rpcs,
    )
    for service, handlers in _by_service(by_name, intake, request_policies).items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    return server


def _by_service(
    methods: dict[str, Method], intake: Intake, request_policies: Sequence[Policy]
) -> dict[str, dict[str, Handler]]:
    services: dict[str, dict[str, Handler]] = {}
    for name, method in methods.items():
        service, rpc = name[1:].split("/")
        services.setdefault(service, {})[rpc] = handler_of(method, intake, request_policies)
    return services


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
