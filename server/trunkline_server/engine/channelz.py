"""Channelz: what gRPC knows of its connections, for operators who look for a fault.

gRPC keeps it in its core and hands it over in one short call. It shows the addresses of callers, so it is off unless
switched on, and what was not kept from the start is not there.

Source of the protocol: https://github.com/grpc/proposal/blob/master/A14-channelz.md
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_channelz.v1 import channelz, channelz_pb2

from trunkline_server.core.call import Call
from trunkline_server.core.errors import FieldViolation, InternalFault, InvalidRequest
from trunkline_server.engine.method import Method, ServeUnary, UnaryMethod

SERVICE: Final = "grpc.channelz.v1.Channelz"


def channelz_methods() -> Iterator[Method]:
    """The methods of grpc.channelz.v1.Channelz."""
    for method in channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].methods:
        told = getattr(channelz.ChannelzServicer, method.name)
        yield UnaryMethod(
            name=f"/{SERVICE}/{method.name}", request=GetMessageClass(method.input_type), serve=_served(told)
        )


class _Outcome:
    """What the stock servicer says of a failure: to it, this is the context of the call."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        """Its words are not for callers."""


def _served(told: Callable[[Any, Any], Message | None]) -> ServeUnary:
    async def serve(request: Message, _call: Call) -> Message:
        outcome = _Outcome()
        answer = told(request, outcome)
        if answer is not None:
            return answer
        if outcome.code is not grpc.StatusCode.NOT_FOUND:
            raise InternalFault("gRPC did not tell what it knows")
        field = request.DESCRIPTOR.fields[0].name
        raise InvalidRequest(FieldViolation(field=field, description="there is no such one; GetServers has the first"))

    return serve
