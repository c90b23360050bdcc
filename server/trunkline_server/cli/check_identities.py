"""What `trunkline check` tells of orgs, teams, keys and limits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from trunkline_server.core.limit import Limit
from trunkline_server.core.limit_notation import limit_text
from trunkline_server.core.principal import Permissions
from trunkline_server.identity.directory import Directory, OrgEntry, TeamEntry
from trunkline_server.identity.record import KeyRecord


def identity_rows(directory: Directory) -> Iterator[tuple[str, ...]]:
    """A row for each org, team and key of the file, and below it one for each of its limits."""
    for name, org in directory.orgs.items():
        yield "org", name, _may(org.permissions)
        yield from _limit_rows(org.limits)
        for team, entry in directory.teams.items():
            if team.startswith(f"{name}/"):
                yield "team", team, _may(entry.permissions)
                yield from _limit_rows(entry.limits)
    for record in directory.keys.values():
        yield "key", record.id, ", ".join(filter(None, (record.name, f"of {_holder(record)}", _ends(record))))
        yield from _limit_rows(record.limits)


def identity_facts(directory: Directory) -> dict[str, Any]:
    """The same for machines."""
    return {
        "orgs": [{"name": name, **_facts(org)} for name, org in directory.orgs.items()],
        "teams": [{"name": name, **_facts(team)} for name, team in directory.teams.items()],
        "keys": [
            {"id": record.id, "name": record.name, "org": record.org, "team": record.team, **_facts(record)}
            for record in directory.keys.values()
        ],
    }


def _limit_rows(limits: tuple[Limit, ...]) -> Iterator[tuple[str, ...]]:
    for limit in limits:
        model = f", model {limit.model}" if limit.model else ""
        yield "", f"  {limit.name}", f"{limit_text(limit)}{model}{', only counted' if limit.shadow else ''}"


def _may(permissions: Permissions) -> str:
    said = {
        "models": permissions.models,
        "providers": permissions.providers,
        "regions": permissions.regions,
        "methods": permissions.methods,
    }
    told = [f"{what} {', '.join(sorted(names)) or 'none'}" for what, names in said.items() if names is not None]
    if permissions.max_output_tokens is not None:
        told.append(f"at most {permissions.max_output_tokens} output tokens")
    return "; ".join(told)


def _holder(record: KeyRecord) -> str:
    return record.team or record.org or "no org"


def _ends(record: KeyRecord) -> str:
    if record.expires_at is None:
        return ""
    return f"until {datetime.fromtimestamp(record.expires_at, UTC):%Y-%m-%d %H:%M} UTC"


def _facts(entry: OrgEntry | TeamEntry | KeyRecord) -> dict[str, Any]:
    limits = [
        {"name": limit.name, "limit": limit_text(limit), "model": limit.model, "shadow": limit.shadow}
        for limit in entry.limits
    ]
    return {"labels": dict(entry.labels), "limits": limits}
