"""A terminal and a person at it: the real command on a pseudo terminal, and what its screen shows."""

import codecs
import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping

import pyte

WAIT_S = 20.0
SCROLLBACK = 4_000

# The command's terminal is its controlling one, so that Ctrl-C and a change of size reach it as signals.
_AS_SHELLS_DO = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)


class Terminal:
    """Type with `types`, wait with `shows`."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, columns: int, lines: int) -> None:
        self.process = process
        self.written = b""
        """All that the command wrote."""
        self._fd = fd
        self._screen = pyte.HistoryScreen(columns, lines, history=SCROLLBACK, ratio=0.5)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def text(self) -> str:
        """The scrollback and the screen."""
        above = [
            "".join(row[column].data for column in range(self._screen.columns)) for row in self._screen.history.top
        ]
        return "\n".join(row.rstrip() for row in (*above, *self._screen.display)).rstrip()

    @property
    def title(self) -> str:
        return self._screen.title

    @property
    def row(self) -> str:
        """The row in which the cursor is, up to it."""
        return self._screen.display[self._screen.cursor.y][: self._screen.cursor.x]

    def types(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def shows(self, *words: str) -> str:
        """Wait until all of the words are there, and give the whole text."""
        return self.until(lambda: all(word in self.text for word in words), f"{words}")

    def prompts(self, typed: str = "") -> str:
        """Wait until the cursor stands behind a prompt and what is typed there."""
        return self.until(lambda: self.row == f"> {typed}", f"a prompt with {typed!r}")

    def until(self, there: Callable[[], bool], what: str) -> str:
        last = time.monotonic() + WAIT_S
        while not there():
            ready = select.select([self._fd], [], [], max(last - time.monotonic(), 0))[0]
            came = bool(ready) and self._read()
            assert came, f"{what} did not come in:\n{self.text}"
        return self.text

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        _set_size(self._fd, columns, lines)

    def ends(self) -> int:
        """Wait for the end, and give the exit code."""
        while self._read():
            pass
        return self.process.wait(WAIT_S)

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says EIO where nobody has the other side any more
            return False
        self.written += data
        self._stream.feed(self._decoder.decode(data))
        return bool(data)


def _set_size(fd: int, columns: int, lines: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@contextlib.contextmanager
def terminal(
    *words: str, columns: int = 80, lines: int = 24, environ: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """`trunkline WORDS` on a terminal of that size, killed at the end if it still runs."""
    ours, theirs = pty.openpty()
    _set_size(theirs, columns, lines)
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TMUX", "COLUMNS", "LINES")}
    environ = {**kept, "TERM": "linux", "PROMPT_TOOLKIT_NO_CPR": "1", **(environ or {})}
    command = [sys.executable, "-c", _AS_SHELLS_DO, sys.executable, "-m", "trunkline_server", *words]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    try:
        yield Terminal(process, ours, columns, lines)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
