"""Access tokens of Microsoft Entra, through azure-identity.

What the settings say: a client secret, a client certificate, a federated token file or a managed identity. Without
any of these what the environment offers: a service principal in variables, workload identity, managed identity; never a
developer's tools, a browser or a login.
"""

from typing import Any, Final

from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from trunkline_server.core.account import Settings
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import Bearer, NoGrant
from trunkline_server.credentials.quiet import hush
from trunkline_server.credentials.session import TokenSession
from trunkline_server.credentials.settings import line, secret

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_SERVER_ERROR: Final = 500
_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_status": 2, "retry_backoff_max": 2}
"""Kept tries again by itself."""
_NO_PERSON: Final[dict[str, Any]] = {
    "exclude_shared_token_cache_credential": True,
    "exclude_visual_studio_code_credential": True,
    "exclude_cli_credential": True,
    "exclude_developer_cli_credential": True,
    "exclude_powershell_credential": True,
    "exclude_interactive_browser_credential": True,
    "exclude_broker_credential": True,
}

hush("azure", "msal", "urllib3")


class Entra:
    """Where tokens come from."""

    def __init__(self, settings: Settings, ca_file: str | None) -> None:
        self._settings = settings
        self._ca_file = ca_file

    def fetch(self) -> Bearer:
        """A new token. Raises NoGrant."""
        with TokenSession(self._ca_file) as session:
            try:
                token = self._fetch(session)
            except (AzureError, OSError, ValueError) as error:
                raise NoGrant(
                    error, status=session.last_status, unreachable=_unreachable(error, session.last_status)
                ) from error
        return Bearer(token=Secret(token.token), expires_at=float(token.expires_on))

    def _fetch(self, session: TokenSession) -> AccessTokenInfo:
        transport = RequestsTransport(session=session, session_owner=False)
        with self._credential({"transport": transport, **_RETRIES}) as credential:
            token: AccessTokenInfo = credential.get_token_info(line(self._settings, "scope") or SCOPE)
            return token

    def _credential(self, how: dict[str, Any]) -> Any:
        settings = self._settings
        tenant_id, client_id = line(settings, "tenant_id"), line(settings, "client_id")
        if authority := line(settings, "authority_host"):
            # Discovery asks Microsoft's public cloud whether an authority of another cloud is one.
            how |= {"authority": authority, "disable_instance_discovery": True}
        if client_secret := secret(settings, "client_secret"):
            return ClientSecretCredential(tenant_id, client_id, client_secret, **how)
        if certificate := line(settings, "client_certificate_file"):
            return CertificateCredential(tenant_id, client_id, certificate, **how)
        if token_file := line(settings, "federated_token_file"):
            return WorkloadIdentityCredential(
                tenant_id=tenant_id or None, client_id=client_id or None, token_file_path=token_file, **how
            )
        if settings.get("managed_identity"):
            return ManagedIdentityCredential(client_id=client_id or None, **how)
        if client_id:
            how |= {"managed_identity_client_id": client_id}
        if tenant_id:
            how |= {"workload_identity_tenant_id": tenant_id}
        return DefaultAzureCredential(**how, **_NO_PERSON)


def _unreachable(error: Exception, status: int) -> bool:
    if status:
        return status >= _SERVER_ERROR
    # Without an answer: a connection that failed, unless a credential was found wanting before anyone was asked.
    return isinstance(error, AzureError) and not isinstance(error, HttpResponseError)
