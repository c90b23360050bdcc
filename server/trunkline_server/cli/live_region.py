"""The last rows of a terminal, which are drawn again while they change; what is above them stays.

1. One write a frame, and only from the first row on that differs: nothing flickers.
2. At most as many rows as the terminal has are drawn again. Of a longer part that grows the last rows are shown; it is
   printed whole when it is final.
3. After a change of width the rows that the terminal wrapped are counted, so that none is left behind and nothing above
   is lost.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.cells import cell_len

__all__ = ["Region", "reflows", "terminal_size"]

_KEEP_LINES: Final = ("linux", "vt", "screen")
"""Beginnings of TERM where a narrower window cuts lines instead of wrapping them."""

_STYLES: Final = re.compile(r"\x1b\[[0-9;]*m")

USUAL_SIZE: Final = os.terminal_size((80, 24))
"""Of terminals that say they have no columns, as serial lines do."""


def terminal_size() -> os.terminal_size:
    """Of the terminal that stdout is."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return os.terminal_size((size.columns or USUAL_SIZE.columns, size.lines or USUAL_SIZE.lines))


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether the terminal wraps what it shows when its window gets narrower. Nearly all do, tmux among them."""
    if "TMUX" in environ:
        return True
    return not (environ.get("TERM", "").startswith(_KEEP_LINES) or "XTERM_VERSION" in environ)


class Region:
    """Rows at the end of a terminal. Between frames the cursor stands at the end of the last of them."""

    def __init__(
        self, write: Callable[[str], object], size: Callable[[], os.terminal_size], *, reflowing: bool
    ) -> None:
        self._write = write
        self._size = size
        self._reflowing = reflowing
        self._shown: list[str] = []
        self._drawn_for = 0

    @property
    def width(self) -> int:
        """Columns that rows may take: the last one stays free, where terminals differ in when they wrap."""
        return self._size().columns - 1

    @property
    def height(self) -> int:
        """Rows of the terminal."""
        return self._size().lines

    def draw(self, final: Sequence[str], growing: Sequence[str]) -> None:
        """Print rows that stay, and below them rows that may change."""
        size = self._size()
        rows = list(growing[-max(size.lines - 1, 1) :])
        same = 0 if final or size.columns != self._drawn_for else _equal_begin(self._shown, rows)
        if not final and same == len(rows) == len(self._shown):
            return
        if same == len(rows) and same:  # fewer rows than before: the cursor has to end at the end of one
            same -= 1
        self._write(
            "".join((self._back_to(same, size.columns), *(f"{row}\n" for row in final), "\n".join(rows[same:])))
        )
        self._shown, self._drawn_for = rows, size.columns

    def _back_to(self, row: int, columns: int) -> str:
        """Puts the cursor at the begin of that row, and clears from there on."""
        if row == len(self._shown):
            return "\n" if self._shown else ""
        heights = [self._height(shown, columns) for shown in self._shown[row:]]
        up = sum(heights) - 1
        return f"\r\x1b[{up}A\x1b[J" if up else "\r\x1b[J"

    def _height(self, row: str, columns: int) -> int:
        if not self._reflowing or columns >= self._drawn_for:
            return 1
        return max(-(-_cells(row) // max(columns, 1)), 1)


def _equal_begin(old: Sequence[str], new: Sequence[str]) -> int:
    """How many rows are equal from the first on."""
    for place, (left, right) in enumerate(zip(old, new, strict=False)):
        if left != right:
            return place
    return min(len(old), len(new))


def _cells(row: str) -> int:
    """Columns that a painted row takes."""
    return cell_len(_STYLES.sub("", row))
