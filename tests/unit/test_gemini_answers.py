"""What Gemini's answers and failures become, beyond what the golden exchanges show."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    UpstreamAuthFailed,
    UpstreamBroken,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.events import MAX_BLOCKS
from trunkline_server.providers.gemini.sources import MAX_GROUNDINGS

GEMINI = DIALECTS["gemini"]
DEPLOYMENT = next(each.deployment for each in find().exchanges if each.name == "gemini/text")
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
REASON = "type.googleapis.com/google.rpc.ErrorInfo"


def chunk(*parts: Any, finish: str = "", **more: Any) -> dict[str, Any]:
    """A chunk, or a whole answer."""
    candidate = {"content": {"parts": list(parts), "role": "model"}, **more}
    return {"candidates": [{**candidate, "finishReason": finish} if finish else candidate]}


def whole(answer: Any) -> v1.CompleteResponse:
    """A whole answer, decoded."""
    return GEMINI.decode(json.dumps(answer).encode(), DEPLOYMENT)


def streamed(*chunks: Any) -> tuple[list[v1.StreamEvent], UpstreamError | None]:
    """A streamed answer, decoded. Texts among the chunks stand in the stream as they are."""
    frames = [each if isinstance(each, str) else f"data: {json.dumps(each)}\r\n\r\n" for each in chunks]
    return feed_all(GEMINI.stream_decoder(DEPLOYMENT), ["".join(frames).encode()])


def grounded(segment: dict[str, Any], *parts: Any) -> v1.CompleteResponse:
    """An answer with one source."""
    chunks = [{"web": {"uri": "https://a.example", "title": "A"}}]
    support = {"segment": segment, "groundingChunkIndices": [0, 7, -1]}
    metadata = {"groundingChunks": chunks, "groundingSupports": [support]}
    return whole(chunk(*parts, finish="STOP", groundingMetadata=metadata))


def spans(response: v1.CompleteResponse) -> list[tuple[int, str, str]]:
    """Of each citation of a text: the block, and the words that it supports or "?"."""
    found = []
    for index, block in enumerate(response.message.blocks):
        for citation in block.text.citations:
            told = citation.HasField("start_offset")
            words = block.text.text.encode()[citation.start_offset : citation.end_offset].decode()
            found.append((index, words if told else "?", citation.title))
    return found


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, UpstreamContentPolicy),
        ({"error": {"code": 503, "status": "UNAVAILABLE"}}, UpstreamOverloaded),
        ({"error": {"code": 500}}, UpstreamFailed),
        (chunk({"text": "Hi"}), UpstreamBroken),
        (chunk({"text": "Hi"}, finish="FINISH_REASON_UNSPECIFIED"), UpstreamBroken),
        ({}, UpstreamBroken),
        ({"candidates": [{"index": 1, "finishReason": "STOP"}]}, UpstreamBroken),
        (chunk({"functionCall": {"args": {}}}, finish="STOP"), UpstreamMalformed),
        (chunk({"inlineData": {"mimeType": "image/png", "data": "?"}}, finish="STOP"), UpstreamMalformed),
        (chunk({"text": 5}, finish="STOP"), UpstreamMalformed),
        ([], UpstreamMalformed),
    ],
)
def test_no_answer(answer: Any, kind: type[UpstreamError]) -> None:
    """A body with status 200 that is no whole answer is a failure, and no ending is invented."""
    with pytest.raises(UpstreamError) as failed:
        whole(answer)
    assert type(failed.value) is kind


def test_error_behind_a_finish_reason() -> None:
    """An error that stands bare in the stream ends the answer, although a finish reason had come."""
    bare = json.dumps({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, indent=2)
    events, error = streamed(chunk({"text": "Okay"}), chunk({"text": ""}, finish="STOP"), bare)
    assert isinstance(error, UpstreamOverloaded)
    assert not any(event.HasField("finished") for event in events)


def test_finish_reason_in_each_chunk() -> None:
    """Where each chunk brings a finish reason, the answer goes on to the end, and the last one counts."""
    events, error = streamed(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, finish="MAX_TOKENS"))
    response = fold(events)
    assert error is None
    assert response.message.blocks[0].text.text == "ab"
    assert response.finished.finish_reason == v1.FINISH_REASON_LENGTH


def test_usage_of_a_cut_answer() -> None:
    """Usage that came before the finish reason is partial."""
    decoder = GEMINI.stream_decoder(DEPLOYMENT)
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 9}
    decoder.feed(f"data: {json.dumps({**chunk({'text': 'a'}), 'usageMetadata': usage})}\n\n".encode())
    told = decoder.usage
    assert told is not None
    assert (told.input_tokens, told.output_tokens, told.reasoning_output_tokens) == (4, 5, 3)
    assert told.input_source == told.output_source == v1.USAGE_SOURCE_PARTIAL
    assert not decoder.ending


@pytest.mark.parametrize(
    ("wire", "counts"),
    [
        ({"promptTokenCount": 7, "totalTokenCount": 7}, (7, None, None, None, None)),
        ({"promptTokenCount": 7, "candidatesTokenCount": 0, "totalTokenCount": 7}, (7, 0, None, None, None)),
        (
            {
                "promptTokenCount": 151, "candidatesTokenCount": 1089, "totalTokenCount": 20_689,
                "toolUsePromptTokenCount": 18_329, "thoughtsTokenCount": 1120,
            },
            (18_480, 2209, 1120, None, 18_329),
        ),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 8, "thoughtsTokenCount": 2}, (9, 2, 2, 8, None)),
        ({"promptTokenCount": -1, "candidatesTokenCount": "many"}, (None, None, None, None, None)),
        ({"promptTokenCount": (1 << 63) - 1, "toolUsePromptTokenCount": 9}, ((1 << 63) - 1, None, None, None, 9)),
    ],
)  # fmt: skip
def test_usage(wire: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    """Input counts what tools fed back, output counts thoughts, and what is not told stays unset."""
    usage = whole({**chunk({"text": "a"}, finish="STOP"), "usageMetadata": wire}).finished.usage
    names = ("input_tokens", "output_tokens", "reasoning_output_tokens", "cache_read_input_tokens", "tool_input_tokens")
    assert tuple(getattr(usage, name) if usage.HasField(name) else None for name in names) == counts


def test_segment_of_a_part() -> None:
    """A segment counts from its part, or from the start of the text where the part's number is left out."""
    parts = ({"text": "Hm", "thought": True}, {"text": "Ä one. "}, {"text": "Two.", "thoughtSignature": "s"})
    in_part = {"partIndex": 2, "startIndex": 0, "endIndex": 4, "text": "Two."}
    in_text = {"startIndex": 8, "endIndex": 12, "text": "Two."}
    assert spans(grounded(in_part, *parts)) == spans(grounded(in_text, *parts)) == [(2, "Two.", "A")]


