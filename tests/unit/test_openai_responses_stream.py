"""Streams of the Responses API that are not as its types say, and what becomes of answers that fail."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_openai_responses_request import DEPLOYMENT, DIALECT
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    UpstreamBroken,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.providers.events import MAX_BLOCKS

TEXT = {"type": "output_text", "text": "Paris it is.", "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "abc"}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "now", "arguments": '{"a": 1}'}
FREE = {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_2", "name": "sql", "input": "select 1"}
USAGE = {"input_tokens": 3, "output_tokens": 2}


def answer(*output: Any, **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "gpt", "status": "completed", "output": output, "usage": USAGE, **more}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **more}


def completed(*output: Any, **more: Any) -> dict[str, Any]:
    return event("completed", response=answer(*output, **more))


START = event("created", response={"id": "resp_1", "model": "gpt", "status": "in_progress"})


def lines(events: Iterable[Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in events)


def decoded(*events: Any) -> tuple[list[v1.StreamEvent], UpstreamError | None]:
    return outcome(lines(events))


def outcome(data: bytes) -> tuple[list[v1.StreamEvent], UpstreamError | None]:
    decoder, made = DIALECT.stream_decoder(DEPLOYMENT), []
    try:
        made += decoder.feed(data)
        made += decoder.end()
    except UpstreamError as error:
        return made, error
    return made, None


def whole(*events: Any) -> v1.CompleteResponse:
    made, error = decoded(*events)
    assert error is None
    return fold(made)


def unary(*output: Any, **more: Any) -> v1.CompleteResponse:
    return DIALECT.decode(json.dumps(answer(*output, **more)).encode(), DEPLOYMENT)


ODD = {
    "nothing but the end": [],
    "pieces without items": [
        event("output_text.delta", output_index=1, content_index=0, delta="Paris "),
        event("output_text.delta", output_index=1, content_index=0, delta="it is."),
    ],
    "pieces without indexes": [
        event("output_item.added", item={**MESSAGE, "content": []}),
        event("output_text.delta", item_id="msg_1", delta="Paris it is."),
    ],
    "items without pieces": [event("output_item.done", output_index=n, item=item) for n, item in
                             enumerate((THOUGHT, MESSAGE, CALL, FREE))],
    "items without ids or indexes": [
        event("output_item.added", item={**THOUGHT, "encrypted_content": "a"}),
        event("output_item.done", item=THOUGHT),
        event("output_item.added", item={**MESSAGE, "id": "another"}),
        event("output_text.delta", delta="Paris it is."),
        event("output_item.done", item=MESSAGE),
        event("output_item.added", item={**CALL, "arguments": ""}),
        event("function_call_arguments.delta", delta='{"a": 1}'),
    ],
    "events that nobody knows": [
        event("steer.pending", delta={"a": []}, output_index="x"),
        event("output_item.added", output_index=0, item=THOUGHT),
        {"type": "keepalive", "sequence_number": 3},
        event("output_picture.delta", output_index=0, delta=[1]),
    ],
    "a call whose name comes late": [
        event("output_item.added", output_index=2, item={**CALL, "name": "", "arguments": ""}),
        event("function_call_arguments.delta", output_index=2, delta='{"a"'),
    ],
}  # fmt: skip


@pytest.mark.parametrize("events", ODD.values(), ids=ODD)
def test_odd_streams(events: list[Any]) -> None:
    """Servers that leave out events or members are understood: the last event tells what the others did not."""
    made = whole(START, *events, completed(THOUGHT, MESSAGE, CALL, FREE))
    wanted = unary(THOUGHT, MESSAGE, CALL, FREE)
    assert sorted(map(str, made.message.blocks)) == sorted(map(str, wanted.message.blocks))
    assert made.finished == wanted.finished


def test_items_come_in_order() -> None:
    """Blocks stand in the order of the items, also where pieces of a later item come first."""
    made = whole(
        START,
        event("output_item.added", output_index=0, item={**THOUGHT, "encrypted_content": ""}),
        event("output_item.added", output_index=1, item={**CALL, "arguments": ""}),
        event("function_call_arguments.delta", output_index=1, delta='{"a": 1}'),
        event("output_item.done", output_index=1, item=CALL),
        event("output_item.done", output_index=0, item=THOUGHT),
        completed(THOUGHT, CALL),
    )
    assert made == unary(THOUGHT, CALL)


def test_parts_of_thoughts() -> None:
    """Parts of a summary and of a thought stand apart by an empty line, also where the two grow side by side."""
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in ("ab", "c")],
        "content": [{"type": "reasoning_text", "text": text} for text in ("de", "f")],
    }
    at = {"output_index": 0, "item_id": "rs_1"}
    made = whole(
        START,
        event("output_item.added", output_index=0, item={"id": "rs_1", "type": "reasoning", "summary": []}),
        event("reasoning_summary_text.delta", **at, summary_index=0, delta="a"),
        event("reasoning_text.delta", **at, content_index=0, delta="d"),
        event("reasoning_summary_text.delta", **at, summary_index=0, delta="b"),
        event("reasoning_text.delta", **at, content_index=0, delta="e"),
        event("reasoning_summary_text.delta", **at, summary_index=1, delta="c"),
        event("reasoning_text.delta", **at, content_index=1, delta="f"),
        event("output_item.done", output_index=0, item=item),
        completed(item),
    )
    assert made == unary(item)
    assert (made.message.blocks[0].reasoning.summary, made.message.blocks[0].reasoning.text) == ("ab\n\nc", "de\n\nf")


@pytest.mark.parametrize("early", [None, ""])
@pytest.mark.parametrize("last", [[THOUGHT, CALL], [CALL, THOUGHT], []])
def test_thoughts_that_are_sealed_late(early: str | None, last: list[dict[str, Any]]) -> None:
    """A thought that is done without its sealed form gets it from the last event, or is whole without it."""
    bare = {**THOUGHT, "encrypted_content": early}
    made = whole(
        START,
        event("output_item.added", output_index=0, item=bare),
        event("output_item.done", output_index=0, item=bare),
        event("output_item.done", output_index=1, item=CALL),
        completed(*last),
    )
    thought, call = made.message.blocks
    assert json.loads(thought.reasoning.opaque) == (THOUGHT if last else bare)
    assert call == unary(THOUGHT, CALL).message.blocks[1]


def test_late_thoughts_hold_up_no_text() -> None:
    """While a thought waits for its sealed form, what comes behind it is told at once."""
    said = event("output_text.delta", output_index=1, content_index=0, delta="Pa")
    events, error = decoded(
        START, event("output_item.done", output_index=0, item={**THOUGHT, "encrypted_content": None}), said
    )
    assert isinstance(error, UpstreamBroken)
    assert events[-1].block_delta == v1.BlockDelta(index=1, text="Pa")


def test_text_never_comes_twice() -> None:
    """A last event that does not fit what came adds nothing to it."""
    made = whole(
        START,
        event("output_item.added", output_index=0, item={**MESSAGE, "content": []}),
        event("output_text.delta", output_index=0, content_index=0, delta="Paris it is."),
        event("output_item.done", output_index=0, item=MESSAGE),
        completed(),
    )
    assert "".join(block.text.text for block in made.message.blocks) == "Paris it is."
    assert whole(START, *[event("output_item.done", output_index=0, item=MESSAGE)] * 2, completed(MESSAGE)) == unary(
        MESSAGE
    )


def test_nothing_before_content() -> None:
    """An answer that has only begun is not content: another deployment may still be asked."""
    made, error = decoded(
        START,
        event("output_item.added", output_index=0, item=THOUGHT),
        event("failed", response=answer(status="failed", error={"code": "server_error", "message": "m"})),
    )
    assert made == []
    assert isinstance(error, UpstreamFailed)


def test_large_opaque_bytes_leave_in_pieces() -> None:
    """A picture that comes whole in one event leaves in messages that callers take."""
    picture = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "A" * 5_000_000}
    made, error = decoded(START, event("output_item.done", output_index=0, item=picture), completed(picture))
    assert error is None
    assert max(each.ByteSize() for each in made) < 70_000
    assert fold(made) == unary(picture)


@pytest.mark.parametrize(
    ("status", "details", "reason", "native"),
    [
        ("completed", None, v1.FINISH_REASON_STOP, "completed"),
        ("incomplete", {"reason": "max_output_tokens"}, v1.FINISH_REASON_LENGTH, "max_output_tokens"),
        ("incomplete", {"reason": "content_filter"}, v1.FINISH_REASON_CONTENT_FILTER, "content_filter"),
        ("incomplete", {"reason": "steered"}, v1.FINISH_REASON_OTHER, "steered"),
        ("incomplete", None, v1.FINISH_REASON_OTHER, "incomplete"),
        ("incomplete", "x", v1.FINISH_REASON_OTHER, "incomplete"),
    ],
)
def test_endings(status: str, details: Any, reason: "v1.FinishReason.ValueType", native: str) -> None:
    """How an answer ended is told in the contract's words and the provider's."""
    told = {"status": status, "incomplete_details": details}
    made = unary(MESSAGE, **told).finished
    assert (made.finish_reason, made.native_finish_reason) == (reason, native)
    assert whole(event(status, response=answer(MESSAGE, **told))).finished == made


@pytest.mark.parametrize(
    ("kinds", "asks"),
    [
        (("function_call",), True),
        (("custom_tool_call",), True),
        (("computer_call",), True),
        (("shell_call",), True),
        (("shell_call", "shell_call_output"), False),
        (("mcp_approval_request",), True),
        (("web_search_call",), False),
    ],
)
def test_who_runs_the_tool(kinds: tuple[str, ...], asks: bool) -> None:
    """An answer waits for the caller where the caller has to run a tool, and not where the provider has."""
    output = [{"id": "x", "type": kind, "call_id": "c", "name": "n"} for kind in kinds]
    wanted = v1.FINISH_REASON_TOOL_CALLS if asks else v1.FINISH_REASON_STOP
    assert unary(*output).finished.finish_reason == wanted
    assert whole(completed(*output)).finished.finish_reason == wanted


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", None, 7])
def test_no_invented_ending(status: Any) -> None:
    """An answer that does not say that it ended is broken."""
    with pytest.raises(UpstreamBroken):
        unary(MESSAGE, status=status)
    assert isinstance(decoded(event("output_item.done", output_index=0, item=MESSAGE))[1], UpstreamBroken)


@pytest.mark.parametrize(
    ("wire", "wanted"),
    [
        (None, v1.Usage()),
        ("x", v1.Usage()),
        ({}, v1.Usage()),
        ({"input_tokens": -1, "output_tokens": True}, v1.Usage()),
        ({"input_tokens": 1 << 63, "output_tokens": 1.5}, v1.Usage()),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
                "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 15},
            },
            v1.Usage(
                input_tokens=100,
                cache_read_input_tokens=60,
                cache_write_input_tokens=30,
                output_tokens=20,
                reasoning_output_tokens=15,
                input_source=v1.USAGE_SOURCE_PROVIDER,
                output_source=v1.USAGE_SOURCE_PROVIDER,
            ),
        ),
    ],
)
def test_usage(wire: Any, wanted: v1.Usage) -> None:
    """Input includes what the cache held, output what was thought; what is no count is not known."""
    assert unary(MESSAGE, usage=wire).finished.usage == wanted
    assert whole(completed(MESSAGE, usage=wire)).finished.usage == wanted


def test_usage_of_a_failed_answer() -> None:
    """What a failed answer used is known, and marked as part of the truth."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    with pytest.raises(UpstreamFailed):
        decoder.feed(lines([event("failed", response=answer(status="failed", error={"message": "m"}))]))
    assert decoder.usage == v1.Usage(
        input_tokens=3,
        output_tokens=2,
        input_source=v1.USAGE_SOURCE_PARTIAL,
        output_source=v1.USAGE_SOURCE_PARTIAL,
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", UpstreamFailed),
        ("rate_limit_exceeded", UpstreamRateLimited),
        ("insufficient_quota", UpstreamQuotaExhausted),
        ("engine_overloaded", UpstreamOverloaded),
        ("server_is_overloaded", UpstreamOverloaded),
        ("slow_down", UpstreamOverloaded),
        ("invalid_prompt", UpstreamContentPolicy),
        ("bio_policy", UpstreamContentPolicy),
        ("invalid_image_url", UpstreamRejected),
        ("vector_store_timeout", UpstreamFailed),
    ],
)
def test_failures(code: str, kind: type[UpstreamError]) -> None:
    """A failure inside an answer is told by the provider's code, wherever it stands."""
    wire = {"code": code, "message": "m", "param": None}
    for bad in ({"type": "error", **wire}, {"error": wire}, event("failed", response=answer(error=wire))):
        error = decoded(bad)[1]
        assert type(error) is kind
        assert error.native_code == code
    with pytest.raises(kind):
        unary(status="failed", error=wire)


