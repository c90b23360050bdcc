"""Models as a table: of a terminal's width, or as lines of which nothing is cut.

On a terminal names are never broken while they fit. Columns that would make it too wide are left out, the last ones
first, and named below; so are columns that nobody knows anything about, which are not named.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline import v1
from trunkline_server.cli.model_facts import number, places, words
from trunkline_server.cli.printable import visible

__all__ = ["as_lines", "as_rows"]

_COLUMNS: Final = ("model", "can", "takes", "context", "output", "served by", "description")
_NUMBERS: Final = ("context", "output")
_WHOLE: Final = ("model", "context", "output")
"""Columns whose cells are not broken into several lines."""
_LEAST: Final = 24
"""Columns of the terminal that a column needs at most whose cells may be broken."""
_BETWEEN: Final = 3
_KEPT: Final = 2
"""Columns of the table that are shown however narrow the terminal is."""
_ANSWER: Final = (v1.FEATURE_COMPLETE, v1.FEATURE_STREAM)


def as_lines(models: Sequence[v1.Model]) -> Iterable[str]:
    """One line for the head and one for each model."""
    rows = _cells(models)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def as_rows(
    models: Sequence[v1.Model], width: int, *, colors: bool, styles: Mapping[str, str] | None = None
) -> list[str]:
    """Rows for a terminal. `styles` are those of models by their names, as rich writes them."""
    head, *body = [[visible(cell) for cell in row] for row in _cells(models)]
    shown = _fitting(head, body, width)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in head[:shown]:
        whole = name in _WHOLE
        table.add_column(
            name,
            overflow="fold",
            no_wrap=False,
            justify="right" if name in _NUMBERS else "left",
            min_width=min(_natural(head, body, name), width) if whole else None,
        )
    for row in body:
        table.add_row(*map(Text, row[:shown]), style=(styles or {}).get(row[0]))
    left_out = f"not shown at this width: {', '.join(head[shown:])}" if shown < len(head) else ""
    return [*_painted(table, width, colors=colors), *_painted(Text(left_out, "dim"), width, colors=colors)]


def _painted(what: Table | Text, width: int, *, colors: bool) -> list[str]:
    if isinstance(what, Text) and not what:
        return []
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system="standard" if colors else None,
        highlight=False,
        legacy_windows=False,
        no_color=not colors,
    )
    with console.capture() as captured:
        console.print(what, end="")
    return [row.rstrip() for row in captured.get().removesuffix("\n").split("\n")]


def _fitting(head: Sequence[str], body: Sequence[Sequence[str]], width: int) -> int:
    """How many of the columns fit."""
    taken = 0
    for place, name in enumerate(head):
        natural = _natural(head, body, name)
        taken += natural if name in _WHOLE else min(natural, _LEAST)
        if taken > width and place >= _KEPT:
            return place
        taken += _BETWEEN
    return len(head)


def _natural(head: Sequence[str], body: Sequence[Sequence[str]], name: str) -> int:
    place = head.index(name)
    return max(cell_len(row[place]) for row in (head, *body))


def _cells(models: Sequence[v1.Model]) -> list[Sequence[str]]:
    """Head and body, without columns that are empty everywhere."""
    rows = [_row(model) for model in models]
    known = [index for index in range(len(_COLUMNS)) if any(row[index] for row in rows)]
    return [[row[index] for index in known] for row in (_COLUMNS, *rows)]


def _row(model: v1.Model) -> Sequence[str]:
    capabilities = model.capabilities
    return (
        model.name,
        ", ".join(_abilities(capabilities)),
        ", ".join(words(v1.Modality, capabilities.input_modalities)),
        number(capabilities, "context_tokens"),
        number(capabilities, "max_output_tokens"),
        ", ".join(places(model)),
        " ".join(model.description.split()),
    )


def _abilities(capabilities: v1.Capabilities) -> list[str]:
    """What a model can do, in words; that it answers goes without saying where it can do something beside it."""
    features = capabilities.features
    beside = [feature for feature in features if feature not in _ANSWER]
    answers = all(feature in features for feature in _ANSWER)
    return [word.replace("_", " ") for word in words(v1.Feature, beside if beside and answers else features)]
