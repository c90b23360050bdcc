"""Orgs, teams and what the configuration says of who may call: from a proven identity to a principal.

What a key, token or certificate may holds within its team's permissions, and those within its org's. It has to pass
the limits of all three. One whose org or team is not in the directory may nothing: what held it is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from trunkline_server.core.limit import Limit
from trunkline_server.core.principal import ContentPolicy, Permissions, Principal, Priority, Role
from trunkline_server.identity.record import KeyRecord

Kind = Literal["key", "jwt", "cert"]

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
EVERYTHING: Final = Permissions(upstream_models=True, provider_options=True)
NOTHING: Final = Permissions(models=frozenset(), providers=frozenset(), regions=frozenset(), methods=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamEntry:
    """What all of a team have together."""

    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS, hash=False)
    permissions: Permissions = EVERYTHING
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgEntry:
    """What all of an org have together."""

    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS, hash=False)
    permissions: Permissions = EVERYTHING
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What the configuration gives to those whom an issuer or a certificate proves."""

    org: str = ""
    """A name, or "claims." and the path of the claim of a token that tells it."""
    team: str = ""
    """As org: "acme/search", or without the org where that is told as well."""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS, hash=False)
    permissions: Permissions = EVERYTHING
    limits: tuple[Limit, ...] = ()
    """Each principal's own; their scope_id is empty until it is known."""
    priority: Priority = Priority.NORMAL
    content: ContentPolicy = ContentPolicy.NONE
    role: Role = Role.CALLER


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerEntry:
    """An issuer of tokens that are taken."""

    name: str
    """As the configuration calls it."""
    issuer: str
    """What `iss` has to be, in full."""
    audiences: tuple[str, ...]
    """`aud` has to hold one of them."""
    algorithms: tuple[str, ...]
    jwks_uri: str = ""
    jwks_file: str = ""
    """Where its keys are. Both empty: where its discovery document says."""
    allowed_orgs: frozenset[str] | None = None
    """Of orgs that a claim tells. None: all that there are."""
    grants: Grants = field(default_factory=Grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEntry:
    """A client certificate, or a kind of them, that is taken. One of the names to match is set."""

    name: str
    spiffe_id: str = ""
    """In full; or, ending in "/*", all below that path of its trust domain."""
    dns_name: str = ""
    uri: str = ""
    email: str = ""
    common_name: str = ""
    grants: Grants = field(default_factory=Grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What the configuration says of who may call."""

    orgs: Mapping[str, OrgEntry] = field(default_factory=dict, repr=False)
    teams: Mapping[str, TeamEntry] = field(default_factory=dict, repr=False)
    """By "org/team"."""
    keys: Mapping[str, KeyRecord] = field(default_factory=dict, repr=False)
    """Those of the file, by id."""
    issuers: tuple[IssuerEntry, ...] = ()
    certificates: tuple[CertificateEntry, ...] = ()
    """The first that matches counts."""

    def principal(self, record: KeyRecord) -> Principal:
        """Who a key stands for."""
        return self.principal_of(
            "key",
            record.id,
            record.org,
            record.team,
            label=record.name,
            labels=record.labels,
            permissions=record.permissions,
            limits=record.limits,
            priority=record.priority,
            content=record.content,
            role=record.role,
            expires_at=record.expires_at,
        )

    def principal_of(
        self,
        kind: Kind,
        name: str,
        org: str = "",
        team: str = "",
        *,
        label: str = "",
        labels: Mapping[str, str] = NO_LABELS,
        permissions: Permissions = EVERYTHING,
        limits: tuple[Limit, ...] = (),
        priority: Priority = Priority.NORMAL,
        content: ContentPolicy = ContentPolicy.NONE,
        role: Role = Role.CALLER,
        expires_at: float | None = None,
    ) -> Principal:
        """Who a proven identity stands for. `name` is unique among its kind, `label` is for people."""
        of_org = self.orgs.get(org) if org else OrgEntry()
        of_team = self.teams.get(team) if team else TeamEntry()
        if of_org is None or of_team is None:
            of_org, of_team = OrgEntry(permissions=NOTHING), TeamEntry()
        return Principal(
            id=f"{kind}:{name}",
            org=org,
            team=team,
            name=label or name,
            labels=MappingProxyType({**of_org.labels, **of_team.labels, **labels}),
            permissions=permissions.within(of_team.permissions).within(of_org.permissions),
            limits=(*of_org.limits, *of_team.limits, *limits),
            priority=priority,
            content=content,
            role=role,
            expires_at=expires_at,
        )
