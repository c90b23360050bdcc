"""Loads parts of the client when they are first used, so that a program pays for those that it uses.

What is late stands in two places of a module: as an import for those who check types, and as a `Late` for Python.
"""

import importlib
from typing import Any

__all__ = ["Late"]


class Late:
    """Stands for a module, or for a function or class in one: "trunkline.stream:Stream"."""

    __slots__ = ("_found", "_home")

    def __init__(self, home: str) -> None:
        self._home = home
        self._found: Any = None

    def _load(self) -> Any:
        if self._found is None:
            module, _, name = self._home.partition(":")
            loaded = importlib.import_module(module)
            self._found = getattr(loaded, name) if name else loaded
        return self._found

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call what this stands for."""
        return (self._found or self._load())(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)
