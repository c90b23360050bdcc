"""Health of services as watchers see it."""

import asyncio
from contextlib import aclosing

import pytest
from grpc_health.v1 import health_pb2

from trunkline_server.core.errors import HealthServiceUnknown, Overloaded
from trunkline_server.engine.health import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def asked(service=""):
    return health_pb2.HealthCheckRequest(service=service)


async def test_check_tells_the_state_of_each_service():
    """Each service has a state of its own; one that was never set is unknown."""
    health = Health()
    health.set("", serving=True)
    health.set("a", serving=False)
    assert (await health.check(asked())).status == SERVING
    assert (await health.check(asked("a"))).status == NOT_SERVING
    with pytest.raises(HealthServiceUnknown):
        await health.check(asked("b"))


async def test_a_watch_tells_each_change_once():
    """A watch begins with the state now, also an unknown one, and tells every change but no repetition."""
    health = Health()
    async with aclosing(health.watch(asked("a"))) as states:
        assert (await anext(states)).status == SERVICE_UNKNOWN
        health.set("a", serving=True)
        assert (await anext(states)).status == SERVING
        health.set("a", serving=True)
        health.set("b", serving=False)
        later = asyncio.ensure_future(anext(states))
        await asyncio.sleep(0)
        assert not later.done()
        health.set("a", serving=False)
        assert (await later).status == NOT_SERVING


async def test_a_slow_watcher_gets_the_latest_state():
    """States that came and went while nobody asked are skipped."""
    health = Health()
    health.set("", serving=False)
    async with aclosing(health.watch(asked())) as states:
        await anext(states)
        for serving in (True, False, True):
            health.set("", serving=serving)
        assert (await anext(states)).status == SERVING


async def test_watches_are_bounded_and_their_places_come_back():
    """One watch more than allowed is refused; a watch that ends makes room."""
    health = Health(max_watches=1)
    async with aclosing(health.watch(asked())) as states:
        await anext(states)
        with pytest.raises(Overloaded):
            await anext(health.watch(asked()))
    async with aclosing(health.watch(asked())) as states:
        assert (await anext(states)).status == SERVICE_UNKNOWN


async def test_all_watches_end_together():
    """After end_watches open watches end, and new ones end at once."""
    health = Health()
    health.set("", serving=True)
    states = health.watch(asked())
    await anext(states)
    waiting = asyncio.ensure_future(anext(states, None))
    await asyncio.sleep(0)
    health.end_watches()
    assert await waiting is None
    assert [state async for state in health.watch(asked())] == []
