"""Processes that die, hang or are left alone: nobody is orphaned, and what serves comes back."""

import asyncio
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fakes.provider import FakeProvider, stream_text
from tests.fakes.supervised import LOCAL, PLAIN, STAND_INS, Supervised
from trunkline import v1
from trunkline.v1.completion_pb2_grpc import CompletionStub
from trunkline.v1.models_pb2_grpc import ModelsStub


def child(gateway, module):
    """The first child that runs a module."""
    return next(each for each in gateway.psutil.children() if any(module in part for part in each.cmdline()))


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("modules", [STAND_INS, {}], ids=["stand-ins", "real"])
async def test_no_child_outlives_a_killed_supervisor(tmp_path, modules):
    """After kill -9 of the supervisor all children are gone within 2 s."""
    config = LOCAL if modules else PLAIN % "fast"
    async with Supervised(tmp_path, config, modules=modules, workers=2) as gateway:
        assert len(gateway.children) == (4 if modules else 3)
        gateway.signal(signal.SIGKILL)
        assert await gateway.orphans(within_s=2) == []


async def test_a_stuck_child_does_not_outlive_its_supervisor(tmp_path):
    """A worker whose loop hangs can't see the end of its channel; the kernel ends it."""
    async with Supervised(tmp_path) as gateway:
        call = await gateway.call()
        await call.ask("state")
        call.say("hang")
        gateway.signal(signal.SIGKILL)
        assert await gateway.orphans(within_s=2) == []
        call.close()


async def test_a_killed_worker_is_back_within_two_seconds(tmp_path):
    """kill -9 of one of two real workers: the port goes on being served, and a new worker is ready within 2 s."""
    async with Supervised(tmp_path, modules={}, workers=2) as gateway:
        began = now()
        child(gateway, "trunkline_server.worker").kill()
        await gateway.said("is gone: it was ended by SIGKILL")
        async with grpc.aio.insecure_channel(gateway.ready["listen"][0]) as channel:
            answer = await ModelsStub(channel).ListModels(v1.ListModelsRequest(), timeout=5, wait_for_ready=True)
            assert [model.name for model in answer.models] == ["fast"]
        await gateway.said("is back")
        assert now() - began < 2


@pytest.mark.parametrize("modules", [STAND_INS, {}], ids=["stand-ins", "real"])
async def test_a_killed_worker_takes_its_unix_socket_back(tmp_path, modules):
    """The file that kill -9 left behind is served again by the new worker, and is gone at the end."""
    path = tmp_path / "gate.sock"
    async with Supervised(tmp_path, modules=modules, listen=f"unix:{path}") as gateway:
        child(gateway, "worker").kill()
        await gateway.said("worker 0 is back")
        (await gateway.call()).close()
        gateway.signal()
        assert await gateway.exit_code() == 0
        assert not path.exists()


async def test_calls_of_a_real_worker_end_in_a_drain(tmp_path):
    """A stream that runs at SIGTERM comes to its end with every event, and the gateway exits with code 0 after it."""
    async with FakeProvider() as provider:
        provider.script = stream_text("and so on " * 20, chunks=20, interval_s=0.2)
        config = (PLAIN % "fast").replace("http://127.0.0.1:8000/v1", provider.base_url)
        async with Supervised(tmp_path, config, modules={}, workers=2) as gateway:
            async with grpc.aio.insecure_channel(gateway.ready["listen"][0]) as channel:
                request = v1.CompleteRequest(
                    model="fast",
                    messages=[v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="go on"))])],
                )
                stream = CompletionStub(channel).StreamComplete(request, timeout=30)
                events = list((await stream.read()).events)
                gateway.signal()
                await gateway.said("draining: 1 open call, ")
                while (message := await stream.read()) is not grpc.aio.EOF:
                    events.extend(message.events)
            assert events[-1].finished.finish_reason == v1.FINISH_REASON_STOP
            assert await gateway.exit_code() == 0


async def test_a_real_worker_takes_a_new_configuration(tmp_path):
    """A model that appears in the file is served within the next looks at it, by the same worker."""
    async with Supervised(tmp_path, modules={}, limits={"poll_s": 0.05}) as gateway:
        gateway.config.write_text(PLAIN % "slow")
        await gateway.said("generation 2 of the configuration is in effect")
        async with grpc.aio.insecure_channel(gateway.ready["listen"][0]) as channel:
            answer = await ModelsStub(channel).ListModels(v1.ListModelsRequest(), timeout=5)
        assert [model.name for model in answer.models] == ["slow"]
        assert gateway.count("is gone") == 0


