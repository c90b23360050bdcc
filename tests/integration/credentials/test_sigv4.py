"""Signatures, held to those of botocore."""

import string
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.sigv4 import sign

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+="
NOW = datetime(2026, 11, 23, 17, 30, 5, tzinfo=UTC)
REGION = "eu-central-1"


def frozen(now):
    """botocore's signer takes the time from here."""
    patch = pytest.MonkeyPatch()
    patch.setattr(botocore.auth, "get_current_datetime", lambda *_: now)
    return patch


def ours(request, *, token=TOKEN, now=NOW):
    return dict(
        sign(
            request,
            access_key_id=KEY,
            secret_access_key=Secret(SECRET),
            session_token=token,
            region=REGION,
            service="bedrock",
            now=now.timestamp(),
        )
    )


def theirs(request, *, token=TOKEN, now=NOW):
    signed = AWSRequest(
        method=request.method,
        url=f"{request.endpoint}{request.target}",
        headers=dict(request.headers),
        data=request.body,
    )
    patch = frozen(now)
    try:
        SigV4Auth(ReadOnlyCredentials(KEY, SECRET, token or None), "bedrock", REGION).add_auth(signed)
    finally:
        patch.undo()
    return {name.lower(): value for name, value in signed.headers.items() if name.lower() != "content-type"}


def request_of(target, *, body=b"{}", host="bedrock-runtime.eu-central-1.amazonaws.com", port=443, kind="a/b"):
    return HttpRequest(
        method="POST",
        endpoint=Endpoint(scheme="https", host=host, port=port),
        target=target,
        headers=(("content-type", kind),),
        body=body,
    )


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3",
    ],
)
def test_a_signature_is_the_one_of_amazons_client(model):
    """For the request that botocore's client of Bedrock sends, path and body as they are, both signatures agree."""
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET, TOKEN)
    client = session.create_client("bedrock-runtime", region_name=REGION)
    sent = []

    def keep(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, Body())

    client.meta.events.register("before-send.bedrock-runtime.Converse", keep)
    patch = frozen(NOW)
    try:
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Hé"}]}])
    finally:
        patch.undo()
    url = urlsplit(sent[0].url)
    assert url.path == f"/model/{quote(model, safe='')}/converse"
    headers = {name.lower(): _text(value) for name, value in sent[0].headers.items()}
    request = request_of(url.path, body=sent[0].body, host=url.hostname, kind=headers["content-type"])
    assert ours(request)["authorization"] == headers["authorization"]
    assert ours(request)["x-amz-date"] == headers["x-amz-date"]
    assert ours(request)["x-amz-security-token"] == headers["x-amz-security-token"]


class Body:
    """What botocore reads an answer from."""

    def stream(self, **_):
        yield b'{"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"}'


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


segments = st.text(string.ascii_letters + string.digits + ":/._-~ %ü@", min_size=1, max_size=12)
values = st.text(string.ascii_letters + " /+=-.", max_size=10)
queries = st.dictionaries(
    st.text(string.ascii_letters + "-.", min_size=1, max_size=5), st.text(string.ascii_letters + " :/~", max_size=5)
)


@given(
    path=st.lists(segments, min_size=1, max_size=4),
    query=queries,
    body=st.binary(max_size=64),
    kind=values.filter(str.strip),
    port=st.sampled_from([443, 8443]),
    token=st.sampled_from(["", TOKEN]),
    now=st.integers(1_600_000_000, 2_800_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_any_request_is_signed_alike(path, query, body, kind, port, token, now):
    """Whatever stands in path, query, body and content type, botocore's signature is the same."""
    target = "/" + "/".join(quote(segment, safe="-._~") for segment in path if segment.strip("."))
    target += "?" + "&".join(f"{name}={quote(value, safe='-._~')}" for name, value in query.items()) if query else ""
    request = request_of(target, body=body, port=port, kind=kind)
    assert ours(request, token=token, now=now) == theirs(request, token=token, now=now)


def test_only_what_has_to_be_is_signed():
    """A header of the operator's own, which a proxy may change, is no part of the signature."""
    plain = request_of("/a")
    more = HttpRequest(
        method="POST",
        endpoint=plain.endpoint,
        target=plain.target,
        headers=(*plain.headers, ("x-team", "a")),
        body=plain.body,
    )
    assert ours(more) == ours(plain)
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in ours(more)["authorization"]
