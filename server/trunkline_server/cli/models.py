"""`trunkline models`: what can be asked for."""

import sys
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

import trunkline
from trunkline import v1
from trunkline_server.cli.output import connect, gateway_options, note, print_json, reported, word

_WIDE = 1_000
"""Columns where there is no terminal: nothing is cut or wrapped."""


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
            _console().print(_table(models))
        else:
            note(f"{client.target} serves no model that you may use")


def the_model(client: "trunkline.Client") -> str:
    """The one model that can complete. Asks to choose where there is not exactly one."""
    names = [model.name for model in client.models() if _completes(model)]
    if not names:
        raise click.ClickException(f"{client.target} serves no model that you may use")
    if len(names) > 1:
        raise click.UsageError(f"choose a model with -m: {', '.join(names)}")
    return names[0]


def _completes(model: v1.Model) -> bool:
    """False only for models that are known to do other things."""
    features = model.capabilities.features
    return not features or v1.FEATURE_COMPLETE in features or v1.FEATURE_STREAM in features


def _console() -> Console:
    return Console(
        width=None if sys.stdout.isatty() else _WIDE, markup=False, highlight=False, emoji=False, soft_wrap=False
    )


def _table(models: list[v1.Model]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    table.add_column("can", overflow="fold")
    table.add_column("context", justify="right")
    table.add_column("served by", overflow="fold")
    table.add_column("description", overflow="fold")
    for model in models:
        capabilities = model.capabilities
        context = f"{capabilities.context_tokens:,}" if capabilities.HasField("context_tokens") else ""
        table.add_row(
            model.name,
            ", ".join(_features(model)).replace("_", " "),
            context,
            "\n".join(_places(model)),
            model.description,
        )
    return table


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
