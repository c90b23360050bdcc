"""Answers of Anthropic's messages: what they become, what comes back on replay, and that no bytes break the decoder."""

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.unit.test_anthropic_request import ANTHROPIC, NEWEST, sent, text, turn
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRejected,
)
from trunkline_server.providers.events import MAX_BLOCKS

USAGE: Final = {"input_tokens": 5, "output_tokens": 7}


def answer(*content: Any, stop: Any = "end_turn", usage: Any = None) -> bytes:
    """A whole answer."""
    told = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": content}
    return json.dumps({**told, "stop_reason": stop, "stop_sequence": None, "usage": usage or USAGE}).encode()


def event(kind: str, /, **more: Any) -> bytes:
    """One event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({**more, 'type': kind})}\n\n".encode()


def begin(usage: Any = None) -> bytes:
    """The first event."""
    return event("message_start", message={"id": "msg_1", "model": "claude-opus-5", "usage": usage or USAGE})


def end(stop: str = "end_turn", usage: Any = None) -> bytes:
    """The last events."""
    delta = {"stop_reason": stop, "stop_sequence": None}
    return event("message_delta", delta=delta, usage=usage or {"output_tokens": 7}) + event("message_stop")


def block(start: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> bytes:
    """The events of one block."""
    made = [event("content_block_start", index=index, content_block=start)]
    made += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([*made, event("content_block_stop", index=index)])


def streamed(*pieces: bytes) -> v1.CompleteResponse:
    """What a stream folds to."""
    events, error = feed_all(ANTHROPIC.stream_decoder(NEWEST), pieces)
    assert error is None
    return fold(events)


def failure(*pieces: bytes) -> UpstreamError:
    """The failure that a stream ends in."""
    _, error = feed_all(ANTHROPIC.stream_decoder(NEWEST), pieces)
    assert error is not None
    return error


def replayed(message: v1.Message) -> list[dict[str, Any]]:
    """The model's turn as it is sent back, answered where it calls tools."""
    results = [
        v1.Block(tool_result=v1.ToolResult(tool_call_id=each.tool_call.id))
        for each in message.blocks
        if each.HasField("tool_call")
    ]
    turns = [turn(v1.ROLE_USER, text()), message]
    turns += [turn(v1.ROLE_TOOL, *results)] if results else []
    made = ANTHROPIC.encode(v1.CompleteRequest(model="small", messages=turns), NEWEST, stream=False)
    parts: list[dict[str, Any]] = json.loads(made.body)["messages"][1]["content"]
    return parts


@pytest.mark.parametrize(
    ("wire", "wanted"),
    [
        ({"input_tokens": 10, "output_tokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
        (
            {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 3},
            {
                "input_tokens": 60,
                "cache_write_input_tokens": 20,
                "cache_read_input_tokens": 30,
                "output_tokens": 3,
            },
        ),
        (
            {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
            {"input_tokens": 6, "cache_write_input_tokens": 5},
        ),
        (
            {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}, "cache_read_input_tokens": None},
            {"output_tokens": 9, "reasoning_output_tokens": 4},
        ),
        ({"input_tokens": 2**63 - 1, "cache_read_input_tokens": 1}, {"cache_read_input_tokens": 1}),
        (
            {
                "input_tokens": 23,
                "output_tokens": 1,
                "cache_read_input_tokens": 5,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180, "output_tokens": 3, "cache_creation_input_tokens": 7},
                    {"type": "message", "input_tokens": 23, "output_tokens": 1, "cache_read_input_tokens": 5},
                    {"type": "advisor_message", "input_tokens": 800, "output_tokens": 90},
                    None,
                ],
            },
            {
                "input_tokens": 23 + 5 + 180 + 7,
                "output_tokens": 1 + 3,
                "cache_read_input_tokens": 5,
                "cache_write_input_tokens": 7,
            },
        ),
        ({"input_tokens": 1, "iterations": {"type": "compaction"}}, {"input_tokens": 1}),
        ({"input_tokens": -1, "output_tokens": "7"}, {}),
        ({"input_tokens": 2**70, "output_tokens": 1e300}, {}),
        ("none", {}),
    ],
)
def test_usage(wire: Any, wanted: dict[str, int]) -> None:
    """Input includes what was read from caches and written to them; what is no count is not known."""
    expected = v1.Usage(**wanted)
    if "input_tokens" in wanted:
        expected.input_source = v1.USAGE_SOURCE_PROVIDER
    if "output_tokens" in wanted:
        expected.output_source = v1.USAGE_SOURCE_PROVIDER
    assert ANTHROPIC.decode(answer(usage=wire), NEWEST).finished.usage == expected
    start = begin(wire) + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": None})
    assert streamed(start).finished.usage == expected


