"""Access tokens of Microsoft Entra, through azure-identity.

What the settings say: a client secret, a client certificate, a federated token file or a managed identity. Without
any of these what the environment offers: a service principal in variables, workload identity, managed identity; never a
developer's tools, a browser or a login.
"""

import os
from typing import Any, Final

from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import (
    CertificateCredential,
    ChainedTokenCredential,
    ClientSecretCredential,
    EnvironmentCredential,
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
_POD_VARIABLES: Final = ("AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
_NO_ANSWER: Final = (ServiceRequestError, ServiceResponseError)

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
        return self._of_environment(how, client_id)

    def _of_environment(self, how: dict[str, Any], client_id: str) -> ChainedTokenCredential:
        """As DefaultAzureCredential, without a person's tools, and with `authority` for workload identity too."""
        chain: list[Any] = [EnvironmentCredential(**how)]
        if all(os.environ.get(name) for name in _POD_VARIABLES):
            chain.append(WorkloadIdentityCredential(client_id=client_id or None, **how))
        chain.append(ManagedIdentityCredential(client_id=client_id or os.environ.get("AZURE_CLIENT_ID") or None, **how))
        return ChainedTokenCredential(*chain)


def _unreachable(error: Exception, status: int) -> bool:
    if status:
        return status >= _SERVER_ERROR
    return any(isinstance(each, _NO_ANSWER) for each in (error, error.__cause__, error.__context__))
