"""Who calls, and what he may do. Frozen: a change of keys or configuration makes another principal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from trunkline_server.core.limit import Limit

_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Priority(IntEnum):
    """Which calls are refused first when the gateway is full: the lowest."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


SHARES: Final[Mapping[Priority, float]] = MappingProxyType(
    {Priority.LOW: 0.80, Priority.NORMAL: 0.95, Priority.HIGH: 1.0}
)
"""How much of what a process takes at once, calls and bytes of requests, each class may fill: what is left of it then
is kept for the classes above."""


class Role(StrEnum):
    """What a principal is there for."""

    CALLER = "caller"
    OPERATOR = "operator"
    """May use trunkline.admin.v1 over TCP."""


class ContentPolicy(StrEnum):
    """What records keep of prompts and answers."""

    NONE = "none"
    HASHED = "hashed"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What may be asked for. None allows all; an empty set nothing: what is stated is all that there is."""

    models: frozenset[str] | None = None
    """As callers name them."""
    providers: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    methods: frozenset[str] | None = None
    """"Completion.Complete", "Embedding.Embed", "Models.*"."""
    upstream_models: bool = False
    """Whether "provider/upstream_model" may be asked for by name."""
    provider_options: bool = False
    """Whether provider_options may be used, where the provider allows them too."""
    max_output_tokens: int | None = None
    """Most that a call may ask for; calls that say nothing get it as their bound."""

    def within(self, wider: "Permissions") -> "Permissions":
        """What both allow: a key's within its team's within its org's."""
        return Permissions(
            models=_both(self.models, wider.models),
            providers=_both(self.providers, wider.providers),
            regions=_both(self.regions, wider.regions),
            methods=_both(self.methods, wider.methods),
            upstream_models=self.upstream_models and wider.upstream_models,
            provider_options=self.provider_options and wider.provider_options,
            max_output_tokens=_least(self.max_output_tokens, wider.max_output_tokens),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller whose word has been proven."""

    id: str
    """Unique in the gateway, and no secret: "key:7Hq2…", "jwt:corp:alice", "cert:spiffe://…"."""
    org: str = ""
    team: str = ""
    """"acme/search"; empty for a principal of the org itself."""
    name: str = ""
    """For people."""
    labels: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS, hash=False)
    """Of org, team and key, the nearest last. No caller can change them."""
    permissions: Permissions = field(default_factory=Permissions)
    limits: tuple[Limit, ...] = ()
    """All that its calls have to pass, whatever their model."""
    priority: Priority = Priority.NORMAL
    content: ContentPolicy = ContentPolicy.NONE
    role: Role = Role.CALLER
    expires_at: float | None = None
    """Seconds since 1970. From then on it is nobody."""


def share_of(principal: Principal | None) -> float:
    """The share of its priority. All, where nobody has to prove who he is."""
    return 1.0 if principal is None else SHARES[principal.priority]


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _least(one: int | None, other: int | None) -> int | None:
    given = [number for number in (one, other) if number is not None]
    return min(given, default=None)
