"""A value that must not be seen.

1. No repr, str or format of it shows the value; only `reveal()` gives it.
2. Two secrets compare in constant time.
"""

import hmac
from typing import Final, final


@final
class Secret:
    """A credential. `repr`, `str` and f-strings give a mask."""

    __slots__ = ("_value",)
    MASK: Final = "***"

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call it where it goes onto the wire, and nowhere else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({self.MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret does not leave its process by pickling")