def test_usage_of_a_cut_stream_is_partial() -> None:
    """Before the reason for stopping the counts are partial, behind it they are the provider's."""
    decoder = ANTHROPIC.stream_decoder(NEWEST)
    decoder.feed(begin())
    assert decoder.usage is not None
    assert decoder.usage.input_source == decoder.usage.output_source == v1.USAGE_SOURCE_PARTIAL
    assert not decoder.ending
    decoder.feed(event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 90}))
    assert decoder.usage.output_tokens == 90
    assert decoder.usage.output_source == v1.USAGE_SOURCE_PROVIDER
    assert decoder.ending


def test_call_that_is_the_answer() -> None:
    """The call that stands in for JSON is a text, and ends in STOP; another call beside it is one, and ends in it."""
    tool = {"type": "tool_use", "id": "toolu_1", "name": "trunkline_answer", "input": {"a": 1}}
    whole = ANTHROPIC.decode(answer(tool, stop="tool_use"), NEWEST)
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"a"', ": 1}")]
    assert whole == streamed(begin(), block({**tool, "input": {}}, *pieces), end("tool_use"))
    assert whole.message.blocks[0].text.text == '{"a": 1}'
    assert whole.finished.finish_reason == v1.FINISH_REASON_STOP
    assert whole.finished.native_finish_reason == "tool_use"
    assert streamed(begin(), block({**tool, "input": {}}), end("tool_use")).message.blocks[0].text.text == "{}"
    other = ANTHROPIC.decode(answer(tool, {**tool, "name": "look"}, stop="tool_use"), NEWEST)
    assert other.finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


def test_unknown_blocks_are_assembled() -> None:
    """Pieces of a block of an unknown kind are put into it: texts are appended, other values replace what was there."""
    start = {"type": "compaction", "content": None, "note": "a", "encrypted_content": "x"}
    deltas = [{"type": "compaction_delta", "content": "sum", "note": "b"}, {"type": "z", "content": "mary", "n": 1.50}]
    deltas.append({"type": "compaction_delta", "content": None, "encrypted_content": None})
    made = streamed(begin(), block(start, *deltas), end("compaction"))
    opaque = made.message.blocks[0].provider_opaque
    assert opaque.type == "compaction"
    assert json.loads(opaque.data) == {**start, "content": "summary", "note": "ab", "n": 1.5}
    assert made.finished.finish_reason == v1.FINISH_REASON_PAUSED
    assert replayed(made.message)[0] == json.loads(opaque.data)


def test_input_of_a_servers_tool_that_is_cut() -> None:
    """An input that is cut short is not put into its block, which stays one JSON object."""
    start = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    made = streamed(begin(), block(start, {"type": "input_json_delta", "partial_json": '{"que'}), end("max_tokens"))
    assert json.loads(made.message.blocks[0].provider_opaque.data) == start


def test_unknown_events_and_pieces_are_skipped() -> None:
    """Events and pieces that the provider has added since change nothing, whatever types their members have."""
    strange = event("mood", index="x", delta=[1], message=2, content_block=3) + event("ping")
    tones = event("content_block_delta", index=0, delta={"type": "tone_delta", "text": {"a": 1}})
    start = event("content_block_start", index=0, content_block={"type": "text", "text": "a", "mood": 1})
    made = streamed(strange, begin(), start, tones, strange, end(), b"data: anything at all\n\n")
    assert [each.text.text for each in made.message.blocks] == ["a"]


def test_last_signature_is_taken() -> None:
    """A thought's signature is the last that comes, as the vendor's SDK has it."""
    start = {"type": "thinking", "thinking": "", "signature": "a"}
    deltas = [{"type": "signature_delta", "signature": "b"}, {"type": "thinking_delta", "thinking": "t"}]
    assert streamed(begin(), block(start, *deltas), end()).message.blocks[0].signature == b"b"


