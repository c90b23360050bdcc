"""Tokens of Microsoft Entra, from fakes of its endpoints."""

import subprocess
import sys
import time
from functools import partial

import pytest
from cryptography.hazmat.primitives import serialization

from tests.integration.credentials.issuing import form, issuer
from tests.integration.credentials.presenting import headers_of
from trunkline_server.core.errors import UpstreamAuthFailed, UpstreamUnreachable
from trunkline_server.core.secret import Secret

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SCOPE = "https://cognitiveservices.azure.com/.default"
CANARY = "canary-e91f~"

of_entra = partial(headers_of, "entra")


def entra(certificate, token):
    """The token endpoint of a tenant, and the document that names it."""

    def discovery(request):
        base = f"https://{request.headers['host']}/{TENANT}"
        return 200, {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }

    return issuer(
        {f"/{TENANT}/v2.0/.well-known/openid-configuration": discovery, f"/{TENANT}/oauth2/v2.0/token": token},
        tls=certificate.context,
    )


def granted(**wanted):
    """Grants a token if the form holds this."""

    def token(request):
        fields = form(request)
        assert {name: fields.get(name) for name in wanted} == wanted
        return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "from-entra"}

    return token


async def test_a_client_secret_gets_a_token(certificate):
    """The settings' secret is sent to the settings' tenant and authority, for the scope of Azure OpenAI."""
    token = granted(client_id=CLIENT, client_secret=CANARY, grant_type="client_credentials", scope=SCOPE)
    async with entra(certificate, token) as login:
        headers = await of_entra(
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=Secret(CANARY),
            authority_host=login.base_url,
            ca_file=certificate.file,
        )
    assert headers["authorization"] == "Bearer from-entra"


async def test_the_scope_is_a_setting(certificate):
    """Foundry's endpoints want another scope than Azure OpenAI's."""
    foundry = "https://ai.azure.com/.default"
    async with entra(certificate, granted(scope=foundry)) as login:
        headers = await of_entra(
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=Secret(CANARY),
            scope=foundry,
            authority_host=login.base_url,
            ca_file=certificate.file,
        )
    assert headers["authorization"] == "Bearer from-entra"


async def test_a_federated_token_takes_the_place_of_a_secret(certificate, tmp_path):
    """Workload identity: the token of the file is the client's assertion."""
    (tmp_path / "token").write_text("of-kubernetes")
    token = granted(client_id=CLIENT, client_assertion="of-kubernetes", scope=SCOPE)
    async with entra(certificate, token) as login:
        headers = await of_entra(
            tenant_id=TENANT,
            client_id=CLIENT,
            federated_token_file=str(tmp_path / "token"),
            authority_host=login.base_url,
            ca_file=certificate.file,
        )
    assert headers["authorization"] == "Bearer from-entra"


async def test_the_environment_of_a_pod_is_enough(certificate, tmp_path, monkeypatch):
    """With what Azure's workload identity webhook puts into a pod, no setting is needed."""
    (tmp_path / "token").write_text("of-kubernetes")
    async with entra(certificate, granted(client_id=CLIENT, client_assertion="of-kubernetes")) as login:
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
        headers = await of_entra(authority_host=login.base_url, ca_file=certificate.file)
    assert headers["authorization"] == "Bearer from-entra"


async def test_a_client_certificate_takes_the_place_of_a_secret(certificate, tmp_path):
    """The certificate's key signs the client's assertion."""
    path = tmp_path / "client.pem"
    path.write_bytes(self_signed())

    def token(request):
        assert form(request)["client_assertion"].count(".") == 2
        return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "from-entra"}

    async with entra(certificate, token) as login:
        headers = await of_entra(
            tenant_id=TENANT,
            client_id=CLIENT,
            client_certificate_file=str(path),
            authority_host=login.base_url,
            ca_file=certificate.file,
        )
    assert headers["authorization"] == "Bearer from-entra"


