"""From the checked entries of orgs, teams and keys to the directory that a worker asks."""

from types import MappingProxyType

from trunkline_server.config import identities, proofs, schema
from trunkline_server.core.limit import Scope
from trunkline_server.identity.directory import CertificateEntry, Directory, Grants, IssuerEntry, OrgEntry, TeamEntry
from trunkline_server.identity.record import KeyRecord


def directory_of(config: schema.ConfigFile) -> Directory:
    """The directory of a checked file; an empty one of a file that says nothing of who may call."""
    teams = {
        f"{org}/{name}": _team(f"{org}/{name}", team)
        for org, entry in config.orgs.items()
        for name, team in entry.teams.items()
    }
    return Directory(
        orgs=MappingProxyType({name: _org(name, entry) for name, entry in config.orgs.items()}),
        teams=MappingProxyType(teams),
        keys=MappingProxyType({entry.id: _key(entry) for entry in config.keys}),
        issuers=tuple(_issuer(name, entry) for name, entry in config.issuers.items()),
        certificates=tuple(map(_certificate, config.certificates)),
    )


def _org(name: str, entry: identities.OrgEntry) -> OrgEntry:
    return OrgEntry(
        labels=MappingProxyType(dict(entry.labels)),
        permissions=entry.permissions(unsaid=False),
        limits=tuple(limit.limit(Scope.ORG, name) for limit in entry.limits),
    )


def _team(team: str, entry: identities.TeamEntry) -> TeamEntry:
    return TeamEntry(
        labels=MappingProxyType(dict(entry.labels)),
        permissions=entry.permissions(unsaid=True),
        limits=tuple(limit.limit(Scope.TEAM, team) for limit in entry.limits),
    )


def _key(entry: identities.KeyEntry) -> KeyRecord:
    return KeyRecord(
        id=entry.id,
        digest=entry.sha256,
        name=entry.name,
        org=entry.org_name,
        team=entry.team_id,
        labels=dict(entry.labels),
        permissions=entry.permissions(unsaid=bool(entry.org_name)),
        limits=tuple(limit.limit(Scope.KEY, entry.id, entry.owner) for limit in entry.limits),
        priority=entry.priority_class,
        content=entry.content_policy,
        role=entry.purpose,
        expires_at=entry.expires_at,
    )


def _issuer(name: str, entry: proofs.IssuerEntry) -> IssuerEntry:
    return IssuerEntry(
        name=name,
        issuer=entry.issuer,
        audiences=entry.audiences,
        algorithms=entry.algorithms,
        jwks_uri=entry.jwks_uri or "",
        jwks_file=str(entry.jwks_file or ""),
        allowed_orgs=None if entry.allowed_orgs is None else frozenset(entry.allowed_orgs),
        grants=_grants(entry, entry.org, entry.team, name),
    )


def _certificate(entry: proofs.CertificateEntry) -> CertificateEntry:
    return CertificateEntry(
        name=entry.name,
        spiffe_id=entry.spiffe_id,
        dns_name=entry.dns_name,
        uri=entry.uri,
        email=entry.email,
        common_name=entry.common_name,
        grants=_grants(entry, entry.org_name, entry.team_id, entry.name),
    )


def _grants(entry: identities.HolderEntry, org: str, team: str, name: str) -> Grants:
    return Grants(
        org=org,
        team=team,
        labels=MappingProxyType(dict(entry.labels)),
        permissions=entry.permissions(unsaid=bool(org or team)),
        limits=tuple(limit.limit(Scope.KEY, "", identities.slug(name)) for limit in entry.limits),
        priority=entry.priority_class,
        content=entry.content_policy,
        role=entry.purpose,
    )