def test_call_from_code_is_told_whole_and_streamed() -> None:
    """Who called a tool, where it was not the model itself, comes with the call and goes back with it."""
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    direct = {"type": "direct"}
    wire = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}, "caller": caller, "toolset_name": None}
    whole = ANTHROPIC.decode(answer(wire, {**wire, "id": "toolu_2", "caller": direct}, stop="tool_use"), NEWEST)
    assert replayed(whole.message)[0]["caller"] == caller
    assert whole.message.blocks[1].signature == b""
    pieces = block(wire) + block({**wire, "id": "toolu_2", "caller": direct}, index=1)
    assert streamed(begin(), pieces, end("tool_use")) == whole


def test_container_of_a_turn_that_goes_on() -> None:
    """The container in which code waits for a tool comes with the answer and goes back, until another turn begins."""
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    wire = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}, "caller": caller}
    container = {"id": "container_1", "expires_at": "2026-11-23T19:30:00Z"}
    told = json.loads(answer(wire, stop="tool_use"))
    whole = ANTHROPIC.decode(json.dumps({**told, "container": container}).encode(), NEWEST)
    delta = {"stop_reason": "tool_use", "stop_sequence": None, "container": container}
    assert streamed(begin(), block(wire), event("message_delta", delta=delta, usage={"output_tokens": 7})) == whole
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="toolu_1", blocks=[text("r")]))
    turns = [turn(v1.ROLE_USER, text()), whole.message, turn(v1.ROLE_TOOL, result)]
    body, left_out = sent(v1.CompleteRequest(model="small", messages=turns))
    assert body["container"] == "container_1"
    assert [part["type"] for part in body["messages"][1]["content"]] == ["tool_use"]
    assert left_out == ()
    turns += [turn(v1.ROLE_ASSISTANT, text("Well.")), turn(v1.ROLE_USER, text())]
    body, left_out = sent(v1.CompleteRequest(model="small", messages=turns))
    assert "container" not in body
    assert left_out == ("messages[1].blocks[1].provider_opaque",)


@pytest.mark.parametrize("container", [None, 1, {}, {"id": 1}, {"id": ""}, [{"id": "container_1"}]])
def test_containers_that_are_none(container: Any) -> None:
    """What names no container makes no block; neither does a container of a turn that is over."""
    for stop, told in (("tool_use", container), ("end_turn", {"id": "container_1"})):
        body = json.loads(answer({"type": "text", "text": "a"}, stop=stop))
        whole = ANTHROPIC.decode(json.dumps({**body, "container": told}).encode(), NEWEST)
        delta = {"stop_reason": stop, "container": told}
        last = event("message_delta", delta=delta, usage={"output_tokens": 7})
        assert streamed(begin(), block({"type": "text", "text": "a"}), last) == whole
        assert len(whole.message.blocks) == 1


def test_call_without_id_gets_one() -> None:
    """A call without an id, as small servers send them, gets one that is its own."""
    wire = {"type": "tool_use", "id": "", "name": "look", "input": {}}
    whole = ANTHROPIC.decode(answer(wire, wire, stop="tool_use"), NEWEST)
    assert [each.tool_call.id for each in whole.message.blocks] == ["call_msg_1_0", "call_msg_1_1"]
    assert streamed(begin(), block(wire), block(wire, index=1), end("tool_use")) == whole


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=5,
)
_WORDS: Final = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(signature=_WORDS, thought=_WORDS, secret=_WORDS, source=_WORDS, arguments=_JSON, result=_JSON)
def test_replay_gives_back_what_came(
    signature: str, thought: str, secret: str, source: str, arguments: Any, result: Any
) -> None:
    """Whatever signatures, thoughts, arguments, sources and opaque blocks hold, they are sent back as they came."""
    came = [
        {"type": "thinking", "thinking": thought, "signature": signature},
        {"type": "redacted_thinking", "data": secret},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": arguments}},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"a": arguments}},
        {"type": "new_tool_result", "content": result},
        {"type": "text", "text": "a", "citations": [{"type": "new_location", "cited_text": source, "more": result}]},
    ]
    assert replayed(ANTHROPIC.decode(answer(*came), NEWEST).message) == came


