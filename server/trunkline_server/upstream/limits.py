"""The bounds of the upstream client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLimits:
    """What one worker allows itself and its providers. Each field says what happens at it."""

    connect_s: float = 5.0
    """Name, TCP, proxy and TLS together. Beyond it UpstreamUnreachable."""
    max_connections_per_endpoint: int = 1024
    """Open answers per endpoint. One more waits for its turn, first come, first served, within its `until`."""
    max_waiting_per_endpoint: int = 1024
    """Requests that wait so. One more is refused with Overloaded, and nothing was sent."""
    max_idle_per_endpoint: int = 64
    """Connections kept for later. One more is closed instead."""
    max_idle_s: float = 30.0
    """How long an unused connection is kept: shorter than servers keep theirs, so that we are the ones who close."""
    max_header_bytes: int = 64 * 1024
    """Head of an answer, informational heads included. Beyond it UpstreamMalformed; likewise for trailers."""
    receive_buffer_bytes: int = 256 * 1024
    """SO_RCVBUF: what the kernel takes in while nobody reads. It also bounds the speed: this much per round trip."""