def managed(request):
    """The endpoint that App Service and Container Apps give their containers."""
    assert request.headers["x-identity-header"] == CANARY
    assert form(request)["resource"] == "https://cognitiveservices.azure.com"
    chosen = form(request).get("client_id", "of the system")
    return 200, {
        "access_token": f"managed {chosen}",
        "expires_on": str(int(time.time()) + 3600),
        "resource": "r",
        "token_type": "Bearer",
    }


@pytest.mark.parametrize(
    ("settings", "token"),
    [
        ({"managed_identity": True}, "managed of the system"),
        ({"managed_identity": True, "client_id": CLIENT}, f"managed {CLIENT}"),
        ({}, "managed of the system"),
    ],
)
async def test_a_managed_identity_needs_no_secret(settings, token, monkeypatch):
    """The container's own endpoint gives a token, of the identity that the settings choose or of the system's."""
    async with issuer({"/msi/token": managed}) as container:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{container.base_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", CANARY)
        assert (await of_entra(**settings))["authorization"] == f"Bearer {token}"


async def test_the_metadata_service_of_a_machine_is_asked_too(monkeypatch):
    """On a virtual machine the token comes from IMDS."""

    def imds(request):
        assert request.headers["metadata"] == "true"
        lives = {"expires_in": "3600", "expires_on": str(int(time.time()) + 3600), "not_before": "1"}
        return 200, {"access_token": "of-the-machine", **lives, "resource": "r", "token_type": "Bearer"}

    async with issuer({"/metadata/identity/oauth2/token": imds}) as machine:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.base_url)
        assert (await of_entra(managed_identity=True))["authorization"] == "Bearer of-the-machine"


async def test_a_refusal_is_told_by_its_status_and_not_its_words(certificate, lines, capfd):
    """Entra's words and the secret reach neither the caller nor the operator's log, nor stderr."""

    def refuse(request):
        return 401, {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid secret {CANARY}"}

    async with entra(certificate, refuse) as login:
        with pytest.raises(UpstreamAuthFailed, match="could not get a token from Microsoft Entra") as failed:
            await of_entra(
                tenant_id=TENANT,
                client_id=CLIENT,
                client_secret=Secret(CANARY),
                authority_host=login.base_url,
                ca_file=certificate.file,
            )
    assert lines == ["cloud: no token from Microsoft Entra (ClientAuthenticationError, HTTP 401)\n"]
    out, err = capfd.readouterr()
    assert CANARY not in f"{failed.value!r}{failed.value}{out}{err}"


def test_the_library_says_nothing_by_itself():
    """In a process whose logging nobody has set up, a failed fetch writes not a word to stderr."""
    code = f"""
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.entra import Entra
from trunkline_server.credentials.grant import NoGrant
settings = dict(tenant_id="{TENANT}", client_id="{CLIENT}", client_secret=Secret("{CANARY}"))
try:
    Entra(settings | dict(authority_host="https://127.0.0.1:9"), None).fetch()
except NoGrant as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("ClientAuthenticationError\n", "")


async def test_settings_that_lack_a_part_are_a_failure_of_the_credential(lines):
    """A client secret without its tenant can't be used."""
    with pytest.raises(UpstreamAuthFailed):
        await of_entra(client_secret=Secret(CANARY))
    assert lines == ["cloud: no token from Microsoft Entra (ValueError)\n"]


async def test_nobody_home_is_unreachable(certificate, lines):
    """A refused connection is the network's fault, and worth another try."""
    async with entra(certificate, granted()) as gone:
        pass
    with pytest.raises(UpstreamUnreachable):
        await of_entra(
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=Secret(CANARY),
            authority_host=gone.base_url,
            ca_file=certificate.file,
        )
    assert lines == ["cloud: no answer from Microsoft Entra (ClientAuthenticationError)\n"]


def self_signed():
    """A client's certificate with its key, in PEM."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made.public_bytes(pem)
