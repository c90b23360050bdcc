"""`trunkline models`: what can be asked for.

On a terminal a table that fits it; elsewhere one line for the head and one for each model, and nothing cut. Columns
that nobody knows anything about are not shown.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

import trunkline
from trunkline import v1
from trunkline_server.cli.gateway import Gateway, gateway_options
from trunkline_server.cli.model_facts import as_dict, lines_about, number, places, words
from trunkline_server.cli.output import note, print_json, reported

_COLUMNS: Final = ("model", "can", "takes", "context", "output", "served by", "description")
_NUMBERS: Final = ("context", "output")
_ANSWER: Final = (v1.FEATURE_COMPLETE, v1.FEATURE_STREAM)


@click.command("models")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@gateway_options
def command(*, name: str | None, as_json: bool, gateway: Gateway) -> None:
    """List the models that you can ask for.

    With the NAME of one, tell all that is known of it.
    """
    with gateway.connect() as client, reported(client, as_json=as_json):
        models = [model for model in client.models() if name in (None, model.name)]
        if name and not models:
            raise click.UsageError(f"{client.target} serves no model {name}; `trunkline models` lists those it does")
        if as_json:
            print_json([as_dict(model) for model in models])
        elif name:
            for line in lines_about(models[0]):
                click.echo(line)
        elif models:
            _print(models)
        else:
            note(f"{client.target} serves no model that you may use")


def served(client: "trunkline.Client") -> list[str]:
    """Names of the models that can complete, at least one."""
    names = [model.name for model in client.models() if _completes(model)]
    if not names:
        raise click.ClickException(f"{client.target} serves no model that you may use")
    return names


def the_model(client: "trunkline.Client") -> str:
    """The one model that can complete. Asks to choose where there is not exactly one."""
    names = served(client)
    if len(names) > 1:
        raise click.UsageError(f"choose a model with -m: {', '.join(names)}")
    return names[0]


def _completes(model: v1.Model) -> bool:
    """False only for models that are known to do other things."""
    features = model.capabilities.features
    return not features or v1.FEATURE_COMPLETE in features or v1.FEATURE_STREAM in features


def _print(models: list[v1.Model]) -> None:
    rows = [_row(model) for model in models]
    known = [index for index in range(len(_COLUMNS)) if any(row[index] for row in rows)]
    head, *body = [[row[index] for index in known] for row in (_COLUMNS, *rows)]
    if sys.stdout.isatty():
        Console(markup=False, highlight=False, emoji=False).print(_table(head, body))
    else:
        for line in _lines([head, *body]):
            click.echo(line)


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


def _table(head: Iterable[str], body: Iterable[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in head:
        table.add_column(name, overflow="fold", justify="right" if name in _NUMBERS else "left")
    for row in body:
        table.add_row(*row)
    return table


def _lines(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
