"""What is wrong with a configuration, said so that it can be mended.

1. A problem names the file, the line, the key, what is wrong and what to do.
2. It never holds a value that could be a secret: values of variables and files, values that failed a check, and the
   words of a parser about them stay out, also out of the chain of exceptions.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails, PydanticCustomError

MAX_PROBLEMS: Final = 100
"""Of more problems than this the rest is left out: whoever mends these will see them next."""
MAX_NAMES_LISTED: Final = 48
MAX_ODD_KEY_CHARS: Final = 64
"""Of a key that is no name more than this is left out."""

Where = tuple[str | int, ...]
"""Keys and indexes from the top of a file to a value."""

_WRONG: Final = "trunkline"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_./@:+-]{1,256}")
_VALUE_BEGINS: Final = re.compile(r"[:=]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. As text: "trunkline.yaml:12: models.fast: no deployments. Add one"."""

    file: str = ""
    """The file as it was named; empty for the environment."""
    line: int = 0
    """Counted from 1; 0 where there is none."""
    key: str = ""
    """Path of the key in the file, or name of the variable."""
    message: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        parts = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{parts}. {self.mend}" if self.mend else parts


class ConfigError(Exception):
    """A configuration that can't be used. Its text has one problem a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)[:MAX_PROBLEMS]
        super().__init__("\n".join(map(str, self.problems)))


def key_text(where: Where) -> str:
    """The path as people write it: "models.fast.deployments[0].provider".

    A key with characters that no name of ours has stands in quotes, up to where a value may have been pasted with it.
    """
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part if _PLAIN_KEY.fullmatch(part) else _odd_key(part)}"
    return text.removeprefix(".")


def _odd_key(key: str) -> str:
    name = _VALUE_BEGINS.split(key, maxsplit=1)[0][:MAX_ODD_KEY_CHARS]
    shown = "".join(char if char.isprintable() else "?" for char in name)
    return f"'{shown}'" if name == key else f"'{shown}...'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A mend that names the likeliest of the known names; all of them where none is near and they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(names)}" if 0 < len(names) <= MAX_NAMES_LISTED else ""


def wrong(message: str, mend: str = "", *, key: str = "") -> PydanticCustomError:
    """What a validator raises. `key` names the field where the validator belongs to a whole model."""
    return PydanticCustomError(_WRONG, "{message}", {"message": message, "mend": mend, "key": key})


def explain(error: ErrorDetails) -> tuple[str, str]:
    """Message and mend for a failed check of pydantic's. Its own words and the input are not used."""
    ctx: dict[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if kind == _WRONG:
        return ctx["message"], ctx["mend"]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**{name: _short(value) for name, value in ctx.items()}), ""
    return _KINDS.get(kind, ("not valid", ""))


def _short(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


_LIMITS: Final = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "literal_error": "must be {expected}",
}

_WHOLE: Final = ("must be a whole number", "")
_NUMBER: Final = ("must be a number", "")
_LIST: Final = ("must be a list", "Begin each entry with a dash")
_MAPPING: Final = ("must be a mapping", "Write keys and values: `key: value`")

_KINDS: Final = {
    "missing": ("missing", "It is required"),
    "string_type": ("must be text", "Put quotes around it"),
    "int_type": ("must be a whole number", "Write it in digits, without quotes"),
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": ("must be true or false", "Write it without quotes"),
    "bool_parsing": ("must be true or false", ""),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
}
