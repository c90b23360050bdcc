"""What the dialect makes of Bedrock's answers, whole and streamed."""

import json
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.eventstream import encode
from tests.golden.exchange import feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    UpstreamBroken,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamOverloaded,
)
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.services.validation import validate

BEDROCK = DIALECTS["bedrock"]
CLAUDE = next(each.deployment for each in find().exchanges if each.name == "bedrock/text")
BEGIN = ("messageStart", {"role": "assistant"})
USAGE = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
METADATA = ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}})


def frame(kind: str, payload: Any) -> dict[str, Any]:
    """One event."""
    return {"headers": {":event-type": kind, ":message-type": "event"}, "payload": payload}


def delta(place: int, **piece: Any) -> tuple[str, Any]:
    """A piece of a block."""
    return "contentBlockDelta", {"contentBlockIndex": place, "delta": piece}


def start(place: int, **what: Any) -> tuple[str, Any]:
    """The start of a block."""
    return "contentBlockStart", {"contentBlockIndex": place, "start": what}


def stop(place: int) -> tuple[str, Any]:
    """The end of a block."""
    return "contentBlockStop", {"contentBlockIndex": place}


def stream(*events: tuple[str, Any], reason: str = "end_turn") -> bytes:
    """A whole stream with these events in it."""
    return encode(frame(*each) for each in (BEGIN, *events, ("messageStop", {"stopReason": reason}), METADATA))


def events_of(data: bytes) -> tuple[list[v1.StreamEvent], UpstreamError | None]:
    """All events, and the failure after them."""
    return feed_all(BEDROCK.stream_decoder(CLAUDE), [data])


def folded(*events: tuple[str, Any], reason: str = "end_turn") -> v1.CompleteResponse:
    """What the events of a whole stream come to."""
    made, error = events_of(stream(*events, reason=reason))
    assert error is None
    return fold(made)


def whole(*content: Any, reason: str = "end_turn", **more: Any) -> v1.CompleteResponse:
    """What a whole answer comes to."""
    message = {"role": "assistant", "content": list(content)}
    body = {"output": {"message": message}, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 5}, **more}
    return BEDROCK.decode(json.dumps(body, separators=(",", ":")).encode(), CLAUDE)


def block(answer: v1.CompleteResponse, place: int = 0) -> v1.Block:
    """A block of the answer."""
    return answer.message.blocks[place]


def replayed(answer: v1.CompleteResponse) -> list[Any]:
    """What is sent of the answer's blocks in the next turn."""
    hi = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi"))])
    request = v1.CompleteRequest(model="m", messages=[hi, answer.message, hi])
    validate(request)
    body = json.loads(BEDROCK.encode(request, CLAUDE, stream=True).body)
    content: list[Any] = body["messages"][1]["content"]
    return content


@given(st.text(min_size=1, max_size=60), st.text(max_size=60), st.text(min_size=1))
@settings(max_examples=40)
def test_thoughts_survive(thought: str, signature: str, withheld: str) -> None:
    """Thoughts, signatures and withheld thoughts come back to Bedrock as they were, whole and streamed alike."""
    text = {"text": thought, "signature": signature} if signature else {"text": thought}
    content = [{"reasoningContent": {"reasoningText": text}}, {"reasoningContent": {"redactedContent": withheld}}]
    pieces = [delta(0, reasoningContent={"text": thought}), delta(0, reasoningContent={"signature": signature})]
    streamed = folded(*pieces, stop(0), delta(1, reasoningContent={"redactedContent": withheld}), stop(1))
    assert replayed(whole(*content)) == replayed(streamed) == content


def test_unknown_content_survives() -> None:
    """A block that is newer than this comes back to Bedrock as it was."""
    content = [{"hologram": {"depth": 3.50, "of": ["ä"]}}, {"text": "So."}]
    answer = whole(*content)
    assert block(answer).provider_opaque == v1.ProviderOpaque(type="hologram", data=b'{"depth":3.5,"of":["\\u00e4"]}')
    assert replayed(answer) == content


def test_unknown_content_in_pieces() -> None:
    """In a stream it is kept as it came, and not sent back: nobody knows how to put it together."""
    answer = folded(start(0, hologram={"a": 1}), delta(0, hologram={"b": 2}), delta(0, hologram={"b": 3}), stop(0))
    opaque = block(answer).provider_opaque
    assert opaque.type == "stream.hologram"
    assert json.loads(opaque.data) == {
        "start": {"hologram": {"a": 1}},
        "deltas": [{"hologram": {"b": 2}}, {"hologram": {"b": 3}}],
    }
    alone = folded(delta(0, hologram={"b": 2}), stop(0))
    assert json.loads(block(alone).provider_opaque.data) == {"start": None, "deltas": [{"hologram": {"b": 2}}]}


def test_unknown_events_are_passed_over() -> None:
    """Events and members that are newer than this change nothing."""
    made = folded(
        ("weather", {"sun": True}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}, "x": 1})
    )
    assert block(made).text.text == "Hi"


