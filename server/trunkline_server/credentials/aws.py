"""Credentials of AWS, through botocore.

Static keys and a profile of the settings, else botocore's own chain: variables, profiles, web identity (IRSA),
containers (ECS, EKS Pod Identity) and the metadata service of EC2. A role of the settings is assumed with what was
found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore import exceptions
from botocore.config import Config
from botocore.loaders import create_loader

from trunkline_server.core.account import Settings
from trunkline_server.core.http import HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import NoGrant, with_headers
from trunkline_server.credentials.quiet import hush
from trunkline_server.credentials.settings import line, secret
from trunkline_server.credentials.sigv4 import sign

SERVICE: Final = "bedrock"
_CONNECT_S: Final = 5.0
_READ_S: Final = 10.0
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_REFUSALS: Final = frozenset({"ExpiredTokenException", "InvalidSignatureException", "UnrecognizedClientException"})
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html; any other 403 is of what we may do."""
_UNREACHABLE: Final = (exceptions.HTTPClientError, exceptions.ConnectionError)
_SERVER_ERROR: Final = 500

_DESCRIPTIONS: Final = create_loader()
"""What botocore knows of services, read once: reading it holds the interpreter, and all calls, for tens of ms."""

hush("botocore", "urllib3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys to sign with. A Grant."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret
    region: str
    expires_at: float | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The id of the key is no secret, but nobody's business either."""
        return self.access_key_id, self.secret_access_key.reveal(), self.session_token.reveal()

    def put_on(self, request: HttpRequest, now: float) -> HttpRequest:
        """The same request, signed."""
        headers = sign(
            request,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token.reveal(),
            region=self.region,
            service=SERVICE,
            now=now,
        )
        return with_headers(request, headers)

    def made(self, request: HttpRequest) -> bool:
        """Whether the request was signed with these keys."""
        headers = dict(request.headers)
        of_key = f"Credential={self.access_key_id}/" in headers.get("authorization", "")
        return of_key and headers.get("x-amz-security-token", "") == self.session_token.reveal()

    def refused(self, status: int, headers: Mapping[str, str]) -> bool:
        """Bedrock says 403 of keys that have ended and of what they may not do alike, and which it is in a header."""
        kind = headers.get("x-amzn-errortype", "").partition(":")[0]
        return status == _UNAUTHORIZED or (status == _FORBIDDEN and kind in _REFUSALS)


class Aws:
    """Where keys come from."""

    def __init__(self, settings: Settings, ca_file: str | None) -> None:  # noqa: ARG002
        """`ca_file` is not used: botocore would trust it in place of the system's. AWS_CA_BUNDLE is in force."""
        self._settings = settings

    def fetch(self) -> Keys:
        """New keys. Raises NoGrant."""
        try:
            return self._fetch()
        except exceptions.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise NoGrant(error, status=status, unreachable=status >= _SERVER_ERROR) from error
        except exceptions.BotoCoreError as error:
            raise NoGrant(error, unreachable=isinstance(error, _UNREACHABLE)) from error

    def _fetch(self) -> Keys:
        session = self._session()
        credentials = session.get_credentials()
        if credentials is None:
            raise NoGrant("no credentials found")
        if line(self._settings, "role_arn"):
            return self._assume(session)
        keys: Any = credentials.get_frozen_credentials()
        # Not public, and the only place where botocore tells when keys end.
        expiry = getattr(credentials, "_expiry_time", None)
        return self._keys(keys.access_key, keys.secret_key, keys.token, expiry.timestamp() if expiry else None)

    def _session(self) -> botocore.session.Session:
        settings = self._settings
        session = botocore.session.Session(profile=line(settings, "profile") or None)
        session.register_component("data_loader", _DESCRIPTIONS)
        session.set_default_client_config(
            Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": 2})
        )
        if region := line(settings, "region"):
            session.set_config_variable("region", region)
        key, secret_key = secret(settings, "access_key_id"), secret(settings, "secret_access_key")
        if bool(key) != bool(secret_key):
            raise NoGrant("access_key_id and secret_access_key belong together")
        if key:
            session.set_credentials(key, secret_key, secret(settings, "session_token") or None)
        return session

    def _assume(self, session: botocore.session.Session) -> Keys:
        """The keys of a role."""
        wanted = {
            "RoleArn": line(self._settings, "role_arn"),
            "RoleSessionName": line(self._settings, "role_session_name") or "trunkline",
        }
        if external_id := line(self._settings, "external_id"):
            wanted["ExternalId"] = external_id
        client: Any = session.create_client("sts")
        given = client.assume_role(**wanted)["Credentials"]
        return self._keys(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"].timestamp()
        )

    def _keys(self, key: str, secret_key: str, token: str | None, expires_at: float | None) -> Keys:
        return Keys(
            access_key_id=key,
            secret_access_key=Secret(secret_key),
            session_token=Secret(token or ""),
            region=line(self._settings, "region"),
            expires_at=expires_at,
        )