@pytest.mark.parametrize(
    "segment",
    [
        {"startIndex": 0, "endIndex": 3, "text": "Two"},
        {"startIndex": -5, "endIndex": 3},
        {"endIndex": 1 << 70},
        {"startIndex": 2, "endIndex": 1},
        {"partIndex": 1 << 70, "startIndex": 1 << 40, "endIndex": 1 << 41},
        {"endIndex": 9},
        {},
    ],
)
def test_segment_that_is_none(segment: dict[str, Any]) -> None:
    """A source whose segment is at no place of one text is told without offsets."""
    assert spans(grounded(segment, {"text": "One. "}, {"text": "Two.", "thoughtSignature": "s"})) == [(1, "?", "A")]


def test_sources_without_text() -> None:
    """Sources of an answer without text are blocks of their own."""
    blocks = grounded({}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}).message.blocks
    assert [block.WhichOneof("kind") for block in blocks] == ["media", "citation", "provider_opaque"]


def test_repeated_sources_are_told_once() -> None:
    """A stream that repeats its grounding tells each source once."""
    metadata = {"groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}]}
    events, _ = streamed(
        chunk({"text": "a"}, groundingMetadata=metadata), chunk(finish="STOP", groundingMetadata=metadata)
    )
    assert len(fold(events).message.blocks[0].text.citations) == 1


def test_sources_have_a_bound() -> None:
    """However many sources and pieces of metadata there are, only so many are kept, and the answer is whole."""
    piece = {"groundingChunks": [{"web": {"uri": "https://a.example"}}], "groundingSupports": [{}] * 9}
    many = [chunk(groundingMetadata={**piece, "number": number}) for number in range(2 * MAX_BLOCKS)]
    odd = chunk(*[{}] * 9, groundingMetadata={})
    events, error = streamed(chunk({"text": "Hi."}), odd, *many, chunk(finish="STOP"))
    assert error is None
    text, *raw = fold(events).message.blocks
    assert len(text.text.citations) == 1
    assert [json.loads(each.provider_opaque.data)["number"] for each in raw] == list(range(MAX_GROUNDINGS))


def test_words_of_the_filter() -> None:
    """What the filter says of a prompt that it refused is kept for the record."""
    feedback = {"blockReason": "MODEL_ARMOR", "blockReasonMessage": "Blocked by Floor Setting."}
    error = streamed({"promptFeedback": feedback})[1]
    assert isinstance(error, UpstreamContentPolicy)
    assert (error.native_code, error.foreign_message) == ("MODEL_ARMOR", "Blocked by Floor Setting.")


def test_signature_without_data() -> None:
    """A part that is a signature and nothing else is kept as it came."""
    block = whole(chunk({"text": "a"}, {"thoughtSignature": "s"}, finish="STOP")).message.blocks[1]
    assert (block.provider_opaque.type, block.provider_opaque.data) == (
        "thoughtSignature",
        b'{"thoughtSignature": "s"}',
    )


def test_unknown_part() -> None:
    """A part of a kind that is not known is kept as it came, by the name of the kind."""
    raw = {"hologram": {"depth": 1.50}, "thought": True}
    block = whole(chunk(raw, {}, finish="STOP")).message.blocks[0]
    assert (block.provider_opaque.type, json.loads(block.provider_opaque.data)) == ("hologram", raw)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"status": "RESOURCE_EXHAUSTED"}, UpstreamRateLimited),
        (
            429,
            {"status": "RESOURCE_EXHAUSTED", "message": "Your prepayment credits are depleted."},
            UpstreamQuotaExhausted,
        ),
        (
            429,
            {
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {"@type": REASON, "reason": "RATE_LIMIT_EXCEEDED"},
                    {"@type": QUOTA, "violations": [{"quotaId": "RequestsPerDayPerProject"}]},
                ],
            },
            UpstreamQuotaExhausted,
        ),
        (403, {"details": [{"@type": REASON, "reason": "BILLING_DISABLED"}]}, UpstreamQuotaExhausted),
        (
            400,
            {"status": "FAILED_PRECONDITION", "message": "User location is not supported for the API use."},
            UpstreamAuthFailed,
        ),
        (503, {}, UpstreamOverloaded),
        (500, {"details": [{"@type": 1}, 5, {"@type": QUOTA, "violations": {}}]}, UpstreamFailed),
    ],
)
def test_failures(status: int, error: dict[str, Any], kind: type[UpstreamError]) -> None:
    """Reasons are asked before quotas, quotas before words, words before codes; alone or in an array."""
    for body in ({"error": error}, [{"error": error}]):
        assert type(GEMINI.decode_error(status, {}, json.dumps(body).encode())) is kind


def test_wait() -> None:
    """The header's delay is believed before that of the details, and neither is taken for more than an hour."""
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "86400s"}
    body = json.dumps({"error": {"status": "RESOURCE_EXHAUSTED", "details": [detail]}}).encode()
    assert GEMINI.decode_error(429, {}, body).retry_after_s == 3600
    assert GEMINI.decode_error(429, {"retry-after": "2"}, body).retry_after_s == 2


@settings(max_examples=60, deadline=None, database=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_any_failure(status: int, body: bytes) -> None:
    """Whatever a failure looks like, it becomes one of ours."""
    assert isinstance(GEMINI.decode_error(status, {}, body), UpstreamError)