def test_withheld_thought_in_pieces() -> None:
    """Pieces of a withheld thought, each in base64, are one in base64."""
    pieces = [delta(0, reasoningContent={"redactedContent": b64encode(each).decode()}) for each in (b"a", b"bcd")]
    assert block(folded(*pieces, stop(0))).reasoning.opaque == b64encode(b"abcd")


@pytest.mark.parametrize("pieces", [[], [""]])
def test_call_without_arguments(pieces: list[str]) -> None:
    """A call without a piece of arguments has none: an empty object, as in a whole answer."""
    use = {"toolUseId": "t", "name": "look"}
    streamed = folded(start(0, toolUse=use), *(delta(0, toolUse={"input": each}) for each in pieces), stop(0))
    assert streamed == whole({"toolUse": {**use, "input": {}}})
    assert block(streamed).tool_call.arguments_json == b"{}"
    assert block(streamed).tool_call.arguments_valid


def test_arguments_that_are_cut() -> None:
    """Arguments that the bound on tokens cut are told as not valid, and can be sent back."""
    cut = folded(
        start(0, toolUse={"toolUseId": "t", "name": "look"}), delta(0, toolUse={"input": '{"a":'}), reason="max_tokens"
    )
    assert block(cut).tool_call == v1.ToolCall(id="t", name="look", arguments_json=b'{"a":', arguments_valid=False)
    assert cut.finished.finish_reason == v1.FINISH_REASON_LENGTH


@pytest.mark.parametrize("pieces", [["{", '"a": ', "1}"], ["{}"], []])
def test_format_by_a_tool(pieces: list[str]) -> None:
    """The arguments of the tool that stands in for a format are the answer, which has then come to its end."""
    use = {"toolUseId": "t", "name": "trunkline_answer"}
    text = "".join(pieces) or "{}"
    streamed = folded(
        start(0, toolUse=use), *(delta(0, toolUse={"input": each}) for each in pieces), stop(0), reason="tool_use"
    )
    assert block(streamed).text.text == text
    assert streamed.finished.finish_reason == v1.FINISH_REASON_STOP
    assert streamed.finished.native_finish_reason == "tool_use"
    answered = whole({"toolUse": {**use, "input": json.loads(text)}}, reason="tool_use")
    assert json.loads(block(answered).text.text) == json.loads(text)
    assert answered.finished == streamed.finished


def test_picture() -> None:
    """A picture comes in pieces, each in base64 for itself."""
    pieces = [delta(0, image={"source": {"bytes": b64encode(each).decode()}}) for each in (b"a", b"bc")]
    streamed = folded(start(0, image={"format": "webp"}), *pieces, stop(0))
    assert block(streamed).media == v1.Media(mime_type="image/webp", data=b"abc")
    assert streamed == whole({"image": {"format": "webp", "source": {"bytes": b64encode(b"abc").decode()}}})
    there = whole({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}})
    assert block(there).media == v1.Media(mime_type="image/png", uri="s3://a/b")
    failed = whole({"image": {"format": "png", "error": {"message": "No."}}})
    assert block(failed).provider_opaque.type == "image"


