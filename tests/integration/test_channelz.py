"""Channelz: there for operators who switch it on, and for nobody else."""

import json
import subprocess
import sys

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz_pb2_grpc import ChannelzStub

from tests.fakes import provider as fake
from tests.integration.test_grpcurl import grpcurl
from tests.running import ask, completion, detail, one_provider, reason, running


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


async def test_it_is_off_unless_switched_on(provider):
    """Off, it is a method like any other that is not there."""
    async with running(one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason(caught.value) == "METHOD_UNIMPLEMENTED"


def test_off_it_costs_a_worker_nothing():
    """What serves it is not even loaded."""
    program = "import sys, trunkline_server.worker; sys.exit('grpc_channelz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("word", "listen", "on"),
    [
        ("on", "0.0.0.0:1", True),
        ("auto", "0.0.0.0:1", False),
        ("auto", "127.0.0.1:1", True),
        ("off", "127.0.0.1:1", False),
    ],
)
async def test_it_takes_the_words_of_reflection(provider, word, listen, on):
    """auto: while only this machine can reach the listeners."""
    async with running(one_provider(provider.base_url), channelz=word, listen=(listen,)) as gateway:
        assert any("channelz" in method.name for method in gateway.app.methods) is on


async def test_it_tells_servers_sockets_and_counts(provider):
    """The server with its calls, and the connection that asks."""
    async with running(one_provider(provider.base_url), channelz="on") as gateway, gateway.channel() as channel:
        for _ in range(3):
            await completion(channel).Complete(ask())
        stub = ChannelzStub(channel)
        servers = (await stub.GetServers(channelz_pb2.GetServersRequest())).server
        server = max(servers, key=lambda one: one.ref.server_id)
        assert server.data.calls_started >= 3
        asked = channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id)
        sockets = (await stub.GetServerSockets(asked)).socket_ref
        assert len(sockets) == 1
        socket = (await stub.GetSocket(channelz_pb2.GetSocketRequest(socket_id=sockets[0].socket_id))).socket
        assert socket.data.streams_started >= 3


async def test_what_is_not_there_is_refused_by_name(provider):
    """The field that names it, and where names come from."""
    async with running(one_provider(provider.base_url), channelz="on") as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ChannelzStub(channel).GetServer(channelz_pb2.GetServerRequest(server_id=10**9))
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert detail(caught.value, error_details_pb2.BadRequest).field_violations[0].field == "server_id"


async def test_grpcurl_asks_it_by_reflection(provider):
    """As operators do."""
    async with running(one_provider(provider.base_url), channelz="on") as gateway:
        out, code = await grpcurl(gateway.target, "grpc.channelz.v1.Channelz/GetServers")
    assert code == 0, out
    assert json.loads(out)["server"]
