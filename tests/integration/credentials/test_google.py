"""Tokens of Google, from fakes of its endpoints."""

import json
from functools import partial

import google.auth.compute_engine._metadata
import google.auth.iam
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.credentials.issuing import Tokens, form, issuer
from tests.integration.credentials.presenting import headers_of
from trunkline_server.core.errors import UpstreamAuthFailed, UpstreamUnreachable

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMAIL = "gateway@project.iam.gserviceaccount.com"
CANARY = "canary-79c3b1"

of_google = partial(headers_of, "google")


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_file(key, tmp_path):
    """Writes a service account's key file that names this token endpoint."""

    def write(token_uri):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = tmp_path / "key.json"
        info = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": token_uri,
        }
        path.write_text(json.dumps(info))
        return str(path)

    return write


def token_endpoint(key, tokens, seen):
    """OAuth's JWT bearer grant (RFC 7523), with the signature verified."""

    def handle(request):
        fields = form(request)
        assert fields["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        audience = "https://oauth2.googleapis.com/token"  # whatever the endpoint
        seen.append(jwt.decode(fields["assertion"], key.public_key(), algorithms=["RS256"], audience=audience))
        return 200, {"access_token": tokens.next(), "expires_in": 3600, "token_type": "Bearer"}

    return handle


async def test_a_service_accounts_key_signs_for_a_token(key, key_file):
    """The endpoint of the file gets an assertion that the key signed, for the scope of the cloud."""
    claims = []
    async with issuer({"/token": token_endpoint(key, Tokens(), claims)}) as google_com:
        headers = await of_google(credentials_file=key_file(f"{google_com.base_url}/token"))
    assert headers["authorization"] == "Bearer token-1"
    assert "x-goog-user-project" not in headers
    assert (claims[0]["iss"], claims[0]["scope"]) == (EMAIL, SCOPE)


async def test_the_environment_names_the_file_where_the_settings_don_t(key, key_file, monkeypatch):
    """GOOGLE_APPLICATION_CREDENTIALS is read as the setting is."""
    async with issuer({"/token": token_endpoint(key, Tokens(), [])}) as google_com:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file(f"{google_com.base_url}/token"))
        assert (await of_google())["authorization"] == "Bearer token-1"


async def test_the_operators_certificates_vouch_for_a_token_endpoint(key, key_file, certificate):
    """An endpoint behind a private authority is reached with its certificates, and not without them."""

    def handle(request):
        return 200, {"access_token": "t", "expires_in": 3600}

    async with issuer({"/token": handle}, tls=certificate.context) as google_com:
        path = key_file(f"{google_com.base_url}/token")
        assert (await of_google(credentials_file=path, ca_file=certificate.file))["authorization"] == "Bearer t"
        with pytest.raises(UpstreamUnreachable):
            await of_google(credentials_file=path)


async def test_the_metadata_server_gives_the_machines_token(monkeypatch):
    """Without a file, GCE's metadata server is asked for the token of the default service account."""

    def account(request):
        return 200, {"aliases": ["default"], "email": EMAIL, "scopes": [SCOPE]}

    def token(request):
        assert request.headers["metadata-flavor"] == "Google"
        return 200, {"access_token": "from-metadata", "expires_in": 3600, "token_type": "Bearer"}

    root = "/computeMetadata/v1"
    handlers = {
        "/": lambda request: (200, "computeMetadata/"),
        f"{root}/project/project-id": lambda request: (200, "project"),
        f"{root}/universe/universe-domain": lambda request: (200, "googleapis.com"),
        f"{root}/instance/service-accounts/default/": account,
        f"{root}/instance/service-accounts/{EMAIL}/token": token,
        f"{root}/instance/service-accounts/default/token": token,
    }
    async with issuer(handlers) as metadata:
        host = f"127.0.0.1:{metadata.port}"
        monkeypatch.setenv("GCE_METADATA_IP", host)
        # The library reads the variable GCE_METADATA_HOST once, when it is loaded.
        monkeypatch.setattr(google.auth.compute_engine._metadata, "_GCE_METADATA_HOST", host)
        assert (await of_google())["authorization"] == "Bearer from-metadata"


