"""Answers of Cohere's chat: what they become, what comes back on replay, and that no bytes break the decoders."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.unit.test_cohere_request import COHERE, COMMAND, EMBED_V4, embedding, text, turn
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.providers.events import MAX_BLOCKS

TABLE: Final = {"type": "table", "title": "a", "rows": [1.5]}


def answer(
    *content: Any, reason: Any = "COMPLETE", usage: Any = None, logprobs: Any = None, id_: Any = "r", **message: Any
) -> bytes:
    """A whole answer."""
    told = {"id": id_, "message": {"role": "assistant", "content": content, **message}, "finish_reason": reason}
    return json.dumps({**told, "usage": usage, "logprobs": logprobs}).encode()


def decoded(body: bytes) -> v1.CompleteResponse:
    """What it becomes."""
    return COHERE.decode(body, COMMAND)


def words(value: str) -> dict[str, Any]:
    """A part of the content that is a text."""
    return {"type": "text", "text": value}


def call(**more: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}} | more


def event(kind: str, index: Any = None, /, **message: Any) -> bytes:
    """One event of a stream."""
    told = {"type": kind, "index": index, "delta": {"message": message}}
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()


def end(reason: Any = "COMPLETE", **more: Any) -> bytes:
    """The last event."""
    delta = {"finish_reason": reason, **more}
    return f"event: message-end\ndata: {json.dumps({'type': 'message-end', 'delta': delta})}\n\n".encode()


def said(index: int, *pieces: str) -> bytes:
    """The events of a text."""
    start = event("content-start", index, content={"type": "text", "text": ""})
    deltas = b"".join(event("content-delta", index, content={"text": piece}) for piece in pieces)
    return start + deltas + event("content-end", index)


def cited(citation: Any) -> bytes:
    """The events of a citation."""
    return event("citation-start", 0, citations=citation) + event("citation-end", 0)


BEGIN: Final = event("message-start", None, role="assistant", content=[])


def streamed(*pieces: bytes) -> v1.CompleteResponse:
    """What a stream folds to."""
    events, error = feed_all(COHERE.stream_decoder(COMMAND), pieces)
    assert error is None
    return fold(events)


def failure(*pieces: bytes) -> UpstreamError:
    """The failure that a stream ends in."""
    _, error = feed_all(COHERE.stream_decoder(COMMAND), pieces)
    assert error is not None
    return error


def failed(body: bytes) -> UpstreamError:
    """The failure that a whole answer is."""
    with pytest.raises(UpstreamError) as caught:
        decoded(body)
    return caught.value


@pytest.mark.parametrize(
    ("wire", "wanted"),
    [
        (None, {}),
        ({}, {}),
        ({"tokens": {"input_tokens": 12.0, "output_tokens": 3}}, {"input_tokens": 12, "output_tokens": 3}),
        (
            {"tokens": {"input_tokens": 71}, "billed_units": {"input_tokens": 5, "output_tokens": 4}},
            {"input_tokens": 71, "output_tokens": 4},
        ),
        (
            {"billed_units": {"input_tokens": 5}, "cached_tokens": 4.0},
            {"input_tokens": 5, "cache_read_input_tokens": 4},
        ),
        ({"billed_units": {"input_tokens": 5}, "cached_tokens": 6}, {"input_tokens": 5}),
        ({"tokens": {"input_tokens": 0, "output_tokens": -1}}, {"input_tokens": 0}),
        ({"tokens": {"input_tokens": 1.5, "output_tokens": 1 << 64}}, {}),
        ({"tokens": [], "billed_units": "x", "cached_tokens": True}, {}),
    ],
)
def test_usage(wire: Any, wanted: dict[str, int]) -> None:
    """All tokens are told, those billed where all are not; what is no count is not known."""
    for usage in (
        decoded(answer(words("a"), usage=wire)).finished.usage,
        streamed(BEGIN, said(0, "a"), end(usage=wire)).finished.usage,
    ):
        counts = {field.name: value for field, value in usage.ListFields() if field.name.endswith("_tokens")}
        assert counts == wanted
        assert (usage.input_source == v1.USAGE_SOURCE_PROVIDER) == ("input_tokens" in wanted)


def test_usage_of_a_failure() -> None:
    """What was used before a stream failed is known, as a part."""
    decoder = COHERE.stream_decoder(COMMAND)
    _, error = feed_all(decoder, [BEGIN, said(0, "a"), end("ERROR", usage={"tokens": {"input_tokens": 7}})])
    assert isinstance(error, UpstreamFailed)
    assert decoder.usage is not None
    assert (decoder.usage.input_tokens, decoder.usage.input_source) == (7, v1.USAGE_SOURCE_PARTIAL)
    assert not decoder.ending


@pytest.mark.parametrize(
    ("reason", "error", "kind", "code"),
    [
        ("ERROR", None, UpstreamFailed, "ERROR"),
        ("TIMEOUT", "took too long", UpstreamFailed, "TIMEOUT"),
        ("ERROR", "too many tokens: 12", ContextLengthExceeded, "ERROR"),
        (None, None, UpstreamBroken, ""),
        ("", None, UpstreamBroken, ""),
        (5, None, UpstreamBroken, ""),
    ],
)
def test_reasons_that_are_failures(reason: Any, error: Any, kind: type[UpstreamError], code: str) -> None:
    """An answer that says that it failed, or not how it ended, is no answer."""
    stream = failure(BEGIN, said(0, "a"), end(reason, error=error))
    assert (type(stream), stream.native_code) == (kind, code)
    if error is None:
        whole = failed(answer(words("a"), reason=reason))
        assert (type(whole), whole.native_code) == (kind, code)


def test_unknown_reason() -> None:
    """A reason that is new is OTHER, with its own word."""
    finished = decoded(answer(words("a"), reason="PAUSED" * 100)).finished
    assert (finished.finish_reason, len(finished.native_finish_reason)) == (v1.FINISH_REASON_OTHER, 256)


def test_failure_in_place_of_an_answer() -> None:
    """A failure that comes with status 200 is told as one, whole and streamed."""
    body = b'{"message": "internal server error", "id": "x"}'
    for error in (failed(body), failure(b"data: " + body + b"\n\n"), failure(b"event: error\ndata: " + body + b"\n\n")):
        assert (type(error), error.foreign_message) == (UpstreamFailed, "internal server error")


def test_unknown_content() -> None:
    """Content of a kind that is not known is kept for replay; in a stream what its pieces add is put into it."""
    whole = decoded(answer(TABLE, words("a"))).message
    stream = streamed(
        BEGIN,
        event("content-start", 0, content={"type": "table", "title": "", "rows": []}),
        event("content-delta", 0, content={"title": "a"}),
        event("content-delta", 0, content={"rows": [1.5]}),
        event("content-end", 0),
        said(1, "a"),
        end(),
    ).message
    for message in (whole, stream):
        assert [block.WhichOneof("kind") for block in message.blocks] == ["provider_opaque", "text"]
        assert json.loads(message.blocks[0].provider_opaque.data) == TABLE
        replay = v1.CompleteRequest(messages=[turn(v1.ROLE_USER, text()), message, turn(v1.ROLE_USER, text())])
        body = json.loads(COHERE.encode(replay, COMMAND, stream=False).body)
        assert body["messages"][1]["content"] == [TABLE, words("a")]


def test_citation_of_an_unknown_kind() -> None:
    """A citation whose kind is no word is a source of the text, as one without a kind is."""
    source = {"start": 0, "end": 2, "text": "Hi", "sources": [], "type": {"a": 1}}
    whole = decoded(answer(words("Hi"), citations=[source]))
    assert len(whole.message.blocks[0].text.citations) == 1
    stream = streamed(BEGIN, said(0, "Hi"), cited(source), end())
    assert stream.message.blocks[0].text == whole.message.blocks[0].text


def test_unknown_events() -> None:
    """Events that are new are skipped, whatever their members are."""
    strange = b'data: {"type": "debug", "delta": 5, "index": "x", "prompt": "p"}\n\n'
    assert streamed(BEGIN, strange, said(0, "a"), strange, end()) == streamed(BEGIN, said(0, "a"), end())


LATE: Final = {"start": 0, "end": 3, "sources": [{"type": "document", "id": "d"}], "content_index": 0}


@pytest.mark.parametrize(
    "citation",
    [
        LATE,
        LATE | {"content_index": 1},
        LATE | {"content_index": None, "sources": None},
        LATE | {"end": 99},
        LATE | {"start": "x", "sources": ["x", {"document": 5, "id": 7}]},
        LATE | {"type": "PLAN"},
        LATE | {"type": "THINKING_CONTENT", "content_index": 0},
        LATE | {"content_index": "x"},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_citations_before_and_behind(citation: Any, first: bool) -> None:
    """A citation is told the same, whole and streamed, and whether it comes before its text or behind it."""
    texts = said(0, "ä", "bc") + said(1, "def")
    order = (cited(citation), texts) if first else (texts, cited(citation))
    whole = decoded(answer(words("äbc"), words("def"), citations=[citation]))
    assert streamed(BEGIN, *order, end()).message == whole.message
    told = [each for block in whole.message.blocks for each in block.text.citations]
    told += [block.citation for block in whole.message.blocks if block.HasField("citation")]
    assert json.loads(told[0].opaque) == citation


def test_citation_before_the_end_of_its_span() -> None:
    """A citation that comes before all of its span has come waits for it, and tells the same span."""
    start = event("content-start", 0, content={"type": "text", "text": "ä"})
    rest = event("content-delta", 0, content={"text": "bc"})
    whole = decoded(answer(words("äbc"), citations=[LATE])).message
    assert whole.blocks[0].text.citations[0].end_offset == len("äbc".encode())
    assert streamed(BEGIN, start, cited(LATE), rest, end()).message == whole


def test_bytes_of_citations_are_utf8() -> None:
    """A citation that holds bytes that are no UTF-8 is mended, so that it can be sent back."""
    body = answer(words("abc"), citations=[LATE | {"text": "x"}]).replace(b'"x"', b'"\xff"')
    [block] = decoded(body).message.blocks
    assert json.loads(block.text.citations[0].opaque) == LATE | {"text": "\ufffd"}


def test_span_in_bytes() -> None:
    """Spans are told in bytes of UTF-8, though Cohere counts characters."""
    [block] = decoded(answer(words("äöü!"), citations=[LATE])).message.blocks
    assert (block.text.citations[0].start_offset, block.text.citations[0].end_offset) == (0, 6)


def test_logprobs_of_thoughts_and_texts() -> None:
    """Log probabilities stand at the text that they are of; of several tokens told as one, their sum."""
    items = [
        {"text": "hm", "token_ids": [1], "logprobs": [-1]},
        {"text": "ab", "token_ids": [2, 3], "logprobs": [-1, -2]},
    ]
    thought, spoken = {"type": "thinking", "thinking": "hm"}, words("ab")
    for told in (items, items[1:]):
        _, block = decoded(answer(thought, spoken, logprobs=told)).message.blocks
        assert [(each.token, each.logprob) for each in block.logprobs] == [("ab", -3.0)]


def test_call_without_id() -> None:
    """A call without an id gets one, the same whole and streamed, and another for each."""
    nameless = call(id=None)
    whole = decoded(answer(tool_calls=[nameless, nameless], reason="TOOL_CALL")).message
    start = b'event: message-start\ndata: {"type": "message-start", "id": "r"}\n\n'
    calls = b"".join(event("tool-call-start", n, tool_calls=nameless) + event("tool-call-end", n) for n in range(2))
    assert streamed(start, calls, end("TOOL_CALL")).message == whole
    assert [block.tool_call.id for block in whole.blocks] == ["call_r_0", "call_r_1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"message": null, "finish_reason": "COMPLETE"}',
        b"\xff" * 9,
        b"[" * 5000,
        answer({"text": "a"}),
        answer({"type": "text", "text": 5}),
        answer("a"),
        answer(tool_plan=5),
        answer(tool_calls=[{}]),
        answer(tool_calls=[call(function={"name": "", "arguments": "{}"})]),
        answer(tool_calls=[call(function={"name": "n", "arguments": {}})]),
        answer(citations=5),
        answer(citations=[5]),
        answer(*[words("a")] * (MAX_BLOCKS + 1)),
    ],
)
def test_malformed_answers(body: bytes) -> None:
    """An answer that is not in Cohere's format is malformed, whatever is wrong with it."""
    assert isinstance(failed(body), UpstreamMalformed)


