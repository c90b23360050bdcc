"""Plain functions as gRPC handlers.

1. gRPC is told of every method as a stream both ways, whatever the contract says; a client of another kind sends and
   takes the same bytes. So the gateway reads requests itself: after the policies have let the call in, and within its
   deadline. gRPC would read a unary request before anything of ours runs, and wait for ever if it does not come.
2. Handlers take and give bytes, so that a request is decoded where the gateway can answer for it, and generators are
   closed in the task and context that they ran in.
3. A handler that gRPC is about to cancel waits for that: reads and writes then fail a moment before the cancellation,
   and every ending should look the same (one CancelledError with `cancelling() > 0`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message

from trunkline_server.core.call import Call
from trunkline_server.core.errors import DeadlineExceeded, MalformedMessage
from trunkline_server.core.policy import Policy
from trunkline_server.core.principal import share_of
from trunkline_server.engine.intake import Intake
from trunkline_server.engine.method import DuplexMethod, Method, StreamMethod, UnaryMethod
from trunkline_server.engine.wire import MAX_FIELDS, has_more_fields

# Stubs alone know that these take parameters.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Any], Awaitable[None]]

CALL: Final[ContextVar[Call]] = ContextVar("CALL")
"""The call that the current task serves; set by the adapter."""
CANCEL_GRACE_S: Final = 5.0
"""Longest wait for the cancellation that follows a failed read or write."""
COUNT_ABOVE: Final = 64 * 1024
"""Requests above this size have their fields counted before they are decoded: two bytes can become a hundred."""


Serve = Callable[[Message, Call, Any], Awaitable[None]]
"""Answers one request that has been read."""


def handler_of(method: Method, intake: Intake, policies: Iterable[Policy] = ()) -> Handler:
    """The handler of a method. `policies` stand between the request, once it is read, and what serves it."""
    match method:
        case UnaryMethod():
            return with_behaviour(_single(method, intake, _within(policies, _unary(method))))
        case StreamMethod():
            return with_behaviour(_single(method, intake, _within(policies, _stream(method))))
        case DuplexMethod():
            return with_behaviour(_duplex(method))


def behaviour_of(handler: Handler) -> Behaviour:
    """The coroutine function inside a handler."""
    return cast("Behaviour", handler.stream_stream)


def with_behaviour(behaviour: Behaviour) -> Handler:
    """A handler around a coroutine function."""
    return grpc.stream_stream_rpc_method_handler(cast("Any", behaviour))


def _single(method: UnaryMethod | StreamMethod, intake: Intake, serve: Serve) -> Behaviour:
    async def behave(_requests: object, context: Context) -> None:
        call = CALL.get()
        data = await _receive(intake, context, call)
        with intake.held(len(data), share_of(call.principal)):
            await intake.turns.take(len(data), call.peer)
            request = _decoded(method, data, call)
            del data
            await serve(request, call, context)

    return behave


def _unary(method: UnaryMethod) -> Serve:
    async def serve(request: Message, call: Call, context: Context) -> None:
        await _send(await method.serve(request, call), context)

    return serve


def _stream(method: StreamMethod) -> Serve:
    async def serve(request: Message, call: Call, context: Context) -> None:
        await _send_all(method.serve(request, call), context)

    return serve


def _within(policies: Iterable[Policy], serve: Serve) -> Serve:
    """What serves, with policies around it: the first is opened first."""
    for policy in reversed(tuple(policies)):
        serve = _around(policy, serve)
    return serve


def _around(policy: Policy, inner: Serve) -> Serve:
    around = policy.around

    async def serve(request: Message, call: Call, context: Context) -> None:
        async with around(call):
            await inner(request, call, context)

    return serve


def _duplex(method: DuplexMethod) -> Behaviour:
    async def behave(_requests: object, context: Context) -> None:
        call = CALL.get()

        async def received() -> AsyncIterator[Message]:
            while (data := await _next(method, context)) is not None:
                yield _decoded(method, data, call)

        await _send_all(method.serve(received(), call), context)

    return behave


async def _receive(intake: Intake, context: Context, call: Call) -> bytes:
    """The one request of a call. Raises MalformedMessage, DeadlineExceeded or Overloaded."""
    data = await intake.whole(lambda: _read(context), call.peer)
    if data is None:
        raise MalformedMessage("the call ended before its request was whole")
    return data


async def _next(method: DuplexMethod, context: Context) -> bytes | None:
    """The next of several requests; None at their end. Raises DeadlineExceeded."""
    try:
        async with asyncio.timeout(method.idle_s):
            return await _read(context)
    except TimeoutError as error:
        raise DeadlineExceeded(f"no request came for {method.idle_s:g} s; call again when there is one") from error


async def _read(context: Context) -> bytes | None:
    """The next message; None at the end."""
    try:
        data = await context.read()
    except (grpc.aio.InternalError, grpc.aio.UsageError):
        await _until_cancelled()
        raise
    return None if data is grpc.aio.EOF else data


async def _send_all(source: AsyncIterator[Message], context: Context) -> None:
    async with aclosing(cast("Any", source)) as messages:
        async for message in messages:
            await _send(message, context)


async def _send(message: Message, context: Context) -> None:
    try:
        await context.write(message.SerializeToString())
    except (grpc.aio.InternalError, grpc.aio.UsageError):
        await _until_cancelled()
        raise


async def _until_cancelled() -> None:
    """The call is gone; gRPC's own cancellation is on its way (seen in grpcio 1.85)."""
    await asyncio.sleep(CANCEL_GRACE_S)


def _decoded(method: Method, data: bytes, call: Call) -> Message:
    kind = method.request.DESCRIPTOR
    if len(data) > COUNT_ABOVE and has_more_fields(data, kind, MAX_FIELDS):
        raise MalformedMessage(f"the request has more than {MAX_FIELDS} fields, or groups; send fewer, larger ones")
    try:
        call.request = method.request.FromString(data)
    except DecodeError as error:
        raise MalformedMessage(
            f"the request is not a {kind.full_name}; check that client and gateway share a contract"
        ) from error
    return call.request
