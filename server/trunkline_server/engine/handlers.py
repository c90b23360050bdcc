"""Plain functions as gRPC handlers.

1. Every handler is a coroutine that takes and gives bytes, so that requests are decoded where the gateway can answer
   for it, and generators are closed in the task and context that they ran in.
2. A handler that gRPC is about to cancel waits for that: `context.write` then fails a moment before the cancellation,
   and every ending should look the same (one CancelledError with `cancelling() > 0`).
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message

from trunkline_server.core.call import Call
from trunkline_server.core.errors import MalformedMessage
from trunkline_server.engine.method import DuplexMethod, Method, StreamMethod, UnaryMethod

# Stubs alone know that these take parameters.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Any], Awaitable[Any]]

CALL: Final[ContextVar[Call]] = ContextVar("CALL")
"""The call that the current task serves; set by the adapter."""
CANCEL_GRACE_S: Final = 5.0
"""Longest wait for the cancellation that follows a failed write."""


def handler_of(method: Method) -> Handler:
    """The handler of a method, without any policy around it."""
    match method:
        case UnaryMethod():
            return grpc.unary_unary_rpc_method_handler(cast("Any", _unary(method)))
        case StreamMethod():
            return grpc.unary_stream_rpc_method_handler(cast("Any", _stream(method)))
        case DuplexMethod():
            return grpc.stream_stream_rpc_method_handler(cast("Any", _duplex(method)))


def behaviour_of(handler: Handler) -> Behaviour:
    """The coroutine function inside a handler."""
    if handler.request_streaming:
        return cast("Behaviour", handler.stream_stream)
    return cast("Behaviour", handler.unary_stream if handler.response_streaming else handler.unary_unary)


def with_behaviour(handler: Handler, behaviour: Behaviour) -> Handler:
    """A handler of the same kind around another coroutine function. gRPC looks at the kind when it dispatches."""
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(cast("Any", behaviour))
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(cast("Any", behaviour))
    return grpc.unary_unary_rpc_method_handler(cast("Any", behaviour))


def _unary(method: UnaryMethod) -> Behaviour:
    async def behave(request: bytes, _context: Context) -> bytes:
        call = CALL.get()
        return (await method.serve(_decoded(method, request, call), call)).SerializeToString()

    return behave


def _stream(method: StreamMethod) -> Behaviour:
    async def behave(request: bytes, context: Context) -> None:
        call = CALL.get()
        await _send(method.serve(_decoded(method, request, call), call), context)

    return behave


def _duplex(method: DuplexMethod) -> Behaviour:
    async def behave(requests: AsyncIterable[bytes], context: Context) -> None:
        call = CALL.get()

        async def decoded() -> AsyncIterator[Message]:
            async for request in requests:
                yield _decoded(method, request, call)

        await _send(method.serve(decoded(), call), context)

    return behave


async def _send(source: AsyncIterator[Message], context: Context) -> None:
    async with aclosing(cast("Any", source)) as messages:
        async for message in messages:
            try:
                await context.write(message.SerializeToString())
            except (grpc.aio.InternalError, grpc.aio.UsageError):
                # The call is gone; gRPC's own cancellation is on its way (seen in grpcio 1.85).
                await asyncio.sleep(CANCEL_GRACE_S)
                raise


def _decoded(method: Method, data: bytes, call: Call) -> Message:
    try:
        call.request = method.request.FromString(data)
    except DecodeError as error:
        name = method.request.DESCRIPTOR.full_name
        raise MalformedMessage(
            f"the request is not a {name}; check that client and gateway share a contract"
        ) from error
    return call.request
