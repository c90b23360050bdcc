"""From a tree to a checked file: the shape of each entry, then what entries mean to each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from trunkline_server.config import schema
from trunkline_server.config.base_url import refused_address, split_base_url
from trunkline_server.config.capabilities import CapabilityEntry
from trunkline_server.config.entry import check_name, read_entry
from trunkline_server.config.file import Tree
from trunkline_server.config.identity_rules import (
    Known,
    check_certificates,
    check_issuers,
    check_keys,
    check_orgs,
    check_unpriced,
)
from trunkline_server.config.interpolate import Filled
from trunkline_server.config.problems import ConfigError, Where, did_you_mean
from trunkline_server.core.addresses import IpNetwork, is_no_host, literal_address

MAX_PROVIDERS: Final = 256
MAX_MODELS: Final = 4096
MAX_DEPLOYMENTS: Final = 64
"""Of one model."""

_BELOW: Final[Mapping[str, type[BaseModel]]] = {
    "deployments": schema.DeploymentEntry,
    "capabilities": CapabilityEntry,
}
_Providers = dict[str, schema.ProviderEntry]
_Models = dict[str, schema.ModelEntry]


def check(tree: Tree, *, folder: Path, allowed: tuple[IpNetwork, ...]) -> schema.ConfigFile:
    """The tree as a checked file. Relative paths in it begin at `folder`. Raises ConfigError with all problems."""
    for key in tree.data.keys() - schema.ConfigFile.model_fields.keys():
        tree.report((key,), "unknown key", did_you_mean(key, schema.ConfigFile.model_fields))
    providers = _providers(tree, _mapping(tree, "providers", MAX_PROVIDERS), folder)
    models = _models(tree, _mapping(tree, "models", MAX_MODELS))
    _check_providers(tree, providers, allowed)
    for name, model in models.items():
        _check_model(tree, ("models", name, "deployments"), model)
    # Names as they came, so that a mistake in a model doesn't make its name unknown.
    known = Known(models=_names(tree, "models"), providers=_names(tree, "providers"))
    orgs = check_orgs(tree, known)
    keys = check_keys(tree, orgs, known)
    issuers = check_issuers(tree, orgs, known, folder)
    certificates = check_certificates(tree, orgs, known)
    unpriced = check_unpriced(tree)
    if tree.problems:
        raise ConfigError(sorted(tree.problems, key=lambda problem: problem.line))
    return schema.ConfigFile.model_construct(
        providers=providers,
        models=models,
        orgs=orgs,
        keys=keys,
        issuers=issuers,
        certificates=certificates,
        unpriced=unpriced,
    )


def _names(tree: Tree, key: str) -> frozenset[str]:
    data = tree.data.get(key)
    return frozenset(data) if isinstance(data, dict) else frozenset()


def _mapping(tree: Tree, key: str, most: int) -> dict[str, Any]:
    data = tree.data.get(key)
    if key not in tree.data:
        tree.report((key,), "missing", "It is required")
    elif not isinstance(data, dict):
        tree.report((key,), "must be a mapping", "Write names and what belongs to them below it")
    elif not data:
        tree.report((key,), "empty", "Add at least one")
    elif len(data) > most:
        tree.report((key,), f"more than {most} entries", "Split them among gateways")
    else:
        return data
    return {}


def _providers(tree: Tree, data: dict[str, Any], folder: Path) -> _Providers:
    providers: _Providers = {}
    for name, value in data.items():
        where: Where = ("providers", name)
        check_name(tree, where, name, schema.check_provider_name)
        kind = _kind(tree, where, value)
        entry = read_entry(tree, where, kind, value, _BELOW) if kind else None
        if not kind and isinstance(value, dict):
            _check_keys(tree, where, value)
        if entry:
            providers[name] = _with_whole_paths(entry, folder)
    return providers


def _with_whole_paths(entry: schema.ProviderEntry, folder: Path) -> schema.ProviderEntry:
    written = {name: folder / value for name, value in entry if isinstance(value, Path)}
    return entry.model_copy(update=written) if written else entry


def _kind(tree: Tree, where: Where, value: Any) -> type[schema.RemoteEntry] | type[schema.LocalEntry] | None:
    if not isinstance(value, dict):
        tree.report(where, "must be a mapping", "Write at least `dialect: openai` below it")
        return None
    if "dialect" not in value:
        tree.report((*where, "dialect"), "missing", f"It is required. {did_you_mean('', schema.PROVIDERS)}")
        return None
    dialect = value["dialect"]
    kind = schema.PROVIDERS.get(dialect) if isinstance(dialect, str) else None
    if not kind:
        named = isinstance(dialect, str) and not isinstance(dialect, Filled)
        message = f"no dialect '{dialect}'" if named else "no such dialect"
        tree.report((*where, "dialect"), message, did_you_mean(dialect if named else "", schema.PROVIDERS))
    return kind


def _check_keys(tree: Tree, where: Where, value: dict[str, Any]) -> None:
    """Which keys there may be depends on the dialect; without one, those that none has are wrong."""
    known = {field for kind in schema.PROVIDERS.values() for field in kind.model_fields}
    for key in value:
        if key not in known:
            tree.report((*where, key), "unknown key", did_you_mean(key, known))


def _models(tree: Tree, data: dict[str, Any]) -> _Models:
    models: _Models = {}
    for name, value in data.items():
        where: Where = ("models", name)
        check_name(tree, where, name, schema.check_model_name)
        _check_providers_exist(tree, where, value)
        entry = read_entry(tree, where, schema.ModelEntry, _listed(value), _BELOW)
        if entry:
            models[name] = entry
    return models


def _listed(value: Any) -> Any:
    # Strict models take a tuple for a tuple; YAML gives lists.
    if isinstance(value, dict) and isinstance(value.get("deployments"), list):
        return {**value, "deployments": tuple(value["deployments"])}
    return value


def _check_providers(tree: Tree, providers: _Providers, allowed: tuple[IpNetwork, ...]) -> None:
    local: str | None = None
    for name, entry in providers.items():
        where: Where = ("providers", name)
        if isinstance(entry, schema.RemoteEntry):
            _check_remote(tree, where, entry, allowed)
        elif local is None:
            local = name
        else:
            tree.report(
                (*where, "dialect"), "a second provider of dialect local", "The gateway runs one; take one of them out"
            )


def _check_remote(tree: Tree, where: Where, entry: schema.RemoteEntry, allowed: tuple[IpNetwork, ...]) -> None:
    endpoint, _ = split_base_url(entry.address)
    if refused_address(endpoint.host, allowed):
        _report_address(tree, (*where, "base_url"), endpoint.host)
    _check_settings(tree, where, entry)
    for header in entry.account.auth_headers:
        if entry.api_key and entry.api_key.get_secret_value() and header in entry.headers:
            tree.report((*where, "api_key"), f"a second credential beside headers.{header}", "Take one of them out")


def _report_address(tree: Tree, where: Where, host: str) -> None:
    address = literal_address(host)
    if address is not None and is_no_host(address):
        tree.report(where, "the address of no host", "Write 127.0.0.1 for this machine")
    else:
        tree.report(where, "a link-local or metadata address", "If you mean it, list it in TRUNKLINE_ALLOWED_ADDRESSES")


def _check_settings(tree: Tree, where: Where, entry: schema.RemoteEntry) -> None:
    """What settings mean to each other. One that a variable left empty is not written."""
    written = {name for name, value in entry.settings.items() if value}
    keyed = entry.api_key is not None and bool(entry.api_key.get_secret_value())
    for setting in entry.account.settings:
        if setting.name not in written:
            if (
                setting.without_key
                and not keyed
                and not any(name in entry.headers for name in entry.account.auth_headers)
            ):
                tree.report(
                    (*where, setting.name), "missing", f"It is required without an api_key, such as {setting.example}"
                )
            continue
        for name in setting.needs:
            if name not in written:
                tree.report((*where, name), f"missing beside {setting.name}", "They belong together")
        for name in setting.instead_of:
            if name in written:
                tree.report((*where, setting.name), f"another way beside {name}", "Take one of them out")


def _check_model(tree: Tree, where: Where, model: schema.ModelEntry) -> None:
    deployments = model.deployments
    if not deployments:
        tree.report(where, "empty", "Add at least one deployment")
    if len(deployments) > MAX_DEPLOYMENTS:
        tree.report(where, f"more than {MAX_DEPLOYMENTS} deployments", "Take some out")
    names: set[str] = set()
    for index, deployment in enumerate(deployments):
        name = deployment_name(deployment)
        if name in names:
            mend = "Give each a `name`, or one of them the `weight` of both"
            tree.report((*where, index), "a deployment of the same name stands above it", mend)
        names.add(name)
    _check_tiers(tree, where, [deployment.tier for deployment in deployments])


def deployment_name(deployment: schema.DeploymentEntry) -> str:
    """The operator's own name for it, or else "provider/upstream_model"."""
    return deployment.name or f"{deployment.provider}/{deployment.upstream_model}"


def _check_providers_exist(tree: Tree, where: Where, model: Any) -> None:
    """Looks at the data as it came, so that another mistake in a deployment doesn't hide this one."""
    providers = tree.data.get("providers")
    deployments = model.get("deployments") if isinstance(model, dict) else None
    if not isinstance(providers, dict) or not isinstance(deployments, list):
        return
    for index, deployment in enumerate(deployments):
        name = deployment.get("provider") if isinstance(deployment, dict) else None
        if not isinstance(name, str) or name in providers:
            continue
        named = not isinstance(name, Filled)
        message = f"no provider '{name}'" if named else "no provider of the name that was filled in"
        mend = did_you_mean(name if named else "", providers)
        tree.report((*where, "deployments", index, "provider"), message, mend)


def _check_tiers(tree: Tree, where: Where, tiers: list[int]) -> None:
    # Tiers with a gap are one forgotten or one mistyped; either way the order is not what was meant.
    for index, tier in enumerate(tiers):
        if tier and tier - 1 not in tiers:
            tree.report((*where, index, "tier"), f"tier {tier} without a tier {tier - 1}", "Count tiers from 0 up")
