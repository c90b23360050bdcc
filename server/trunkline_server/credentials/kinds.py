"""The kinds of credentials that are fetched, one row each.

What a kind needs is heavy and optional, so it is loaded in the thread of the first fetch, and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from trunkline_server.core.account import Settings
from trunkline_server.credentials.grant import Grant, NoGrant, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of credential."""

    issuer: str
    """For people."""
    source: str
    """"module:class" of the Source, made with the settings and a file of certificates or None."""
    needs: tuple[str, ...]
    """Modules that the extra brings."""
    extra: str

    @property
    def missing(self) -> str:
        """A module that is not installed; empty if all are."""
        return next((name for name in self.needs if not _is_there(name)), "")

    @property
    def mend(self) -> str:
        """The command that installs what is missing."""
        return f"pip install 'trunkline-server[{self.extra}]'"

    def fetch(self, settings: Settings, ca_file: str | None) -> Grant:
        """A new grant. Blocks. Raises NoGrant."""
        module, _, name = self.source.partition(":")
        try:
            make = getattr(import_module(module), name)
        except ImportError as error:
            raise NoGrant(f"{self.missing or type(error).__name__} is not installed; {self.mend}") from error
        source: Source = make(settings, ca_file)
        return source.fetch()


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "google": Kind(
            issuer="Google",
            source="trunkline_server.credentials.google:Google",
            needs=("google.auth", "requests"),
            extra="vertex",
        ),
        "entra": Kind(
            issuer="Microsoft Entra",
            source="trunkline_server.credentials.entra:Entra",
            needs=("azure.identity", "requests"),
            extra="azure",
        ),
        "aws": Kind(
            issuer="AWS",
            source="trunkline_server.credentials.aws:Aws",
            needs=("botocore",),
            extra="bedrock",
        ),
    }
)
"""By the word that Provider.presents has for it."""


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
