"""Who may call, as trunkline.yaml states it: orgs, their teams, and keys by their hash.

1. A key's token stands nowhere in the file. What looks like one is refused, and not quoted.
2. What an org, team or key may is told by the same keys; each holds within those above it.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from trunkline_server.config.entry import Entry, Line, Listed, Number, Truth
from trunkline_server.config.limits import Limits
from trunkline_server.config.problems import wrong
from trunkline_server.core.principal import ContentPolicy, Permissions, Priority, Role

MAX_ORGS: Final = 1024
MAX_TEAMS: Final = 1024
"""Of one org."""
MAX_KEYS: Final = 4096
MAX_LABELS: Final = 32
MAX_NAMES: Final = 256
"""Models, providers, regions or methods of one list."""
MAX_OUTPUT_TOKENS: Final = 1_000_000_000

METHODS: Final = (
    "Completion.Complete",
    "Completion.CountTokens",
    "Completion.GetOutcome",
    "Completion.StreamComplete",
    "Embedding.Embed",
    "Models.GetModel",
    "Models.ListModels",
    "Quotas.GetQuota",
)
KNOWN_METHODS: Final = frozenset({*METHODS, *(f"{name.partition('.')[0]}.*" for name in METHODS)})

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL: Final = re.compile(r"[a-z0-9._-]{1,64}")
_KEY_ID: Final = re.compile(r"[0-9A-Za-z]{4,64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
HASH_INSTEAD: Final = (
    "Write the SHA-256 of its third part, the secret, in hex, as `trunkline key create` keeps it, and take this token "
    "out of use"
)


def check_org_name(name: str) -> str:
    """The name itself, if an org or team may have it."""
    if not _NAME.fullmatch(name):
        raise wrong("not a name", "At most 64 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit")
    return name


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > MAX_NAMES:
        raise wrong(f"more than {MAX_NAMES} names", "Take some out, or take the key out to allow all")
    return names


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise wrong(f"more than {MAX_LABELS} labels", "Take some out")
    if not all(map(_LABEL.fullmatch, labels)):
        raise wrong("a label's name is not one", "At most 64 of a-z, 0-9, dot, dash and underscore")
    return labels


def _check_id(text: str) -> str:
    _refuse_token(text)
    if not _KEY_ID.fullmatch(text):
        raise wrong("not the id of a key", "Write the second part of its token: letters and digits")
    return text


def _check_digest(text: str) -> str:
    _refuse_token(text)
    digest = text.strip().lower().removeprefix("sha256:")
    if not _DIGEST.fullmatch(digest):
        raise wrong("not a SHA-256 in hex", "Write its 64 hex digits")
    return digest


def _refuse_token(text: str) -> None:
    if text.strip().startswith("tl_"):
        raise wrong("a key itself, where its hash belongs", HASH_INSTEAD)


def _seconds(value: object) -> object:
    """Seconds since 1970 of a date, or of a time with its zone; UTC where none is said."""
    if not isinstance(value, str):
        return value
    try:
        when = datetime.fromisoformat(value.strip())
    except ValueError:
        raise wrong("not a time", "Write it like 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


Names = Annotated[Listed[Annotated[Line, Field(max_length=256)]], AfterValidator(_check_names)]
Labels = Annotated[dict[str, Annotated[Line, Field(max_length=256)]], AfterValidator(_check_labels), Field(default={})]
Moment = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=253_402_300_799)]


class GrantsEntry(Entry):
    """What may be asked for, and how much of it. What is not said is left to those above."""

    labels: Labels
    models: Names | None = None
    providers: Names | None = None
    regions: Names | None = None
    methods: Names | None = None
    upstream_models: Truth | None = None
    provider_options: Truth | None = None
    max_output_tokens: Annotated[Number, Field(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    limits: Limits

    def permissions(self, *, unsaid: bool) -> Permissions:
        """`unsaid`: whether permissions that are off by default are left to those above where nothing is said."""
        return Permissions(
            models=_set(self.models),
            providers=_set(self.providers),
            regions=_set(self.regions),
            methods=_set(self.methods),
            upstream_models=unsaid if self.upstream_models is None else self.upstream_models,
            provider_options=unsaid if self.provider_options is None else self.provider_options,
            max_output_tokens=self.max_output_tokens,
        )


class TeamEntry(GrantsEntry):
    """A team of an org."""


class OrgEntry(GrantsEntry):
    """An org: what all its teams and keys have together."""

    teams: dict[str, TeamEntry] = Field({})


class HolderEntry(GrantsEntry):
    """A caller, or a kind of callers: where they belong and what they are."""

    org: Annotated[Line, Field(max_length=256)] = ""
    team: Annotated[Line, Field(max_length=256)] = ""
    priority: Literal["low", "normal", "high"] = "normal"
    content: Literal["none", "hashed", "full"] = "none"
    role: Literal["caller", "operator"] = "caller"

    @property
    def org_name(self) -> str:
        """The org, also where only "org/team" says it."""
        return self.org or (self.team.partition("/")[0] if "/" in self.team else "")

    @property
    def team_id(self) -> str:
        """As "acme/search"; empty where there is no team."""
        return self.team if not self.team or "/" in self.team else f"{self.org}/{self.team}"

    @property
    def priority_class(self) -> Priority:
        """Which of its calls are refused first."""
        return Priority[self.priority.upper()]

    @property
    def content_policy(self) -> ContentPolicy:
        """What records keep of its calls."""
        return ContentPolicy(self.content)

    @property
    def purpose(self) -> Role:
        """What it is there for."""
        return Role(self.role)


class KeyEntry(HolderEntry):
    """A key by its hash. It is in force as long as it stands in the file."""

    id: Annotated[str, AfterValidator(_check_id)]
    sha256: Annotated[str, AfterValidator(_check_digest)] = Field(repr=False)
    name: Annotated[Line, Field(max_length=128)] = ""
    expires_at: Moment | None = None

    @property
    def owner(self) -> str:
        """What names of its limits begin with."""
        return slug(self.name) or self.id


def slug(name: str) -> str:
    """A name in small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def hash_as_sha256(value: Any) -> Any:
    """An entry of a key with `hash: sha256:...` as if it had been written `sha256: ...`."""
    if isinstance(value, dict) and isinstance(value.get("hash"), str) and "sha256" not in value:
        return {"sha256" if key == "hash" else key: item for key, item in value.items()}
    return value


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
