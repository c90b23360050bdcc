"""Cuts Markdown that is still being written into blocks.

1. A block that was given out is final: nothing that comes later changes how it reads. What still can change is in
   `growing`, and it is at most MAX_BLOCK characters, so that drawing it again and again costs the same however long the
   answer is.
2. The pieces may be cut anywhere: the blocks are the same.
3. A block is a paragraph, a heading, a table, one item of a list with all that hangs below it, or CODE_LINES lines of
   code. One that grows beyond MAX_BLOCK is cut, at a sentence where there is one; a table begins anew with its head.

It knows as much of CommonMark as it takes to find where blocks end. What is inside them is for a parser to say.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

__all__ = ["CODE_LINES", "MAX_BLOCK", "Block", "Blocks", "Kind"]

MAX_BLOCK: Final = 8 * 1024
"""Most characters of a block, but for one line of code that is longer."""
CODE_LINES: Final = 16
"""Lines of code that are final together."""
_HEAD_LINES: Final = 2
_HANGING: Final = 2
"""Columns by which a line is indented that belongs to the item above it."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
_HANGING_FENCE: Final = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM: Final = re.compile(r" {0,1}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
_FIRST_ITEM: Final = re.compile(r" {0,1}(?:[-*+]|1[.)])\s")
"""What may interrupt a paragraph: "1986. A year" at the begin of a line is no list."""
_RULE: Final = re.compile(r" {0,3}([-*_])(?: *\1){2,} *$")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_DELIMITERS: Final = re.compile(r" {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")


class Kind(Enum):
    """What a block is."""

    FLOW = auto()
    """Paragraphs, headings, quotes, rules."""
    ITEM = auto()
    TABLE = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of Markdown that reads the same alone."""

    kind: Kind
    text: str
    """The source; of code the lines between the fences."""
    language: str = ""
    opens: bool = True
    """False if this goes on with the code of the block before."""
    closes: bool = True
    """False if the next goes on with this code."""


@dataclass(slots=True)
class _Code:
    """A fence that is open."""

    fence: str
    language: str
    begun: bool = False
    """True if lines of it were given out."""

    def closed_by(self, line: str) -> bool:
        bare = line.strip()
        return bare.startswith(self.fence) and not bare.strip(self.fence[0])


class Blocks:
    """Text in, blocks out."""

    def __init__(self) -> None:
        self._line = ""
        """The last line, which has not ended."""
        self._lines: list[str] = []
        self._size = 0
        self._kind = Kind.FLOW
        self._code: _Code | None = None
        self._hanging_fence = ""
        self._after_blank = False
        self._out: list[Block] = []

    def feed(self, piece: str) -> list[Block]:
        """The blocks that are final with this piece."""
        *whole, self._line = (self._line + piece).split("\n")
        for line in whole:
            self._take(line)
        if self._size + len(self._line) > MAX_BLOCK:
            self._cut()
        return self._given()

    def end(self) -> list[Block]:
        """The rest: there is no more text."""
        if self._line:
            self._take(self._line)
            self._line = ""
        if self._code is not None:
            self._give_code(closes=True)
        self._give()
        return self._given()

    @property
    def growing(self) -> Block | None:
        """What is not final yet, if there is anything."""
        if self._code is not None:
            return self._growing_code(self._code)
        lines = [*self._lines, self._line] if self._line else self._lines
        text = "\n".join(lines)
        return Block(kind=self._kind, text=text) if text.strip() else None

    def _growing_code(self, code: _Code) -> Block | None:
        shown = "" if self._line and not self._line.strip().strip(code.fence[0]) else self._line  # the fence, perhaps
        text = "\n".join([*self._lines, *([shown] if shown else [])])
        if code.begun and not text:
            return None
        return Block(kind=Kind.CODE, text=text, language=code.language, opens=not code.begun, closes=False)

    def _given(self) -> list[Block]:
        given, self._out = self._out, []
        return given

    def _take(self, line: str) -> None:
        """One whole line."""
        if self._code is not None:
            self._take_code(line, self._code)
        elif not line.strip():
            self._take_blank(line)
        elif self._kind is Kind.ITEM and (self._hanging_fence or line[:_HANGING].isspace()):
            self._take_hanging(line)
        else:
            self._take_flow(line)
            self._after_blank = False

    def _take_code(self, line: str, code: _Code) -> None:
        if code.closed_by(line):
            self._give_code(closes=True)
            return
        self._keep(line)
        if len(self._lines) >= CODE_LINES or self._size > MAX_BLOCK:
            self._give_code(closes=False)

    def _take_blank(self, line: str) -> None:
        if self._kind is Kind.ITEM:  # what comes next says whether the item goes on
            self._keep(line)
            self._after_blank = True
        else:
            self._give()

    def _take_hanging(self, line: str) -> None:
        fence = _HANGING_FENCE.match(line)
        if fence and not self._hanging_fence:
            self._hanging_fence = fence[1]
        elif fence and line.strip().startswith(self._hanging_fence):
            self._hanging_fence = ""
        self._keep(line)
        self._after_blank = False

    def _take_flow(self, line: str) -> None:
        fence = _FENCE.match(line)
        if fence:
            self._give()
            self._code = _Code(fence[1], (fence[2].split() or [""])[0])
        elif _HEADING.match(line):
            self._give()
            self._keep(line)
            self._give()
        elif self._begins_item(line):
            self._give()
            self._kind = Kind.ITEM
            self._keep(line)
        else:
            self._take_text(line)

    def _begins_item(self, line: str) -> bool:
        if _RULE.match(line):
            return False
        interrupts = self._kind is not Kind.ITEM and bool(self._lines)
        return bool((_FIRST_ITEM if interrupts else _ITEM).match(line))

    def _take_text(self, line: str) -> None:
        ends_item = self._kind is Kind.ITEM and self._after_blank
        ends_table = self._kind is Kind.TABLE and "|" not in line
        if ends_item or ends_table:
            self._give()
        if self._kind is Kind.FLOW and len(self._lines) == 1 and "|" in self._lines[0] and _DELIMITERS.match(line):
            self._kind = Kind.TABLE
        self._keep(line)

    def _keep(self, line: str) -> None:
        if self._size + len(line) > MAX_BLOCK and self._lines and self._code is None:
            self._give_part()
        self._lines.append(line)
        self._size += len(line) + 1

    def _cut(self) -> None:
        """A line that doesn't end, or the block that it would be too much for."""
        if self._code is not None or len(self._line) <= MAX_BLOCK // 2:
            return
        while len(self._line) > MAX_BLOCK // 2:
            at = _sentence_end(self._line[: MAX_BLOCK // 2])
            line, self._line = self._line[:at], self._line[at:]
            self._keep(line)
            self._give_part()

    def _give_part(self) -> None:
        """Give out what there is of a block that goes on."""
        kind, head = self._kind, self._lines[:_HEAD_LINES]
        self._give()
        if kind is Kind.TABLE and sum(map(len, head)) < MAX_BLOCK // 2:
            self._kind = kind
            self._lines, self._size = head, sum(map(len, head))

    def _give(self) -> None:
        text = "\n".join(self._lines)
        if text.strip():
            self._out.append(Block(kind=self._kind, text=text))
        self._lines, self._size, self._kind = [], 0, Kind.FLOW
        self._hanging_fence, self._after_blank = "", False

    def _give_code(self, *, closes: bool) -> None:
        code = self._code
        if code is None:
            return
        text = "\n".join(self._lines)
        part = Block(kind=Kind.CODE, text=text, language=code.language, opens=not code.begun, closes=closes)
        self._out.append(part)
        self._lines, self._size = [], 0
        self._code = None if closes else replace(code, begun=True)


def _sentence_end(text: str) -> int:
    """Where to cut: after the last sentence, else after the last word, else at the end."""
    for mark in (". ", "。", " "):
        at = text.rfind(mark)
        if at > 0:
            return at + len(mark)
    return len(text)
