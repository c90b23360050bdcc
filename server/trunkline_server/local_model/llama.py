"""llama.cpp's server, run in this process by xllamacpp on threads of its own."""

import importlib
import os
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

from trunkline_server.core.control import StartModel
from trunkline_server.local_model import weights
from trunkline_server.local_model.weights import ModelUnavailable

_ERRORS_ONLY: Final = 1


def serve(wanted: StartModel) -> tuple[Any, int]:
    """Loads the weights and serves them on 127.0.0.1; returns the server, to be held, and its port.

    Takes seconds to minutes, and may hold the interpreter's lock meanwhile. Raises ModelUnavailable.
    """
    llama = _xllamacpp()
    path = weights.find(wanted.gguf)
    params = llama.CommonParams()
    params.model.path = os.fspath(path)
    params.model_alias = {wanted.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [wanted.api_key]
    params.n_parallel = wanted.slots
    params.n_ctx = wanted.context_tokens
    params.cpuparams.n_threads = wanted.threads
    params.cpuparams_batch.n_threads = wanted.threads
    params.n_threads_http = wanted.slots + 1
    params.warmup = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = _ERRORS_ONLY
    try:
        server = llama.Server(params)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelUnavailable(
            f"llama.cpp can't load {path}; its reasons are above. Is the file cut short, or of a new kind?"
        ) from error
    return server, urlsplit(server.listening_address).port or 0


def _xllamacpp() -> ModuleType:
    """Optional, and far too heavy to load where it is not needed."""
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as error:
        raise ModelUnavailable(
            "llama.cpp is not installed; `pip install 'trunkline-server[local]'`, or take the provider of dialect "
            "local out of the configuration"
        ) from error
