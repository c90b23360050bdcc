"""What a client knows about the gateway: where it is, how it says who it is, and how its channels are set up.

1. The api key is in no repr and no error.
2. Every channel has connections of its own; channels with equal options would share them otherwise.
3. Every message, both ways, is at most 64 MiB; a larger one fails with RESOURCE_EXHAUSTED.
4. A call that fails with UNAVAILABLE before its first message is tried up to 4 times in all, with pauses of about 0.3,
   0.6 and 1 s, within its deadline: a gateway that restarts is back by then. So is one that fails with CANCELLED,
   unless it was cancelled here: gRPC gives calls that wait in a server that stops that status. The gateway's
   grpc-retry-pushback-ms forbids it or says when. At most 8 MiB of a request are kept for that; a larger one is tried
   once. After about 500 failures without a success between them, repeats stop until calls succeed again.
5. A target of several addresses ("dns:///name:port", "ipv4:a:1,b:1") is one connection to each of them: calls go to
   each in turn, to none that is not SERVING, and a repeat goes to the next. The bounds of trunkline.pool hold for all
   of them together, so the last one that is left can take what is running.
6. A peer that has gone silent is noticed within 40 s while calls wait for it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Final

import grpc

from trunkline import parts
from trunkline.notation import checked
from trunkline.request_id import checked_request_id
from trunkline.tracing import trace_metadata

if TYPE_CHECKING:
    from trunkline.tls import Tls, TlsFiles

__all__ = ["CallStart", "Connection"]

DEFAULT_TARGET: Final = "127.0.0.1:50051"
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
MAX_REPEATED_BYTES: Final = 8 * 1024 * 1024
MAX_PORT: Final = 65_535
_TLS_VARIABLES: Final = ("TRUNKLINE_TLS", "TRUNKLINE_CA_FILE", "TRUNKLINE_CERT_FILE", "TRUNKLINE_KEY_FILE")
"""Any of them can mean TLS; trunkline.tls says what."""
_LOOPBACK: Final = ("127.", "localhost:", "[::1]:", "unix:", "unix-abstract:")

_HOST_AND_PORT: Final = re.compile(r"(\[[^\s\[\]]+\]|[^\s:/@\[\]]+):([0-9]{1,5})")
_SCHEMES: Final = ("unix:", "unix-abstract:", "vsock:", "dns:", "ipv4:", "ipv6:", "xds:")
"""Those of gRPC. What follows them is gRPC's to judge."""

_OF_MANY: Final = ("dns:", "ipv4:", "ipv6:")
"""Targets that may stand for several gateways."""

_RETRIES: Final = {
    "methodConfig": [
        {
            # Every method.
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.3s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # A failure takes one, a success gives one back; at half of them repeats stop. 1,000 is the most there can be.
    "retryThrottling": {"maxTokens": 1_000, "tokenRatio": 1},
}
_SPREADING: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # Watches the health of each gateway: one that drains says so here before it closes anything.
    "healthCheckConfig": {"serviceName": ""},
}

_OPTIONS: Final[tuple[tuple[str, str | int], ...]] = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_retries", 1),
    # gRPC's own bound of 256 KiB would leave out every request with a picture.
    ("grpc.per_rpc_retry_buffer_size", MAX_REPEATED_BYTES),
    # gRPC would wait a second and more between attempts to connect, and refuse calls meanwhile: a gateway that is back
    # has to be found while calls are being repeated.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # The gateway takes a ping every 10 s; a dead connection is noticed within 40 s while calls are on it.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A keepalive's ping has this timeout too; without it gRPC would wait a minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A stream sends nothing after its request; gRPC would space further pings by a minute and more.
    ("grpc.http2.max_pings_without_data", 0),
    # A name is asked again when a gateway goes away: at most every 5 s, where gRPC would wait 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
)


