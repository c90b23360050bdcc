"""The gateway, running in the test's own loop: everything of a worker but its process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import grpc
import yaml
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from trunkline import v1
from trunkline.v1.completion_pb2_grpc import CompletionStub
from trunkline.v1.models_pb2_grpc import ModelsStub
from trunkline_server import config
from trunkline_server.app import App, open_app
from trunkline_server.config.settings import Settings
from trunkline_server.config.snapshot import build
from trunkline_server.engine.tls import ServerTls
from trunkline_server.worker import bind, server_for

Detail = TypeVar("Detail", bound=Message)
KEY = "sk-canary-0123456789abcdef"


def one_provider(base_url: str, **fields: Any) -> dict[str, Any]:
    """A configuration with the model "m" at one provider, "fake"."""
    return {
        "providers": {"fake": {"dialect": "openai", "base_url": f"{base_url}/v1", "api_key": KEY, **fields}},
        "models": {"m": {"deployments": [{"provider": "fake", "upstream_model": "fake-1"}]}},
    }


@dataclass
class Running:
    """A gateway that serves."""

    app: App
    server: grpc.aio.Server
    target: str

    def reload(self, document: Mapping[str, Any]) -> None:
        """Put another configuration in force."""
        self.app.configuration.use(snapshot_of(document))

    def channel(self, **options: Any) -> grpc.aio.Channel:
        """A connection of its own."""
        given = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0, **options}
        return grpc.aio.insecure_channel(self.target, options=list(given.items()))


def snapshot_of(document: Mapping[str, Any]):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trunkline.yaml"
        path.write_text(yaml.safe_dump(dict(document)))
        return build(config.load(path, {}))


@asynccontextmanager
async def running(
    document: Mapping[str, Any], *, tls: ServerTls | None = None, **settings: Any
) -> AsyncIterator[Running]:
    """A gateway on a port of its own, stopped at the end. `tls`: what it presents; plaintext without."""
    given = Settings(**settings)
    async with open_app(given, snapshot_of(document), {}) as app:
        server = server_for(app, given, share_port=False, tls=tls)
        port = bind(server, "127.0.0.1:0", tls)
        await server.start()
        for service in ("", *app.services):
            app.health.set(service, serving=True)
        try:
            yield Running(app, server, f"127.0.0.1:{port}")
        finally:
            app.health.end_watches()
            await server.stop(0)
            await app.calls.all_ended()


def ask(text: str = "Say hello.", **fields: Any) -> v1.CompleteRequest:
    """A request with one user's turn to the model "m"."""
    turn = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text=text))])
    return v1.CompleteRequest(**{"model": "m", "messages": [turn], **fields})


def completion(channel: grpc.aio.Channel) -> Any:
    return CompletionStub(channel)


def models(channel: grpc.aio.Channel) -> Any:
    return ModelsStub(channel)


def detail(error: grpc.aio.AioRpcError, kind: type[Detail]) -> Detail | None:
    """The detail of that kind in a failure, if there is one."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                if packed.Is(kind.DESCRIPTOR):
                    found = kind()
                    packed.Unpack(found)
                    return found
    return None


def reason(error: grpc.aio.AioRpcError) -> str:
    """ErrorInfo's reason."""
    info = detail(error, error_details_pb2.ErrorInfo)
    assert info is not None, "every failure has ErrorInfo"
    return info.reason


def trailer(error: grpc.aio.AioRpcError, key: str) -> Any:
    return dict(error.trailing_metadata() or ()).get(key)
