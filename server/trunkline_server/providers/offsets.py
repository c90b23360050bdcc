"""Offsets of citations: providers count in their own ways, the contract in bytes of UTF-8."""

from array import array
from bisect import bisect_right
from typing import Any, Final

__all__ = ["TextOffsets"]


class TextOffsets:
    """Turns offsets in characters, as the provider counts, into offsets in UTF-8 bytes, as the contract does.

    Most answers cite nothing, so little is kept: of a text in ASCII, whose offsets are equal, its length alone, and of
    another its bytes from the first piece that is not ASCII, with marks about every STEP characters. Offsets beyond
    MAX_CHARS are not told. A look costs two steps of text at most.
    """

    __slots__ = ("_ascii", "_byte_marks", "_bytes", "_char_marks", "_chars")

    STEP: Final = 1024
    MAX_CHARS: Final = 1 << 20

    def __init__(self) -> None:
        self._chars = 0
        """Characters so far."""
        self._ascii = 0
        """So many of these stand before `_bytes`, a byte each."""
        self._bytes = bytearray()
        self._char_marks = array("Q")
        """Where steps begin, in characters from the start of the text."""
        self._byte_marks = array("Q")
        """Where the same steps begin in `_bytes`."""

    def add(self, text: str) -> None:
        """Add what follows."""
        text = text[: self.MAX_CHARS - self._chars]
        if not self._bytes and text.isascii():
            self._chars += len(text)
            self._ascii = self._chars
            return
        for at in range(0, len(text), self.STEP):
            self._keep(text[at : at + self.STEP])

    def _keep(self, piece: str) -> None:
        if not self._char_marks or self._chars - self._char_marks[-1] >= self.STEP:
            self._char_marks.append(self._chars)
            self._byte_marks.append(len(self._bytes))
        self._bytes += piece.encode()
        self._chars += len(piece)

    def span(self, start: Any, end: Any) -> tuple[int, int] | None:
        """First byte and one past the last; None if this is no span of the text, or not told."""
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= self._chars:
            return None
        return self._byte(start), self._byte(end)

    def _byte(self, char: int) -> int:
        if char <= self._ascii:
            return char
        place = bisect_right(self._char_marks, char) - 1
        first = self._byte_marks[place]
        last = self._byte_marks[place + 1] if place + 1 < len(self._byte_marks) else len(self._bytes)
        before = self._bytes[first:last].decode()[: char - self._char_marks[place]]
        return self._ascii + first + len(before.encode())
