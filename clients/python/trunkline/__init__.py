"""Client of the Trunkline gateway.

`import trunkline` is cheap: the names below are loaded when they are first used, so that a program which needs only
`trunkline.v1` never loads gRPC.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    __version__: str
    from trunkline import v1
    from trunkline.aio import AsyncClient
    from trunkline.client import Client
    from trunkline.completion import Completion
    from trunkline.counting import TokenCount
    from trunkline.embeddings import Embeddings, EmbedOptions
    from trunkline.errors import (
        Aborted,
        AlreadyExists,
        BrokenStream,
        Cancelled,
        DeadlineExceeded,
        FieldViolation,
        InternalError,
        InvalidOutput,
        InvalidRequest,
        NotFound,
        PermissionDenied,
        PreconditionFailed,
        RateLimited,
        TrunklineError,
        TurnLimit,
        Unauthenticated,
        Unavailable,
        Unimplemented,
    )
    from trunkline.fold import Fold
    from trunkline.functions import Function
    from trunkline.messages import CompletionOptions
    from trunkline.outcome import Outcome
    from trunkline.run import AsyncRun, Run
    from trunkline.stream import AsyncStream, Stream
    from trunkline.turns import Assistant, MessageForm, System, ToolOutput, User

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Assistant",
    "AsyncClient",
    "AsyncRun",
    "AsyncStream",
    "BrokenStream",
    "Cancelled",
    "Client",
    "Completion",
    "CompletionOptions",
    "DeadlineExceeded",
    "EmbedOptions",
    "Embeddings",
    "FieldViolation",
    "Fold",
    "Function",
    "InternalError",
    "InvalidOutput",
    "InvalidRequest",
    "MessageForm",
    "NotFound",
    "Outcome",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "Run",
    "Stream",
    "System",
    "Tls",
    "TokenCount",
    "ToolOutput",
    "TrunklineError",
    "TurnLimit",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "User",
    "v1",
]

_HOMES: Final = {
    "Assistant": "trunkline.turns",
    "AsyncClient": "trunkline.aio",
    "AsyncRun": "trunkline.run",
    "AsyncStream": "trunkline.stream",
    "Client": "trunkline.client",
    "Completion": "trunkline.completion",
    "CompletionOptions": "trunkline.messages",
    "EmbedOptions": "trunkline.embeddings",
    "Embeddings": "trunkline.embeddings",
    "Fold": "trunkline.fold",
    "Function": "trunkline.functions",
    "MessageForm": "trunkline.turns",
    "Outcome": "trunkline.outcome",
    "Run": "trunkline.run",
    "Stream": "trunkline.stream",
    "Tls": "trunkline.tls",
    "TokenCount": "trunkline.counting",
    "System": "trunkline.turns",
    "ToolOutput": "trunkline.turns",
    "User": "trunkline.turns",
}
"""Where names live that are neither `v1` nor in trunkline.errors."""

_MODULES: Final = frozenset({"parts", "v1"})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version(__name__)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in __all__:
        missing = importlib.import_module("trunkline.elsewhere").missing_from_package
        raise AttributeError(missing(name), name=name)
    value = getattr(importlib.import_module(_HOMES.get(name, "trunkline.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
