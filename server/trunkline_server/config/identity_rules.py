"""Orgs, teams and keys of trunkline.yaml: the shape of each entry, then what they mean to models, providers and limits.

All of it may be left out. What is named has to be there: a permission or limit for a mistyped model holds nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from trunkline_server.config import identities, proofs
from trunkline_server.config.entry import check_name, read_entry
from trunkline_server.config.file import Tree
from trunkline_server.config.limits import LimitEntry, check_limits
from trunkline_server.config.problems import Where, did_you_mean
from trunkline_server.core.limit import Scope

Orgs = Mapping[str, identities.OrgEntry]

_BELOW: Final[dict[str, type[BaseModel]]] = {"limits": LimitEntry, "teams": identities.TeamEntry}
_PLAINTEXT: Final = ("key", "token", "secret", "api_key", "password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Names that permissions and limits may use."""

    models: frozenset[str]
    providers: frozenset[str]

    def has_model(self, name: str) -> bool:
        """Whether it is a model of the file, or one by name at a provider of the file ("provider/*" for all)."""
        provider, slash, upstream_model = name.partition("/")
        return name in self.models or bool(slash and upstream_model and provider in self.providers)


def check_orgs(tree: Tree, known: Known) -> dict[str, identities.OrgEntry]:
    """The orgs of the file, with all that is wrong with them reported."""
    orgs: dict[str, identities.OrgEntry] = {}
    for name, value in _mapping(tree, "orgs", identities.MAX_ORGS).items():
        where: Where = ("orgs", name)
        check_name(tree, where, name, identities.check_org_name)
        entry = read_entry(tree, where, identities.OrgEntry, {} if value is None else _filled_teams(value), _BELOW)
        if entry:
            orgs[name] = entry
            _check_grants(tree, where, entry, known, Scope.ORG)
            _check_teams(tree, where, entry, known)
    return orgs


def check_keys(tree: Tree, orgs: Orgs, known: Known) -> tuple[identities.KeyEntry, ...]:
    """The keys of the file, with all that is wrong with them reported."""
    keys: list[identities.KeyEntry] = []
    lines: dict[str, int] = {}
    for index, value in enumerate(_list(tree, "keys", identities.MAX_KEYS)):
        where: Where = ("keys", index)
        if _reports_plaintext(tree, where, value):
            continue
        entry = read_entry(tree, where, identities.KeyEntry, identities.hash_as_sha256(value), _BELOW)
        if entry is None:
            continue
        if entry.id in lines:
            tree.report((*where, "id"), f"the id of keys[{lines[entry.id]}] too", "Each key has an id of its own")
        lines.setdefault(entry.id, index)
        _check_place(tree, where, entry, orgs)
        _check_grants(tree, where, entry, known, Scope.KEY)
        keys.append(entry)
    return tuple(keys)


def check_issuers(tree: Tree, orgs: Orgs, known: Known, folder: Path) -> dict[str, proofs.IssuerEntry]:
    """The issuers of the file, with all that is wrong with them reported. Paths of files begin at `folder`."""
    issuers: dict[str, proofs.IssuerEntry] = {}
    for name, value in _mapping(tree, "issuers", proofs.MAX_ISSUERS).items():
        where: Where = ("issuers", name)
        check_name(tree, where, name, identities.check_org_name)
        entry = read_entry(tree, where, proofs.IssuerEntry, value, _BELOW)
        if entry is None:
            continue
        for key in ("org", "team"):
            check_name(tree, (*where, key), getattr(entry, key), proofs.check_claim)
        if not any(part.startswith(proofs.CLAIM) for part in (entry.org, entry.team)):
            _check_place(tree, where, entry, orgs)
        _check_known(tree, (*where, "allowed_orgs"), entry.allowed_orgs, orgs, "org", orgs.__contains__)
        _check_grants(tree, where, entry, known, Scope.KEY)
        whole = folder / entry.jwks_file if entry.jwks_file else None
        issuers[name] = entry.model_copy(update={"jwks_file": whole})
    return issuers


