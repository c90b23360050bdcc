"""Keys of AWS, from each place where botocore finds them."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.integration.credentials.issuing import form, issuer
from tests.integration.credentials.presenting import REQUEST, headers_of
from trunkline_server.core.errors import UpstreamAuthFailed, UpstreamUnreachable
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.aws import Aws

REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/gateway"
CANARY = "canary/7c31+x"
EXPIRES = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
STAMP = EXPIRES.strftime("%Y-%m-%dT%H:%M:%SZ")

of_aws = partial(headers_of, "aws", region=REGION)


def key_of(headers):
    """The id of the key that signed, the session token, and the scope."""
    credential = headers["authorization"].partition("Credential=")[2].partition(",")[0]
    key, _, region, service, _ = credential.split("/")
    return key, headers.get("x-amz-security-token"), f"{region}/{service}"


def found(key="AKIDFOUND", token="session"):
    return key, token, f"{REGION}/bedrock"


async def test_keys_of_the_settings_sign():
    """Static keys are taken as they are, with or without a session token."""
    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret(CANARY)}
    assert key_of(await of_aws(**keys)) == found("AKID", None)
    assert key_of(await of_aws(**keys, session_token=Secret("t"))) == found("AKID", "t")


async def test_variables_and_profiles_are_found(monkeypatch, tmp_path):
    """The environment's keys are taken, unless the settings name a profile."""
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = AKIDTEAM\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDFOUND")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    assert key_of(await of_aws()) == found()
    assert key_of(await of_aws(profile="team")) == found("AKIDTEAM", None)


async def test_a_container_is_given_keys(monkeypatch, tmp_path):
    """EKS Pod Identity and ECS: the agent gives keys to whoever shows the token of the file."""
    (tmp_path / "token").write_text("of-the-pod")

    def agent(request):
        assert request.headers["authorization"] == "of-the-pod"
        return 200, {"AccessKeyId": "AKIDFOUND", "SecretAccessKey": CANARY, "Token": "session", "Expiration": STAMP}

    async with issuer({"/v1/credentials": agent}) as machine:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{machine.base_url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        assert key_of(await of_aws()) == found()


def sts(action, **wanted):
    """AWS STS, which speaks XML."""

    def handle(request):
        fields = form(request)
        assert {name: fields.get(name) for name in wanted} == wanted
        assert fields["Action"] == action
        keys = f"<AccessKeyId>AKIDFOUND</AccessKeyId><SecretAccessKey>{CANARY}</SecretAccessKey>"
        given = f"<Credentials>{keys}<SessionToken>session</SessionToken><Expiration>{STAMP}</Expiration></Credentials>"
        return 200, f"<{action}Response><{action}Result>{given}</{action}Result></{action}Response>"

    return issuer({"/": handle})


async def test_a_web_identity_is_exchanged(monkeypatch, tmp_path):
    """IRSA: the token of the file buys keys of the role at STS."""
    (tmp_path / "token").write_text("of-the-pod")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    async with sts("AssumeRoleWithWebIdentity", RoleArn=ROLE, WebIdentityToken="of-the-pod") as amazon:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.base_url)
        assert key_of(await of_aws()) == found()


async def test_a_role_of_the_settings_is_assumed(monkeypatch):
    """With what was found, STS is asked for keys of the role; the external id goes with it."""
    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret("s")}
    async with sts("AssumeRole", RoleArn=ROLE, ExternalId="of-us", RoleSessionName="trunkline") as amazon:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.base_url)
        assert key_of(await of_aws(**keys, role_arn=ROLE, external_id="of-us")) == found()


