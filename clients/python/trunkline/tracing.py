"""Sends the caller's trace along, where the application has loaded OpenTelemetry.

1. Nothing is loaded for it: an application without OpenTelemetry pays one look into sys.modules per call.
2. The fields are those of the application's own propagator (traceparent, tracestate, baggage). At most 9 KiB of them
   go along, counted as HTTP/2 does, so that the gateway's 16 KiB have room for the rest; what does not fit is left out.
3. A propagator that fails costs its trace, not the call.
"""

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

__all__ = ["trace_metadata"]

MAX_BYTES: Final = 9 * 1024
FIELD_OVERHEAD: Final = 32
"""What HTTP/2 counts for a field beside its name and value (RFC 9113, 6.5.2)."""
_LOADED: Final = "opentelemetry.trace"
"""Whoever makes spans has loaded this."""
_KEY: Final = re.compile(r"[0-9a-z_.-]{1,256}")
_VALUE: Final = re.compile(r"[ -~]+")
_RESERVED: Final = frozenset({"authorization", "user-agent", "content-type", "te", "host"})
_RESERVED_PREFIXES: Final = ("grpc-", "trunkline-")

Metadata = tuple[tuple[str, str], ...]


def trace_metadata() -> Metadata:
    """The fields that name the span which is current in this thread or task."""
    if _LOADED not in sys.modules:
        return ()
    return _fields()


def _fields() -> Metadata:
    carrier: dict[str, Any] = {}
    inject = _propagator()
    if inject is None:
        return ()
    try:
        inject(carrier)
    except Exception:  # noqa: BLE001 - it is the application's, and may raise anything
        return ()
    return _fitting(carrier)


def _fitting(carrier: Mapping[str, Any]) -> Metadata:
    """The fields that can travel, in their order, as long as there is room."""
    fields: list[tuple[str, str]] = []
    room = MAX_BYTES
    for name, value in carrier.items():
        key = str(name).lower()
        size = len(key) + len(str(value)) + FIELD_OVERHEAD
        if size <= room and _can_travel(key, value):
            fields.append((key, value))
            room -= size
    return tuple(fields)


def _can_travel(key: str, value: object) -> bool:
    return (
        isinstance(value, str)
        and _KEY.fullmatch(key) is not None
        and _VALUE.fullmatch(value) is not None
        and not key.startswith(_RESERVED_PREFIXES)
        and key not in _RESERVED
        and not key.endswith("-bin")
    )


@cache
def _propagator() -> Callable[[dict[str, Any]], None] | None:
    """OpenTelemetry's way to write a context; None where it can't be had, which importing it may find out."""
    try:
        inject: Callable[[dict[str, Any]], None] = importlib.import_module("opentelemetry.propagate").inject
    except Exception:  # noqa: BLE001 - what the environment names may be missing
        return None
    return inject
