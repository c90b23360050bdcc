"""The composition root of one worker: configuration in, every object out, in order.

Any engine can enter `open_app`: the worker's own gRPC server does, and so could one that hosts Python.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor

from trunkline.v1 import completion_pb2, embedding_pb2, models_pb2, quotas_pb2
from trunkline_server.config.settings import Settings
from trunkline_server.config.snapshot import Snapshot
from trunkline_server.core.calls import Calls
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.policy import Policy
from trunkline_server.credentials.store import Credentials
from trunkline_server.engine.health import SERVICE as HEALTH
from trunkline_server.engine.health import Health, health_methods
from trunkline_server.engine.intake import Intake
from trunkline_server.engine.method import Method, methods_of
from trunkline_server.engine.reflection import reflection_methods
from trunkline_server.interceptors.admission import Admission
from trunkline_server.interceptors.errors import Errors
from trunkline_server.interceptors.metadata import Metadata
from trunkline_server.interceptors.permission import Permission
from trunkline_server.interceptors.priority import Priorities
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.routing.catalogue import Catalogue
from trunkline_server.routing.counting import TokenCounter
from trunkline_server.routing.embeddings import EmbeddingRouter
from trunkline_server.routing.exchange import Exchange, RouterLimits
from trunkline_server.routing.router import Router
from trunkline_server.routing.tries import Planner
from trunkline_server.services.completion import Completion
from trunkline_server.services.embedding import Embedding
from trunkline_server.services.models import Models
from trunkline_server.upstream import Upstream, UpstreamLimits

_COMPLETION = completion_pb2.DESCRIPTOR.services_by_name["Completion"]
_EMBEDDING = embedding_pb2.DESCRIPTOR.services_by_name["Embedding"]
_MODELS = models_pb2.DESCRIPTOR.services_by_name["Models"]
_QUOTAS = quotas_pb2.DESCRIPTOR.services_by_name["Quotas"]
_CHANNELZ: Final = "trunkline_server.engine.channelz"
"""Loaded where it is switched on."""


class Configuration:
    """The snapshot in force. Calls that run keep what they took from the one before."""

    def __init__(self, snapshot: Snapshot, credentials: Credentials) -> None:
        self._credentials = credentials
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Put another snapshot in force. Credentials that it keeps stay as they are."""
        for provider in snapshot.providers.values():
            DIALECTS[provider.dialect]  # made now, and not in the path of a call
        self.snapshot = snapshot
        self._credentials.keep(snapshot.providers.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What a worker serves with."""

    configuration: Configuration
    methods: tuple[Method, ...]
    policies: tuple[Policy, ...]
    """In the order in which they are opened."""
    request_policies: tuple[Policy, ...]
    """Inside of those, opened once the request is read."""
    health: Health
    services: tuple[str, ...]
    """Full names of the services whose health is told one by one: those that have a servicer."""
    calls: Calls
    intake: Intake
    faults: FaultLog
    clock: Callable[[], float]


@asynccontextmanager
async def open_app(settings: Settings, snapshot: Snapshot, environ: Mapping[str, str]) -> AsyncIterator[App]:
    """Open everything that a worker needs, and close it again. `environ` is asked for proxies."""
    clock = asyncio.get_running_loop().time
    rng = random.Random()  # noqa: S311 - weights and jitter, nothing secret
    faults = FaultLog(clock)
    ca_file = str(settings.upstream_ca_file) if settings.upstream_ca_file else None
    credentials = Credentials(faults, rng=rng, ca_file=ca_file)
    configuration = Configuration(snapshot, credentials)
    upstream = Upstream(
        UpstreamLimits(),
        allowed_addresses=settings.allowed_addresses,
        proxies=environ,
        ca_file=ca_file,
    )
    exchange = Exchange(
        upstream=upstream,
        dialects=DIALECTS,
        limits=RouterLimits(
            first_token_s=settings.first_token_timeout_s,
            idle_s=settings.idle_timeout_s,
            max_response_bytes=settings.max_response_bytes,
        ),
        presenter=credentials.presenter,
        clock=clock,
    )
    catalogue = Catalogue(lambda: configuration.snapshot)
    planner = Planner(catalogue.find, faults, clock=clock, rng=rng)
    health = Health()
    calls = Calls()
    channelz: Any = import_module(_CHANNELZ) if settings.channelz_on else None
    served: tuple[tuple[ServiceDescriptor, object], ...] = (
        (_COMPLETION, Completion(Router(planner, exchange), TokenCounter(planner, exchange))),
        (_MODELS, Models(catalogue, DIALECTS)),
        (_EMBEDDING, Embedding(EmbeddingRouter(planner, exchange))),
        (_QUOTAS, None),
    )
    names = (*(descriptor.full_name for descriptor, _ in served), HEALTH, *((channelz.SERVICE,) if channelz else ()))
    try:
        yield App(
            configuration=configuration,
            methods=(
                *(method for descriptor, servicer in served for method in methods_of(descriptor, servicer)),
                *health_methods(health),
                *(channelz.channelz_methods() if channelz else ()),
                *(reflection_methods(names) if settings.reflection_on else ()),
            ),
            policies=(
                Errors(faults, clock),
                Metadata(settings.max_metadata_bytes),
                Admission(
                    calls,
                    max_calls=settings.max_calls,
                    max_calls_per_connection=settings.max_calls_per_connection,
                ),
                # Those that prove who calls stand here: inside of the bound on all calls, so that a flood costs no
                # proofs, and outside of what depends on the principal.
                Priorities(calls, max_calls=settings.max_calls),
            ),
            request_policies=(Permission(catalogue.find),),
            health=health,
            services=tuple(descriptor.full_name for descriptor, servicer in served if servicer is not None),
            calls=calls,
            intake=Intake(max_slow=settings.max_slow_requests, max_held_bytes=settings.max_held_request_bytes),
            faults=faults,
            clock=clock,
        )
    finally:
        credentials.close()
        upstream.close()
