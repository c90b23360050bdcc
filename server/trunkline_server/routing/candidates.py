"""Which deployments a call may go to, and in which order they are taken."""

import random
from collections.abc import Callable
from contextlib import suppress

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import (
    CapabilityMissing,
    CredentialMissing,
    FieldViolation,
    GatewayError,
    InvalidRequest,
    ProviderOptionRefused,
)
from trunkline_server.core.http import HttpRequest
from trunkline_server.core.principal import Principal
from trunkline_server.routing import trail
from trunkline_server.routing.catalogue import Find, model_not_found
from trunkline_server.routing.order import order

Routed = v1.CompleteRequest | v1.EmbedRequest
"""Requests that name a model and may have wishes for routing."""
Encode = Callable[[Deployment], HttpRequest]
"""What a deployment is to be sent for a call. Raises CapabilityMissing or ProviderOptionRefused."""


def candidates(find: Find, request: Routed, principal: Principal | None, rng: random.Random) -> list[Deployment]:
    """Every deployment that the principal's call may go to, in order: the model's, then those of its fallbacks.

    Raises ModelNotFound, InvalidRequest for a fallback that does not exist, or CapabilityMissing where the caller's
    wishes leave no deployment.
    """
    route = find(request.model, principal)
    if route is None:
        raise model_not_found(request.model)
    found = order(route, request.routing, rng)
    for index, name in enumerate(request.routing.fallback_models):
        if (route := find(name, principal)) is None:
            field = f"routing.fallback_models[{index}]"
            raise InvalidRequest(FieldViolation(field=field, description="is no model of this gateway"))
        found += [one for one in order(route, request.routing, rng) if one not in found]
    if not found:
        raise CapabilityMissing(
            FieldViolation(field="routing", description="allows none of the providers and regions that serve the model")
        )
    return found


class Queue:
    """The deployments still to be tried; those that can't take the call are skipped when their turn comes.

    Nothing is opened here: a request that no deployment can serve is refused before any socket is.
    """

    def __init__(self, deployments: list[Deployment], encode: Encode, call: Call) -> None:
        self._waiting = deployments[::-1]
        self._encode = encode
        self._call = call
        self._found: tuple[Deployment, HttpRequest] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no other deployment to go to. One that is left may still prove unable."""
        return self._found is None and not self._waiting

    def has_another(self) -> bool:
        """Whether another deployment can take the call. Costs its encoding, which `take` then uses."""
        if self._found is None and self._waiting:
            with suppress(CapabilityMissing, CredentialMissing, ProviderOptionRefused):
                self._found = self.take()
        return self._found is not None

    def take(self) -> tuple[Deployment, HttpRequest]:
        """The next deployment that can take the call, and what to send it.

        Raises why the first of those skipped can't take it if none is left.
        """
        if self._found is not None:
            found, self._found = self._found, None
            return found
        refusal: GatewayError | None = None
        while self._waiting:
            deployment = self._waiting.pop()
            try:
                return deployment, self._encoded(deployment)
            except (CapabilityMissing, CredentialMissing, ProviderOptionRefused) as error:
                refusal = refusal or error
                trail.skipped(self._call, deployment, error)
        assert refusal is not None  # noqa: S101 - an empty queue is not asked
        raise refusal

    def _encoded(self, deployment: Deployment) -> HttpRequest:
        provider = deployment.provider
        if provider.needs_credential and not provider.credential and not provider.presents:
            raise CredentialMissing(f'provider "{provider.name}" has no api_key; the operator has to give it one')
        return self._encode(deployment)
