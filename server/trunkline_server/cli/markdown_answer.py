"""An answer on a terminal, as Markdown that grows.

1. What is final is printed once and stays in the scrollback; only the last block is drawn again, at most 20 times a
   second. The cost of an answer is in proportion to its length.
2. Thoughts are shown dim, in three rows that give way to the answer, or whole where that is wanted.
3. While nothing comes, a dim line says for how long.
4. At most MAX_WAITING blocks wait to be drawn; beyond that the reader of the stream draws them itself, so that a
   terminal that is stopped stops the stream.
5. What is typed meanwhile is not shown in the middle of the answer; the next prompt has it.
"""

import os
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from trunkline_server.cli.live_region import Region, reflows, terminal_size
from trunkline_server.cli.markdown_blocks import Block, Blocks
from trunkline_server.cli.markdown_view import Painter
from trunkline_server.cli.output import write_now
from trunkline_server.cli.printable import visible

__all__ = ["opened"]

FRAME_S: Final = 0.05
IDLE_S: Final = 0.5
MAX_WAITING: Final = 64
THOUGHT_ROWS: Final = 3
MAX_THOUGHT: Final = 4 * 1024
"""Characters of a thought that are kept where only its last rows are shown, and of one line where all of it is."""
SILENCE_S: Final = 1.0
"""Waiting that is worth a word."""
_ECHO_FLAGS: Final = 3
"""Where termios keeps the local flags."""


class _Answer:
    """What is there of an answer, and how it looks."""

    def __init__(self, region: Region, *, thoughts: bool) -> None:
        self._region = region
        self._painter = Painter()
        self._blocks = Blocks()
        self._waiting: list[Block] = []
        self._thought = ""
        self._thinks_aloud = thoughts
        self._begun = monotonic()
        self._answering = False
        self._over = False

    @property
    def waiting(self) -> int:
        """Blocks that are final and not yet drawn."""
        return len(self._waiting)

    def text(self, piece: str) -> None:
        self._answering = True
        self._waiting += self._blocks.feed(visible(piece))

    def thought(self, piece: str) -> None:
        self._thought += visible(piece)
        if not self._thinks_aloud:
            self._thought = self._thought[-MAX_THOUGHT:]

    def end(self) -> None:
        """Nothing more comes."""
        self._over = True
        self._waiting += self._blocks.end()

    def draw(self) -> None:
        """One frame."""
        width = self._region.width
        final = self._thought_rows(width)
        waiting, self._waiting = self._waiting, []
        for block in waiting:
            final += self._painter.final(block, width)
        self._region.draw(final, self._growing(width))

    def _thought_rows(self, width: int) -> list[str]:
        """Thoughts that are shown whole are printed line by line."""
        if not self._thinks_aloud:
            return []
        done = self._answering or self._over or len(self._thought) > MAX_THOUGHT
        upto = len(self._thought) if done else self._thought.rfind("\n") + 1
        whole, self._thought = self._thought[:upto], self._thought[upto:]
        return self._painter.dim(whole.rstrip("\n"), width) if whole.strip() else []

    def _growing(self, width: int) -> Sequence[str]:
        if self._over:
            return ()
        if self._answering:
            block = self._blocks.growing
            return self._painter.growing(block, width) if block else ()
        if self._thought:
            return self._painter.dim(self._thought[-THOUGHT_ROWS * width :].strip(), width)[-THOUGHT_ROWS:]
        waited = monotonic() - self._begun
        return self._painter.dim(f"waiting, {waited:.0f} s", width) if waited >= SILENCE_S else ()


class _Screen:
    """Draws an answer from a thread of its own, so that what came is shown also where nothing follows."""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer
        self._lock = Lock()
        self._changed = Event()
        self._ended = Event()
        self._failure: OSError | None = None
        self._thread = Thread(target=self._run, name="screen", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def text(self, piece: str) -> None:
        with self._lock:
            self._answer.text(piece)
            self._shown()

    def thought(self, piece: str) -> None:
        with self._lock:
            self._answer.thought(piece)
            self._shown()

    def _shown(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._answer.waiting > MAX_WAITING:
            self._answer.draw()
        self._changed.set()

    def end(self) -> None:
        """Draw what is left. An interrupt meanwhile leaves the terminal as it is."""
        self._ended.set()
        self._changed.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._answer.end()
        self._answer.draw()

    def _run(self) -> None:
        try:
            while not self._ended.wait(FRAME_S):
                self._changed.wait(IDLE_S)
                self._changed.clear()
                with self._lock:
                    self._answer.draw()
        except OSError as failure:  # the terminal is gone; whoever feeds the answer is told
            self._failure = failure


@contextmanager
def opened(*, thoughts: bool) -> Iterator[_Screen]:
    """An answer on stdout, which is a terminal."""
    region = Region(write_now, terminal_size, reflowing=reflows(os.environ))
    screen = _Screen(_Answer(region, thoughts=thoughts))
    with _quiet_keyboard():
        screen.start()
        try:
            yield screen
        finally:
            screen.end()


@contextmanager
def _quiet_keyboard() -> Iterator[None]:
    """What is typed is kept for the next prompt, and not shown."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    quiet = termios.tcgetattr(keyboard)
    quiet[_ECHO_FLAGS] &= ~termios.ECHO
    try:
        termios.tcsetattr(keyboard, termios.TCSANOW, quiet)
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSANOW, before)
