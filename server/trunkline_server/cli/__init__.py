"""The command line, one file per command.

1. The commands are the table below, in the order in which help shows them.
2. A command is loaded when it is asked for: what `chat` needs to edit lines would cost `serve` a quarter of its start.
   None loads gRPC before it calls a gateway; `serve` never does.
3. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from trunkline_server.cli.streams import open_streams, written

__all__ = ["main"]

COMMANDS: Final[Mapping[str, str]] = {
    name: f"trunkline_server.cli.{name}"
    for name in ("serve", "check", "chat", "complete", "models", "health", "key", "version")
}
"""Where each command is: an attribute `command` of a module."""


class _FromTable(click.Group):
    """A group whose commands are those of the table."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, whatever its streams are."""
        open_streams()
        with written():
            return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=_FromTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trunkline-server", prog_name="trunkline", message="%(prog)s %(version)s")
def main() -> None:
    """The gRPC trunk line between your services and the language models they use."""
