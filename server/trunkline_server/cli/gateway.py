"""Which gateway a command calls, and how.

1. Keys come from the environment or a file and never from the command line, which other users of a machine can read.
2. Nothing here loads gRPC before `connect`.
3. gRPC's own log is off unless GRPC_VERBOSITY says otherwise: what matters of it comes back as an error.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

import trunkline

__all__ = ["GRPC_LOG", "TRANSPORT_OPTIONS", "Gateway", "gateway_options"]

F = TypeVar("F", bound=Callable[..., Any])

MAX_KEY_BYTES: Final = 16 * 1024
"""A longer file is no key."""
GRPC_LOG: Final = ("GRPC_VERBOSITY", "NONE")

_PATH: Final = click.Path(exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the options of a command say about the gateway. None: the client decides, from its environment."""

    target: str | None
    timeout: float | None
    """Seconds that a call may take."""
    api_key_file: str | None
    tls: bool | None
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    server_name: str | None

    def connect(self) -> "trunkline.Client":
        """A client. Loads gRPC. Raises click.UsageError for options that can't be used."""
        os.environ.setdefault(*GRPC_LOG)  # gRPC reads it when it is loaded
        given: dict[str, Any] = {"timeout": self.timeout, "tls": self.tls_choice(), "api_key": self.api_key()}
        try:
            return trunkline.Client(self.target, **{name: value for name, value in given.items() if value is not None})
        except (ValueError, OSError) as wrong:
            raise click.UsageError(str(wrong)) from None

    def tls_choice(self) -> Any:
        """As the client takes it: a Tls, whether, or None for what the environment says."""
        named = {name: getattr(self, name) for name in ("ca_file", "cert_file", "key_file", "server_name")}
        if self.tls is False or not any(named.values()):
            return self.tls
        return trunkline.Tls(**named)

    def api_key(self) -> str | None:
        """The key in the file that was named. Raises click.UsageError if there is none in it."""
        if self.api_key_file is None:
            return None
        with Path(self.api_key_file).open("rb") as file:
            data = file.read(MAX_KEY_BYTES + 1)
        key = data.decode("ascii", "replace").strip()
        if not key or len(data) > MAX_KEY_BYTES or not key.isprintable() or "\ufffd" in key:
            raise click.UsageError(f"{self.api_key_file}: holds no key: one line of ASCII is wanted")
        return key


TRANSPORT_OPTIONS: Final = (
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True, max=86_400),
        metavar="SECONDS",
        help="Most time that a call may take.",
    ),
    click.option(
        "--api-key-file", type=_PATH, metavar="FILE", help="Key of the caller.  [else env: TRUNKLINE_API_KEY]"
    ),
    click.option("--tls/--no-tls", default=None, help="Encrypt, trusting the system's roots.  [env: TRUNKLINE_TLS]"),
    click.option(
        "--ca-file", type=_PATH, metavar="PEM",
        help="Trust these roots instead; implies --tls.  [env: TRUNKLINE_CA_FILE]",
    ),
    click.option(
        "--cert-file", type=_PATH, metavar="PEM",
        help="Certificate to show to the gateway, with --key-file.  [env: TRUNKLINE_CERT_FILE]",
    ),
    click.option(
        "--key-file", type=_PATH, metavar="PEM",
        help="Private key of that certificate.  [env: TRUNKLINE_KEY_FILE]",
    ),
    click.option(
        "--server-name", metavar="NAME",
        help="Name in the gateway's certificate, where it is not that of --target.  [env: TRUNKLINE_SERVER_NAME]",
    ),
)  # fmt: skip
"""All but where the gateway is."""
_OPTIONS: Final = (
    click.option("--target", metavar="ADDRESS", help="host:port or unix:/path.  [env: TRUNKLINE_TARGET]"),
    *TRANSPORT_OPTIONS,
)


def gateway_options(command: F) -> F:
    """The options of every command that calls a gateway; the command gets them as `gateway`."""
    names = [field.name for field in fields(Gateway)]

    @wraps(command)
    def gathered(*args: Any, **given: Any) -> Any:
        mine = {name: given.pop(name) for name in names}
        return command(*args, gateway=Gateway(**mine), **given)

    made: Any = gathered
    for option in reversed(_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return] # it takes what the command takes, but for one
