"""Access tokens of Google, through google-auth.

What the file of the settings or of GOOGLE_APPLICATION_CREDENTIALS says: a service account's key, workload identity
federation, impersonation, a user's login. Without one, what gcloud has stored, else the metadata service of GCE, GKE
and Cloud Run.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import google.auth
import google.auth.aws
import google.auth.external_account_authorized_user
import google.auth.identity_pool
import google.auth.impersonated_credentials
import google.auth.pluggable
import google.oauth2.credentials
import google.oauth2.service_account
from google.auth.credentials import CredentialsWithQuotaProject, with_scopes_if_required
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request

from trunkline_server.core.account import Settings
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import Bearer, NoGrant
from trunkline_server.credentials.quiet import hush
from trunkline_server.credentials.session import TokenSession
from trunkline_server.credentials.settings import line

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_FILE_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_OF_AWS: Final = "urn:ietf:params:aws:token-type:aws4_request"
_SERVER_ERROR: Final = 500

hush("google.auth", "google.oauth2", "urllib3")


class Google:
    """Where tokens come from."""

    def __init__(self, settings: Settings, ca_file: str | None) -> None:
        self._settings = settings
        self._ca_file = ca_file

    def fetch(self) -> Bearer:
        """A new token. Raises NoGrant."""
        with TokenSession(self._ca_file) as session:
            try:
                return self._fetch(Request(session))
            except (GoogleAuthError, OSError, ValueError, KeyError, AttributeError) as error:
                raise NoGrant(
                    error, status=session.last_status, unreachable=_unreachable(error, session.last_status)
                ) from error

    def _fetch(self, request: Request) -> Bearer:
        credentials = self._credentials(request)
        credentials.refresh(request)
        expiry = credentials.expiry
        quota_project = getattr(credentials, "quota_project_id", None)
        return Bearer(
            token=Secret(credentials.token),
            expires_at=expiry.replace(tzinfo=UTC).timestamp() if expiry is not None else None,
            headers=(("x-goog-user-project", quota_project),) if quota_project else (),
        )

    def _credentials(self, request: Request) -> Any:
        settings = self._settings
        path = line(settings, "credentials_file") or os.environ.get(_FILE_VARIABLE, "")
        found: Any
        if path:
            found = with_scopes_if_required(_of_file(json.loads(Path(path).read_bytes())), [SCOPE])
        else:
            found, _ = google.auth.default(scopes=[SCOPE], request=request)
        if target := line(settings, "impersonate"):
            found = google.auth.impersonated_credentials.Credentials(
                source_credentials=found, target_principal=target, target_scopes=[SCOPE]
            )
        if isinstance(found, CredentialsWithQuotaProject):
            project = line(settings, "quota_project")
            found = found.with_quota_project(project) if project else found.with_quota_project_from_environment()
        return found


def _of_file(info: Mapping[str, Any]) -> Any:
    """The credentials that a file describes. It is the operator's, so each type that google-auth knows will do."""
    match info.get("type"):
        case "service_account":
            return google.oauth2.service_account.Credentials.from_service_account_info(info)
        case "external_account":
            return _external(info)
        case "impersonated_service_account":
            make: Any = google.auth.impersonated_credentials.Credentials
            return make.from_impersonated_service_account_info(info, scopes=[SCOPE])
        case "authorized_user":
            return google.oauth2.credentials.Credentials.from_authorized_user_info(info)
        case "external_account_authorized_user":
            return google.auth.external_account_authorized_user.Credentials.from_info(info)
        case _:
            raise NoGrant("the credentials file is of no type that can be used")


def _external(info: Mapping[str, Any]) -> Any:
    if info.get("subject_token_type") == _OF_AWS:
        return google.auth.aws.Credentials.from_info(info)
    if "executable" in (info.get("credential_source") or {}):
        return google.auth.pluggable.Credentials.from_info(info)
    return google.auth.identity_pool.Credentials.from_info(info)


def _unreachable(error: BaseException, status: int) -> bool:
    if status:
        return status >= _SERVER_ERROR
    return isinstance(error, TransportError) or isinstance(error.__cause__, TransportError)
