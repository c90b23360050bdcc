"""What the options of `trunkline key create` say of a key, as the contract's message.

Limits are read here, so that what is wrong with one is told by the option that holds it.
"""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from google.protobuf.duration_pb2 import Duration

from trunkline.admin.v1 import keys_pb2
from trunkline_server.core.limit import Scope
from trunkline_server.core.limit_messages import key_limit
from trunkline_server.core.limit_notation import LimitRefused, parse_limit

_AGE: Final = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_NO_AGE: Final = 'is no length of time; write it like "90d", "12h" or "30m"'
_MAX_LENGTH_S: Final = 100 * 366 * 86_400


def seconds(text: str) -> int:
    """Seconds in "90d". Raises click.BadParameter."""
    found = _AGE.fullmatch(text.strip().lower())
    length = int(found[1]) * _SECONDS[found[2]] if found else None
    if length is None or length > _MAX_LENGTH_S:
        raise click.BadParameter(_NO_AGE)
    return length


def moment(text: str) -> int:
    """Seconds since 1970 at "90d" from now, or at "2027-01-31", which begins in UTC. Raises click.BadParameter."""
    if _AGE.fullmatch(text.strip().lower()):
        return int(time.time()) + seconds(text)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter('is no time; write "90d", or a date such as "2027-01-31"') from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def overlap(text: str) -> Duration:
    """How long the secret before is taken yet. "0" is not at all."""
    return Duration(seconds=0 if text.strip() == "0" else seconds(text))


def limits(texts: Sequence[str]) -> list[keys_pb2.KeyLimit]:
    """The limits in "600 requests/minute" and "smart: 250 usd/month". Raises click.BadParameter."""
    return [_limit(text) for text in texts]


def _limit(text: str) -> keys_pb2.KeyLimit:
    model, colon, rest = text.rpartition(": ")
    try:
        limit = parse_limit(rest if colon else text, scope=Scope.KEY, scope_id="", model=model.strip())
    except LimitRefused as refused:
        raise click.BadParameter(f'"{text}": {refused}') from None
    return key_limit(limit)


def labels(texts: Sequence[str]) -> dict[str, str]:
    """The labels in "env=prod". Raises click.BadParameter."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'"{text}" is no label; write it like env=prod')
        found[name] = value
    return found


def key_spec(given: Mapping[str, Any]) -> keys_pb2.KeySpec:
    """The key that options ask for; they have the names of the message's fields, or the singular for lists."""
    spec = keys_pb2.KeySpec(
        name=given["name"],
        org=given["org"],
        team=full_team(given["org"], given["team"]),
        labels=labels(given["label"]),
        limits=given["limit"],
        priority=keys_pb2.Priority.Value(f"PRIORITY_{given['priority'].upper()}"),
        content=keys_pb2.ContentPolicy.Value(f"CONTENT_POLICY_{given['content'].upper()}"),
        role=keys_pb2.Role.Value(f"ROLE_{given['role'].upper()}"),
        permissions=_permissions(given),
    )
    if given["expires"] is not None:
        spec.expires_at.FromSeconds(given["expires"])
    return spec


def full_team(org: str, team: str) -> str:
    """A team may be named alone beside its org."""
    return f"{org}/{team}" if org and team and "/" not in team else team


def _permissions(given: Mapping[str, Any]) -> keys_pb2.Permissions:
    permissions = keys_pb2.Permissions(
        upstream_models=given["upstream_models"],
        provider_options=given["provider_options"],
        max_output_tokens=given["max_output_tokens"],
    )
    for field in ("models", "providers", "regions", "methods"):
        if names := given[field.removesuffix("s")]:
            getattr(permissions, field).names.extend(names)
    return permissions