def blocks_of(came: dict[str, Any], index: int, step: int) -> bytes:
    """A block as the events of a stream, its texts in pieces of so many characters."""

    def pieces(kind: str, member: str, words: str) -> list[dict[str, Any]]:
        return [{"type": kind, member: words[at : at + step]} for at in range(0, len(words), step)]

    match came["type"]:
        case "text":
            deltas = pieces("text_delta", "text", came["text"])
            deltas += [{"type": "citations_delta", "citation": each} for each in came["citations"]]
            return block({**came, "text": "", "citations": None}, *deltas, index=index)
        case "thinking":
            deltas = pieces("thinking_delta", "thinking", came["thinking"])
            deltas.append({"type": "signature_delta", "signature": came["signature"]})
            return block({**came, "thinking": "", "signature": ""}, *deltas, index=index)
        case "tool_use" | "server_tool_use":
            deltas = pieces("input_json_delta", "partial_json", json.dumps(came["input"]))
            return block({**came, "input": {}}, *deltas, index=index)
        case _:
            return block(came, index=index)


_SOURCES: Final = st.lists(st.fixed_dictionaries({"type": st.just("x"), "cited_text": _WORDS}), max_size=2)
_CAME: Final = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": _WORDS, "citations": _SOURCES}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": _WORDS, "signature": _WORDS}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": _WORDS}),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use"]),
            "id": st.just("toolu_1"),
            "name": st.sampled_from(["look", "trunkline_answer"]),
            "input": st.dictionaries(_WORDS, _JSON, max_size=2),
        }
    ),
    st.fixed_dictionaries({"type": st.just("new_tool_result"), "content": _JSON}),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_CAME, max_size=4), st.integers(1, 9), st.sampled_from(["end_turn", "tool_use", "new"]))
