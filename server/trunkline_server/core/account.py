"""What an operator may and must write for a provider, by the dialect that it speaks. Plain data, free of protobuf."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from trunkline_server.core.secret import Secret

SettingValue = str | int | bool | Secret
Settings = Mapping[str, SettingValue]
"""Values by the name of the setting; those that were not written and have no default are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key of trunkline.yaml that providers of one dialect have beside those of all."""

    name: str
    kind: Literal["line", "secret", "path", "number", "truth"] = "line"
    """"path": of a file, from the folder of trunkline.yaml."""
    required: bool = False
    default: str | int | bool | None = None
    elsewhere: str | int | bool | None = None
    """The default where base_url names another host than the dialect's own; None: the same."""
    choices: tuple[str, ...] = ()
    """Of a line: the only values. Empty: any."""
    pattern: str = ""
    """Of a line: what all of it has to match. Empty: anything."""
    example: str = ""
    """Shown where the pattern does not match."""
    least: int = 0
    most: int = 1_000_000
    """Bounds of a number."""
    needs: tuple[str, ...] = ()
    """Other settings that have to be written where this one is, or it can't be used."""
    without_key: bool = False
    """Required where no api_key is written."""
    instead_of: tuple[str, ...] = ()
    """Other settings of which none may be written beside this one: each is a way of its own."""


STORAGE_ADDRESSES = Setting(name="storage_addresses", kind="truth", default=False)
"""Whether callers may name objects in the cloud's storage. The provider reads them with the gateway's own rights, so
that who may call may read what the gateway may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A kind of provider: where it is, how it is asked for leave, and what else has to be said.

    Every provider has the keys dialect, base_url, api_key, headers and allow_provider_options; `settings` adds to them.
    """

    dialect: str
    """What `dialect:` says in trunkline.yaml, and what provider_options and provider tools name."""
    base_url: str | Callable[[Settings], str] = ""
    """Where it is unless base_url says otherwise; computed from the settings where it depends on them. Empty: base_url
    is required."""
    key: Literal["needed", "optional"] = "optional"
    """"needed": at its own address calls without a credential are refused before a socket opens."""
    auth_headers: tuple[str, ...] = ("authorization",)
    """Headers that carry a credential: an operator who writes one of them needs no api_key."""
    presents: Literal["", "google", "entra", "aws"] = ""
    """What is presented where no api_key is written: credentials that a cloud issues for a while. "": nothing."""
    settings: tuple[Setting, ...] = ()
    title: str = ""
    """The provider's name for people: "Groq"."""
    source: str = ""
    """Where the provider says all this: the page of its documentation or its specification."""
    checked: str = ""
    """When that was read: "2026-11-23"."""
    verified: Literal["spec", "run"] = "spec"
    """"spec": after the source; "run": calls of ours were answered by it."""
    unsure: str = ""
    """What of the row the source does not settle, and what is done meanwhile. For operators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectRow:
    """One line of the table of dialects. What speaks one is named and not imported: the supervisor reads the table."""

    account: Account
    speaker: str
    """"module:class" of the Dialect."""
    arguments: tuple[object, ...] = ()
    """What the class is made with."""