async def test_the_metadata_service_of_a_machine_is_asked(monkeypatch):
    """IMDSv2: a session first, then the name of the role, then its keys."""
    path = "/latest/meta-data/iam/security-credentials/"

    def session(request):
        assert request.method == "PUT"
        return 200, "imds-session"

    def role(request):
        assert request.headers["x-aws-ec2-metadata-token"] == "imds-session"
        return 200, "gateway"

    def keys(request):
        given = {"AccessKeyId": "AKIDFOUND", "SecretAccessKey": CANARY, "Token": "session", "Expiration": STAMP}
        return 200, {"Code": "Success", **given}

    async with issuer({"/latest/api/token": session, path: role, f"{path}gateway": keys}) as machine:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.base_url)
        assert key_of(await of_aws()) == found()


async def ends(**settings):
    """When the keys that are found end, and None of those that never do."""
    grant = await asyncio.to_thread(Aws({"region": REGION, **settings}, None).fetch)
    return grant.expires_at


async def test_keys_end_when_their_issuer_says(monkeypatch, tmp_path):
    """The end of keys is read wherever they come from, so that they are replaced ahead of it."""
    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret("s")}
    assert await ends(**keys) is None
    async with sts("AssumeRole") as amazon:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.base_url)
        assert await ends(**keys, role_arn=ROLE) == EXPIRES.timestamp()
    (tmp_path / "token").write_text("of-the-pod")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    async with sts("AssumeRoleWithWebIdentity") as amazon:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.base_url)
        assert await ends() == EXPIRES.timestamp()


async def test_half_a_key_is_told_as_such(lines):
    """An id without its secret is not replaced by keys from elsewhere."""
    with pytest.raises(UpstreamAuthFailed):
        await of_aws(access_key_id=Secret("AKID"))
    assert lines == ["cloud: no token from AWS (access_key_id and secret_access_key belong together)\n"]


async def test_nothing_found_is_a_failure_of_the_credential(lines):
    """Without keys anywhere the operator is told so."""
    with pytest.raises(UpstreamAuthFailed, match="could not get a token from AWS"):
        await of_aws()
    assert lines == ["cloud: no token from AWS (no credentials found)\n"]


async def test_a_refusal_is_told_by_its_status_and_not_its_words(monkeypatch, lines):
    """The words of STS reach neither the caller nor the operator's log."""

    def refuse(request):
        error = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{CANARY}</Message></Error>"
        return 403, f"<ErrorResponse>{error}</ErrorResponse>"

    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret(CANARY)}
    async with issuer({"/": refuse}) as amazon:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.base_url)
        with pytest.raises(UpstreamAuthFailed) as failed:
            await of_aws(**keys, role_arn=ROLE)
    assert lines == ["cloud: no token from AWS (ClientError, HTTP 403)\n"]
    assert CANARY not in f"{failed.value!r}{failed.value}"


async def test_nobody_home_is_unreachable(monkeypatch, lines):
    """A refused connection is the network's fault, and worth another try."""
    async with issuer({}) as gone:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", gone.base_url)
    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret("s")}
    with pytest.raises(UpstreamUnreachable):
        await of_aws(**keys, role_arn=ROLE)
    assert lines == ["cloud: no answer from AWS (EndpointConnectionError)\n"]


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [
        (403, "ExpiredTokenException", True),
        (403, "UnrecognizedClientException:http://internal.amazon.com/coral/", True),
        (403, "AccessDeniedException", False),
        (400, "ExpiredTokenException", False),
        (401, "", True),
    ],
)
def test_keys_that_have_ended_are_told_from_what_they_may_not_do(status, kind, refused):
    """Bedrock says both with 403; the type of the error tells which."""
    keys = {"access_key_id": Secret("AKID"), "secret_access_key": Secret(CANARY), "session_token": Secret("t")}
    grant = Aws({**keys, "region": REGION}, None).fetch()
    assert grant.refused(status, {"x-amzn-errortype": kind}) is refused
    signed = grant.put_on(REQUEST, 0.0)
    assert grant.made(signed)
    assert not Aws({**keys, "region": REGION, "session_token": Secret("u")}, None).fetch().made(signed)
    assert CANARY not in f"{grant!r}{signed!r}"
