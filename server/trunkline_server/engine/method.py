"""The methods that the gateway serves, as data: a name, a request type, a kind and a plain function.

The functions know no gRPC: a unary one returns a message, the others are async generators of messages.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from trunkline_server.core.call import Call
from trunkline_server.core.errors import MethodUnimplemented

ServeUnary = Callable[[Any, Call], Awaitable[Message]]
ServeStream = Callable[[Any, Call], AsyncIterator[Message]]

IDLE_S: Final = 30.0
"""How long a stream of requests may be silent."""
_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    name: str
    """As dispatched: "/trunkline.v1.Completion/Complete"."""
    request: type[Message]
    timed: bool = True
    """Whether a call without a deadline is given one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnaryMethod(_Named):
    """One request, one response."""

    serve: ServeUnary


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMethod(_Named):
    """One request, a stream of responses."""

    serve: ServeStream


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplexMethod(_Named):
    """A stream of requests, a stream of responses. `serve` takes an async iterator of requests."""

    serve: ServeStream
    idle_s: float
    """Longest wait for the next request."""


Method = UnaryMethod | StreamMethod | DuplexMethod


def methods_of(service: ServiceDescriptor, servicer: object) -> Iterator[Method]:
    """The methods of a service; those that the servicer does not have answer UNIMPLEMENTED.

    `StreamComplete` is served by the servicer's `stream_complete`.
    """
    for method in service.methods:
        name = f"/{service.full_name}/{method.name}"
        serve = getattr(servicer, _WORD_START.sub("_", method.name).lower(), None)
        yield _method(method, name, serve or _unimplemented(name, streams=method.server_streaming))


def _method(descriptor: MethodDescriptor, name: str, serve: Any) -> Method:
    request = GetMessageClass(descriptor.input_type)
    if descriptor.client_streaming:
        return DuplexMethod(name=name, request=request, serve=serve, idle_s=IDLE_S)
    if descriptor.server_streaming:
        return StreamMethod(name=name, request=request, serve=serve)
    return UnaryMethod(name=name, request=request, serve=serve)


def _unimplemented(name: str, *, streams: bool) -> Any:
    error = f"{name} is part of the contract, but this version of the gateway does not serve it"

    async def unary(_request: Message, _call: Call) -> Message:
        raise MethodUnimplemented(error)

    async def stream(request: Message, call: Call) -> AsyncIterator[Message]:
        yield await unary(request, call)

    return stream if streams else unary
