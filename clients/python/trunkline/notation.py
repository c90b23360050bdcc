"""Words of people to values of the contract, with complaints that name the place.

A complaint is "place: what would be right there, not what was given": `messages[0].content[1]: text, not int`. It is a
TypeError or a ValueError, raised before anything is sent.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

__all__ = ["checked", "checked_text", "enum_value", "json_bytes", "placed", "unknown_keys"]


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Complaints of Python and protobuf from within get the place in front; those that have it stay as they are."""
    try:
        yield
    except UnicodeEncodeError as wrong:
        raise ValueError(f"{place}: text that is no Unicode at character {wrong.start}") from None
    except (AttributeError, TypeError, ValueError) as wrong:
        if str(wrong).startswith(place):
            raise
        kind = ValueError if isinstance(wrong, ValueError) else TypeError
        raise kind(f"{place}: {wrong}") from wrong


def checked(value: Any, kind: type | tuple[type, ...], words: str, place: str) -> Any:
    """The value, if it is of the kind that the words describe. True and False are no numbers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{place}: {words}, not {type(value).__name__}")
    return value


def checked_text(value: Any, place: str) -> str:
    """The value, if it is text."""
    return str(checked(value, str, "text", place))


def enum_value(enum: Any, prefix: str, word: object, place: str) -> Any:
    """The value of an enum of the contract by its word in lower case, or by a member of an Enum with that word."""
    if isinstance(word, Enum):
        word = word.value
    words = [name.removeprefix(prefix).lower() for name in enum.keys()]  # noqa: SIM118 - not a dict
    words.remove("unspecified")
    if word not in words:
        raise ValueError(f"{place}: one of {', '.join(words)}, not {word!r}")
    return enum.Value(prefix + str(word).upper())


def json_bytes(value: Any, place: str) -> bytes:
    """A JSON text in UTF-8; a str or bytes is taken for one already."""
    if isinstance(value, bytes):
        return value
    with placed(place):
        return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)).encode()


def unknown_keys(given: Any, known: frozenset[str], place: str) -> None:
    """Refuses a dict that says something under other keys. None and an empty list say nothing."""
    wrong = [name for name in given.keys() - known if given[name] is not None and given[name] != []]
    if wrong:
        names = ", ".join(sorted(map(str, wrong)))
        raise ValueError(f"{place}: only {', '.join(sorted(known))} can stand here, not {names}")
