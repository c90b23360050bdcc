"""One call as the gateway sees it: the one mutable thing per call.

The adapter opens it, policies and the router write to it, Errors and Records read it at the end.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import Message

from trunkline import v1
from trunkline_server.core.peer import CallerCertificate
from trunkline_server.core.principal import Principal

NO_DEADLINE: Final = math.inf
REQUEST_ID: Final = "trunkline-request-id"
"""Metadata key of a call's id, in both directions."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A call in progress. Times are seconds of the event loop's clock."""

    request_id: str
    method: str
    """Full name, as dispatched: "/trunkline.v1.Completion/StreamComplete"."""
    metadata: Mapping[str, str | bytes] = field(repr=False)
    """The caller's metadata; the last of doubled keys. Never logged."""
    metadata_pairs: tuple[tuple[str, str | bytes], ...] = field(repr=False)
    """The same with doubles, in order."""
    peer: str
    certificate: CallerCertificate | None = None
    """What the caller has proven by TLS; None where callers are asked for no certificate, and on Unix sockets."""
    principal: Principal | None = None
    """Who calls. None until that is proven, and where no proof is asked for."""
    started_at: float
    deadline: float = NO_DEADLINE
    """When the gateway ends the call: a little before the caller's own deadline."""
    request: Message | None = field(default=None, repr=False)
    """The request, once it is decoded."""
    model: str = ""
    attempts: list[v1.Attempt] = field(default_factory=list, repr=False)
    """Every try so far; the one that runs is the last."""
    usage: v1.Usage | None = field(default=None, repr=False)
    """What was used so far, as far as known."""
    cost_nano_usd: int | None = None
    """What it cost so far; None where no price is known."""
    price_version: str = ""
    generated_bytes: int = 0
    """UTF-8 bytes of text, reasoning and arguments that came from the provider that answers."""
    output_bound: int | None = None
    """Output tokens that are reserved for the call, and therefore the most that may be asked of a provider."""
    content_sent: bool = False
    """True once content was handed to gRPC. From then on nothing is tried again."""
