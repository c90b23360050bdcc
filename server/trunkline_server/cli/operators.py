"""Where operators' commands call: the admin socket of the gateway on this machine, or an address with a key.

1. The socket is <data_dir>/admin.sock. Its file is the gateway's user's alone, so that no key is asked for there, and
   none is sent.
2. Over TCP the key of an operator is sent. It comes from the environment or a file, never from the command line.
3. gRPC is loaded with the first call.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from trunkline_server.cli.gateway import GRPC_LOG, TRANSPORT_OPTIONS, Gateway
from trunkline_server.cli.output import reported

__all__ = ["Operators", "operators_options"]

F = TypeVar("F", bound=Callable[..., Any])

SOCKET: Final = "admin.sock"
_DATA_DIR: Final = "~/.local/state/trunkline"
_UNIX: Final = "unix:"
_CLIENT: Final = "trunkline_server.cli.admin_client"
_NOBODY: Final = (
    "It is there while `trunkline serve` runs with TRUNKLINE_AUTH=on. Name its data directory by TRUNKLINE_DATA_DIR, "
    "or its address by --admin."
)


class Operators:
    """How a command reaches trunkline.admin.v1."""

    def __init__(self, gateway: Gateway) -> None:
        """`gateway`: what the options say; its target is --admin."""
        self._gateway = gateway
        self._target = gateway.target or f"{_UNIX}{_data_dir() / SOCKET}"

    @contextmanager
    def connect(self, *, as_json: bool = False) -> Iterator[Any]:
        """An AdminClient, closed at the end; failures are told, and end the command."""
        os.environ.setdefault(*GRPC_LOG)  # gRPC reads it when it is loaded
        client_class = import_module(_CLIENT).AdminClient
        local = self._target.startswith(_UNIX)
        try:
            client = client_class(
                self._target,
                timeout=self._gateway.timeout,
                api_key=None if local else self._gateway.api_key(),
                tls=False if local else self._gateway.tls_choice(),
                local=local,
            )
        except (ValueError, OSError) as wrong:
            raise click.UsageError(str(wrong)) from None
        with client, reported(client, as_json=as_json, nobody=_NOBODY):
            yield client


def operators_options(command: F) -> F:
    """The options of every operators' command; the command gets them as `operators`."""

    @wraps(command)
    def gathered(*args: Any, admin: str | None, **given: Any) -> Any:
        mine = {name: given.pop(name) for name in Gateway.__dataclass_fields__ if name != "target"}
        return command(*args, operators=Operators(Gateway(target=admin, **mine)), **given)

    made: Any = gathered
    for option in reversed(TRANSPORT_OPTIONS):
        made = option(made)
    admin = click.option(
        "--admin",
        metavar="ADDRESS",
        help="host:port or unix:/path of the operators' service.  [default: admin.sock in TRUNKLINE_DATA_DIR]",
    )
    return admin(made)  # type: ignore[no-any-return] # it takes what the command takes, but for one


def _data_dir() -> Path:
    return Path(os.environ.get("TRUNKLINE_DATA_DIR") or _DATA_DIR).expanduser().absolute()
