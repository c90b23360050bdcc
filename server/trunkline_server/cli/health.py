"""`trunkline health`: says whether a gateway serves."""

import click

from trunkline_server.cli.gateway import Gateway, gateway_options
from trunkline_server.cli.output import print_json, reported

TIMEOUT_S = 5.0


@click.command("health")
@click.option("--service", default="", metavar="NAME", help="Full name of a service. Without it: the whole gateway.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@gateway_options
@click.pass_context
def command(context: click.Context, *, service: str, as_json: bool, gateway: Gateway) -> None:
    """Say whether a gateway serves.

    Prints SERVING and exits with 0, or says what is wrong and exits with 1.
    """
    with gateway.connect() as client, reported(client, as_json=as_json):
        status = client.health(service, timeout=TIMEOUT_S if gateway.timeout is None else gateway.timeout)
        if as_json:
            print_json({"target": client.target, "service": service, "status": status})
        else:
            click.echo(status)
    context.exit(0 if status == "SERVING" else 1)
