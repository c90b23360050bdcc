"""The shape of trunkline.yaml: what keys there are, of what kind, within what bounds.

Each entry is checked by a model of its own, so that one load tells all that is wrong. What entries mean to each other
is in rules.py.
"""

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, assert_never

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    SerializeAsAny,
    create_model,
)

from trunkline_server.config.base_url import split_base_url
from trunkline_server.config.capabilities import CapabilityEntry
from trunkline_server.config.entry import Entry, Line, Listed, Number, Truth
from trunkline_server.config.identities import KeyEntry, OrgEntry
from trunkline_server.config.problems import wrong
from trunkline_server.config.proofs import CertificateEntry, IssuerEntry
from trunkline_server.core.account import Account, Setting, SettingValue
from trunkline_server.core.secret import Secret
from trunkline_server.providers.registry import ROWS

MAX_MODEL_NAME_BYTES: Final = 256
MAX_HEADERS: Final = 32
MAX_HEADER_CHARS: Final = 8192

REVEAL: Final = "reveal"
"""Context of a dump that holds secrets: the one that goes to a worker over its private pipe."""

_PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_OWN_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def check_provider_name(name: str) -> str:
    """The name itself, if a provider may have it."""
    if not _PROVIDER_NAME.fullmatch(name):
        raise wrong(
            "not a name for a provider",
            "At most 64 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit",
        )
    return name


def check_model_name(name: str) -> str:
    """The name itself, if a model or deployment may have it."""
    if not name or len(name.encode()) > MAX_MODEL_NAME_BYTES or not name.isprintable() or any(map(str.isspace, name)):
        raise wrong(
            "not a name for a model", f"At most {MAX_MODEL_NAME_BYTES} bytes of printable characters without spaces"
        )
    return name


def _check_upstream_model(name: str) -> str:
    if not name or len(name.encode()) > MAX_MODEL_NAME_BYTES or not name.isprintable():
        raise wrong("not the name of a model", "Write it as the provider writes it, in at most 256 bytes")
    return name


def _check_base_url(url: str) -> str:
    split_base_url(url)
    return url


def _check_credential(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > MAX_HEADER_CHARS:
        raise wrong(
            "holds characters that no key has", "Look for spaces, line breaks or quotes that were copied with it"
        )
    return value


def _check_header_name(name: str) -> str:
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(lower):
        raise wrong("not a name for a header", "Write `name: value`, the name in letters, digits and dashes")
    if lower in _OWN_HEADERS or lower.startswith("proxy-"):
        raise wrong("a header that the gateway sets itself", "Take it out")
    return lower


def _check_header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or text != text.strip() or len(text) > MAX_HEADER_CHARS:
        raise wrong("holds what a header can't carry", f"At most {MAX_HEADER_CHARS} printable ASCII characters")
    return value


def _check_headers(headers: object) -> object:
    if isinstance(headers, dict):
        if len(headers) > MAX_HEADERS:
            raise wrong(f"more than {MAX_HEADERS} headers", "Take some out")
        if len({str(name).lower() for name in headers}) < len(headers):
            raise wrong("a header twice, in capitals and in small letters", "Keep one of the two")
    return headers


def _shown(value: SecretStr, info: SerializationInfo) -> str:
    return value.get_secret_value() if info.context == REVEAL else "***"


_Shown = PlainSerializer(_shown, when_used="json")

HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_header_value), _Shown]
Concealed = Annotated[SecretStr, AfterValidator(_check_credential), _Shown]
"""A credential: shown to a worker over its private pipe, and to nobody else."""


class RemoteEntry(Entry):
    """A provider in the network: what all have. Each dialect adds the settings of its account."""

    dialect: str
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = Field(None, repr=False)
    """None: the dialect's own."""
    api_key: Concealed | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], BeforeValidator(_check_headers)] = Field({})
    allow_provider_options: Truth = False

    @property
    def account(self) -> Account:
        """What its dialect says of accounts."""
        return ROWS[self.dialect].account

    @property
    def address(self) -> str:
        """The base URL, also where it is the dialect's own."""
        if self.base_url is not None:
            return self.base_url
        own = self.account.base_url
        return own(self.settings) if callable(own) else own

    @property
    def at_home(self) -> bool:
        """Whether it is where the dialect's own provider is. One that is written over a computed address is not."""
        own = self.account.base_url
        if self.base_url is None:
            return True
        return bool(own) and not callable(own) and _host(self.base_url) == _host(own)

    @property
    def settings(self) -> Mapping[str, SettingValue]:
        """The dialect's own keys, by name; those that are neither written nor have a default are missing."""
        values = {setting.name: self._setting(setting) for setting in self.account.settings}
        return {name: value for name, value in values.items() if value is not None}

    def _setting(self, setting: Setting) -> SettingValue | None:
        value = getattr(self, setting.name)
        if isinstance(value, SecretStr):
            return Secret(value.get_secret_value()) if value.get_secret_value() else None
        if isinstance(value, Path):
            return str(value)
        if value is None and setting.elsewhere is not None and not self.at_home:
            return setting.elsewhere
        written: SettingValue | None = value
        return setting.default if written is None else written


