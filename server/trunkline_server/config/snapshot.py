"""What a worker serves from: providers, routes, the local model, who may call. Frozen; a reload replaces all of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from trunkline_server.config import schema
from trunkline_server.config.base_url import split_base_url
from trunkline_server.config.capability_table import built_in
from trunkline_server.config.directory import directory_of
from trunkline_server.config.document import Document
from trunkline_server.config.rules import deployment_name
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider, Route
from trunkline_server.core.http import Endpoint
from trunkline_server.core.secret import Secret
from trunkline_server.identity.directory import Directory

LOCAL_MODEL_NAME: Final = "smollm2-135m-instruct"

_NOWHERE: Final = 9
"""The discard port, where nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelAddress:
    """Where the local model listens on 127.0.0.1, and what it wants to see."""

    port: int
    api_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelConfig:
    """The model that the gateway runs itself."""

    gguf: Path | None = None
    """None: the weights that come with the extra `local`."""
    context_tokens: int = 8192
    slots: int = 4
    """Answers that are written at the same time."""
    threads: int = 1
    name: str = LOCAL_MODEL_NAME
    """What it is called upstream: the name that the first of its deployments sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of the configuration, ready for use."""

    version: str
    """The document's: replicas with the same values have the same version."""
    providers: Mapping[str, Provider] = field(repr=False)
    routes: Mapping[str, Route] = field(repr=False)
    """By the name of the model, in the order of the file."""
    local_model: LocalModelConfig | None = None
    """None if no model is served by it."""
    directory: Directory = field(default_factory=Directory, repr=False)
    """Orgs, teams and keys."""
    unpriced_allowed: bool = False
    """Whether calls of models without a price may pass limits on money."""


def build(
    document: Document, *, local_model: LocalModelAddress | None = None, with_capabilities: bool = True
) -> Snapshot:
    """The snapshot of a document. `local_model`: where the local model listens by now.

    `with_capabilities`: whether to look up what the models can do, for which the table of all of them is read.
    """
    providers = {name: _provider(name, entry, local_model) for name, entry in document.config.providers.items()}
    rooms = {name: _room(entry) for name, entry in document.config.providers.items()}
    find = _capability if with_capabilities else _nothing
    routes = {name: _route(name, entry, providers, rooms, find) for name, entry in document.config.models.items()}
    return Snapshot(
        version=document.version,
        providers=MappingProxyType(providers),
        routes=MappingProxyType(routes),
        local_model=_local_model(document.config),
        directory=directory_of(document.config),
        unpriced_allowed=document.config.unpriced == "allow",
    )


def deployment_by_name(snapshot: Snapshot, provider: str, upstream_model: str) -> Deployment | None:
    """A model as its provider knows it. One of the configuration is taken as it stands there, without its tier.

    None if there is no such provider, or if it is the gateway's own, which serves the one model that it has loaded.
    """
    for route in snapshot.routes.values():
        for deployment in route.deployments:
            if deployment.provider.name == provider and deployment.upstream_model == upstream_model:
                return replace(deployment, tier=0)
    account = snapshot.providers.get(provider)
    if account is None or account.dialect == "local":
        return None
    return Deployment(
        name=f"{provider}/{upstream_model}",
        provider=account,
        upstream_model=upstream_model,
        capability=_known(upstream_model, account.dialect, account.endpoint.host),
    )


def _provider(name: str, entry: schema.ProviderEntry, local_model: LocalModelAddress | None) -> Provider:
    if isinstance(entry, schema.LocalEntry):
        return _local(name, entry, local_model)
    endpoint, base_path = split_base_url(entry.address)
    account = entry.account
    key = entry.api_key.get_secret_value() if entry.api_key else ""
    by_header = any(name in entry.headers for name in account.auth_headers)
    return Provider(
        name=name,
        dialect=entry.dialect,
        endpoint=endpoint,
        base_path=base_path,
        credential=Secret(key) if key else None,
        presents="" if key or by_header else account.presents,
        needs_credential=account.key == "needed" and entry.at_home and not by_header,
        headers=tuple((header, value.get_secret_value()) for header, value in entry.headers.items()),
        allow_provider_options=entry.allow_provider_options,
        settings=MappingProxyType(entry.settings),
    )


def _local(name: str, entry: schema.LocalEntry, address: LocalModelAddress | None) -> Provider:
    return Provider(
        name=name,
        dialect=entry.dialect,
        endpoint=Endpoint(scheme="http", host="127.0.0.1", port=address.port if address else _NOWHERE),
        base_path="/v1",
        credential=address.api_key if address else None,
        allow_provider_options=entry.allow_provider_options,
    )


_Find = Callable[[schema.DeploymentEntry, Provider, Mapping[str, int]], Capability | None]


def _route(
    model: str,
    entry: schema.ModelEntry,
    providers: Mapping[str, Provider],
    rooms: Mapping[str, Mapping[str, int]],
    find: _Find,
) -> Route:
    tiers: dict[int, list[Deployment]] = {}
    for each in entry.deployments:
        deployment = Deployment(
            name=deployment_name(each),
            provider=providers[each.provider],
            upstream_model=each.upstream_model,
            region=each.region,
            weight=each.weight,
            tier=each.tier,
            reserve_output_tokens=each.reserve_output_tokens,
            capability=find(each, providers[each.provider], rooms[each.provider]),
        )
        tiers.setdefault(each.tier, []).append(deployment)
    return Route(model=model, description=entry.description, tiers=tuple(tuple(tiers[tier]) for tier in sorted(tiers)))


def _room(entry: schema.ProviderEntry) -> Mapping[str, int]:
    """What a provider's entry says of all its models: llama.cpp gives each slot its share of the context."""
    return {"context_tokens": entry.context_tokens // entry.slots} if isinstance(entry, schema.LocalEntry) else {}


def _capability(entry: schema.DeploymentEntry, provider: Provider, room: Mapping[str, int]) -> Capability | None:
    stated = entry.capabilities.facts if entry.capabilities else {}
    if not stated and not room:
        return _known(entry.upstream_model, provider.dialect, provider.endpoint.host)
    return built_in().find(
        entry.upstream_model, dialect=provider.dialect, host=provider.endpoint.host, own={**room, **stated}
    )


def _nothing(_entry: schema.DeploymentEntry, _provider: Provider, _room: Mapping[str, int]) -> None:
    return None


@lru_cache(maxsize=4096)
def _known(upstream_model: str, dialect: str, host: str) -> Capability | None:
    """Of thousands of deployments most are of a few models; the search takes a tenth of a millisecond."""
    return built_in().find(upstream_model, dialect=dialect, host=host)


def _local_model(config: schema.ConfigFile) -> LocalModelConfig | None:
    for model in config.models.values():
        for deployment in model.deployments:
            entry = config.providers[deployment.provider]
            if isinstance(entry, schema.LocalEntry):
                return LocalModelConfig(
                    gguf=entry.gguf,
                    context_tokens=entry.context_tokens,
                    slots=entry.slots,
                    threads=entry.threads,
                    name=deployment.upstream_model,
                )
    return None