def test_streams_fold_to_whole_answers(came: list[dict[str, Any]], step: int, stop: str) -> None:
    """Whatever blocks an answer has, streamed in any pieces it folds to what the whole answer gives."""
    stream = b"".join(blocks_of(each, index, step) for index, each in enumerate(came))
    assert streamed(begin(), stream, end(stop)) == ANTHROPIC.decode(answer(*came, stop=stop), NEWEST)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([begin(), end(), event("content_block_stop")]), max_size=6))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Any bytes end in events or an UpstreamError, streamed and whole."""
    feed_all(ANTHROPIC.stream_decoder(NEWEST), pieces)
    for piece in pieces:
        try:
            ANTHROPIC.decode(piece, NEWEST)
        except UpstreamError:
            continue


_KINDS: Final = st.sampled_from(
    [
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop", "error", "text", "thinking", "redacted_thinking", "tool_use", "text_delta", "input_json_delta",
    ]
)  # fmt: skip
_MEMBERS: Final = st.dictionaries(
    st.sampled_from(
        [
            "index", "text", "thinking", "signature", "data", "id", "name", "input", "caller", "citations", "citation",
            "partial_json", "usage", "stop_reason", "error", "model", "input_tokens", "toolset_name",
        ]
    ),
    _JSON | _KINDS,
    max_size=5,
)  # fmt: skip
_SHAPES: Final = st.builds(lambda kind, members: {**members, "type": kind}, _KINDS, _MEMBERS)
_EVENTS: Final = st.builds(
    lambda shape, delta, start: {**shape, "delta": delta, "content_block": start, "message": start},
    _SHAPES, _SHAPES | _JSON, _SHAPES | _JSON,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_EVENTS, max_size=6))
def test_any_members(events: list[dict[str, Any]]) -> None:
    """Events whose members are of any type end in events or an UpstreamError; so do answers with such blocks."""
    feed_all(ANTHROPIC.stream_decoder(NEWEST), [event(each["type"], **each) for each in events])
    for each in events:
        try:
            ANTHROPIC.decode(answer(each["content_block"], each), NEWEST)
        except UpstreamError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "content_block_start", "index": 0, "content_block": {"type": "x", "s": "\xff"}}',
        b'{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "trunkline_answer",'
        b' "input": {"s": "\xff"}}}',
        b'{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "a",'
        b' "caller": "\xff", "input": {}}}',
        b'{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}}',
        b'{"type": "content_block_start", "index": 0, "content_block": null}',
        b'{"type": "content_block_start", "index": 0}',
        b'{"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "a"}}',
        b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}}',
        b'{"type": "content_block_delta", "index": 0, "delta": null}',
        b'{"type": "message_delta", "delta": 5}',
        b"[]",
        b"[" * 100_000,
        b'{"type": "\\ud800"}',
    ],
)
def test_malformed_events(data: bytes) -> None:
    """What is not the format, or not UTF-8 where it would be passed on unread, is malformed."""
    assert isinstance(failure(begin(), b"data: " + data + b"\n\n"), UpstreamMalformed)


def test_bounds() -> None:
    """An answer has so many blocks at most, whole and streamed."""
    start = {"type": "text", "text": ""}
    with pytest.raises(UpstreamMalformed):
        ANTHROPIC.decode(answer(*[start] * (MAX_BLOCKS + 1)), NEWEST)
    blocks = b"".join(block(start, index=index) for index in range(MAX_BLOCKS + 1))
    assert isinstance(failure(begin(), blocks), UpstreamMalformed)


def test_no_ending_is_invented() -> None:
    """An answer that does not say why it stopped is broken, whole and streamed."""
    with pytest.raises(UpstreamBroken):
        ANTHROPIC.decode(answer(stop=None), NEWEST)
    assert isinstance(failure(begin(), event("message_stop")), UpstreamBroken)
    assert isinstance(failure(begin(), event("message_delta", delta={"stop_reason": 5})), UpstreamBroken)


@pytest.mark.parametrize(
    ("status", "kind", "message", "wanted"),
    [
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9", ContextLengthExceeded),
        (400, "invalid_request_error", "Output blocked by content filtering policy", UpstreamContentPolicy),
        (400, "invalid_request_error", "You have reached your specified API usage limits.", UpstreamQuotaExhausted),
        (400, "invalid_request_error", "messages: at least one message is required", UpstreamRejected),
        (413, "request_too_large", "Request exceeds the maximum size", UpstreamRejected),
        (404, "not_found_error", "model: claude-9", UpstreamModelNotFound),
        (200, "timeout_error", "slow", UpstreamFailed),
        (200, "new_error", "prompt is too long", UpstreamFailed),
        (503, "new_error", "busy", UpstreamOverloaded),
        (400, "exceed_context_size_error", "the request exceeds the available context size", ContextLengthExceeded),
    ],
)
def test_failures(status: int, kind: str, message: str, wanted: type[UpstreamError]) -> None:
    """What a failure means is told by its type, by words where one type stands for many things, and by the status."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    if status == 200:
        made = failure(b"event: error\ndata: " + body + b"\n\n")
        with pytest.raises(wanted):
            ANTHROPIC.decode(body, NEWEST)
    else:
        made = ANTHROPIC.decode_error(status, {}, body)
    assert type(made) is wanted
    assert made.native_code == kind
    assert message not in str(made)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.integers(100, 599), st.dictionaries(st.just("error"), _JSON))
def test_failures_are_always_told(body: bytes, status: int, shape: dict[str, Any]) -> None:
    """Whatever a failed answer holds, it becomes a failure."""
    assert isinstance(ANTHROPIC.decode_error(status, {}, body), UpstreamError)
    assert isinstance(ANTHROPIC.decode_error(status, {}, msgspec.json.encode(shape)), UpstreamError)


@pytest.mark.parametrize("body", [b'{"input_tokens": -1}', b"{}", b"[]", b"", b'{"input_tokens": 1.5}'])
def test_counts_that_are_none(body: bytes) -> None:
    """An answer without a count is malformed, not a count of zero."""
    assert ANTHROPIC.counting is not None
    with pytest.raises(UpstreamMalformed):
        ANTHROPIC.counting.decode(body, NEWEST)


def test_a_server_that_fails_is_believed() -> None:
    """A proxy's 503 is no refusal, whatever its body calls it: another attempt may do."""
    body = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "no backend"}}'
    assert ANTHROPIC.decode_error(503, {}, body).reason_name == "UPSTREAM_OVERLOADED"
    assert ANTHROPIC.decode_error(400, {}, body).reason_name == "UPSTREAM_REJECTED"
