"""Keys between the contract and the store: the checks of what operators ask for, and records as operators read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.admin.v1 import keys_pb2
from trunkline_server.core.limit import MAX_AMOUNT, Limit, Period, Resource, Window
from trunkline_server.core.limit_messages import RESOURCES, WINDOWS, key_limit, limit_of_key
from trunkline_server.core.limit_notation import MAX_PERIOD_S
from trunkline_server.core.principal import ContentPolicy, Permissions, Priority, Role
from trunkline_server.identity.directory import Directory
from trunkline_server.identity.record import KeyRecord
from trunkline_server.services.bounds import MAX_LABEL_KEY_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS
from trunkline_server.services.violations import Violations

MAX_NAME_CHARS: Final = 128
MAX_LIMITS: Final = 32
MAX_NAMES: Final = 256
MAX_NAME_BYTES: Final = 256
MAX_LIMIT_NAME_CHARS: Final = 128

_LABEL_KEY_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_LISTS: Final = ("models", "providers", "regions", "methods")
_ROLES: Final = {keys_pb2.ROLE_UNSPECIFIED: Role.CALLER, keys_pb2.ROLE_CALLER: Role.CALLER} | {
    keys_pb2.ROLE_OPERATOR: Role.OPERATOR
}
_PRIORITIES: Final = {
    keys_pb2.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    keys_pb2.PRIORITY_LOW: Priority.LOW,
    keys_pb2.PRIORITY_NORMAL: Priority.NORMAL,
    keys_pb2.PRIORITY_HIGH: Priority.HIGH,
}
_CONTENTS: Final = {
    keys_pb2.CONTENT_POLICY_UNSPECIFIED: ContentPolicy.NONE,
    keys_pb2.CONTENT_POLICY_NONE: ContentPolicy.NONE,
    keys_pb2.CONTENT_POLICY_HASHED: ContentPolicy.HASHED,
    keys_pb2.CONTENT_POLICY_FULL: ContentPolicy.FULL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A key and where it is kept."""

    record: KeyRecord
    source: str
    """"store" or "file"."""


def check(spec: keys_pb2.KeySpec, directory: Directory, now: float) -> None:
    """Returns if there may be such a key. Raises InvalidRequest, each field by its path."""
    violations = Violations("spec.")
    violations.require(spec.name, "name")
    if len(spec.name) > MAX_NAME_CHARS or not spec.name.isprintable():
        violations.add("name", f"not a name; use at most {MAX_NAME_CHARS} characters that can be printed")
    _check_place(violations, spec, directory)
    _check_labels(violations, spec.labels)
    _check_permissions(violations, spec.permissions)
    _check_limits(violations, spec.limits)
    for field, table in (("priority", _PRIORITIES), ("content", _CONTENTS), ("role", _ROLES)):
        if getattr(spec, field) not in table:
            violations.add(field, "not known; set one that the contract names, or leave it out")
    if spec.HasField("expires_at") and not now < spec.expires_at.seconds < 2**38:
        violations.add("expires_at", "not a time to come; set a later one, or leave it out")
    violations.enforce()


def record_of(spec: keys_pb2.KeySpec, *, key_id: str, digest: str, now: float) -> KeyRecord:
    """The record of a checked key."""
    return KeyRecord(
        id=key_id,
        digest=digest,
        name=spec.name,
        org=spec.org or spec.team.partition("/")[0],
        team=spec.team,
        labels=dict(spec.labels),
        permissions=_permissions_of(spec.permissions),
        limits=tuple(_named(limit_of_key(limit, key_id)) for limit in spec.limits),
        priority=_PRIORITIES[spec.priority],
        content=_CONTENTS[spec.content],
        role=_ROLES[spec.role],
        created_at=now,
        expires_at=spec.expires_at.seconds + spec.expires_at.nanos / 1e9 if spec.HasField("expires_at") else None,
    )


def message_of(kept: Kept, now: float) -> keys_pb2.Key:
    """A key as operators read it."""
    record = kept.record
    overlaps = record.previous_digest and record.previous_until > now
    return keys_pb2.Key(
        id=record.id,
        spec=_spec_of(record),
        state=state_of(record, now),
        created_at=_timestamp(record.created_at or None),
        revoked_at=_timestamp(record.revoked_at),
        rotated_at=_timestamp(record.rotated_at),
        overlap_until=_timestamp(record.previous_until if overlaps else None),
        source=kept.source,
    )


def state_of(record: KeyRecord, now: float) -> "keys_pb2.KeyState.ValueType":
    """Where a key stands."""
    if record.revoked_at is not None:
        return keys_pb2.KEY_STATE_REVOKED
    if record.expires_at is not None and record.expires_at <= now:
        return keys_pb2.KEY_STATE_EXPIRED
    return keys_pb2.KEY_STATE_ACTIVE


def _spec_of(record: KeyRecord) -> keys_pb2.KeySpec:
    return keys_pb2.KeySpec(
        name=record.name,
        org=record.org,
        team=record.team,
        labels=record.labels,
        permissions=_permissions_message(record.permissions),
        limits=[key_limit(limit) for limit in record.limits],
        priority=keys_pb2.Priority.Value(f"PRIORITY_{record.priority.name}"),
        content=keys_pb2.ContentPolicy.Value(f"CONTENT_POLICY_{record.content.name}"),
        role=keys_pb2.Role.Value(f"ROLE_{record.role.name}"),
        expires_at=_timestamp(record.expires_at),
    )


