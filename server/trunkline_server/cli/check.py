"""`trunkline check`: says whether settings and models can be used, and how they are understood.

Exit code 0: they can; 2: they can't, and each problem is told. No value that could be a secret is printed.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from trunkline_server.cli.check_identities import identity_facts, identity_rows
from trunkline_server.config import ConfigError, Document, Problem, Settings, Snapshot, build, doubts, load
from trunkline_server.config.tls import Judged, read_and_judge
from trunkline_server.core.deployment import Provider, Route
from trunkline_server.credentials.kinds import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    settings: Settings
    document: Document
    snapshot: Snapshot
    tls: Judged | None
    """What the files of TLS hold; None without TLS."""
    warnings: tuple[Problem, ...]


@click.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, path: Path | None, as_json: bool) -> None:
    """Check the settings and the model map.

    PATH is the file to check; without it the one that `trunkline serve` would use.
    """
    checked, problems = _check(path, os.environ)
    if as_json:
        click.echo(json.dumps(_for_machines(checked, problems), indent=2))
    elif checked:
        _print(checked)
    for problem in () if as_json else problems:
        click.echo(str(problem), err=True)
    if problems:
        context.exit(2)


def _check(path: Path | None, environ: Mapping[str, str]) -> tuple[_Checked | None, list[Problem]]:
    """Both halves are read even if one is wrong, so that all problems are told at once."""
    problems: list[Problem] = []
    settings = document = None
    named_by = ""
    try:
        settings = Settings.load(environ)
    except ConfigError as error:
        problems += error.problems
    if path is None and environ.get("TRUNKLINE_CONFIG", "").strip():
        path, named_by = Path(environ["TRUNKLINE_CONFIG"].strip()), "TRUNKLINE_CONFIG"
    try:
        document = load(path, environ, named_by=named_by)
    except ConfigError as error:
        problems += error.problems
    tls = None
    if settings and settings.tls_files:
        _, tls = read_and_judge(settings.tls_files, datetime.now(UTC))
        problems += tls.problems
    if settings is None or document is None or problems:
        return None, problems
    snapshot = build(document)
    warnings = (*doubts(settings, document, snapshot, environ), *(tls.doubts if tls else ()))
    checked = _Checked(settings=settings, document=document, snapshot=snapshot, tls=tls, warnings=warnings)
    return checked, problems


def _print(checked: _Checked) -> None:
    settings, snapshot = checked.settings, checked.snapshot
    _table(
        "Gateway",
        [
            ("listens on", ", ".join(settings.listen)),
            ("TLS", str(checked.tls) if checked.tls else "off"),
            ("probes", settings.probe_listen or "off"),
            ("workers", str(settings.workers)),
            ("reflection", "on" if settings.reflection_on else "off"),
            ("channelz", "on" if settings.channelz_on else "off"),
            ("models from", f"{checked.document.origin}, version {checked.document.version}"),
        ],
    )
    _table("Providers", [_provider_row(provider) for provider in snapshot.providers.values()])
    _table("Models", [row for route in snapshot.routes.values() for row in _route_rows(route)])
    if rows := list(identity_rows(snapshot.directory)):
        _table("Callers", rows)
    for warning in checked.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo("ok")


def _provider_row(provider: Provider) -> tuple[str, ...]:
    if provider.dialect == "local":
        return provider.name, provider.dialect, "this machine"
    return provider.name, provider.dialect, _base_url(provider), _credential(provider)


def _credential(provider: Provider) -> str:
    if provider.presents:
        return f"with a credential that {KINDS[provider.presents].issuer} issues"
    return "with a key" if provider.credential else "without a key"


def _base_url(provider: Provider) -> str:
    return f"{provider.endpoint}{provider.base_path}"


def _route_rows(route: Route) -> Iterable[tuple[str, ...]]:
    for index, deployment in enumerate(route.deployments):
        region = f"region {deployment.region}" if deployment.region else ""
        yield (
            "" if index else route.model,
            f"tier {deployment.tier}",
            f"weight {deployment.weight}",
            f"{deployment.provider.name}: {deployment.upstream_model}",
            region,
        )


def _table(title: str, rows: list[tuple[str, ...]]) -> None:
    columns = max(map(len, rows))
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    click.echo(title)
    for row in rows:
        click.echo(("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip())
    click.echo()


def _for_machines(checked: _Checked | None, problems: list[Problem]) -> dict[str, Any]:
    """The same keys whatever was found; those of what can't be used are null."""
    return {
        "ok": not problems,
        "problems": [asdict(problem) for problem in problems],
        "warnings": checked and [asdict(warning) for warning in checked.warnings],
        "file": checked and checked.document.origin,
        "version": checked and checked.document.version,
        "settings": checked and checked.settings.model_dump(mode="json"),
        "tls": checked and checked.tls and _tls_facts(checked.tls),
        "providers": checked and [_provider_facts(provider) for provider in checked.snapshot.providers.values()],
        "models": checked and [_route_facts(route) for route in checked.snapshot.routes.values()],
        "callers": checked and identity_facts(checked.snapshot.directory),
    }


def _tls_facts(tls: Judged) -> dict[str, Any]:
    return {
        "names": tls.names,
        "not_after": tls.not_after and tls.not_after.isoformat(),
        "client_cas": tls.client_cas,
    }


def _provider_facts(provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "dialect": provider.dialect,
        "base_url": None if provider.dialect == "local" else _base_url(provider),
        "has_credential": provider.credential is not None,
        "presents": provider.presents or None,
    }


def _route_facts(route: Route) -> dict[str, Any]:
    return {
        "name": route.model,
        "description": route.description,
        "deployments": [
            {
                "name": deployment.name,
                "provider": deployment.provider.name,
                "upstream_model": deployment.upstream_model,
                "region": deployment.region,
                "tier": deployment.tier,
                "weight": deployment.weight,
            }
            for deployment in route.deployments
        ],
    }
