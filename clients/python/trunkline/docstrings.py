"""What a docstring says: its first paragraph, and a text for each parameter.

Google's, Sphinx's and the simple half of NumPy's conventions are read:

    Args:                          :param city: Where.       Parameters
        city (str): Where.                                   ----------
                                                             city : str
                                                                 Where.

What is written otherwise is no error; its parameters have no text.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Final

__all__ = ["parameters_of", "summary_of"]

_SECTION: Final = re.compile(r"(Args|Arguments|Parameters|Attributes|Keyword Args|Fields):")
_ENTRY: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^:]*\))?:\s*(.*)")
_SPHINX: Final = re.compile(r":(?:param|parameter|arg|argument|key|ivar|cvar)\s+(?:[^:]*\s)?\*{0,2}(\w+):\s*(.*)")
_NUMPY_NAME: Final = re.compile(r"(\w+)(?:\s*:.*)?")


def summary_of(doc: str | None) -> str:
    """The first paragraph in one line."""
    paragraph = inspect.cleandoc(doc or "").split("\n\n", 1)[0]
    lines = [line.strip() for line in paragraph.splitlines()]
    return "" if lines and (_SECTION.fullmatch(lines[0]) or _SPHINX.match(lines[0])) else " ".join(lines)


def parameters_of(doc: str | None) -> dict[str, str]:
    """What is said of each parameter, in one line each."""
    found: dict[str, list[str]] = {}
    for name, text in _entries(inspect.cleandoc(doc or "").splitlines()):
        found.setdefault(name, []).append(text.strip())
    return {name: told for name, pieces in found.items() if (told := " ".join(filter(None, pieces)))}


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each parameter's name with a line of its text, as often as it has lines."""
    for index, line in enumerate(lines):
        if _SECTION.fullmatch(line):
            yield from _section(lines[index + 1 :], _ENTRY)
        elif line in ("Parameters", "Attributes") and set("".join(lines[index + 1 : index + 2])) == {"-"}:
            yield from _section(["    " + each if each else each for each in lines[index + 2 :]], _NUMPY_NAME)
        elif match := _SPHINX.match(line):
            yield match[1], match[2]
            yield from ((match[1], each) for each in _block(lines[index + 1 :]))


def _section(lines: list[str], entry: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Entries that are indented alike, each followed by lines that are indented deeper."""
    depth, name = 0, ""
    for line in _block(lines):
        indent = len(line) - len(line.lstrip())
        depth = depth or indent
        match = entry.fullmatch(line.strip()) if indent == depth else None
        if match:
            name = match[1]
            yield name, match[2] if entry.groups > 1 else ""
        elif name and indent > depth:
            yield name, line
        elif line.strip():
            return


def _block(lines: list[str]) -> Iterator[str]:
    """The lines up to the first that is not indented. Empty ones are left out."""
    for line in lines:
        if line and not line[0].isspace():
            return
        if line.strip():
            yield line
