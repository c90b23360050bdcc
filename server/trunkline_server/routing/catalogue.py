"""Which models a caller can reach: those of the configuration, within what the principal may, and models by name.

1. What a principal may not use is not there: it is found by nobody who asks, looks or plans, and answers as a model
   that does not exist. Deployments at providers and in regions that are not permitted are left out of their route.
2. "provider/upstream_model" is found by principals with that permission. Where permissions state models too, it has to
   be among them, by its whole name or as "provider/*". A model of the configuration with such a name comes first.
3. Routes made for principals are kept for as long as the snapshot is, at most MAX_KEPT of them; beyond that the oldest
   is made anew when it is asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from trunkline_server.config.snapshot import Snapshot, deployment_by_name
from trunkline_server.core.deployment import Deployment, Route
from trunkline_server.core.errors import ModelNotFound
from trunkline_server.core.principal import Permissions, Principal

__all__ = ["Catalogue", "Find", "model_not_found"]

MAX_KEPT: Final = 4096
MAX_MODEL_BYTES: Final = 256
"""Of the name of a model, as the contract states it."""

_Key = tuple[str, frozenset[str] | None, frozenset[str] | None]


class Find(Protocol):
    """Says where a model is served for a principal; None if it is not, or may not be."""

    def __call__(self, model: str, principal: Principal | None) -> Route | None:
        """The route, of deployments that the principal may use only."""
        ...


class Catalogue:
    """The models of the snapshot in force. Without a principal, which is where nobody has to prove who he is, all."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._of: Snapshot | None = None
        self._kept: dict[_Key, Route | None] = {}

    def find(self, model: str, principal: Principal | None) -> Route | None:
        """The route that serves the principal's calls of this model; None if it may not, or there is none."""
        snapshot = self._snapshot()
        if principal is None:
            return snapshot.routes.get(model)
        permissions = principal.permissions
        if not _names(permissions, model, by_name=permissions.upstream_models and model not in snapshot.routes):
            return None
        route = snapshot.routes.get(model)
        if route is None and not permissions.upstream_models:
            return None
        if route is not None and permissions.providers is None and permissions.regions is None:
            return route
        return self._within(snapshot, model, permissions)

    def visible(self, principal: Principal | None) -> Mapping[str, Route]:
        """The models of the configuration that the principal may use, by name."""
        routes = self._snapshot().routes
        return routes if principal is None else dict(self._found(routes, principal))

    def _found(self, routes: Mapping[str, Route], principal: Principal) -> Iterator[tuple[str, Route]]:
        for name in routes:
            if (route := self.find(name, principal)) is not None:
                yield name, route

    def _within(self, snapshot: Snapshot, model: str, permissions: Permissions) -> Route | None:
        if snapshot is not self._of:
            self._of = snapshot
            self._kept.clear()
        key = (model, permissions.providers, permissions.regions)
        if key in self._kept:
            return self._kept[key]
        route = snapshot.routes.get(model) or _by_name(snapshot, model)
        permitted = _permitted(route, permissions) if route else None
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = permitted
        return permitted


def model_not_found(model: str) -> ModelNotFound:
    """The answer for a model that is not there, or not for this caller: nobody can tell which."""
    return ModelNotFound(f'no model "{model[:MAX_MODEL_BYTES]}"; Models.ListModels lists those that there are')


def _names(permissions: Permissions, model: str, *, by_name: bool) -> bool:
    """Whether the stated models hold this one."""
    if permissions.models is None or model in permissions.models:
        return True
    return by_name and f"{model.partition('/')[0]}/*" in permissions.models


def _by_name(snapshot: Snapshot, name: str) -> Route | None:
    provider, _, upstream_model = name.partition("/")
    if not upstream_model or not name.isprintable() or len(name.encode()) > MAX_MODEL_BYTES:
        return None
    deployment = deployment_by_name(snapshot, provider, upstream_model)
    return Route(model=name, tiers=((deployment,),)) if deployment else None


def _permitted(route: Route, permissions: Permissions) -> Route | None:
    """The route without deployments that may not be used; None if that leaves none."""
    tiers = tuple(tuple(deployment for deployment in tier if _may_use(deployment, permissions)) for tier in route.tiers)
    kept = tuple(tier for tier in tiers if tier)
    return Route(model=route.model, description=route.description, tiers=kept) if kept else None


def _may_use(deployment: Deployment, permissions: Permissions) -> bool:
    providers, regions = permissions.providers, permissions.regions
    return (providers is None or deployment.provider.name in providers) and (
        regions is None or deployment.region in regions
    )
