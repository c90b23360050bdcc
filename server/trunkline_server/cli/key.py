"""`trunkline key`: makes, shows and ends virtual keys.

A token is printed once, on stdout; everything that is said about it goes to stderr, so that it can be piped on.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from trunkline.admin.v1 import keys_pb2
from trunkline_server.cli import key_spec
from trunkline_server.cli.key_view import COLUMNS, as_dict, lines_about, moment, row
from trunkline_server.cli.operators import Operators, operators_options
from trunkline_server.cli.output import note, print_json
from trunkline_server.cli.printable import visible
from trunkline_server.cli.rows import print_rows

PAGE: Final = 1000
_ONCE: Final = "The token is told this once and kept nowhere: store it where secrets are stored."


def _read(reader: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that reads what was given."""
    return lambda _context, _parameter, value: None if value is None else reader(value)


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_token_only = click.option("--token-only", "--quiet", "-q", is_flag=True, help="Print the token and nothing else.")


@click.group("key")
def command() -> None:
    """Make, show and end the keys that callers show.

    They are kept by the gateway that runs on this machine, or at --admin.
    """


@command.command("create")
@click.option("--name", required=True, help='For people: "search frontend".')
@click.option("--org", default="", help="The org whose key it is, as trunkline.yaml names it.")
@click.option("--team", default="", help="The team: search, or acme/search.")
@click.option("--model", multiple=True, metavar="NAME", help="A model it may ask for; else all. May be repeated.")
@click.option("--provider", multiple=True, metavar="NAME", help="A provider it may use; else all. May be repeated.")
@click.option("--region", multiple=True, metavar="NAME", help="A region it may use; else all. May be repeated.")
@click.option("--method", multiple=True, metavar="NAME", help="Completion.Complete, Models.*; else all. Repeatable.")
@click.option("--upstream-models", is_flag=True, help="It may ask for provider/upstream_model by name.")
@click.option("--provider-options", is_flag=True, help="It may use provider_options.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), metavar="N", help="Most output tokens of a call.")
@click.option(
    "--limit",
    multiple=True,
    metavar="LIMIT",
    callback=_read(key_spec.limits),
    help='"600 requests/minute", "250 usd/month", "smart: 1M tokens/day". May be repeated.',
)
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="A label of all its calls. May be repeated.")
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), default="normal", show_default=True)
@click.option(
    "--content",
    type=click.Choice(["none", "hashed", "full"]),
    default="none",
    show_default=True,
    help="What records keep of prompts and answers.",
)
@click.option("--role", type=click.Choice(["caller", "operator"]), default="caller", show_default=True)
@click.option("--expires", metavar="WHEN", callback=_read(key_spec.moment), help='"90d", or a date. Without it: never.')
@_json
@_token_only
@operators_options
def create(*, as_json: bool, token_only: bool, operators: Operators, **given: Any) -> None:
    """Make a key and print its token."""
    request = keys_pb2.CreateKeyRequest(spec=key_spec.key_spec(given))
    with operators.connect(as_json=as_json) as client:
        made = client.ask(client.keys.CreateKey, request)
    _tell_token(made, as_json=as_json, token_only=token_only)
    if not as_json and not token_only:
        note(f"{_ONCE} Callers send it as their API key; `trunkline key show {made.key.id}` tells of it.")


@command.command("list")
@click.option("--org", default="", help="Only keys of this org.")
@click.option("--team", default="", help="Only keys of this team: search with --org, or acme/search.")
@click.option("--all", "all_states", is_flag=True, help="Expired and revoked ones too.")
@_json
@operators_options
def list_(*, org: str, team: str, all_states: bool, as_json: bool, operators: Operators) -> None:
    """List keys, newest first."""
    request = keys_pb2.ListKeysRequest(
        org=org, team=key_spec.full_team(org, team), all_states=all_states, page_size=PAGE
    )
    with operators.connect(as_json=as_json) as client:
        keys = list(_pages(client, request))
    if as_json:
        print_json([as_dict(key) for key in keys])
    elif keys:
        print_rows(COLUMNS, [row(key) for key in keys])
    else:
        note("there are no such keys; `trunkline key create --name NAME` makes one")


@command.command("show")
@click.argument("key_id", metavar="ID")
@_json
@operators_options
def show(*, key_id: str, as_json: bool, operators: Operators) -> None:
    """Tell all that is known of a key, which is all but its secret."""
    with operators.connect(as_json=as_json) as client:
        key = client.ask(client.keys.GetKey, keys_pb2.GetKeyRequest(id=key_id)).key
    _tell(key, as_json=as_json)


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@click.option("--now", is_flag=True, help="End its open calls too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_json
@operators_options
def revoke(*, key_id: str, now: bool, yes: bool, as_json: bool, operators: Operators) -> None:
    """End a key for good. Its next call is refused within a second."""
    if not yes and sys.stdin.isatty():
        calls = " and its open calls" if now else ""
        click.confirm(f"End key {visible(key_id)}{calls} for good?", abort=True, err=True)
    with operators.connect(as_json=as_json) as client:
        key = client.ask(client.keys.RevokeKey, keys_pb2.RevokeKeyRequest(id=key_id, now=now)).key
    if as_json:
        print_json(as_dict(key))
    else:
        click.echo(f"{key.id} is revoked")


@command.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    metavar="TIME",
    callback=_read(key_spec.overlap),
    help='How long the token before is taken yet: "2h"; 0 for not at all. Without it: 24 hours.',
)
@_json
@_token_only
@operators_options
def rotate(*, key_id: str, overlap: Any, as_json: bool, token_only: bool, operators: Operators) -> None:
    """Give a key another secret and print its new token."""
    request = keys_pb2.RotateKeyRequest(id=key_id, overlap=overlap)
    with operators.connect(as_json=as_json) as client:
        made = client.ask(client.keys.RotateKey, request)
    _tell_token(made, as_json=as_json, token_only=token_only)
    if not as_json and not token_only:
        until = f"until {moment(made.key.overlap_until)}" if made.key.HasField("overlap_until") else "no longer"
        note(f"{_ONCE} The token before works {until}.")


def _pages(client: Any, request: keys_pb2.ListKeysRequest) -> Iterator[keys_pb2.Key]:
    while True:
        page = client.ask(client.keys.ListKeys, request)
        yield from page.keys
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _tell(key: keys_pb2.Key, *, as_json: bool) -> None:
    if as_json:
        print_json(as_dict(key))
        return
    for line in lines_about(key):
        click.echo(visible(line))


def _tell_token(made: Any, *, as_json: bool, token_only: bool) -> None:
    if as_json:
        print_json({**as_dict(made.key), "token": made.token})
        return
    if not token_only:
        for line in lines_about(made.key):
            note(line)
    click.echo(made.token)
