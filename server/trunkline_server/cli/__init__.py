"""The command line, one file per command.

1. The commands are the list below, in the order in which help shows them.
2. No command loads gRPC before it calls a gateway; `serve` never does: what calls one says `import trunkline` and
   takes the client from it when it runs.
3. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.
"""

from typing import Final

import click

from trunkline_server.cli import chat, check, complete, health, models, serve, version

__all__ = ["main"]

COMMANDS: Final = (
    serve.command,
    check.command,
    chat.command,
    complete.command,
    models.command,
    health.command,
    version.command,
)


class _InOrder(click.Group):
    """A group whose help keeps the order of the list."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(
    cls=_InOrder,
    commands={str(command.name): command for command in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """The gRPC trunk line between your services and the language models they use."""
