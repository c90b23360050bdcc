"""What the tests of this folder ask with."""

import asyncio
import dataclasses
import math
import queue
import random
import time
from types import MappingProxyType

from trunkline_server.core.deployment import Provider
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import Bearer
from trunkline_server.credentials.kept import KeepLimits, Kept
from trunkline_server.credentials.store import Credentials

FAR = math.inf
ENDPOINT = Endpoint(scheme="https", host="provider.example", port=443)
REQUEST = HttpRequest(
    method="POST",
    endpoint=ENDPOINT,
    target="/v1/chat",
    headers=(("content-type", "application/json"),),
    body=b'{"a":1}',
)


def provider(presents, name="cloud", **settings):
    """A provider that presents this; settings that are secrets come as Secret."""
    return Provider(name=name, dialect="openai", endpoint=ENDPOINT, presents=presents, settings=settings)


def credentials(**fields):
    """Credentials of a worker, in the running loop."""
    faults = FaultLog(asyncio.get_running_loop().time)
    return Credentials(faults, rng=random.Random(1), **fields)


async def headers_of(presents, *, ca_file=None, **settings):
    """The headers that a provider with these settings is sent."""
    holder = credentials(ca_file=ca_file)
    try:
        presenter = holder.presenter(provider(presents, **settings))
        return dict((await presenter.present(REQUEST, until=FAR)).headers)
    finally:
        holder.close()


def presenting(snapshot, presents, *, name="fake", **settings):
    """The snapshot, with a provider that presents this in place of its key."""
    providers = dict(snapshot.providers)
    given = dataclasses.replace(
        providers[name], credential=None, needs_credential=True, presents=presents, settings=MappingProxyType(settings)
    )
    providers[name] = given
    routes = {
        model: dataclasses.replace(
            route,
            tiers=tuple(
                tuple(dataclasses.replace(one, provider=given) if one.provider.name == name else one for one in tier)
                for tier in route.tiers
            ),
        )
        for model, route in snapshot.routes.items()
    }
    return dataclasses.replace(snapshot, providers=MappingProxyType(providers), routes=MappingProxyType(routes))


def bearer(text, lifetime_s=3600.0):
    return Bearer(token=Secret(text), expires_at=None if lifetime_s is None else time.time() + lifetime_s)


def token_of(request):
    return dict(request.headers)["authorization"].removeprefix("Bearer ")


class Script:
    """A fetch that a test leads: each one waits for what `give` gives."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._given = queue.SimpleQueue()
        self._begun = asyncio.Event()
        self.asked = 0

    def __call__(self):
        self._loop.call_soon_threadsafe(self._note)
        outcome = self._given.get(timeout=30)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def give(self, *outcomes):
        for outcome in outcomes:
            self._given.put(outcome)

    async def begun(self, count):
        """Return once so many fetches have begun."""
        while self.asked < count:
            self._begun.clear()
            await self._begun.wait()

    def _note(self):
        self.asked += 1
        self._begun.set()


def kept(fetch, **limits):
    faults = FaultLog(asyncio.get_running_loop().time)
    return Kept(
        fetch,
        faults,
        KeepLimits(**limits),
        issuer="a cloud",
        provider="cloud",
        wall=time.time,
        rng=random.Random(1),
    )


def at_once(presenter):
    """The token that a call gets without waiting; None if it would wait."""
    asking = presenter.present(REQUEST, until=FAR)
    try:
        asking.send(None)
    except StopIteration as done:
        return token_of(done.value)
    asking.close()
    return None
