"""What failures of OpenAI and of compatible servers mean, and what of them may leave."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.folders import DEPLOYMENT, DIALECT
from trunkline import v1
from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
    UpstreamBroken,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)


def failure(status: int, body: Any = b"", **headers: str) -> UpstreamError:
    """The failure that an answer tells of."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.decode_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected), (401, UpstreamAuthFailed), (402, UpstreamQuotaExhausted), (403, UpstreamAuthFailed),
        (404, UpstreamModelNotFound), (408, UpstreamFailed), (409, UpstreamFailed), (413, UpstreamRejected),
        (422, UpstreamRejected), (429, UpstreamRateLimited), (500, UpstreamFailed), (502, UpstreamFailed),
        (503, UpstreamOverloaded), (504, UpstreamFailed), (529, UpstreamOverloaded), (302, UpstreamFailed),
        (204, UpstreamMalformed), (999, UpstreamMalformed),
    ],
)  # fmt: skip
def test_by_status(status: int, kind: type[UpstreamError]) -> None:
    """Without a code the status says what failed."""
    for body in (b"", b"<html>Bad</html>", {"error": {"message": "m"}}, {"error": None}, b'{"error": {"cod'):
        error = failure(status, body)
        assert type(error) is kind
        assert error.http_status == status
        assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "param"),
    [
        (
            429,
            {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}},
            UpstreamQuotaExhausted,
            "insufficient_quota",
            "",
        ),
        (
            400,
            {"error": {"code": "context_length_exceeded", "param": "messages"}},
            ContextLengthExceeded,
            "context_length_exceeded",
            "messages",
        ),
        (400, {"error": {"code": "content_policy_violation"}}, UpstreamContentPolicy, "content_policy_violation", ""),
        (
            400,
            {"error": {"code": "content_filter", "innererror": {"code": "x"}}},
            UpstreamContentPolicy,
            "content_filter",
            "",
        ),
        (403, {"error": {"code": "model_not_found"}}, UpstreamModelNotFound, "model_not_found", ""),
        (
            400,
            {"error": {"code": 400, "type": "exceed_context_size_error", "n_ctx": 512}},
            ContextLengthExceeded,
            "exceed_context_size_error",
            "",
        ),
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 10 tokens",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
            ContextLengthExceeded,
            "BadRequestError",
            "",
        ),
        (
            503,
            {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
            UpstreamOverloaded,
            "unavailable_error",
            "",
        ),
        (
            403,
            {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
            UpstreamContentPolicy,
            "403",
            "",
        ),
        (
            422,
            {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "field required", "type": "missing"}]},
            UpstreamRejected,
            "missing",
            "messages[0].content",
        ),
        (404, {"detail": "Not Found"}, UpstreamModelNotFound, "", ""),
        (
            400,
            [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}],
            UpstreamRejected,
            "INVALID_ARGUMENT",
            "",
        ),
        (500, {"error": "boom"}, UpstreamFailed, "", ""),
    ],
)
def test_by_code(status: int, body: Any, kind: type[UpstreamError], code: str, param: str) -> None:
    """A code says more than the status, in whichever shape the error comes."""
    error = failure(status, body)
    assert (type(error), error.native_code, error.param) == (kind, code, param)


@pytest.mark.parametrize(
    "word", ["has space", "x" * 65, "naïve", "a\nb", "<script>", "", None, [], {"a": 1}, 1.5, True, 10**30]
)
def test_codes_that_may_not_leave(word: Any) -> None:
    """A code or parameter of other characters, or too long, is dropped."""
    error = failure(400, {"error": {"code": word, "type": word, "param": word}})
    assert error.native_code == ""
    assert error.param in ("", "x" * 65)


def test_words_stay_home() -> None:
    """The provider's words are in the record's field, cut at 512 bytes, and never in the message."""
    error = failure(
        400, {"error": {"message": "sécret " * 200, "code": "invalid_value", "param": "messages[0].content"}}
    )
    assert "cret" not in str(error) + repr(error)
    assert (
        str(error) == "the provider refused the request (HTTP 400, code invalid_value, parameter messages[0].content)"
    )
    assert error.foreign_message.startswith("sécret sécret")
    assert 508 < len(error.foreign_message.encode()) <= 512


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "20"}, 20.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "20", "retry_after_ms": "250"}, 0.25),
        ({"retry_after": "86400"}, 3600.0),
        ({"retry_after_ms": "-5"}, 0.0),
        ({"retry_after_ms": "nan"}, None),
        ({"retry_after": "9" * 400}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 11:00:00 +0100"}, 30.0),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "today"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """The wait is in seconds from 0 to 3600; a date counts from the provider's own clock."""
    assert failure(429, **headers).retry_after_s == seconds


@pytest.mark.parametrize("status", [400, 401, 402, 404])
def test_no_wait_where_a_repeat_can_not_help(status: int) -> None:
    """A failure that stays is not told to be tried again."""
    assert failure(status, retry_after="5").retry_after_s is None


@given(
    st.integers(), st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()), st.binary()
)
def test_never_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever the answer is, it is some failure."""
    assert isinstance(DIALECT.decode_error(status, headers, body), UpstreamError)


def whole(**more: Any) -> bytes:
    """The body of an answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"} | more
    return json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", UpstreamMalformed),
        (b"<html>", UpstreamMalformed),
        (b"[]", UpstreamMalformed),
        (b"{}", UpstreamMalformed),
        (b'{"choices":[]}', UpstreamMalformed),
        (b"[" * 100_000, UpstreamMalformed),
        (whole(message=None), UpstreamMalformed),
        (whole(message={"tool_calls": [{"id": "a"}]}), UpstreamMalformed),
        (whole(message={"audio": {"data": "!"}}), UpstreamMalformed),
        (whole(message={"tool_calls": [{"function": {"name": "f"}}] * 1025}), UpstreamMalformed),
        (whole(finish_reason=None), UpstreamBroken),
        (whole(finish_reason=""), UpstreamBroken),
        (b'{"error": {"message": "m", "code": 429}}', UpstreamRateLimited),
    ],
)
def test_whole_answers_that_fail(body: bytes, kind: type[UpstreamError]) -> None:
    """A body with status 200 that is no answer is the failure that fits it."""
    with pytest.raises(UpstreamError) as caught:
        DIALECT.decode(body, DEPLOYMENT)
    assert type(caught.value) is kind


def test_custom_tool_call() -> None:
    """A call of a tool that takes free text carries it as it is, marked as no JSON."""
    call = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "SELECT 1"}}
    made = DIALECT.decode(whole(message={"tool_calls": [call]}, finish_reason="tool_calls"), DEPLOYMENT).message.blocks[
        0
    ]
    assert made.tool_call == v1.ToolCall(id="a", name="c", arguments_json=b"SELECT 1")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "The decoder prompt (length 10127) is longer than the maximum model length of 8192."),
        (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        (403, "Input token count + max_tokens parameter must be less than the context length of the model"),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4100 `inputs` tokens"),
        (400, "prompt is too long: 202095 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 174167 + 64000 > 200000"),
        (400, "Please reduce the length of the messages. Current length is 9000 while limit is 8192"),
        (400, "Trying to keep the first 15857 tokens when context the overflows."),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
        (400, "Invalid request: Your request exceeded model token limit: 8192"),
    ],
)
def test_too_long_in_words(status: int, message: str) -> None:
    """A prompt that is too long is told from other faults by its words, where servers have no code for it."""
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
    assert type(DIALECT.decode_error(status, {}, body)) is ContextLengthExceeded
    assert type(DIALECT.decode_error(500, {}, body)) is UpstreamFailed
