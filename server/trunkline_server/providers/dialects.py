"""The dialects themselves, made after the table in registry.py when they are first asked for.

A configuration names a few of them. `app` asks for these before calls are served, so that no call waits for an import.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from trunkline_server.core.dialect import Dialect
from trunkline_server.providers.registry import ROWS

__all__ = ["DIALECTS"]


class _Dialects(Mapping[str, Dialect]):
    """All of them, by name."""

    def __init__(self) -> None:
        self._made: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._made:
            row = ROWS[name]
            module, _, speaker = row.speaker.partition(":")
            self._made[name] = getattr(import_module(module), speaker)(*row.arguments)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


DIALECTS: Final[Mapping[str, Dialect]] = _Dialects()
"""By name."""
