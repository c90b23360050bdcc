"""Fills `${...}` in texts of the configuration file.

`${NAME}` is a variable of the environment, `${NAME:-default}` the same with a text for when it is unset or empty,
`${file:/path}` what a file holds without the newline at its end, `$${` stands for `${` itself. What was filled in is
not filled again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MAX_FILLED_CHARS: Final = 64 * 1024
"""Bound on a text after filling, and on a file that is filled in, in bytes."""
MAX_ALL_FILLED_CHARS: Final = 2 * 1024 * 1024
"""Bound on what is filled in altogether: one large file may be named in thousands of places."""

_MARK: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Filled(str):
    """Text that holds something from a variable or a file. It may be secret and is never shown."""

    __slots__ = ()


class FillingFailed(Exception):
    """A `${...}` that can't be filled."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


@dataclass(slots=True, kw_only=True)
class Interpolator:
    """Fills texts, and keeps what it took them from."""

    environ: Mapping[str, str] = field(repr=False)
    variables: set[str] = field(default_factory=set)
    """Names of the variables that were asked for."""
    files: dict[Path, str] = field(default_factory=dict, repr=False)
    """Files that were read. Each is read once, so that one load sees one version of it."""
    chars: int = 0
    """What was filled in so far."""

    def fill(self, text: str) -> str:
        """The text with its `${...}` filled; a `Filled` if there were any. Raises FillingFailed."""
        if "${" not in text:
            return text
        pieces: list[str] = []
        end, chars, literal = 0, 0, True
        for mark in _MARK.finditer(text):
            piece = self._piece(mark)
            literal = literal and mark.group() == "$${"
            pieces += text[end : mark.start()], piece
            end = mark.end()
            chars += len(piece)
            if chars > MAX_FILLED_CHARS:
                raise FillingFailed("too long after filling in", f"At most {MAX_FILLED_CHARS} characters are taken")
        self.chars += chars
        if self.chars > MAX_ALL_FILLED_CHARS:
            raise FillingFailed("too much is filled in altogether", f"At most {MAX_ALL_FILLED_CHARS} characters are")
        filled = "".join((*pieces, text[end:]))
        return filled if literal else Filled(filled)

    def _piece(self, mark: re.Match[str]) -> str:
        if mark.group() == "$${":
            return "${"
        body = mark.group(1)
        if body is None:
            raise FillingFailed("a ${ without its }", "Close it, or write $${ for the characters themselves")
        if body.startswith("file:"):
            return self._file(Path(body.removeprefix("file:")))
        return self._variable(body)

    def _variable(self, body: str) -> str:
        name, has_default, default = body.partition(":-")
        if not _NAME.fullmatch(name):
            mend = "Write ${NAME}, ${NAME:-default} or ${file:/path}, or $${ for the characters themselves"
            raise FillingFailed("a ${...} that names no variable", mend)
        self.variables.add(name)
        value = self.environ.get(name)
        if has_default:
            return value or default
        if value is None:
            mend = f"Set it, or write ${{{name}:-}} to go without"
            raise FillingFailed(f"the environment variable {name} is not set", mend)
        return value

    def _file(self, path: Path) -> str:
        if path not in self.files:
            self.files[path] = _read(path)
        return self.files[path]


def _read(path: Path) -> str:
    if not path.is_absolute():
        raise FillingFailed("the path after ${file: is not absolute", "Begin it with a slash")
    data, why = _bytes_of(path)
    if why:
        raise FillingFailed(f"can't read {path}: {why}", "Make it, or let the gateway's user read it")
    if len(data) > MAX_FILLED_CHARS:
        raise FillingFailed(f"{path} is too large", f"At most {MAX_FILLED_CHARS} bytes are taken")
    text = data.decode("utf-8", errors="replace")
    if "\ufffd" in text:
        raise FillingFailed(f"{path} is not text in UTF-8", "Store the value itself in it")
    return text.removesuffix("\n").removesuffix("\r")


def _bytes_of(path: Path) -> tuple[bytes, str]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILLED_CHARS + 1), ""
    except OSError as error:
        return b"", error.strerror or "it failed"
