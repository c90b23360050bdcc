"""What was typed in earlier chats, in a file of the user's own.

1. The file is in $XDG_STATE_HOME/trunkline (~/.local/state/trunkline), readable by its owner alone. Only what was typed
   is in it, never an answer. What begins with a space is not kept, as in shells.
2. It holds at most MAX_BYTES; beyond that the older half is dropped at the next start.
3. Where it can't be read or written, a chat has only its own history, and says so once.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from trunkline_server.cli.output import note

__all__ = ["MAX_BYTES", "FileHistory", "history_file"]

MAX_BYTES: Final = 1024 * 1024
MAX_ENTRY_BYTES: Final = 64 * 1024
"""A longer entry, pasted most likely, is not kept."""


def history_file(environ: Mapping[str, str]) -> Path:
    """Where the history is. The XDG base directory specification: a path that is not absolute is ignored."""
    given = Path(environ.get("XDG_STATE_HOME", ""))
    state = given if given.is_absolute() else Path.home() / ".local" / "state"
    return state / "trunkline" / "chat_history"


class FileHistory(History):
    """One entry a line, as JSON strings, the newest last."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._usable = True
        self._lines = self._earlier()  # now: a complaint while the prompt stands would stand in the middle of it

    def load_history_strings(self) -> Iterable[str]:
        """Entries, the newest first."""
        return [entry for line in reversed(self._lines) if (entry := _entry(line))]

    def _earlier(self) -> list[bytes]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._kept_lines()
        except OSError as failure:
            self._give_up(failure)
            return []

    def store_string(self, string: str) -> None:
        """Keep an entry."""
        line = json.dumps(string).encode() + b"\n"
        if not self._usable or string.startswith((" ", "\n")) or len(line) > MAX_ENTRY_BYTES:
            return
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(file, 0o600)
                os.write(file, line)
            finally:
                os.close(file)
        except OSError as failure:
            self._give_up(failure)

    def _kept_lines(self) -> list[bytes]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_BYTES // 2) if size > MAX_BYTES else 0)
            lines = file.read(MAX_BYTES).splitlines(keepends=True)
        if size > MAX_BYTES:
            del lines[0]  # most likely the end of a line
            self._replace(b"".join(lines))
        return lines

    def _replace(self, content: bytes) -> None:
        file, name = tempfile.mkstemp(dir=self._path.parent, prefix="chat_history.")  # readable by its owner alone
        try:
            with os.fdopen(file, "wb") as out:
                out.write(content)
            Path(name).replace(self._path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def _give_up(self, failure: OSError) -> None:
        if self._usable:
            note(f"(the history can't be kept: {failure.strerror}: {self._path})")
        self._usable = False


def _entry(line: bytes) -> str:
    with suppress(ValueError):
        entry = json.loads(line)
        return entry if isinstance(entry, str) else ""
    return ""
