"""The dialects that this build speaks, by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trunkline_server.core.dialect import Dialect
from trunkline_server.providers.local import Local
from trunkline_server.providers.openai import OpenAI

__all__ = ["DIALECTS", "dialect"]

_ALL: Final[tuple[Dialect, ...]] = (OpenAI(), Local())

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({each.name: each for each in _ALL})


def dialect(name: str) -> Dialect:
    """The dialect of this name. Raises KeyError; the configuration is checked against DIALECTS."""
    return DIALECTS[name]