class CallStart:  # made for every call: a frozen dataclass would take four times as long
    """How one call starts."""

    __slots__ = ("deadline", "metadata", "request_id")

    def __init__(self, request_id: str, deadline: float, metadata: tuple[tuple[str, str], ...]) -> None:
        self.request_id = request_id
        self.deadline = deadline
        """On the clock of time.monotonic()."""
        self.metadata = metadata

    def remaining(self) -> float:
        """Seconds until the deadline, at least 0: gRPC answers DEADLINE_EXCEEDED to a call without time."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach the gateway."""

    target: str
    timeout: float
    """Seconds that a call may take, where the call does not say otherwise."""
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    """The caller's own. None: `tls`, else plaintext."""
    tls: TlsFiles | None = None
    api_key: str | None = field(default=None, repr=False)

    @classmethod
    def resolve(
        cls,
        target: str | None,
        api_key: str | None,
        timeout: float,
        credentials: grpc.ChannelCredentials | None,
        tls: Tls | bool | None = None,
    ) -> Connection:
        """Arguments first, then the environment, then 127.0.0.1:50051, no key and plaintext."""
        if credentials is not None and tls is not None:
            raise ValueError("tls and credentials: give one of them")
        return cls(
            target=_checked_target(target or os.environ.get("TRUNKLINE_TARGET") or DEFAULT_TARGET),
            timeout=_checked_timeout(timeout),
            credentials=credentials,
            tls=parts.resolve_tls(tls, os.environ) if credentials is None and _speaks_of_tls(tls) else None,
            api_key=_checked_key(api_key or os.environ.get("TRUNKLINE_API_KEY") or ""),
        )

    @property
    def options(self) -> tuple[tuple[str, str | int], ...]:
        """Options of every channel. A proxy is never asked for an address on this machine."""
        config = _RETRIES | _SPREADING if self.target.startswith(_OF_MANY) else _RETRIES
        options = (
            *_OPTIONS,
            ("grpc.service_config", json.dumps(config)),
            ("grpc.enable_http_proxy", int(not self.target.startswith(_LOOPBACK))),
        )
        if self.tls is None or self.tls.tls.server_name is None:
            return options
        return (*options, ("grpc.ssl_target_name_override", self.tls.tls.server_name))

    @property
    def generation(self) -> Callable[[float], int] | None:
        """Counts how often the files of TLS changed; see TlsFiles."""
        return self.tls.generation if self.tls else None

    @property
    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """For a channel that is made now. None: plaintext."""
        return self.credentials if self.tls is None else self.tls.credentials

    def start(self, timeout: float | None, request_id: str | None) -> CallStart:
        """A call that starts now."""
        seconds = self.timeout if timeout is None else _checked_timeout(timeout)
        name = checked_request_id(request_id)
        bearer = (("authorization", f"Bearer {self.api_key}"),) if self.api_key else ()
        metadata = (("trunkline-request-id", name), *bearer, *trace_metadata())
        return CallStart(name, time.monotonic() + seconds, metadata)


def _speaks_of_tls(tls: Tls | bool | None) -> bool:
    """False where neither the argument nor the environment does, so that most programs never load trunkline.tls."""
    return tls is not False and (tls is not None or any(os.environ.get(name) for name in _TLS_VARIABLES))


def _checked_target(target: str) -> str:
    """The target if gRPC would understand it as it is meant. Without a port it would quietly take 443."""
    parts = _HOST_AND_PORT.fullmatch(target)
    if not target.startswith(_SCHEMES) and (parts is None or not 0 < int(parts[2]) <= MAX_PORT):
        raise ValueError("target: host:port, without http:// (127.0.0.1:50051, [::1]:50051), or unix:/path")
    return target


def _checked_timeout(seconds: float) -> float:
    checked(seconds, Real, "seconds", "timeout")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"timeout: seconds above 0, not {seconds}; every call has a deadline")
    return seconds


def _checked_key(key: str) -> str | None:
    """The key as it can travel. gRPC would print a key with other characters in its complaint."""
    key = key.strip()
    if not all("!" <= char <= "~" for char in key):
        raise ValueError("api_key: only visible ASCII characters can travel in metadata")
    return key or None
