"""The real grpcurl against the gateway, with the words of the README."""

import asyncio
import json
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.fakes import provider as fake
from tests.processes import serving
from tests.running import one_provider

GRPCURL = Path(sys.executable).with_name("grpcurl")
REQUEST = json.dumps({"model": "m", "messages": [{"role": "ROLE_USER", "blocks": [{"text": {"text": "Hi"}}]}]})


@pytest.fixture
async def gateway(tmp_path):
    async with (
        fake.FakeProvider(fake.chat(text="hello from afar")) as provider,
        serving(tmp_path, one_provider(provider.base_url)) as one,
    ):
        yield one


async def grpcurl(*arguments):
    """What grpcurl prints, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        GRPCURL, "-plaintext", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return out.decode(), process.returncode


async def test_services_are_listed_and_described(gateway):
    """Reflection, in the version that the client prefers."""
    out, code = await grpcurl(gateway.target, "list")
    assert code == 0
    assert {
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "trunkline.v1.Completion",
        "trunkline.v1.Embedding",
        "trunkline.v1.Models",
        "trunkline.v1.Quotas",
    } == set(out.split())
    for symbol in ("trunkline.v1.Completion", "trunkline.v1.CompleteRequest", "grpc.reflection.v1.ServerReflection"):
        out, code = await grpcurl(gateway.target, "describe", symbol)
        assert code == 0, out
        assert symbol in out


async def test_both_completions_are_called(gateway):
    """Unary and streamed, by name and JSON."""
    out, code = await grpcurl("-d", REQUEST, gateway.target, "trunkline.v1.Completion/Complete")
    assert code == 0, out
    assert json.loads(out)["message"]["blocks"][0]["text"]["text"] == "hello from afar"
    out, code = await grpcurl("-d", REQUEST, gateway.target, "trunkline.v1.Completion/StreamComplete")
    assert code == 0, out
    assert '"finish_reason": "FINISH_REASON_STOP"' in out or '"finishReason": "FINISH_REASON_STOP"' in out


async def test_health_is_told_on_both_ports_and_nothing_else_on_the_probes(gateway):
    """The probe port serves Health alone."""
    out, code = await grpcurl(gateway.target, "grpc.health.v1.Health/Check")
    assert (json.loads(out), code) == ({"status": "SERVING"}, 0)
    async with grpc.aio.insecure_channel(gateway.probe) as channel:
        for service in ("", "readiness", "liveness"):
            answer = await HealthStub(channel).Check(HealthCheckRequest(service=service))
            assert answer.status == HealthCheckResponse.SERVING
    protos = ("-import-path", "protos", "-proto", "trunkline/v1/completion.proto")
    out, code = await grpcurl(*protos, "-d", REQUEST, gateway.probe, "trunkline.v1.Completion/Complete")
    assert code != 0
    assert "Unimplemented" in out


async def test_a_failure_is_readable(gateway):
    """grpcurl shows code, message and details."""
    wrong = REQUEST.replace('"m"', '"gtp"')
    out, code = await grpcurl("-d", wrong, gateway.target, "trunkline.v1.Completion/Complete")
    assert code != 0
    assert "NotFound" in out
    assert "MODEL_NOT_FOUND" in out
