"""In which order deployments are tried. Pure: randomness is an argument."""

import random
from collections.abc import Iterable

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Route


def order(route: Route, wishes: v1.RoutingPreferences, rng: random.Random) -> list[Deployment]:
    """The deployments of a route that the caller's wishes allow: tier by tier, within a tier drawn by weight."""
    ordered: list[Deployment] = []
    for tier in route.tiers:
        ordered += _drawn([deployment for deployment in tier if allowed(deployment, wishes)], rng)
    return ordered


def allowed(deployment: Deployment, wishes: v1.RoutingPreferences) -> bool:
    """Whether a caller's wishes allow a deployment. Empty lists allow all."""
    return _passes(deployment.provider.name, wishes.allowed_providers, wishes.denied_providers) and _passes(
        deployment.region, wishes.allowed_regions, wishes.denied_regions
    )


def _passes(name: str, allowed_names: Iterable[str], denied_names: Iterable[str]) -> bool:
    allow = list(allowed_names)
    return (not allow or name in allow) and name not in denied_names


def _drawn(tier: list[Deployment], rng: random.Random) -> list[Deployment]:
    """All of a tier; the chance to come next is a deployment's share of the weights that are left."""
    if len(tier) == 1:
        return tier
    drawn: list[Deployment] = []
    while tier:
        (chosen,) = rng.choices(tier, [deployment.weight for deployment in tier])
        tier.remove(chosen)
        drawn.append(chosen)
    return drawn
