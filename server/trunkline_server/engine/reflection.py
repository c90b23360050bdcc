"""Server reflection, in both versions that clients ask for.

grpcio-reflection serves v1alpha. v1 has the same messages under another package name, so one servicer answers both;
v1's own descriptor is made from v1alpha's, so that clients can describe it, too.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from trunkline_server.core.call import Call
from trunkline_server.core.places import Places
from trunkline_server.engine.method import IDLE_S, DuplexMethod

ALPHA: Final = "grpc.reflection.v1alpha"
STABLE: Final = "grpc.reflection.v1"
_FILE: Final = "grpc/reflection/v1/reflection.proto"


MAX_STREAMS: Final = 16
MAX_STREAMS_PER_CONNECTION: Final = 4
"""Tools have one or two, for as long as they ask."""


def reflection_methods(service_names: Iterable[str]) -> Iterator[DuplexMethod]:
    """The methods of both reflection services, which then list `service_names` and themselves.

    They have MAX_STREAMS together; one more is refused with Overloaded, and one whose caller asks nothing ends.
    """
    places = Places("reflection streams", in_all=MAX_STREAMS, per_connection=MAX_STREAMS_PER_CONNECTION)
    pool = descriptor_pool.Default()
    _add_stable(pool)
    services = [f"{package}.ServerReflection" for package in (STABLE, ALPHA)]
    servicer: Any = reflection.aio.ReflectionServicer((*service_names, *services), pool)  # type: ignore[no-untyped-call]

    async def serve(requests: Any, call: Call) -> AsyncIterator[Any]:
        with places.one(call.peer):
            async with aclosing(servicer.ServerReflectionInfo(requests, None)) as answers:
                async for answer in answers:
                    yield answer

    for service in services:
        yield DuplexMethod(
            name=f"/{service}/ServerReflectionInfo",
            request=reflection_pb2.ServerReflectionRequest,
            serve=serve,
            idle_s=IDLE_S,
        )


def _add_stable(pool: Any) -> None:
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = _FILE, STABLE
    for message in file.message_type:
        for field in (one for one in message.field if one.HasField("type_name")):
            field.type_name = field.type_name.replace(ALPHA, STABLE)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(ALPHA, STABLE)
        method.output_type = method.output_type.replace(ALPHA, STABLE)
    pool.AddSerializedFile(file.SerializeToString())