def test_no_more_than_so_many_blocks() -> None:
    """Beyond the bound on blocks an answer is malformed, streamed or whole."""
    items = [{**THOUGHT, "id": f"rs_{n}"} for n in range(MAX_BLOCKS + 1)]
    with pytest.raises(UpstreamMalformed):
        unary(*items)
    added = [event("output_item.added", output_index=n, item=item) for n, item in enumerate(items)]
    assert isinstance(decoded(*added)[1], UpstreamMalformed)
    assert isinstance(decoded(completed(*items))[1], UpstreamMalformed)


def test_bytes_that_are_not_quite_json() -> None:
    """A text cut between the halves of a character, or bytes that are no UTF-8, cost a character and not the answer."""
    data = lines([event("output_text.delta", output_index=0, content_index=0, delta="a@b")])
    for wrong in (b"\\ud83d", b"\xff"):
        made, _ = outcome(data.replace(b"@", wrong))
        assert made[-1].block_delta.text == "a�b"
    item = lines([event("output_item.done", output_index=0, item={"type": "x", "a": "@"})]).replace(b"@", b"\xff")
    made, _ = outcome(item)
    assert "�".encode() in made[2].block_delta.opaque


KINDS = [
    "created", "completed", "incomplete", "failed", "output_item.added", "output_item.done", "output_text.delta",
    "refusal.delta", "reasoning_summary_text.delta", "reasoning_text.delta", "function_call_arguments.delta",
    "custom_tool_call_input.delta", "unknown",
]  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "output_text", "x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "id", "content", "summary", "text", "name", "call_id", "arguments", "annotations",
                         "logprobs", "status", "output", "usage", "error", "incomplete_details"]),
        inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
MEMBERS = [
    "output_index",
    "content_index",
    "summary_index",
    "item_id",
    "delta",
    "logprobs",
    "item",
    "response",
    "error",
]
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([f"response.{kind}" for kind in KINDS])}, optional=dict.fromkeys(MEMBERS, ANY)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=6))
def test_any_events(events: list[Any]) -> None:
    """Whatever the events hold, they end in events or in a failure of the provider."""
    made, _ = decoded(*events)
    assert sum(each.HasField("finished") for each in made) <= 1


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_answer(value: Any) -> None:
    """Whatever a whole answer holds, it is an answer or a failure of the provider."""
    body = json.dumps(value if not isinstance(value, dict) else {"status": "completed", **value}).encode()
    for wrong in (body, body[:-1], b"\xff" + body):
        try:
            DIALECT.decode(wrong, DEPLOYMENT)
        except UpstreamError:
            continue


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(100, 600))
def test_any_bytes(data: bytes, status: int) -> None:
    """Whatever the bytes are, streams and failures are told as failures of the provider."""
    outcome(data)
    outcome(b"data: {" + data + b"}\n\n")
    assert isinstance(DIALECT.decode_error(status, {}, data), UpstreamError)