def check_certificates(tree: Tree, orgs: Orgs, known: Known) -> tuple[proofs.CertificateEntry, ...]:
    """The certificates of the file, with all that is wrong with them reported."""
    certificates: list[proofs.CertificateEntry] = []
    names: dict[str, int] = {}
    for index, value in enumerate(_list(tree, "certificates", proofs.MAX_CERTIFICATES)):
        where: Where = ("certificates", index)
        entry = read_entry(tree, where, proofs.CertificateEntry, value, _BELOW)
        if entry is None:
            continue
        if entry.name in names:
            tree.report((*where, "name"), f"the name of certificates[{names[entry.name]}] too", "Give it another")
        names.setdefault(entry.name, index)
        _check_place(tree, where, entry, orgs)
        _check_grants(tree, where, entry, known, Scope.KEY)
        certificates.append(entry)
    return tuple(certificates)


def check_unpriced(tree: Tree) -> str:
    """What is done with models without a price under a limit on money."""
    word = tree.data.get("unpriced", "deny")
    if word not in ("deny", "allow"):
        tree.report(("unpriced",), "must be deny or allow", "deny refuses calls of models without a price")
        return "deny"
    return str(word)


def _filled_teams(value: Any) -> Any:
    """A team below which nothing is written is a team nevertheless."""
    teams = value.get("teams") if isinstance(value, dict) else None
    if not isinstance(teams, dict):
        return value
    return {**value, "teams": {name: {} if team is None else team for name, team in teams.items()}}


def _check_teams(tree: Tree, where: Where, org: identities.OrgEntry, known: Known) -> None:
    if len(org.teams) > identities.MAX_TEAMS:
        tree.report((*where, "teams"), f"more than {identities.MAX_TEAMS} teams", "Split them among orgs")
    for name, team in org.teams.items():
        place: Where = (*where, "teams", name)
        check_name(tree, place, name, identities.check_org_name)
        _check_grants(tree, place, team, known, Scope.TEAM)


def _check_grants(tree: Tree, where: Where, entry: identities.GrantsEntry, known: Known, scope: Scope) -> None:
    _check_known(tree, (*where, "models"), entry.models, known.models, "model", known.has_model)
    providers = known.providers
    _check_known(tree, (*where, "providers"), entry.providers, providers, "provider", providers.__contains__)
    methods = identities.KNOWN_METHODS
    _check_known(tree, (*where, "methods"), entry.methods, methods, "method", methods.__contains__)
    check_limits(tree, (*where, "limits"), entry.limits, known.has_model, scope)


def _check_known(
    tree: Tree,
    where: Where,
    names: Iterable[str] | None,
    known: Iterable[str],
    what: str,
    is_known: Callable[[str], bool],
) -> None:
    for index, name in enumerate(names or ()):
        if not is_known(name):
            tree.report((*where, index), f"no such {what}", did_you_mean(name, known))


def _check_place(tree: Tree, where: Where, key: identities.HolderEntry, orgs: Orgs) -> None:
    if key.team and not key.org_name:
        tree.report((*where, "org"), "missing beside team", "Write the org that the team belongs to")
        return
    if not key.org_name:
        return
    if key.org_name not in orgs:
        tree.report((*where, "org" if key.org else "team"), "no such org", did_you_mean(key.org_name, orgs))
    elif key.team:
        org, _, team = key.team_id.partition("/")
        teams = orgs[key.org_name].teams
        if org != key.org_name:
            tree.report((*where, "team"), "of another org than org says", "Take org out, or name a team of it")
        elif team not in teams:
            tree.report((*where, "team"), "no such team", did_you_mean(team, teams))


def _reports_plaintext(tree: Tree, where: Where, value: Any) -> bool:
    """Whether a key stands there itself, and not its hash. It has been seen then, and is not shown again."""
    for name in _PLAINTEXT:
        if isinstance(value, dict) and name in value:
            tree.report((*where, name), "a key has no place here, only its hash", identities.HASH_INSTEAD)
            return True
    return False


def _mapping(tree: Tree, key: str, most: int) -> dict[str, Any]:
    data = tree.data.get(key)
    if data is None:
        return {}
    if not isinstance(data, dict):
        tree.report((key,), "must be a mapping", "Write names and what belongs to them below it")
    elif len(data) > most:
        tree.report((key,), f"more than {most} entries", "Split them among gateways")
    else:
        return data
    return {}


def _list(tree: Tree, key: str, most: int) -> list[Any]:
    data = tree.data.get(key)
    if data is None:
        return []
    if not isinstance(data, list):
        tree.report((key,), "must be a list", "Begin each entry with a dash")
    elif len(data) > most:
        tree.report((key,), f"more than {most} entries", "Take some out; keys may stand in the key store")
    else:
        return data
    return []