@pytest.mark.parametrize(
    "events",
    [
        b"data: 5\n\n",
        event("content-start", 0, content={"text": "a"}),
        event("content-start", "x", content={"type": "text"}),
        event("content-delta", 0, content={"text": 5}),
        event("content-delta", 0, content=5),
        event("tool-call-delta", 0, tool_calls={"function": {"arguments": "{"}}),
        event("tool-call-start", 0, tool_calls=[call(), call()]),
        event("tool-plan-delta", None, tool_plan=5),
        event("citation-start", 0, citations=[5]),
        said(0, "a") * (MAX_BLOCKS + 1),
    ],
)
def test_malformed_events(events: bytes) -> None:
    """A stream that is not in Cohere's format is malformed, whatever is wrong with it."""
    assert isinstance(failure(BEGIN, events, end()), UpstreamMalformed)


def test_text_that_is_not_quite_json() -> None:
    """A lone half of a character becomes a replacement, and the answer is not lost."""
    body = answer(words("a")).replace(b'"a"', b'"a\\ud83d"')
    assert decoded(body).message.blocks[0].text.text == "a\ufffd"
    stream = said(0, "a").replace(b'"text": "a"', b'"text": "a\\ud83d"')
    assert streamed(BEGIN, stream, end()).message.blocks[0].text.text == "a\ufffd"


