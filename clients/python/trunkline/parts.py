"""The parts of the client that are loaded when they are first used, so that a program pays for those that it uses.

`parts.name` loads what a name stands for once; from then on it costs what any name in a module does.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from trunkline import v1
    from trunkline.completion import asked, settled
    from trunkline.counting import TokenCount
    from trunkline.elsewhere import missing, unknown_options
    from trunkline.embeddings import Embeddings, embed_request
    from trunkline.functions import Function, content_of
    from trunkline.loop import Loop
    from trunkline.messages import build_request
    from trunkline.outcome import Outcome, outcome_request
    from trunkline.output import output_of
    from trunkline.run import AsyncRun, Run
    from trunkline.status import error_from_rpc, readable
    from trunkline.stream import AsyncStream, Stream, task_is_cancelled
    from trunkline.tls import resolve_tls
    from trunkline.v1.completion_pb2_grpc import CompletionStub
    from trunkline.v1.embedding_pb2_grpc import EmbeddingStub
    from trunkline.v1.models_pb2_grpc import ModelsStub

__all__ = [
    "AsyncRun",
    "AsyncStream",
    "CompletionStub",
    "EmbeddingStub",
    "Embeddings",
    "Function",
    "Loop",
    "ModelsStub",
    "Outcome",
    "Run",
    "Stream",
    "TokenCount",
    "asked",
    "build_request",
    "content_of",
    "embed_request",
    "error_from_rpc",
    "health_pb2",
    "health_pb2_grpc",
    "missing",
    "outcome_request",
    "output_of",
    "readable",
    "resolve_tls",
    "settled",
    "task_is_cancelled",
    "unknown_options",
    "v1",
]

_HOMES: Final = {
    "AsyncRun": "trunkline.run",
    "AsyncStream": "trunkline.stream",
    "CompletionStub": "trunkline.v1.completion_pb2_grpc",
    "EmbeddingStub": "trunkline.v1.embedding_pb2_grpc",
    "Embeddings": "trunkline.embeddings",
    "Function": "trunkline.functions",
    "Loop": "trunkline.loop",
    "ModelsStub": "trunkline.v1.models_pb2_grpc",
    "Outcome": "trunkline.outcome",
    "Run": "trunkline.run",
    "Stream": "trunkline.stream",
    "TokenCount": "trunkline.counting",
    "asked": "trunkline.completion",
    "build_request": "trunkline.messages",
    "content_of": "trunkline.functions",
    "embed_request": "trunkline.embeddings",
    "error_from_rpc": "trunkline.status",
    "missing": "trunkline.elsewhere",
    "outcome_request": "trunkline.outcome",
    "output_of": "trunkline.output",
    "readable": "trunkline.status",
    "resolve_tls": "trunkline.tls",
    "settled": "trunkline.completion",
    "task_is_cancelled": "trunkline.stream",
    "unknown_options": "trunkline.elsewhere",
}
"""Where functions and classes live."""
_MODULES: Final = {
    "health_pb2": "grpc_health.v1.health_pb2",
    "health_pb2_grpc": "grpc_health.v1.health_pb2_grpc",
    "v1": "trunkline.v1",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = importlib.import_module(_MODULES[name])
    elif name in _HOMES:
        found = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found