def _host(url: str) -> str:
    return split_base_url(url)[0].host


class LocalEntry(Entry):
    """The model that the gateway runs itself."""

    dialect: Literal["local"]
    gguf: Annotated[Path, Field(strict=False)] | None = None
    """None: the weights that come with the extra `local`."""
    context_tokens: Annotated[Number, Field(ge=256, le=1_048_576)] = 8192
    """Room for tokens, of all slots together."""
    slots: Annotated[Number, Field(ge=1, le=64)] = 4
    """Answers that are written at the same time."""
    threads: Annotated[Number, Field(ge=1, le=256)] = 1
    allow_provider_options: Truth = False


def _kind_of(setting: Setting) -> Any:
    """The type of a setting's value."""
    if setting.choices:
        return Literal[setting.choices]
    match setting.kind:
        case "secret":
            return Concealed
        case "path":
            return Annotated[Path, Field(strict=False)]
        case "number":
            return Annotated[Number, Field(ge=setting.least, le=setting.most)]
        case "truth":
            return Truth
        case "line":
            return Annotated[Line, AfterValidator(partial(_check_pattern, setting))]
        case _:
            assert_never(setting.kind)


def _check_pattern(setting: Setting, text: str) -> str:
    if setting.pattern and not re.fullmatch(setting.pattern, text):
        raise wrong(f"not a value for {setting.name}", f"Write it like {setting.example}" if setting.example else "")
    return text


@cache
def _entry_with(settings: tuple[Setting, ...], *, has_address: bool) -> type[RemoteEntry]:
    """The entry of accounts with these settings: most have none, and each model takes its time to be made."""
    fields: dict[str, Any] = {}
    if not has_address:
        own = Field(repr=False, examples=["https://host.example"])
        fields["base_url"] = (Annotated[str, AfterValidator(_check_base_url)], own)
    for setting in settings:
        kind = _kind_of(setting)
        needed = Field(examples=[setting.example] if setting.example else None)
        fields[setting.name] = (kind, needed) if setting.required else (kind | None, None)
    return create_model("RemoteEntry", __base__=RemoteEntry, **fields)


PROVIDERS: Final[Mapping[str, type[RemoteEntry] | type[LocalEntry]]] = {
    name: LocalEntry if name == "local" else _entry_with(row.account.settings, has_address=bool(row.account.base_url))
    for name, row in ROWS.items()
}
"""Entries by dialect: what may be written for a provider depends on what it speaks."""


def _of_its_dialect(value: object) -> object:
    return PROVIDERS[value["dialect"]].model_validate(value) if isinstance(value, dict) else value


class DeploymentEntry(Entry):
    """A model at a provider."""

    provider: str
    upstream_model: Annotated[str, AfterValidator(_check_upstream_model)]
    name: Annotated[str, AfterValidator(check_model_name)] | None = None
    region: Annotated[Line, Field(max_length=64)] = ""
    weight: Annotated[Number, Field(ge=1, le=1000)] = 1
    tier: Annotated[Number, Field(ge=0, le=63)] = 0
    reserve_output_tokens: Annotated[Number, Field(ge=1, le=10_000_000)] = 1024
    """Output that is reserved for calls that don't say how much they want."""
    capabilities: CapabilityEntry | None = None
    """What the model can do there, where it is not in the table, or is otherwise than the table says."""


class ModelEntry(Entry):
    """A model that callers ask for."""

    description: Line = ""
    deployments: tuple[DeploymentEntry, ...]


ProviderEntry = RemoteEntry | LocalEntry


class ConfigFile(Entry):
    """The whole file, once all of it has been checked."""

    providers: dict[str, SerializeAsAny[Annotated[ProviderEntry, BeforeValidator(_of_its_dialect)]]]
    models: dict[str, ModelEntry]
    orgs: dict[str, OrgEntry] = Field({})
    keys: Listed[KeyEntry] = ()
    issuers: dict[str, IssuerEntry] = Field({})
    certificates: Listed[CertificateEntry] = ()
    unpriced: Literal["deny", "allow"] = "deny"
    """What is done with calls of models without a price that have to pass a limit on money."""