def test_blocks_side_by_side() -> None:
    """Pieces go to the block whose number they bear, also where blocks grow side by side."""
    streamed = folded(
        start(0, toolUse={"toolUseId": "a", "name": "look"}),
        start(1, toolUse={"toolUseId": "b", "name": "look"}),
        delta(1, toolUse={"input": '{"b":1}'}),
        delta(0, toolUse={"input": '{"a":1}'}),
        stop(1),
        stop(0),
        reason="tool_use",
    )
    assert [each.tool_call.arguments_json for each in streamed.message.blocks] == [b'{"a":1}', b'{"b":1}']


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (USAGE, {"inputTokens": "3", "outputTokens": "4"}),
        (
            {**USAGE, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 100},
            {"inputTokens": "113", "outputTokens": "4", "cacheReadInputTokens": "10", "cacheWriteInputTokens": "100"},
        ),
        (
            {**USAGE, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0},
            {"inputTokens": "3", "outputTokens": "4", "cacheReadInputTokens": "0", "cacheWriteInputTokens": "0"},
        ),
        ({"inputTokens": 3.0, "outputTokens": "4"}, {"inputTokens": "3"}),
        ({"inputTokens": -1, "outputTokens": True}, None),
        ({"inputTokens": 2**63 - 1, "cacheReadInputTokens": 1}, {"cacheReadInputTokens": "1"}),
        ({"inputTokens": 2**70}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage(told: Any, wanted: dict[str, Any] | None) -> None:
    """Input includes what was read from and written to a cache, which Bedrock counts apart."""
    finished = whole({"text": "Hi"}, usage=told).finished
    usage = json_format.MessageToDict(finished.usage) if finished.HasField("usage") else None
    if usage:
        assert usage.pop("inputSource", "USAGE_SOURCE_PROVIDER") == "USAGE_SOURCE_PROVIDER"
        usage.pop("outputSource", None)
    assert usage == wanted


def test_ending() -> None:
    """After the reason of the end only usage follows; without the metadata the answer is whole all the same."""
    decoder = BEDROCK.stream_decoder(CLAUDE)
    decoder.feed(encode([frame(*BEGIN), frame(*delta(0, text="Hi"))]))
    assert not decoder.ending
    assert decoder.feed(encode([frame("messageStop", {"stopReason": "end_turn"})])) == []
    assert decoder.ending
    assert decoder.usage is None
    (_, finished) = decoder.end()
    assert finished.finished.native_finish_reason == "end_turn"
    assert not finished.finished.HasField("usage")


def test_metadata_ends_a_stream() -> None:
    """With the metadata the answer is whole at once, and what follows is ignored."""
    decoder = BEDROCK.stream_decoder(CLAUDE)
    made = decoder.feed(stream(delta(0, text="Hi")))
    assert made[-1].HasField("finished")
    assert decoder.feed(b"\x00" * 64) == []
    assert decoder.end() == []


def test_no_reason_is_broken() -> None:
    """An answer that does not say how it ended is broken, whole and streamed."""
    events, error = events_of(encode([frame(*BEGIN), frame(*delta(0, text="Hi")), frame(*METADATA)]))
    assert isinstance(error, UpstreamBroken)
    assert not any(event.HasField("finished") for event in events)
    with pytest.raises(UpstreamBroken):
        whole({"text": "Hi"}, reason="")


@pytest.mark.parametrize(
    ("headers", "payload", "kind"),
    [
        (
            {":message-type": "exception", ":exception-type": "internalServerException"},
            {"message": "x"},
            UpstreamFailed,
        ),
        (
            {":message-type": "exception", ":exception-type": "modelStreamErrorException"},
            {"message": "x", "originalStatusCode": 529},
            UpstreamOverloaded,
        ),
        ({":message-type": "exception", ":exception-type": "somethingNew"}, [], UpstreamFailed),
        (
            {":message-type": "error", ":error-code": "ServiceUnavailable", ":error-message": "x"},
            {},
            UpstreamOverloaded,
        ),
        ({":message-type": "error"}, {}, UpstreamFailed),
    ],
)
def test_failures_in_streams(headers: dict[str, str], payload: Any, kind: type[UpstreamError]) -> None:
    """A failure comes after the events before it, as the noun that its code stands for."""
    events, error = events_of(encode([frame(*BEGIN), {"headers": headers, "payload": payload}]))
    assert [event.WhichOneof("kind") for event in events] == ["started"]
    assert type(error) is kind


_NAMES = st.sampled_from(
    [
        "start", "delta", "contentBlockIndex", "text", "toolUse", "toolUseId", "name", "input", "type", "stopReason",
        "reasoningContent", "reasoningText", "signature", "redactedContent", "citation", "citationsContent", "content",
        "citations", "sourceContent", "location", "web", "url", "toolResult", "image", "format", "source", "bytes",
        "s3Location", "usage", "inputTokens", "trace", "promptRouter", "invokedModelId",
        "additionalModelResponseFields", "stop_sequence", "message", "output", "originalStatusCode", "other",
    ]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_EVENTS = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "other"]
)


@given(st.lists(st.tuples(_EVENTS, _JSON | st.dictionaries(_NAMES, _JSON, max_size=4)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_events(told: list[tuple[str, Any]]) -> None:
    """Whatever a provider sends in its frames ends in events or in a failure of the provider's."""
    events, _ = events_of(encode(frame(*each) for each in told))
    assert sum(event.HasField("finished") for event in events) <= 1


@given(st.lists(st.dictionaries(_NAMES, _JSON, max_size=3), max_size=4), _JSON)
@settings(max_examples=150, deadline=None)
def test_any_answer(content: list[Any], usage: Any) -> None:
    """Whatever a provider sends as an answer ends in one or in a failure of the provider's."""
    try:
        answer = whole(*content, usage=usage)
    except UpstreamError:
        return
    assert answer.finished.native_finish_reason == "end_turn"


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"{}", b'{"output": {}}', b"\xff", b"[" * 100_000])
def test_answers_that_are_none(body: bytes) -> None:
    """Bytes that are no answer are malformed, however deep they go."""
    with pytest.raises(UpstreamMalformed):
        BEDROCK.decode(body, CLAUDE)
    error = BEDROCK.decode_error(500, {}, body)
    assert type(error) is UpstreamFailed


def test_bound_on_blocks() -> None:
    """An answer of more blocks than the bound is malformed, whole and streamed."""
    many = [each for place in range(1025) for each in (delta(place, text="x"), stop(place))]
    assert isinstance(events_of(stream(*many))[1], UpstreamMalformed)
    waiting = [start(place, hologram={}) for place in range(1025)]
    assert isinstance(events_of(stream(*waiting))[1], UpstreamMalformed)
    with pytest.raises(UpstreamMalformed):
        whole(*[{"text": "x"}] * 1025)