async def test_a_worker_that_ends_by_itself_is_replaced(tmp_path):
    """A new worker serves the generation that is in effect by then."""
    async with Supervised(tmp_path, limits={"poll_s": 0.05}) as gateway:
        gateway.config.write_text(PLAIN % "slow")
        await gateway.said("generation 2 of the configuration is in effect")
        call = await gateway.call()
        call.say("exit 7")
        await gateway.said("worker 0 is gone: it exited with code 7")
        await gateway.said("worker 0 is back")
        assert (await gateway.state())["generation"] == 2
        call.close()


async def test_a_worker_that_crashes_again_and_again_is_slowed_down(tmp_path):
    """Each restart waits longer than half of the step before; the gateway itself goes on."""
    limits = {"backoff_first_s": 0.05, "backoff_most_s": 0.4}
    async with Supervised(tmp_path, limits=limits) as gateway:
        for life in range(4):
            await gateway.said("worker 0 is back", times=life)
            call = await gateway.call()
            call.say("exit 1")
            await call.cut()
        await gateway.said("It starts again in", times=4)
        waits = [float(line.split()[-2]) for line in gateway.lines if "It starts again in" in line]
        assert waits[3] > waits[0]
        assert max(waits) <= 0.4


async def test_a_hung_worker_is_replaced(tmp_path):
    """A worker that is silent for longer than the limit is killed, and another one serves."""
    async with Supervised(tmp_path, limits={"silence_s": 1.5}) as gateway:
        before = await gateway.state()
        call = await gateway.call()
        call.say("hang")
        await gateway.said("worker 0 is gone: it said nothing for 1.5 s")
        await gateway.said("worker 0 is back")
        assert (await gateway.state())["pid"] != before["pid"]
        call.close()


async def test_readiness_falls_while_no_worker_is_ready(tmp_path):
    """With its only worker dead the gateway is alive and not ready; with the new one it is ready again."""
    async with (
        Supervised(tmp_path, limits={"backoff_first_s": 0.5}) as gateway,
        grpc.aio.insecure_channel(gateway.ready["probe"]) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"), timeout=20)
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        child(gateway, "tests.fakes.worker").kill()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        alive = await stub.Check(health_pb2.HealthCheckRequest(service="liveness"), timeout=5)
        assert alive.status == health_pb2.HealthCheckResponse.SERVING
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


async def test_a_killed_probe_comes_back_on_its_port(tmp_path):
    """The probe's port is the same after kill -9, and it knows the state."""
    async with Supervised(tmp_path) as gateway:
        child(gateway, "trunkline_server.probe").kill()
        await gateway.said("the probe is gone: it was ended by SIGKILL")
        async with grpc.aio.insecure_channel(gateway.ready["probe"]) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), timeout=10, wait_for_ready=True
            )
            while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
            watch.cancel()


async def test_a_killed_local_model_comes_back_with_another_key(tmp_path):
    """While it is down no worker has an address for it; then all learn its new port and key."""
    async with Supervised(tmp_path, LOCAL, workers=2, limits={"backoff_first_s": 0.5}) as gateway:
        before = (await gateway.state())["local_model"]
        child(gateway, "tests.fakes.local_model").kill()
        await gateway.said("generation 3 of the configuration is in effect")
        assert (await gateway.state())["local_model"] is None
        await gateway.said("generation 4 of the configuration is in effect")
        after = (await gateway.state())["local_model"]
        assert after["api_key"] != before["api_key"]


async def test_a_frozen_supervisor_fails_its_liveness(tmp_path):
    """A supervisor that stops beating is NOT_SERVING under "liveness" after the limit, and SERVING once it goes on.

    It does not take its own silence for that of its children.
    """
    modules = STAND_INS | {"probe": "tests.fakes.probe"}
    async with (
        Supervised(tmp_path, modules=modules, limits={"silence_s": 1.5}, PROBE_BEAT_LIMIT_S="3") as gateway,
        grpc.aio.insecure_channel(gateway.ready["probe"]) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="liveness"), timeout=20)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        gateway.signal(signal.SIGSTOP)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        gateway.signal(signal.SIGCONT)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        gateway.signal()
        assert await gateway.exit_code() == 0
        assert gateway.count("is gone") == 0


async def test_children_leave_signals_of_a_service_manager_to_their_supervisor(tmp_path):
    """SIGTERM and SIGINT to each process of the service at once drain it; the open call ends by itself."""
    async with Supervised(tmp_path) as gateway:
        call = await gateway.call()
        await call.ask("state")
        for each in gateway.children:
            each.send_signal(signal.SIGTERM)
            each.send_signal(signal.SIGINT)
        gateway.signal()
        await gateway.said("SIGTERM: draining")
        assert (await call.ask("state"))["generation"] == 1
        call.close()
        assert await gateway.exit_code() == 0
