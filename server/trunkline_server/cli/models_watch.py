"""`trunkline models --watch`: what can be asked for, as it changes.

1. On a terminal one table that is drawn again in its place. What came, went or changed is marked for MARKED_S. A
   gateway that is lost is told above the last table, and so is its return; Ctrl-C ends with exit code 0.
2. Elsewhere a line of JSON at the begin and at each change, for scripts.
3. The gateway is asked every `every` seconds, one question at a time.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from time import monotonic
from typing import Any, Final

import trunkline
from trunkline import v1
from trunkline_server.cli.live_region import Region, reflows, terminal_size
from trunkline_server.cli.model_facts import as_dict
from trunkline_server.cli.models_table import as_rows
from trunkline_server.cli.output import print_line, write_now
from trunkline_server.cli.printable import visible

__all__ = ["watch"]

MARKED_S: Final = 10.0
"""How long a change is marked."""
ANSWER_S: Final = 5.0
"""A gateway that takes longer to answer is lost."""

_MARKS: Final = {"new": "green", "changed": "yellow", "gone": "dim strike"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a gateway said, or why it said nothing."""

    health: str = ""
    models: Sequence[v1.Model] = ()
    failure: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        if self.failure:
            return {"health": None, "error": self.failure, "models": []}
        return {"health": self.health, "error": None, "models": [as_dict(model) for model in self.models]}


@dataclass(slots=True)
class Changes:
    """The models that were there last, and what became of them."""

    known: dict[str, v1.Model] = field(default_factory=dict)
    marks: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By name what happened, and until when that is shown."""
    shown: dict[str, v1.Model] = field(default_factory=dict)
    """Those of `known`, and those that went a moment ago."""
    begun: bool = False

    def take(self, models: Sequence[v1.Model], now: float) -> None:
        """Compare with what was there before. The first time nothing is new."""
        there = {model.name: model for model in models}
        self.marks = {name: mark for name, mark in self.marks.items() if mark[1] > now}
        for name in (there.keys() | self.known.keys()) if self.begun else ():
            happened = _happened(self.known.get(name), there.get(name))
            if happened:
                self.marks[name] = (happened, now + MARKED_S)
        gone = {name: model for name, model in self.shown.items() if name in self.marks and name not in there}
        self.known, self.begun = there, True
        self.shown = dict(sorted({**gone, **there}.items()))

    def styles(self) -> Mapping[str, str]:
        """How to show the marked ones."""
        return {name: _MARKS[happened] for name, (happened, _) in self.marks.items()}

    def words(self) -> str:
        """The marks in words, for those who see no colours."""
        told = [f"{happened}: {name}" for name, (happened, _) in sorted(self.marks.items())]
        return ", ".join(told)


def _happened(before: v1.Model | None, after: v1.Model | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "gone"
    return "" if before == after else "changed"


def watch(client: "trunkline.Client", every: float) -> None:
    """Show the models until the person, or the reader, goes away."""
    show = _on_terminal(client.target) if sys.stdout.isatty() else _on_lines()
    pause = Event()
    while True:
        show(_look(client))
        pause.wait(every)


def _look(client: "trunkline.Client") -> Sight:
    try:
        return Sight(health=client.health(timeout=ANSWER_S), models=client.models(timeout=ANSWER_S))
    except trunkline.TrunklineError as failure:
        return Sight(failure=f"{failure.reason or failure.code}: {failure.message}")


def _on_lines() -> Callable[[Sight], None]:
    last: list[dict[str, Any]] = []

    def show(sight: Sight) -> None:
        told = sight.as_dict()
        if [told] != last:
            last[:] = [told]
            print_line(told)

    return show


def _on_terminal(target: str) -> Callable[[Sight], None]:
    changes, lost_at = Changes(), ""
    region = Region(write_now, terminal_size, reflowing=reflows(os.environ))
    colors = not os.environ.get("NO_COLOR")

    def show(sight: Sight) -> None:
        nonlocal lost_at
        if sight.failure:
            lost_at = lost_at or _clock()
            title = f"no answer since {lost_at}  {target}  {visible(sight.failure)}"
        else:
            lost_at = ""
            changes.take(sight.models, monotonic())
            title = f"{sight.health}  {len(sight.models)} models  {_clock()}  {target}"
        rows = as_rows(list(changes.shown.values()), region.width, colors=colors, styles=changes.styles())
        region.draw((), _in_window(title, rows, changes.words(), region))

    return show


def _in_window(title: str, rows: Sequence[str], news: str, region: Region) -> list[str]:
    """As many rows as the window has, the first ones, and how many are left."""
    room = max(region.height - 4, 1)
    more = [f"and {len(rows) - room} rows more"] if len(rows) > room else []
    flat = [" ".join(text.split())[: region.width] for text in (title, news)]
    return [flat[0], "", *rows[:room], *more, *([flat[1]] if news else [])]


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