@settings(max_examples=60, deadline=None)
@given(thought=st.text(min_size=1), plan=st.text(min_size=1), arguments=st.text(), id_=st.text(min_size=1))
def test_what_comes_goes_back(thought: str, plan: str, arguments: str, id_: str) -> None:
    """Thoughts, plans, ids and arguments go back as they came, whatever characters they have."""
    made = call(id=id_, function={"name": "look", "arguments": arguments})
    content = {"type": "thinking", "thinking": thought}
    message = decoded(answer(content, tool_plan=plan, tool_calls=[made], reason="TOOL_CALL")).message
    replay = v1.CompleteRequest(messages=[turn(v1.ROLE_USER, text()), message])
    body = json.loads(COHERE.encode(replay, COMMAND, stream=False).body)
    wanted = call(id=id_, function={"name": "look", "arguments": arguments or "{}"})
    turn_ = {"role": "assistant", "content": [content], "tool_plan": plan, "tool_calls": [wanted]}
    assert body["messages"][1] == turn_


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 999), st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes(body: bytes, status: int, pieces: list[bytes]) -> None:
    """Whatever bytes come, there is an answer or a failure of ours."""
    for run in (lambda: decoded(body), lambda: _vectors(body)):
        with pytest.raises(UpstreamError):
            run()
    assert isinstance(COHERE.decode_error(status, {}, body), UpstreamError)
    assert failure(*pieces)


