"""The dialects themselves, made after the table in registry.py."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from trunkline_server.core.account import DialectRow
from trunkline_server.core.dialect import Dialect
from trunkline_server.providers.registry import ROWS

__all__ = ["DIALECTS"]


def _speaker(row: DialectRow) -> Dialect:
    module, _, name = row.speaker.partition(":")
    speaker: Dialect = getattr(import_module(module), name)(*row.arguments)
    return speaker


DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({name: _speaker(row) for name, row in ROWS.items()})
"""By name."""
