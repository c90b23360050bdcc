"""Credentials that are more than a fixed key: who presents them, and what an operator may say of them.

Plain data and a protocol, so that the table of dialects can name the settings and the supervisor can read it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from trunkline_server.core.account import Setting
from trunkline_server.core.http import HttpRequest


class Presenter(Protocol):
    """Puts a credential that a cloud issued onto requests, and keeps it fresh."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is presented at the moment: values that nothing a provider says may bring out."""
        ...

    async def present(self, request: HttpRequest, *, until: float) -> HttpRequest:
        """The same request with headers that authorise it. Waits only where there is no valid credential yet.

        Raises UpstreamAuthFailed or UpstreamUnreachable where none can be had, and TimeoutError when `until`
        (loop.time() seconds) passes. A cancelled call does not stop what others wait for.
        """
        ...

    def refused(self, request: HttpRequest, status: int, headers: Mapping[str, str]) -> bool:
        """Look at the answer to a request that `present` gave; header names are in lower case.

        True if the credential was not taken and the next `present` brings another: the request is worth a repeat.
        """
        ...

    def close(self) -> None:
        """Stop keeping the credential fresh. Calls that hold this may still end their work with it."""
        ...


GOOGLE_SETTINGS: Final = (
    Setting(name="credentials_file", kind="path"),  # a key, workload identity federation, impersonation; else ADC
    Setting(name="impersonate", example="gateway@project.iam.gserviceaccount.com"),
    Setting(name="quota_project"),
)
_APPLICATION: Final = ("tenant_id", "client_id")
ENTRA_SETTINGS: Final = (
    Setting(name="tenant_id"),
    Setting(name="client_id"),
    Setting(name="client_secret", kind="secret", needs=_APPLICATION),
    Setting(name="client_certificate_file", kind="path", needs=_APPLICATION, instead_of=("client_secret",)),
    Setting(name="federated_token_file", kind="path", instead_of=("client_secret", "client_certificate_file")),
    Setting(
        name="managed_identity",
        kind="truth",
        instead_of=("client_secret", "client_certificate_file", "federated_token_file"),
    ),
    Setting(name="authority_host", example="https://login.microsoftonline.us"),
    Setting(name="scope", example="https://ai.azure.com/.default"),
)
AWS_SETTINGS: Final = (
    Setting(name="region", required=True, pattern=r"[a-z0-9-]+", example="eu-central-1"),
    Setting(name="access_key_id", kind="secret", needs=("secret_access_key",)),
    Setting(name="secret_access_key", kind="secret", needs=("access_key_id",)),
    Setting(name="session_token", kind="secret", needs=("access_key_id",)),
    Setting(name="profile"),
    Setting(
        name="role_arn", pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+", example="arn:aws:iam::123456789012:role/r"
    ),
    Setting(name="external_id", pattern=r"[\w+=,.@:/-]{2,1224}", example="trunkline"),
    Setting(name="role_session_name", pattern=r"[\w+=,.@-]{2,64}", example="trunkline"),
)

CREDENTIAL_SETTINGS: Final[Mapping[str, tuple[Setting, ...]]] = MappingProxyType(
    {"google": GOOGLE_SETTINGS, "entra": ENTRA_SETTINGS, "aws": AWS_SETTINGS}
)
"""By the kind that Provider.presents names. Providers that agree in all of a kind's settings share one credential."""
