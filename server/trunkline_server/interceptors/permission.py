"""Permission: what a call asks for is within what its principal may.

1. A model that the principal may not use answers as one that does not exist. The router holds to the same catalogue,
   for fallbacks as well.
2. provider_options need the principal's permission; whether the provider allows them too, the dialect says.
3. More output than is permitted is refused; a request that says nothing gets the bound, or what the model can write
   if that is less.
4. The request is decoded and not validated yet: what is not fit to be looked at here is left to validation.
"""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import islice
from typing import Final

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.errors import FieldViolation, InvalidRequest, ProviderOptionRefused
from trunkline_server.core.principal import Principal
from trunkline_server.routing.catalogue import MAX_MODEL_BYTES, Find, model_not_found

MAX_FALLBACKS: Final = 8
"""As many as the contract takes."""

_NOTHING: Final[AbstractAsyncContextManager[None]] = nullcontext()


class Permission:
    """Holds requests to the permissions of the call's principal. Without one nothing is asked."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Raise ModelNotFound, InvalidRequest or ProviderOptionRefused."""
        if call.principal is not None:
            match call.request:
                case v1.CompleteRequest() as request:
                    self._complete(request, call.principal)
                case v1.CountTokensRequest() as request:
                    self._complete(request.request, call.principal, "request.")
                case v1.EmbedRequest() as request:
                    self._check(request, call.principal)
        return _NOTHING

    def _complete(self, request: v1.CompleteRequest, principal: Principal, path: str = "") -> None:
        self._check(request, principal, path)
        bound = principal.permissions.max_output_tokens
        if bound is None:
            return
        if not request.HasField("max_output_tokens"):
            request.max_output_tokens = min((bound, *self._model_bounds(request, principal)))
        elif request.max_output_tokens > bound:
            text = f"more than the {bound} that this caller may ask for; set {bound} or less"
            raise InvalidRequest(FieldViolation(field=f"{path}max_output_tokens", description=text))

    def _check(self, request: v1.CompleteRequest | v1.EmbedRequest, principal: Principal, path: str = "") -> None:
        if _is_name(request.model) and self._find(request.model, principal) is None:
            raise model_not_found(request.model)
        if request.provider_options and not principal.permissions.provider_options:
            text = "not permitted for this caller; leave it out, or ask an operator for the permission provider_options"
            raise ProviderOptionRefused(FieldViolation(field=f"{path}provider_options", description=text))

    def _model_bounds(self, request: v1.CompleteRequest, principal: Principal) -> Iterator[int]:
        """What the models that may answer are known to write at most."""
        for name in (request.model, *islice(request.routing.fallback_models, MAX_FALLBACKS)):
            route = self._find(name, principal)
            for deployment in route.deployments if route else ():
                if deployment.capability and deployment.capability.max_output_tokens:
                    yield deployment.capability.max_output_tokens


def _is_name(model: str) -> bool:
    """Whether it may be quoted in a refusal."""
    return bool(model) and len(model) <= MAX_MODEL_BYTES and model.isprintable()
