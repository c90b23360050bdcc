"""Issuers of tokens and client certificates, as trunkline.yaml states them: what proves a caller, and who that is."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trunkline_server.config.base_url import split_base_url
from trunkline_server.config.entry import Line, Listed
from trunkline_server.config.identities import HolderEntry, Names
from trunkline_server.config.problems import wrong
from trunkline_server.core.addresses import literal_address

MAX_ISSUERS: Final = 64
MAX_CERTIFICATES: Final = 1024
CLAIM: Final = "claims."

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip
"""All of them asymmetric: with the others, who can check a token can make one."""
DEFAULT_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "PS256", "ES256", "EdDSA")
SUBJECTS: Final = ("spiffe_id", "dns_name", "uri", "email", "common_name")

_SPIFFE: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)*(/\*)?")
_CLAIM: Final = re.compile(r"claims(\.[^.\s]{1,128}){1,8}")


def _check_https(url: str) -> str:
    endpoint, _ = split_base_url(url)
    address = literal_address(endpoint.host)
    here = endpoint.host == "localhost" or (address is not None and address.is_loopback)
    if endpoint.scheme != "https" and not here:
        raise wrong("not https", "Keys that travel in clear text prove nothing; write https://...")
    return url


def _check_spiffe(text: str) -> str:
    if text and not _SPIFFE.fullmatch(text):
        raise wrong("not a SPIFFE id", "Write spiffe://trust-domain/path, or end it in /* for all below that path")
    return text


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def check_claim(text: str) -> str:
    """A fixed name, or the path of a claim."""
    if text.startswith(CLAIM) and not _CLAIM.fullmatch(text):
        raise wrong("not the path of a claim", 'Write "claims.team", or "claims.app.team" for a claim within another')
    return text


class IssuerEntry(HolderEntry):
    """An OIDC issuer whose tokens are taken. `org` and `team` may be paths of claims: "claims.team"."""

    issuer: Annotated[str, AfterValidator(_check_https)] = Field(examples=["https://login.example.com"])
    audiences: Annotated[Listed[Line], BeforeValidator(_one_or_more), Field(min_length=1, max_length=16)]
    algorithms: Annotated[Listed[Algorithm], Field(min_length=1, max_length=10)] = DEFAULT_ALGORITHMS
    jwks_uri: Annotated[str, AfterValidator(_check_https)] | None = None
    jwks_file: Annotated[Path, Field(strict=False)] | None = None
    allowed_orgs: Names | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.jwks_uri and self.jwks_file:
            raise wrong("jwks_uri beside jwks_file", "Take one of them out")
        return self


class CertificateEntry(HolderEntry):
    """Client certificates that are taken: those that have this one name."""

    name: Annotated[Line, Field(min_length=1, max_length=128)]
    spiffe_id: Annotated[Line, AfterValidator(_check_spiffe)] = ""
    dns_name: Line = ""
    uri: Line = ""
    email: Line = ""
    common_name: Line = ""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if sum(bool(getattr(self, subject)) for subject in SUBJECTS) != 1:
            raise wrong("needs one name to match, and one alone", f"Write one of {', '.join(SUBJECTS)}")
        return self
