"""Turns blocks of Markdown into rows for a terminal.

1. Colours are those of the terminal's own palette and there are no backgrounds, so that dark and light ones both work.
2. Links are written out and are never the terminal's own (OSC 8), which would hide where they lead.
3. A row ends where its text ends: what is copied has no spaces at its end. Rows of code that are final are as long as
   the code is, so that what is copied has no line ends of ours.
4. Nothing of the text can drive the terminal, also not what Markdown's entities spell.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String
from pygments.util import ClassNotFound
from rich import markdown
from rich.console import Console, RenderableType
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text
from rich.theme import Theme

from trunkline_server.cli.markdown_blocks import Block, Kind
from trunkline_server.cli.printable import visible

__all__ = ["Painter"]

MIN_WIDTH: Final = 10
MAX_CONTEXT: Final = 8 * 1024
"""Characters before a part of code that are read again to colour it. A longer string loses its colour."""
MAX_COLOURED: Final = 1_000
"""A longer line of code is not coloured: some lexers take long for what nobody reads."""

_THEME: Final = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold",
        "markdown.h5": "bold",
        "markdown.h6": "italic",
        "markdown.hr": "dim",
        "markdown.item.bullet": "bold",
        "markdown.item.number": "bold",
        "markdown.block_quote": "italic",
        "markdown.link": "underline",
        "markdown.link_url": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)
_CODE_THEME: Final = ANSISyntaxTheme(
    {
        Comment: Style(dim=True, italic=True),
        Keyword: Style(color="magenta"),
        Operator.Word: Style(color="magenta"),
        Name.Function: Style(color="blue"),
        Name.Class: Style(color="blue", bold=True),
        Name.Decorator: Style(color="blue"),
        Name.Tag: Style(color="blue"),
        Name.Builtin: Style(color="cyan"),
        String: Style(color="green"),
        Number: Style(color="cyan"),
        Generic.Deleted: Style(color="red"),
        Generic.Inserted: Style(color="green"),
        Generic.Heading: Style(bold=True),
    }
)
_TRAILING: Final = re.compile(r"(?: |\x1b\[[0-9;]*m)+$")
_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


class _Heading(markdown.Heading):
    """At the left, without a box."""

    LEVEL_ALIGN: ClassVar[dict[str, Any]] = {}


class _CodeBlock(markdown.CodeBlock):
    """Code inside of something else, between its fences."""

    def __rich_console__(self, *_: Any) -> Iterator[RenderableType]:
        language = "" if self.lexer_name == "text" else self.lexer_name
        yield Text(f"```{language}", style="dim")
        yield _coloured(str(self.text).rstrip("\n"), language)
        yield Text("```", style="dim")


class _Markdown(markdown.Markdown):
    """What a parser without HTML found, with nothing in it that could drive a terminal."""

    elements: ClassVar[dict[str, type[markdown.MarkdownElement]]] = {
        **markdown.Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
    }

    def __init__(self, source: str) -> None:
        super().__init__("", hyperlinks=False)
        self.parsed = _safe(_PARSER.parse(source))


def _safe(tokens: list[Token]) -> list[Token]:
    for token in tokens:
        token.content = visible(token.content)
        token.attrs = {name: visible(str(value)) for name, value in token.attrs.items()}
        if token.type == "softbreak":  # in a chat a line that ends is meant to end: poems, addresses
            token.type = "hardbreak"
        if token.children:
            token.children = _without_doubles(_safe(token.children))
    return tokens


def _without_doubles(tokens: list[Token]) -> list[Token]:
    """The same without links whose text is their address: it would be shown twice."""
    doubled = {
        place
        for place in range(len(tokens) - 2)
        if tokens[place].type == "link_open" and tokens[place].attrs.get("href") == tokens[place + 1].content
    }
    dropped = doubled | {place + 2 for place in doubled}
    return [token for place, token in enumerate(tokens) if place not in dropped]


def _coloured(code: str, language: str, context: str = "") -> Text:
    """Code in colours, after `context`, which is not part of it."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False) if language else None  # type: ignore[no-untyped-call]
    except ClassNotFound:
        lexer = None
    if lexer is None or max(map(len, code.split("\n"))) > MAX_COLOURED:
        return Text(code)
    before = f"{context}\n" if context else ""
    text = Syntax("", lexer, theme=_CODE_THEME).highlight(before + code)
    return text[len(before) : len(before) + len(code)]


def _trimmed(row: str) -> str:
    """A row without spaces at its end, and with its styles ended."""
    bare = _TRAILING.sub("", row)
    return f"{bare}\x1b[0m" if "\x1b" in bare else bare


def _mark(block: Block) -> str:
    """What the items of one list have in common, as CommonMark has it: their bullet, or what follows their number."""
    return block.text.lstrip(" 0123456789")[:1] if block.kind is Kind.ITEM else ""


class Painter:
    """Paints the blocks of one answer, in their order."""

    def __init__(self, *, colors: bool = True) -> None:
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            color_system="standard" if colors else None,
            theme=_THEME,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._last: Kind | None = None
        self._mark = ""
        self._context = ""

    def final(self, block: Block, width: int) -> list[str]:
        """Rows of a block that stays, below the blocks before it."""
        rows = [*self._gap(block), *self._rows(block, width, fold=False)]
        self._last, self._mark = block.kind, _mark(block)
        self._context = "" if block.closes else f"{self._context}\n{block.text}"[-MAX_CONTEXT:]
        return rows

    def growing(self, block: Block, width: int) -> list[str]:
        """Rows of a block as it is now. None is wider than `width`."""
        return [*self._gap(block), *self._rows(block, width, fold=True)]

    def dim(self, text: str, width: int) -> list[str]:
        """Rows of a remark."""
        return self._lines(Text(visible(text), style="dim"), width)

    def _gap(self, block: Block) -> list[str]:
        same_list = block.kind is self._last is Kind.ITEM and _mark(block) == self._mark
        return [] if self._last is None or not block.opens or same_list else [""]

    def _rows(self, block: Block, width: int, *, fold: bool) -> list[str]:
        if block.kind is Kind.CODE:
            return list(self._code(block, width, fold=fold))
        try:
            rows = self._lines(_Markdown(block.text), width)
        except Exception:  # noqa: BLE001 - no text of a model is worth a traceback: it is shown as it came
            rows = self._lines(Text(block.text), width)
        while rows and not rows[-1]:
            rows.pop()
        while rows and not rows[0]:
            del rows[0]
        return rows

    def _code(self, block: Block, width: int, *, fold: bool) -> Iterator[str]:
        if block.opens:
            yield from self.dim(f"```{block.language}", width)
        if block.text or not block.opens:
            text = _coloured(block.text.expandtabs(4), block.language, "" if block.opens else self._context)
            yield from self._lines(text, width, soft=not fold)
        if block.closes:
            yield from self.dim("```", width)

    def _lines(self, what: RenderableType, width: int, *, soft: bool = False) -> list[str]:
        self._console.width = max(width, MIN_WIDTH)
        with self._console.capture() as captured:
            self._console.print(what, soft_wrap=soft, overflow="fold", end="")
        return [_trimmed(row) for row in captured.get().removesuffix("\n").split("\n")]
