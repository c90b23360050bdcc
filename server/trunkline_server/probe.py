"""The process that answers probes: a plaintext gRPC port of its own, with Health and nothing else.

1. "" and "readiness" are SERVING while at least one worker is ready and the gateway is not draining.
2. "liveness" is SERVING while the supervisor lives: 10 s without its beat make it NOT_SERVING.
3. Nothing here depends on providers, nor on how busy the workers are.
"""

import asyncio
import contextlib
import sys
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from grpc_health.v1 import health_pb2

from trunkline_server.core import control
from trunkline_server.core.errors import GatewayError
from trunkline_server.engine.health import SERVICE, Health

BEAT_LIMIT_S: Final = 10.0

# A probe port is open to whoever reaches the machine: small messages, few connections, and no sharing of the port with
# a stale process.
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4096),
    ("grpc.max_metadata_size", 8192),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.max_allowed_incoming_connections", 1000),
    ("grpc.server_handshake_timeout_ms", 10_000),
)
_Context: TypeAlias = "grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Probe:
    """Health of the gateway as the supervisor tells it."""

    def __init__(self, *, beat_limit_s: float) -> None:
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=2000)
        self._health = Health()
        self._beat_limit_s = beat_limit_s
        self._silence: asyncio.TimerHandle | None = None
        self._health.set("", serving=False)
        self._health.set("readiness", serving=False)
        self._health.set("liveness", serving=True)
        self._expect_beat()

    async def listen(self, address: str) -> int:
        """Starts to answer; returns the port. Raises RuntimeError if the address can't be had."""
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers()),))
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    def told(self, state: control.State) -> None:
        """Takes in what the supervisor says; each word of it is a sign of life."""
        self._health.set("", serving=state.ready)
        self._health.set("readiness", serving=state.ready)
        self._health.set("liveness", serving=True)
        self._expect_beat()

    def _expect_beat(self) -> None:
        if self._silence:
            self._silence.cancel()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._beat_limit_s, lambda: self._health.set("liveness", serving=False))

    def _handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        kwargs: dict[str, Any] = {
            "request_deserializer": health_pb2.HealthCheckRequest.FromString,
            "response_serializer": health_pb2.HealthCheckResponse.SerializeToString,
        }
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, **kwargs),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **kwargs),
        }

    async def _check(self, request: health_pb2.HealthCheckRequest, context: _Context) -> health_pb2.HealthCheckResponse:
        try:
            return await self._health.check(request)
        except GatewayError as error:
            await _abort(context, error)

    async def _watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> None:
        try:
            async with aclosing(self._health.watch(request)) as states:
                async for state in states:
                    await context.write(state)
        except GatewayError as error:
            await _abort(context, error)


async def _abort(context: _Context, error: GatewayError) -> NoReturn:
    await context.abort(_CODES.get(int(error.code), grpc.StatusCode.INTERNAL), error.message)


async def _serve(arguments: control.ChildArguments, beat_limit_s: float) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    start = await channel.receive()
    if not isinstance(start, control.StartProbe):
        control.exit_orphaned()
    probe = Probe(beat_limit_s=beat_limit_s)
    try:
        port = await probe.listen(start.listen)
    except RuntimeError:
        channel.send(control.Failed(why=f"the probe can't listen on {start.listen}: is the address in use?"))
        return
    channel.send(control.Listening(port=port))
    beat = asyncio.create_task(control.beat(channel))
    with contextlib.suppress(control.ControlBroken):
        while message := await channel.receive():
            if isinstance(message, control.State):
                probe.told(message)
    beat.cancel()
    control.exit_orphaned()


def main(beat_limit_s: float = BEAT_LIMIT_S) -> None:
    """Entry of the child process."""
    arguments = control.enter_child(sys.argv[1:])
    asyncio.run(_serve(arguments, beat_limit_s))


if __name__ == "__main__":
    main()
