"""The client of trunkline.admin.v1. It loads gRPC, so that commands load it late."""

from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

import grpc

import trunkline
from trunkline.admin.v1.keys_pb2_grpc import KeysStub
from trunkline.admin.v1.usage_pb2_grpc import UsageStub
from trunkline.connection import Connection
from trunkline.status import error_from_rpc

TIMEOUT_S: Final = 10.0


class AdminClient:
    """Calls an admin service, one call at a time. Failures are TrunklineErrors."""

    def __init__(
        self,
        target: str,
        *,
        timeout: float | None,
        api_key: str | None,
        tls: "trunkline.Tls | bool | None",
        local: bool,
    ) -> None:
        """`local`: over a Unix socket, where no key is sent. Raises ValueError or OSError for what can't be used."""
        found = Connection.resolve(target, api_key, TIMEOUT_S if timeout is None else timeout, None, tls)
        self._connection = replace(found, api_key=None) if local else found
        credentials = self._connection.channel_credentials
        options = self._connection.options
        self._channel = (
            grpc.insecure_channel(target, options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options)
        )
        self.keys: KeysStub = KeysStub(self._channel)
        self.usage: UsageStub = UsageStub(self._channel)

    def __repr__(self) -> str:
        return f"<AdminClient of {self.target}>"

    @property
    def target(self) -> str:
        """Where it calls."""
        return self._connection.target

    def ask(self, rpc: Any, request: Any) -> Any:
        """The answer to a request. Raises TrunklineError."""
        start = self._connection.start(None, None)
        try:
            return rpc(request, timeout=start.remaining(), metadata=start.metadata)
        except grpc.RpcError as failure:
            raise error_from_rpc(failure, start.request_id) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._channel.close()
