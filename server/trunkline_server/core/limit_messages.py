"""Limits as the contract's messages, and back. What comes in is taken as it stands: who reads it checks it."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trunkline import v1
from trunkline.admin.v1 import keys_pb2
from trunkline_server.core.limit import Limit, Period, Resource, Scope, Window

RESOURCES: Final[Mapping[Resource, "v1.LimitResource.ValueType"]] = {
    Resource.REQUESTS: v1.LIMIT_RESOURCE_REQUESTS,
    Resource.INPUT_TOKENS: v1.LIMIT_RESOURCE_INPUT_TOKENS,
    Resource.OUTPUT_TOKENS: v1.LIMIT_RESOURCE_OUTPUT_TOKENS,
    Resource.TOKENS: v1.LIMIT_RESOURCE_TOKENS,
    Resource.CONCURRENT_CALLS: v1.LIMIT_RESOURCE_CONCURRENT_CALLS,
    Resource.NANO_USD: v1.LIMIT_RESOURCE_NANO_USD,
}
WINDOWS: Final[Mapping[Window, "v1.LimitWindow.ValueType"]] = {
    Window.TOKEN_BUCKET: v1.LIMIT_WINDOW_TOKEN_BUCKET,
    Window.ROLLING: v1.LIMIT_WINDOW_ROLLING,
    Window.CALENDAR: v1.LIMIT_WINDOW_CALENDAR,
    Window.IN_USE: v1.LIMIT_WINDOW_IN_USE,
}
SCOPES: Final[Mapping[Scope, "v1.LimitScope.ValueType"]] = {
    Scope.ORG: v1.LIMIT_SCOPE_ORG,
    Scope.TEAM: v1.LIMIT_SCOPE_TEAM,
    Scope.KEY: v1.LIMIT_SCOPE_KEY,
}
_RESOURCE_OF: Final = {value: resource for resource, value in RESOURCES.items()}
_WINDOW_OF: Final = {value: window for window, value in WINDOWS.items()}
_NANOS: Final = 1_000_000_000


def key_limit(limit: Limit) -> keys_pb2.KeyLimit:
    """A limit of a key, as operators read it."""
    message = keys_pb2.KeyLimit(
        name=limit.name,
        resource=RESOURCES[limit.resource],
        window=WINDOWS[limit.window],
        calendar=str(limit.period or ""),
        capacity=limit.capacity,
        model=limit.model,
        shadow=limit.shadow,
    )
    if limit.period_s:
        message.period.CopyFrom(duration(limit.period_s))
    return message


def limit_of_key(message: keys_pb2.KeyLimit, key_id: str) -> Limit:
    """The limit that a checked message means. Raises KeyError or ValueError for words that are none."""
    return Limit(
        name=message.name,
        scope=Scope.KEY,
        scope_id=key_id,
        resource=_RESOURCE_OF[message.resource],
        window=_WINDOW_OF[message.window],
        period_s=message.period.seconds + message.period.nanos / _NANOS,
        period=Period(message.calendar) if message.calendar else None,
        capacity=message.capacity,
        model=message.model,
        shadow=message.shadow,
    )


def duration(seconds: float) -> Duration:
    """Seconds as the contract tells them."""
    whole = int(seconds)
    return Duration(seconds=whole, nanos=round((seconds - whole) * _NANOS))
