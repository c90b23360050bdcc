"""Shows an answer as it comes.

1. On a terminal that can do it the answer is Markdown, drawn while it grows (trunkline_server.cli.markdown_answer);
   elsewhere, and where NO_COLOR is set or TERM is dumb, it is the text as it came.
2. What a model thought is no part of the answer: it is never on stdout of a pipe.
3. What is shown can't drive the terminal.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from time import monotonic
from typing import Any, Final, Protocol

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.output import cost_of, dollars, tokens, write_text
from trunkline_server.cli.printable import visible

__all__ = ["Clocked", "View", "after_turn", "opened_view", "show"]

_MARKDOWN: Final = "trunkline_server.cli.markdown_answer"
"""Loaded where it is used: what draws Markdown takes longer to load than a short answer to come."""


class View(Protocol):
    """What an answer is shown on."""

    def text(self, piece: str) -> None:
        """A piece of the answer."""

    def thought(self, piece: str) -> None:
        """A piece of what the model thought."""


class _Plain:
    """Text as it comes."""

    def __init__(self, *, thoughts: bool) -> None:
        self._thoughts = thoughts
        self._thinking = False
        self._last = "\n"

    def text(self, piece: str) -> None:
        self._end_thought()
        self._last = piece  # before it is written: an interrupt may come in between
        write_text(piece)

    def thought(self, piece: str) -> None:
        if self._thoughts:
            self._thinking = True
            click.secho(visible(piece), dim=True, err=True, nl=False)

    def _end_thought(self) -> None:
        if self._thinking:
            self._thinking = False
            click.echo(err=True)

    def end(self) -> None:
        """The line is ended, also where it breaks off."""
        self._end_thought()
        if not self._last.endswith("\n"):
            write_text("\n")


@contextmanager
def opened_view(*, thoughts: bool, plain: bool = False) -> Iterator[View]:
    """A view for one answer, closed at the end however it ended."""
    if plain or not draws():
        view = _Plain(thoughts=thoughts)
        try:
            yield view
        finally:
            view.end()
        return
    with import_module(_MARKDOWN).opened(thoughts=thoughts) as drawn:
        yield drawn


def draws() -> bool:
    """Whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


class Clocked:
    """How long an answer took, in seconds."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._begun = now()
        self.first: float | None = None
        """Until the first piece, a thought's included."""
        self.total = 0.0

    def piece(self) -> None:
        """A piece came."""
        if self.first is None:
            self.first = self._now() - self._begun

    def end(self) -> None:
        """The answer is whole."""
        self.total = self._now() - self._begun


def show(events: Iterable[Any], view: View, clock: Clocked | None = None) -> None:
    """Show the events of a stream until it ends. Raises what the stream raises."""
    clock = clock or Clocked()
    for event in events:
        for put, piece in _pieces(event, view):
            clock.piece()
            put(piece)
    clock.end()


def _pieces(event: "v1.StreamEvent", view: View) -> Iterator[tuple[Callable[[str], None], str]]:
    """What an event adds, and where to show it."""
    delta = event.block_delta
    if delta.text:
        yield view.text, delta.text
    elif delta.reasoning or delta.reasoning_summary:
        yield view.thought, delta.reasoning or delta.reasoning_summary


def after_turn(answer: "trunkline.Completion", clock: Clocked, *, chat_cost_nano_usd: int | None = None) -> str:
    """Who answered, what it used, cost and took. What the gateway does not tell is left out."""
    finished, cost = answer.response.finished, cost_of(answer)
    first = "" if clock.first is None else f"first after {clock.first:.2f} s, "
    paid = "" if cost is None else f"; {dollars(cost)}"
    whole = "" if cost is None or chat_cost_nano_usd is None else f", chat {dollars(chat_cost_nano_usd)}"
    who = visible(finished.served_model or answer.response.started.served_model or finished.model).replace("\n", " ")
    return f"({who}: {tokens(answer.usage)}; {first}{clock.total:.2f} s in all{paid}{whole})"
