"""`trunkline models`: what can be asked for.

On a terminal a table that fits it; elsewhere one line for the head and one for each model, and nothing cut. Columns
that nobody knows anything about are not shown.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

import trunkline
from trunkline import v1
from trunkline_server.cli.output import connect, gateway_options, note, print_json, reported, word

_COLUMNS: Final = ("model", "can", "context", "served by", "description")


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@gateway_options
def command(*, as_json: bool, target: str | None, timeout: float | None) -> None:
    """List the models that you can ask for."""
    with connect(target, timeout) as client, reported(client, as_json=as_json):
        models = client.models()
        if as_json:
            print_json([_as_dict(model) for model in models])
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
        ", ".join(_features(model)).replace("_", " "),
        f"{capabilities.context_tokens:,}" if capabilities.HasField("context_tokens") else "",
        ", ".join(_places(model)),
        " ".join(model.description.split()),
    )


def _table(head: Iterable[str], body: Iterable[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in head:
        table.add_column(name, overflow="fold", justify="right" if name == "context" else "left")
    for row in body:
        table.add_row(*row)
    return table


def _lines(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _features(model: v1.Model) -> list[str]:
    return [word(v1.Feature, feature).lower() for feature in model.capabilities.features]


def _places(model: v1.Model) -> list[str]:
    """Deployments in the order in which they are tried; those that don't take calls say so."""
    quiet = (v1.DEPLOYMENT_STATE_HEALTHY, v1.DEPLOYMENT_STATE_UNSPECIFIED)
    return [place.name if place.state in quiet else f"{place.name} ({_state(place)})" for place in model.deployments]


def _state(deployment: v1.Deployment) -> str:
    return word(v1.DeploymentState, deployment.state).lower()


def _as_dict(model: v1.Model) -> dict[str, Any]:
    capabilities = model.capabilities
    return {
        "name": model.name,
        "description": model.description,
        "features": _features(model),
        "context_tokens": capabilities.context_tokens if capabilities.HasField("context_tokens") else None,
        "max_output_tokens": capabilities.max_output_tokens if capabilities.HasField("max_output_tokens") else None,
        "deployments": [
            {
                "name": place.name,
                "provider": place.provider,
                "upstream_model": place.upstream_model,
                "region": place.region,
                "tier": place.tier,
                "weight": place.weight,
                "dialect": place.dialect,
                "state": _state(place),
            }
            for place in model.deployments
        ],
    }
