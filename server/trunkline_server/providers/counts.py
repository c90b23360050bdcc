"""Numbers of tokens, as providers write them."""

from typing import Any, Final

import msgspec

__all__ = ["count_of"]

_MAX_INT64: Final = (1 << 63) - 1


def count_of(wire: Any, name: str) -> int | None:
    """The count of this name in an object; None where there is none, or what is there is no count."""
    value = wire.get(name) if isinstance(wire, dict) else None
    if isinstance(value, msgspec.Raw):  # with a fraction or an exponent: 12.0 is a count
        value = float(bytes(value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_INT64 else None
