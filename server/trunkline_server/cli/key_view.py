"""Keys for people and for machines. What callers or operators wrote can't drive a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.admin.v1 import keys_pb2
from trunkline_server.cli.output import word
from trunkline_server.core.limit_messages import limit_of_key
from trunkline_server.core.limit_notation import limit_text

COLUMNS: Final = ("id", "name", "of", "state", "role", "created", "expires", "kept in")
_LISTS: Final = ("models", "providers", "regions", "methods")
_TIMES: Final = ("created_at", "revoked_at", "rotated_at", "overlap_until")


def row(key: keys_pb2.Key) -> Sequence[str]:
    """A key in the columns."""
    spec = key.spec
    return (
        key.id,
        spec.name,
        spec.team or spec.org,
        state(key),
        word(keys_pb2.Role, spec.role).lower() if spec.role else "caller",
        day(key.created_at) if key.HasField("created_at") else "",
        day(spec.expires_at) if spec.HasField("expires_at") else "",
        key.source,
    )


def lines_about(key: keys_pb2.Key) -> Iterator[str]:
    """All that is known of a key, a fact a line."""
    facts = [fact for fact in _facts(key) if fact[1]]
    width = max(len(name) for name, _ in facts)
    return (f"{name.ljust(width)}  {value}" for name, value in facts)


def as_dict(key: keys_pb2.Key) -> dict[str, Any]:
    """A key for machines."""
    spec = key.spec
    times = {name: moment(getattr(key, name)) if key.HasField(name) else None for name in _TIMES}
    return {
        "id": key.id,
        "name": spec.name,
        "org": spec.org,
        "team": spec.team,
        "state": state(key),
        "source": key.source,
        "role": _word(keys_pb2.Role, spec.role, "caller"),
        "priority": _word(keys_pb2.Priority, spec.priority, "normal"),
        "content": _word(keys_pb2.ContentPolicy, spec.content, "none"),
        "labels": dict(spec.labels),
        "permissions": _permissions(spec.permissions),
        "limits": [_limit(limit) for limit in spec.limits],
        "expires_at": moment(spec.expires_at) if spec.HasField("expires_at") else None,
        **times,
    }


def state(key: keys_pb2.Key) -> str:
    """Where it stands, in a word."""
    return word(keys_pb2.KeyState, key.state).lower()


def moment(at: Timestamp) -> str:
    """A time to the second, in UTC."""
    return datetime.fromtimestamp(at.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(at: Timestamp) -> str:
    """A day, in UTC."""
    return moment(at)[:10]


def limit_words(limit: keys_pb2.KeyLimit) -> str:
    """A limit as it could have been written, with what else it says."""
    try:
        text = limit_text(limit_of_key(limit, ""))
    except (KeyError, ValueError):
        text = f"{limit.capacity} of something that this version does not know"
    model = f"{limit.model}: " if limit.model else ""
    return f"{model}{text}{' (only counts)' if limit.shadow else ''}"


def _facts(key: keys_pb2.Key) -> Iterator[tuple[str, str]]:
    spec, permissions = key.spec, key.spec.permissions
    yield "id", key.id
    yield "name", spec.name
    yield "org", spec.org
    yield "team", spec.team
    yield "state", state(key)
    yield "kept in", key.source
    yield "role", _word(keys_pb2.Role, spec.role, "caller")
    yield "priority", _word(keys_pb2.Priority, spec.priority, "normal")
    yield "records keep", _word(keys_pb2.ContentPolicy, spec.content, "none")
    yield "labels", ", ".join(f"{name}={value}" for name, value in sorted(spec.labels.items()))
    for name in _LISTS:
        if permissions.HasField(name):
            yield name, ", ".join(getattr(permissions, name).names) or "none at all"
    yield "also may", ", ".join(_also(permissions))
    if permissions.HasField("max_output_tokens"):
        yield "most output tokens", str(permissions.max_output_tokens)
    for number, limit in enumerate(spec.limits):
        yield "" if number else "limits", f"{limit_words(limit)}  [{limit.name}]"
    for name in _TIMES:
        if key.HasField(name):  # type: ignore[arg-type] # a plain str, where the stub lists the names
            yield name.removesuffix("_at").replace("_", " "), moment(getattr(key, name))
    yield "expires", moment(spec.expires_at) if spec.HasField("expires_at") else "never"


def _also(permissions: keys_pb2.Permissions) -> Iterator[str]:
    if permissions.upstream_models:
        yield "name provider/upstream_model"
    if permissions.provider_options:
        yield "use provider_options"


def _permissions(permissions: keys_pb2.Permissions) -> dict[str, Any]:
    lists = {name: list(getattr(permissions, name).names) if permissions.HasField(name) else None for name in _LISTS}
    most = permissions.max_output_tokens if permissions.HasField("max_output_tokens") else None
    return {
        **lists,
        "upstream_models": permissions.upstream_models,
        "provider_options": permissions.provider_options,
        "max_output_tokens": most,
    }


def _limit(limit: keys_pb2.KeyLimit) -> Mapping[str, Any]:
    return {"name": limit.name, "limit": limit_words(limit), "capacity": limit.capacity, "model": limit.model}


def _word(enum: Any, value: int, unset: str) -> str:
    return word(enum, value).lower() if value else unset
