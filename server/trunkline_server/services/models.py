"""trunkline.v1.Models: what the gateway can be asked for."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment, Route
from trunkline_server.core.dialect import Dialect
from trunkline_server.routing.catalogue import Catalogue, model_not_found
from trunkline_server.services.bounds import MAX_PAGE_TOKEN_BYTES
from trunkline_server.services.capabilities import describe, joined
from trunkline_server.services.violations import Violations

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1000


class Models:
    """The servicer. A page token is the last name of the page before, so that pages survive a reload.

    Callers are told of what they may use, and of nothing else.
    """

    def __init__(self, catalogue: Catalogue, dialects: Mapping[str, Dialect]) -> None:
        self._catalogue = catalogue
        self._dialects = dialects

    async def list_models(self, request: v1.ListModelsRequest, call: Call) -> v1.ListModelsResponse:
        """A page of models, by name."""
        violations = Violations()
        if request.page_size < 0:
            violations.add("page_size", f"below zero; set 0 to {MAX_PAGE}")
        violations.bound(request.page_token, "page_token", MAX_PAGE_TOKEN_BYTES)
        violations.enforce()
        routes = self._catalogue.visible(call.principal)
        names = sorted(routes)
        start = bisect_right(names, request.page_token) if request.page_token else 0
        page = names[start : start + min(request.page_size or DEFAULT_PAGE, MAX_PAGE)]
        more = start + len(page) < len(names)
        return v1.ListModelsResponse(
            models=[self._model(routes[name]) for name in page], next_page_token=page[-1] if more else ""
        )

    async def get_model(self, request: v1.GetModelRequest, call: Call) -> v1.GetModelResponse:
        """One model."""
        violations = Violations()
        violations.require(request.name, "name")
        violations.model(request.name, "name")
        violations.enforce()
        route = self._catalogue.find(request.name, call.principal)
        if route is None:
            raise model_not_found(request.name)
        return v1.GetModelResponse(model=self._model(route))

    def _model(self, route: Route) -> v1.Model:
        deployments = [self._deployment(deployment) for deployment in route.deployments]
        known = [one.capabilities for one in deployments if one.HasField("capabilities")]
        return v1.Model(
            name=route.model, description=route.description, capabilities=joined(known), deployments=deployments
        )

    def _deployment(self, deployment: Deployment) -> v1.Deployment:
        dialect = deployment.provider.dialect
        return v1.Deployment(
            name=deployment.name,
            provider=deployment.provider.name,
            upstream_model=deployment.upstream_model,
            region=deployment.region,
            tier=deployment.tier,
            weight=deployment.weight,
            dialect=dialect,
            capabilities=describe(deployment, self._dialects[dialect]),
        )
