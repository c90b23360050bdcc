"""The shape of trunkline.yaml: what keys there are, of what kind, within what bounds.

Each entry is checked by a model of its own, so that one load tells all that is wrong. What entries mean to each other
is in rules.py.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    SerializationInfo,
    field_serializer,
)

from trunkline_server.config.base_url import split_base_url
from trunkline_server.config.interpolate import Filled
from trunkline_server.config.problems import wrong

MAX_MODEL_NAME_BYTES: Final = 256
MAX_HEADERS: Final = 32
MAX_HEADER_CHARS: Final = 8192

REVEAL: Final = "reveal"
"""Context of a dump that holds secrets: the one that goes to a worker over its private pipe."""

MAX_DIGITS: Final = 18

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


def _check_line(text: str) -> str:
    if not text.isprintable():
        raise wrong("holds characters that can't be printed", "Write it in one line, without control characters")
    return text


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


def _filled_number(value: object) -> object:
    # What comes from a variable is text; what was written as text stays text and is refused.
    if isinstance(value, Filled) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        return int(value)
    return value


def _filled_truth(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, Filled) else value


Number = Annotated[int, BeforeValidator(_filled_number)]
Truth = Annotated[bool, BeforeValidator(_filled_truth)]
Line = Annotated[str, Field(max_length=1024), AfterValidator(_check_line)]
HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_header_value)]


class Entry(BaseModel):
    """What all parts of the file share: unknown keys are refused, kinds are not bent, values are not shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class OpenAIEntry(Entry):
    """A provider that speaks OpenAI's chat completions."""

    dialect: Literal["openai"]
    base_url: Annotated[str, AfterValidator(_check_base_url)] = Field("https://api.openai.com/v1", repr=False)
    api_key: Annotated[SecretStr, AfterValidator(_check_credential)] | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], BeforeValidator(_check_headers)] = {}
    allow_provider_options: Truth = False
    max_tokens_key: Literal["max_completion_tokens", "max_tokens"] | None = None
    """None: as the host has it."""

    @field_serializer("api_key", when_used="json")
    def _api_key(self, value: SecretStr | None, info: SerializationInfo) -> str | None:
        return None if value is None else _shown(value, info)

    @field_serializer("headers", when_used="json")
    def _headers(self, value: dict[str, SecretStr], info: SerializationInfo) -> dict[str, str]:
        return {name: _shown(secret, info) for name, secret in value.items()}


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


PROVIDERS: Final[dict[str, type[OpenAIEntry] | type[LocalEntry]]] = {"openai": OpenAIEntry, "local": LocalEntry}
"""Entries by dialect: what may be written for a provider depends on what it speaks."""


class DeploymentEntry(Entry):
    """A model at a provider."""

    provider: str
    upstream_model: Annotated[str, AfterValidator(_check_upstream_model)]
    name: Annotated[str, AfterValidator(check_model_name)] | None = None
    region: Annotated[Line, Field(max_length=64)] = ""
    weight: Annotated[Number, Field(ge=1, le=1000)] = 1
    tier: Annotated[Number, Field(ge=0, le=63)] = 0


class ModelEntry(Entry):
    """A model that callers ask for."""

    description: Line = ""
    deployments: tuple[DeploymentEntry, ...]


ProviderEntry = Annotated[OpenAIEntry | LocalEntry, Discriminator("dialect")]


class ConfigFile(Entry):
    """The whole file, once all of it has been checked."""

    providers: dict[str, ProviderEntry]
    models: dict[str, ModelEntry]


def _shown(value: SecretStr, info: SerializationInfo) -> str:
    return value.get_secret_value() if info.context == REVEAL else "***"