def _check_place(violations: Violations, spec: keys_pb2.KeySpec, directory: Directory) -> None:
    """Refusals quote what operators wrote, which they alone read, and only if it can be shown."""
    if spec.org and spec.org not in directory.orgs:
        violations.add("org", f"no org {_shown(spec.org)}in trunkline.yaml; add it there, or name one that is")
    if not spec.team:
        return
    org, slash, _ = spec.team.partition("/")
    if not slash or (spec.org and org != spec.org):
        violations.add("team", "not a team of that org; write it with its org: acme/search")
    elif spec.team not in directory.teams:
        violations.add("team", f"no team {_shown(spec.team)}in trunkline.yaml; add it there, or name one that is")


def _shown(name: str) -> str:
    return f'"{name}" ' if len(name) <= MAX_NAME_CHARS and name.isprintable() else ""


def _check_labels(violations: Violations, labels: Mapping[str, str]) -> None:
    if not violations.count(len(labels), "labels", MAX_LABELS):
        return
    for key, value in labels.items():
        if not key or len(key) > MAX_LABEL_KEY_BYTES or not _LABEL_KEY_CHARS.issuperset(key):
            violations.add("labels", "a key that is none; use 1 to 64 of a-z, 0-9, dot, dash and underscore")
        else:
            violations.bound(value, f'labels["{key}"]', MAX_LABEL_VALUE_BYTES)


def _check_permissions(violations: Violations, permissions: keys_pb2.Permissions) -> None:
    for field in _LISTS:
        names = getattr(permissions, field).names
        if not violations.count(len(names), f"permissions.{field}.names", MAX_NAMES):
            continue
        for index, name in enumerate(names):
            if not name or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
                text = f"not a name; use 1 to {MAX_NAME_BYTES} bytes that can be printed"
                violations.add(f"permissions.{field}.names[{index}]", text)
    if permissions.HasField("max_output_tokens") and permissions.max_output_tokens < 1:
        violations.add("permissions.max_output_tokens", "below one; set 1 or more, or leave it out")


def _check_limits(violations: Violations, limits: Iterable[keys_pb2.KeyLimit]) -> None:
    given = list(limits)
    if not violations.count(len(given), "limits", MAX_LIMITS):
        return
    seen: set[str] = set()
    for index, limit in enumerate(given):
        where = f"limits[{index}]"
        before = len(violations.found)
        _check_limit(violations, limit, where)
        if len(violations.found) == before:
            identity = limit_of_key(limit, "").id
            if identity in seen:
                violations.add(where, "one before it limits the same in the same window; keep one of them")
            seen.add(identity)


def _check_limit(violations: Violations, limit: keys_pb2.KeyLimit, where: str) -> None:
    if len(limit.name) > MAX_LIMIT_NAME_CHARS or not limit.name.isprintable():
        violations.add(
            f"{where}.name", f"not a name; use at most {MAX_LIMIT_NAME_CHARS} characters that can be printed"
        )
    if limit.resource not in RESOURCES.values():
        violations.add(f"{where}.resource", "not set or not known; set one of LimitResource")
    if not 1 <= limit.capacity <= MAX_AMOUNT:
        violations.add(f"{where}.capacity", f"must be a number from 1 to {MAX_AMOUNT}")
    violations.model(limit.model, f"{where}.model")
    windows = {value: window for window, value in WINDOWS.items()}
    window = windows.get(limit.window)
    if window is None:
        violations.add(f"{where}.window", "not set or not known; set one of LimitWindow")
        return
    _check_window(violations, limit, window, where)


def _check_window(violations: Violations, limit: keys_pb2.KeyLimit, window: Window, where: str) -> None:
    concurrent = limit.resource == RESOURCES[Resource.CONCURRENT_CALLS]
    if concurrent != (window is Window.IN_USE):
        violations.add(f"{where}.window", "concurrent calls, and nothing else, come back when calls end; set the other")
    timed = window in (Window.ROLLING, Window.TOKEN_BUCKET)
    if timed and not 1 <= limit.period.seconds <= MAX_PERIOD_S:
        violations.add(f"{where}.period", "not set, or not from 1 second to 366 days; set it")
    elif limit.HasField("period") and (not timed or not 0 <= limit.period.nanos < 10**9):
        violations.add(f"{where}.period", "not for this window; leave it out")
    if window is Window.CALENDAR and limit.calendar not in set(Period):
        violations.add(f"{where}.calendar", "no period; set minute, hour, day, week or month")
    elif window is not Window.CALENDAR and limit.calendar:
        violations.add(f"{where}.calendar", "only for calendar windows; leave it out")


def _named(limit: Limit) -> Limit:
    """One without a name gets one that refusals can tell."""
    if limit.name:
        return limit
    parts = (limit.model, str(limit.resource).replace("_", "-"), str(limit.period or f"{limit.period_s:g}s"))
    return replace(limit, name="-".join(part for part in parts if part and part != "0s"))


def _permissions_of(message: keys_pb2.Permissions) -> Permissions:
    lists = {field: frozenset(getattr(message, field).names) if message.HasField(field) else None for field in _LISTS}
    return Permissions(
        **lists,
        upstream_models=message.upstream_models,
        provider_options=message.provider_options,
        max_output_tokens=message.max_output_tokens if message.HasField("max_output_tokens") else None,
    )


def _permissions_message(permissions: Permissions) -> keys_pb2.Permissions:
    message = keys_pb2.Permissions(
        upstream_models=permissions.upstream_models,
        provider_options=permissions.provider_options,
        max_output_tokens=permissions.max_output_tokens,
    )
    for field in _LISTS:
        names = getattr(permissions, field)
        if names is not None:
            getattr(message, field).CopyFrom(keys_pb2.Names(names=sorted(names)))
    return message


def _timestamp(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    return Timestamp(seconds=int(seconds), nanos=int((seconds % 1) * 1e9))


def seconds_of(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9
