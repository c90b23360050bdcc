"""Text of others, made safe for a terminal: what could drive it is shown and not obeyed.

Escape sequences can move the cursor, set the title, write to the clipboard, or hide what a link leads to. None of them
works without a control character, so each of those becomes a character that can be seen.
"""

from typing import Final

__all__ = ["visible"]

_KEPT: Final = frozenset(map(ord, "\n\t"))
_VISIBLE: Final = {
    **{code: 0x2400 + code for code in range(0x20) if code not in _KEPT},
    **dict.fromkeys(range(0x7F, 0xA0), 0xFFFD),
    # Overrides of direction make a line read other than it is, code above all.
    **dict.fromkeys((0x202D, 0x202E), 0xFFFD),
    # Line and paragraph separators: some terminals break the line there, which no count of rows would know.
    **dict.fromkeys((0x2028, 0x2029), ord("\n")),
    # Half a pair can't be written at all.
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}
"""Control characters to their pictures (U+2400 and on), the C1 block to the replacement character."""


def visible(text: str) -> str:
    """The same text, in which nothing can drive a terminal. Line ends and tabs stay."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)