@pytest.mark.parametrize(
    ("status", "message", "kind", "param"),
    [
        (400, "invalid request: p must be between 0 and 1", UpstreamRejected, "p"),
        (400, "invalid request: valid input_type must be provided with the provided model", UpstreamRejected, ""),
        (422, "invalid request: messages[1].content is empty", UpstreamRejected, "messages"),
        (400, "TOO MANY TOKENS: size limit exceeded by 9 tokens", ContextLengthExceeded, ""),
        (429, "too many tokens within a minute", UpstreamRateLimited, ""),
        (429, "limited to 1000 API calls / month", UpstreamQuotaExhausted, ""),
        (429, "which is limited to 40 API calls / minute", UpstreamRateLimited, ""),
        (501, "not implemented", UpstreamRejected, ""),
    ],
)
def test_words_of_failures(status: int, message: str, kind: type[UpstreamError], param: str) -> None:
    """Cohere's failures have no codes: their words say what the status does not."""
    error = COHERE.decode_error(status, {"retry-after": "5"}, json.dumps({"message": message}).encode())
    assert (type(error), error.param, error.native_code) == (kind, param, "")
    assert error.retry_after_s == (5 if kind is UpstreamRateLimited else None)


def _vectors(body: bytes, **more: Any) -> v1.EmbedResponse:
    assert COHERE.embeddings is not None
    return COHERE.embeddings.decode(body, embedding(text(), **more), EMBED_V4)


@pytest.mark.parametrize(
    "embeddings",
    [
        None,
        [],
        {},
        {"int8": [[1]]},
        {"float": []},
        {"float": [[]]},
        {"float": [[1.0], [2.0]]},
        {"float": [["a"]]},
        {"float": [None]},
        {"float": 5},
    ],
)
def test_malformed_vectors(embeddings: Any) -> None:
    """An answer without one vector of the wanted type for each input is malformed."""
    with pytest.raises(UpstreamMalformed):
        _vectors(json.dumps({"id": "x", "embeddings": embeddings}).encode())


@pytest.mark.parametrize(
    ("dtype", "word", "row"),
    [
        (v1.EMBEDDING_DTYPE_INT8, "int8", [128]),
        (v1.EMBEDDING_DTYPE_UINT8, "uint8", [-1]),
        (v1.EMBEDDING_DTYPE_BINARY, "ubinary", [256]),
    ],
)
def test_numbers_out_of_range(dtype: Any, word: str, row: list[int]) -> None:
    """Numbers that do not fit their type are malformed."""
    with pytest.raises(UpstreamMalformed):
        _vectors(json.dumps({"embeddings": {word: [row]}}).encode(), dtype=dtype)


def test_failure_in_place_of_vectors() -> None:
    """A failure that comes with status 200 in place of vectors is told as one."""
    with pytest.raises(UpstreamFailed):
        _vectors(b'{"message": "internal server error"}')


@pytest.mark.parametrize(
    ("meta", "count"),
    [
        (None, None),
        ({"billed_units": {"input_tokens": 3.0}}, 3),
        ({"billed_units": {"input_tokens": 3, "image_tokens": 4}}, 7),
        ({"billed_units": {"images": 1}}, None),
        ({"billed_units": {"input_tokens": 3}, "tokens": {"input_tokens": 9}}, 9),
        ({"billed_units": {"input_tokens": (1 << 63) - 1, "image_tokens": 1}}, None),
    ],
)
def test_usage_of_vectors(meta: Any, count: int | None) -> None:
    """Tokens of vectors are told as far as Cohere tells them, those of pictures among them."""
    usage = _vectors(json.dumps({"embeddings": {"float": [[1]]}, "meta": meta}).encode()).usage
    assert (usage.input_tokens if usage.HasField("input_tokens") else None) == count
