"""`trunkline health`: says whether a gateway serves."""

import click

from trunkline_server.cli.output import connect, gateway_options, reported

TIMEOUT_S = 5.0


@click.command("health")
@click.option("--service", default="", metavar="NAME", help="Full name of a service. Without it: the whole gateway.")
@gateway_options
@click.pass_context
def command(context: click.Context, *, service: str, target: str | None, timeout: float | None) -> None:
    """Print SERVING and exit with 0, or say what is wrong and exit with 1."""
    with connect(target, timeout) as client, reported(client):
        status = client.health(service, timeout=TIMEOUT_S if timeout is None else timeout)
    click.echo(status)
    context.exit(0 if status == "SERVING" else 1)
