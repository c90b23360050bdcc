"""Rows on stdout: a table that fits a terminal, or lines of which nothing is cut."""

import io
import os
import shutil
import sys
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline_server.cli.printable import visible


def print_rows(head: Sequence[str], body: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print them. Columns that are empty everywhere are left out; `numbers` stand at the right."""
    kept = [index for index in range(len(head)) if any(row[index] for row in body)]
    rows = [[visible(row[index]) for index in kept] for row in body]
    names = [head[index] for index in kept]
    write = _as_table if sys.stdout.isatty() else _as_lines
    for line in write(names, rows, numbers):
        click.echo(line)


def _as_lines(head: Sequence[str], body: Sequence[Sequence[str]], numbers: Sequence[str]) -> list[str]:
    rows = [head, *body]
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _as_table(head: Sequence[str], body: Sequence[Sequence[str]], numbers: Sequence[str]) -> list[str]:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold", justify="right" if name in numbers else "left")
    for row in body:
        table.add_row(*map(Text, row))
    colors = not os.environ.get("NO_COLOR")
    console = Console(
        file=io.StringIO(),
        width=shutil.get_terminal_size().columns,
        force_terminal=True,
        color_system="standard" if colors else None,
        highlight=False,
        legacy_windows=False,
        no_color=not colors,
    )
    with console.capture() as captured:
        console.print(table, end="")
    return [line.rstrip() for line in captured.get().removesuffix("\n").split("\n")]