def federation(base_url, tmp_path, **more):
    """A file of workload identity federation whose subject token is in a file."""
    (tmp_path / "subject").write_text("subject-token")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{base_url}/sts",
        "credential_source": {"file": str(tmp_path / "subject")},
        **more,
    }
    path = tmp_path / "federation.json"
    path.write_text(json.dumps(info))
    return str(path)


def exchange(request):
    """Token exchange (RFC 8693)."""
    fields = form(request)
    assert fields["subject_token"] == "subject-token"
    assert fields["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    issued = "urn:ietf:params:oauth:token-type:access_token"
    body = {"access_token": "federated", "issued_token_type": issued, "token_type": "Bearer", "expires_in": 3600}
    return 200, {**body, "scope": fields["scope"]}


async def test_workload_identity_federation_exchanges_a_foreign_token(tmp_path):
    """The subject token of the file is exchanged at the STS that the configuration names."""
    async with issuer({"/sts": exchange}) as google_com:
        headers = await of_google(credentials_file=federation(google_com.base_url, tmp_path))
    assert headers["authorization"] == "Bearer federated"


async def test_a_quota_project_is_named_in_a_header(tmp_path):
    """The file's is sent, unless the settings have another."""
    async with issuer({"/sts": exchange}) as google_com:
        path = federation(google_com.base_url, tmp_path, quota_project_id="pays")
        assert (await of_google(credentials_file=path))["x-goog-user-project"] == "pays"
        headers = await of_google(credentials_file=path, quota_project="other")
    assert headers["x-goog-user-project"] == "other"


def impersonate(request):
    """generateAccessToken of IAM."""
    assert request.headers["authorization"] in ("Bearer federated", "Bearer token-1")
    assert request.json["scope"] == [SCOPE]
    return 200, {"accessToken": "of-the-target", "expireTime": "2099-01-01T00:00:00Z"}


async def test_federation_goes_on_to_the_service_account_that_it_names(tmp_path):
    """With service_account_impersonation_url the exchanged token is not the one that is presented."""
    path = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    async with issuer({"/sts": exchange, path: impersonate}) as google_com:
        url = google_com.base_url + path
        headers = await of_google(
            credentials_file=federation(google_com.base_url, tmp_path, service_account_impersonation_url=url)
        )
    assert headers["authorization"] == "Bearer of-the-target"


async def test_the_settings_can_name_whom_to_impersonate(key, key_file, monkeypatch):
    """`impersonate` asks IAM for a token of that service account, with the token of the file."""
    path = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    async with issuer({"/token": token_endpoint(key, Tokens(), []), path: impersonate}) as google_com:
        where = google_com.base_url + "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
        monkeypatch.setattr(google.auth.iam, "_IAM_ENDPOINT", where)
        headers = await of_google(credentials_file=key_file(f"{google_com.base_url}/token"), impersonate=EMAIL)
    assert headers["authorization"] == "Bearer of-the-target"


async def test_a_refusal_is_told_by_its_status_and_not_its_words(key_file, lines):
    """The endpoint's words and the key reach neither the caller nor the operator's log."""

    def refuse(request):
        return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT Signature {CANARY}"}

    async with issuer({"/token": refuse}) as google_com:
        path = key_file(f"{google_com.base_url}/token")
        with pytest.raises(UpstreamAuthFailed, match="could not get a token from Google") as failed:
            await of_google(credentials_file=path)
    assert lines == ["cloud: no token from Google (RefreshError, HTTP 400)\n"]
    assert CANARY not in f"{failed.value!r}{failed.value}"


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "gdch_service_account"}', '{"type": "service_account"}', None])
async def test_a_file_that_can_t_be_used_is_a_failure_of_the_credential(text, tmp_path, lines):
    """A file that is missing, broken or of another kind is told without its contents."""
    path = tmp_path / "file.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UpstreamAuthFailed):
        await of_google(credentials_file=str(path))
    assert lines[0].startswith("cloud: no token from Google (")


async def test_nobody_home_is_unreachable(key_file, lines):
    """A refused connection is the network's fault, and worth another try."""
    async with issuer({}) as gone:
        path = key_file(f"{gone.base_url}/token")
    with pytest.raises(UpstreamUnreachable):
        await of_google(credentials_file=path)
    assert lines == ["cloud: no answer from Google (TransportError)\n"]
