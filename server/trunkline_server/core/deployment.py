"""Where models are served: providers, deployments and routes, as the configuration states them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from trunkline_server.core.account import Settings, SettingValue
from trunkline_server.core.capability import Capability
from trunkline_server.core.http import Endpoint
from trunkline_server.core.price import Price
from trunkline_server.core.secret import Secret

_NO_SETTINGS: Mapping[str, SettingValue] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An account at an endpoint that speaks a dialect."""

    name: str
    dialect: str
    endpoint: Endpoint
    base_path: str = ""
    """Path of the base URL, without a slash at its end: "/v1"."""
    credential: Secret | None = None
    """The fixed key that we present upstream. None: there is none."""
    presents: str = ""
    """The kind of credential that is fetched, and presented in place of a fixed key: "google", "entra", "aws"."""
    needs_credential: bool = False
    """True if calls without a credential are refused before a socket opens."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Headers of the operator's own, names in lower case. They may hold secrets."""
    allow_provider_options: bool = False
    """Whether callers may use provider_options."""
    settings: Settings = field(default_factory=lambda: _NO_SETTINGS, repr=False, hash=False)
    """What the dialect's own keys of the configuration say (Account.settings)."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that nothing a provider says may bring out."""
        credential = (self.credential.reveal(),) if self.credential else ()
        settings = (value.reveal() for value in self.settings.values() if isinstance(value, Secret))
        return (*credential, *settings, *(value for _, value in self.headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model at a provider."""

    name: str
    """"provider/upstream_model", or the operator's own name."""
    provider: Provider
    upstream_model: str
    region: str = ""
    weight: int = 1
    """Share of calls within the tier, 1 to 1000."""
    tier: int = 0
    capability: Capability | None = field(default=None, repr=False)
    """What the model can do there, as far as known. None: nothing is."""
    price: Price | None = field(default=None, repr=False)
    """What it costs there. None: nobody knows, which is not free."""
    reserve_output_tokens: int = 1024
    """Output that is reserved for calls that don't say how much they want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model that callers ask for, and the tiers of deployments that serve it."""

    model: str
    description: str = ""
    tiers: tuple[tuple[Deployment, ...], ...]
    """Tried from the first to the last; no tier is empty."""

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All deployments, tier by tier."""
        return tuple(deployment for tier in self.tiers for deployment in tier)
