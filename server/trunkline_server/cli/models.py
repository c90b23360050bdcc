"""`trunkline models`: what can be asked for.

On a terminal a table that fits it; elsewhere one line for the head and one for each model, and nothing cut.
"""

import os
import shutil
import sys
from typing import Final

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.gateway import Gateway, gateway_options
from trunkline_server.cli.model_facts import as_dict, lines_about
from trunkline_server.cli.models_table import as_lines, as_rows
from trunkline_server.cli.models_watch import watch
from trunkline_server.cli.output import note, print_json, reported, write_now

EVERY_S: Final = 2.0


@click.command("models")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--watch", "watching", is_flag=True, help="Show changes as they come; piped, a line of JSON for each.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1, max=3600),
    default=EVERY_S,
    show_default=True,
    metavar="SECONDS",
    help="How often --watch asks.",
)
@gateway_options
def command(*, name: str | None, as_json: bool, watching: bool, every: float, gateway: Gateway) -> None:
    """List the models that you can ask for.

    With the NAME of one, tell all that is known of it.
    """
    if watching and (name or as_json):
        raise click.UsageError("--watch shows all models, and lines of JSON where stdout is no terminal")
    with gateway.connect() as client, reported(client, as_json=as_json):
        if watching:
            _watch(client, every)
            return
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


def _watch(client: "trunkline.Client", every: float) -> None:
    try:
        watch(client, every)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            write_now("\n")


def _print(models: list[v1.Model]) -> None:
    if sys.stdout.isatty():
        lines = as_rows(models, shutil.get_terminal_size().columns, colors=not os.environ.get("NO_COLOR"))
    else:
        lines = list(as_lines(models))
    for line in lines:
        click.echo(line)
