"""Bedrock's failures become the nouns that their names stand for."""

import json
from typing import Any

import pytest

from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.providers.dialects import DIALECTS

BEDROCK = DIALECTS["bedrock"]


def error_of(status: int, body: Any, **headers: str) -> UpstreamError:
    """The failure of an answer."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return BEDROCK.decode_error(status, told, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "ValidationException", "Input is too long for requested model.", ContextLengthExceeded),
        (
            400,
            "ValidationException",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            ContextLengthExceeded,
        ),
        (400, "ValidationException", "Output blocked by content filtering policy", UpstreamContentPolicy),
        (400, "ValidationException", "The provided model identifier is invalid.", UpstreamModelNotFound),
        (400, "ValidationException", "Malformed input request: #: extraneous key [k]", UpstreamRejected),
        (400, "ServiceQuotaExceededException", "x", UpstreamRateLimited),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            UpstreamAuthFailed,
        ),
        (
            403,
            "AccessDeniedException",
            "Model access is denied due to INVALID_PAYMENT_INSTRUMENT",
            UpstreamQuotaExhausted,
        ),
        (404, "ResourceNotFoundException", "x", UpstreamModelNotFound),
        (424, "ModelErrorException", "x", UpstreamFailed),
        (429, "ModelNotReadyException", "x", UpstreamOverloaded),
        (503, "ServiceUnavailableException", "x", UpstreamOverloaded),
        (503, "", "x", UpstreamOverloaded),
        (500, "SomethingNew", "x", UpstreamFailed),
        (400, "", "x", UpstreamRejected),
        (413, "", "x", UpstreamRejected),
    ],
)
def test_kinds(status: int, code: str, message: str, kind: type[UpstreamError]) -> None:
    """The name of a failure says more than its status, and of two that mean many things the words do."""
    headers = {"x_amzn_errortype": f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"} if code else {}
    error = error_of(status, {"message": message}, **headers)
    assert type(error) is kind
    assert (error.http_status, error.native_code, error.foreign_message) == (status, code, message)


@pytest.mark.parametrize(
    ("original", "message", "kind"),
    [
        (429, "x", UpstreamRateLimited),
        (529, "x", UpstreamOverloaded),
        (400, "x", UpstreamRejected),
        (400, "prompt is too long: 3 tokens > 2 maximum", ContextLengthExceeded),
        (500, "x", UpstreamFailed),
        ("529", "x", UpstreamFailed),
        ([], "x", UpstreamFailed),
    ],
)
def test_failures_of_the_model(original: Any, message: str, kind: type[UpstreamError]) -> None:
    """Where the model behind Bedrock failed, its own status says how."""
    body = {"message": message, "originalStatusCode": original, "resourceName": "r"}
    assert type(error_of(424, body, x_amzn_errortype="ModelErrorException")) is kind


def test_where_the_name_stands() -> None:
    """The name is in a header, or in the body as services behind gateways have it."""
    body = {"__type": "com.amazon.coral.service#ThrottlingException", "Message": "Slow down."}
    error = error_of(400, body, retry_after="3")
    assert type(error) is UpstreamRateLimited
    assert (error.native_code, error.foreign_message, error.retry_after_s) == ("ThrottlingException", "Slow down.", 3.0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 10_000, b'{"message": 1}', b'{"__type": ["x"]}'])
def test_bodies_that_are_none(body: bytes) -> None:
    """A body of any kind is a failure by its status, and nothing of it leaves but 512 bytes for the record."""
    error = error_of(502, body, x_amzn_errortype="bad name\n")
    assert type(error) is UpstreamFailed
    assert error.native_code == ""
    assert len(error.foreign_message.encode()) <= 512
