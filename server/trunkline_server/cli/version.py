"""`trunkline version`: what is installed."""

import platform
from importlib import metadata
from typing import Final

import click

from trunkline_server.cli.output import print_json

_PARTS: Final = {"trunkline-server": "trunkline-server", "contract": "trunkline", "grpcio": "grpcio"}


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(as_json: bool) -> None:
    """Show the versions of the gateway and of what it stands on."""
    versions = {part: metadata.version(name) for part, name in _PARTS.items()}
    versions["contract"] = f"trunkline.v1 ({versions['contract']})" if not as_json else versions["contract"]
    versions["python"] = platform.python_version()
    if as_json:
        print_json(versions)
        return
    for part, version in versions.items():
        click.echo(f"{part:<17} {version}")
