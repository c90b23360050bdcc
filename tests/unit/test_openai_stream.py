"""Streamed answers: any bytes, what compatible servers send, and time that grows with the bytes only."""

import gc
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.golden.folders import DEPLOYMENT, DIALECT, find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamRateLimited,
)

STREAMS = {each.name: each.stream for each in find().exchanges if each.stream is not None}
"""Of both dialects: they share the decoder."""


def outcome(*pieces: bytes) -> tuple[list[bytes], str]:
    """Events and failure, in a form that can be compared quickly."""
    events, error = feed_all(DIALECT.stream_decoder(DEPLOYMENT), pieces)
    return [event.SerializeToString(deterministic=True) for event in events], repr(error)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
    return b"data: " + json.dumps({"id": "c1", "model": "m", "choices": choices, **more}).encode() + b"\n\n"


def call(arguments: Any = "", **more: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"function": function, **more}]}


DONE = b"data: [DONE]\n\n"
STOP = chunk({}, "stop") + DONE


def answer(*pieces: bytes) -> v1.CompleteResponse:
    """The answer that a stream folds to."""
    events, error = feed_all(DIALECT.stream_decoder(DEPLOYMENT), pieces)
    assert error is None
    return fold(events)


def failure(*pieces: bytes) -> UpstreamError:
    """The failure that a stream ends with."""
    error = feed_all(DIALECT.stream_decoder(DEPLOYMENT), pieces)[1]
    assert error is not None
    return error


def texts(response: v1.CompleteResponse) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    found = []
    for block in response.message.blocks:
        kind = block.WhichOneof("kind") or ""
        found.append(
            (kind, block.tool_call.arguments_json.decode() if kind == "tool_call" else getattr(block, kind).text)
        )
    return found


@given(st.lists(st.binary(max_size=200)))
def test_arbitrary_bytes(pieces: list[bytes]) -> None:
    """Whatever the bytes are, there are events or an UpstreamError and no other exception."""
    assert failure(*pieces)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("\ud83d"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "index",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "finish_reason",
                    "usage",
                    "audio",
                    "data",
                    "annotations",
                    "url_citation",
                    "url",
                    "error",
                    "logprobs",
                    "bytes",
                    "token",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["choices", "usage", "error", "id", "model", "object"]), json_values, max_size=4
        ),
        max_size=4,
    )
)
def test_arbitrary_json(frames: list[Any]) -> None:
    """Frames of JSON in any shape give events or an UpstreamError, in a stream and as a whole body."""
    feed_all(DIALECT.stream_decoder(DEPLOYMENT), [b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames])
    for frame in frames:
        with pytest.raises(UpstreamError):
            DIALECT.decode(json.dumps(frame).encode(), DEPLOYMENT)
        assert isinstance(DIALECT.decode_error(400, {}, json.dumps(frame).encode()), UpstreamError)


@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_mutated_streams(name: str, data: st.DataObject) -> None:
    """A stream with some bytes replaced, removed or doubled gives events or UpstreamError, the same for any split."""
    stream = bytearray(STREAMS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(stream) - 1))
        end = min(len(stream), at + data.draw(st.integers(0, 12)))
        stream[at:end] = data.draw(
            st.sampled_from([b"", b"\xff", b"\n\n", b"null", b"\\ud800", bytes(stream[at:end]) * 2])
        )
    cut = data.draw(st.integers(0, len(stream)))
    assert outcome(bytes(stream[:cut]), bytes(stream[cut:])) == outcome(bytes(stream))


def test_bytes_after_the_end_are_ignored() -> None:
    """After [DONE] nothing counts, not even an error."""
    stream = chunk({"content": "Hi"}) + STOP
    assert outcome(stream, b'data: {"error": {"message": "late"}}\n\n', b"\xff" * 99) == outcome(stream)


def test_done_may_be_missing() -> None:
    """An answer with a finish reason is whole without [DONE], with the usage that came after the reason."""
    response = answer(
        chunk({"content": "Hi"}), chunk({}, "stop"), chunk(usage={"prompt_tokens": 2, "completion_tokens": 1})
    )
    assert response.finished.finish_reason == v1.FINISH_REASON_STOP
    assert response.finished.usage.input_tokens == 2


def test_last_empty_line_may_be_missing() -> None:
    """A last event without its empty line counts if it is whole, and is dropped if it is cut."""
    usage = chunk(usage={"prompt_tokens": 2, "completion_tokens": 1})
    head = chunk({"content": "Hi"}, "stop")
    assert answer(head, usage.rstrip()).finished.usage.input_tokens == 2
    assert not answer(head, usage[:-9]).finished.HasField("usage")


def test_done_without_finish_reason_is_broken() -> None:
    """[DONE] alone does not make an answer whole, and that is told at once, though the body may stay open."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    decoder.feed(chunk({"content": "Hi"}))
    with pytest.raises(UpstreamBroken):
        decoder.feed(DONE)


def test_ending() -> None:
    """From the finish reason on the answer counts as whole: what may be lacking is usage, and `end` does without."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    events = decoder.feed(chunk({"content": "Hi"}, ""))
    assert not decoder.ending
    events += decoder.feed(chunk({}, "stop"))
    assert decoder.ending
    assert not any(event.HasField("finished") for event in events)
    finished = fold(events + decoder.end()).finished
    assert (finished.finish_reason, finished.HasField("usage")) == (v1.FINISH_REASON_STOP, False)


@given(st.lists(st.text("aä€🎈", max_size=3000), max_size=6), st.data())
def test_offsets_are_bytes(pieces: list[str], data: st.DataObject) -> None:
    """Wherever a citation points and however the text was split, its offsets are those of the same words in UTF-8."""
    whole = "".join(pieces) or "x"
    start, end = sorted((data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))))
    cited = {"type": "url_citation", "url_citation": {"url": "u", "start_index": start, "end_index": end}}
    content = [chunk({"content": piece}) for piece in pieces if piece] or [chunk({"content": "x"})]
    block = answer(*content, chunk({"annotations": [cited]}), STOP).message.blocks[0]
    [citation] = block.text.citations
    assert block.text.text.encode()[citation.start_offset : citation.end_offset].decode() == whole[start:end]


def test_offsets_have_a_bound() -> None:
    """A citation that points beyond the first 1,048,576 characters has no offsets, whole and streamed alike."""
    piece, ends = "ä" * 300_000, (1 << 20, (1 << 20) + 1)
    cited = [{"url_citation": {"url": "u", "start_index": 0, "end_index": end}} for end in ends]
    streamed = answer(*[chunk({"content": piece})] * 4, chunk({"annotations": cited}), STOP)
    message = {"content": piece * 4, "annotations": cited}
    body = {"id": "c1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    whole = DIALECT.decode(json.dumps(body).encode(), DEPLOYMENT)
    for response in (streamed, whole):
        first, second = response.message.blocks[0].text.citations
        assert first.end_offset == 2 << 20
        assert not second.HasField("end_offset")


@pytest.mark.parametrize(("word", "most"), [("word ", 2_000), ("wörd ", 200_000)], ids=["ASCII", "others"])
def test_little_is_kept_of_a_text(word: str, most: int) -> None:
    """An open stream keeps nothing of a text in ASCII, and of others hardly more than their bytes."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    piece = chunk({"content": word})
    decoder.feed(piece)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20_000):
            decoder.feed(piece)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < most


@pytest.mark.parametrize("finish", ["", None])
def test_empty_finish_reasons(finish: str | None) -> None:
    """An empty finish reason is none."""
    response = answer(chunk({"content": "H"}, finish), chunk({"content": "i"}, finish), STOP)
    assert texts(response) == [("text", "Hi")]
    assert isinstance(failure(chunk({"content": "H"}, finish), DONE), UpstreamBroken)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning(key: str) -> None:
    """Reasoning under either name is a block of its own before the text."""
    response = answer(chunk({key: "So", "content": ""}), chunk({key: "."}), chunk({"content": "Yes"}), STOP)
    assert texts(response) == [("reasoning", "So."), ("text", "Yes")]


def test_reasoning_between_texts() -> None:
    """Kinds that take turns keep their order."""
    response = answer(chunk({"content": "a"}), chunk({"reasoning": "b"}), chunk({"content": "c"}), STOP)
    assert texts(response) == [("text", "a"), ("reasoning", "b"), ("text", "c")]


def test_content_parts() -> None:
    """Content that comes as a list of parts counts as its texts and refusals."""
    response = answer(
        chunk({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}, 7]}), STOP
    )
    assert texts(response) == [("text", "a"), ("text", "no")]
    assert response.finished.finish_reason == v1.FINISH_REASON_REFUSAL


def test_calls_without_index() -> None:
    """Calls without an index are told apart by their ids and names."""
    pieces = [call('{"a"', id="x", name="f"), call(":1}"), call("{}", id="y", name="g")]
    response = answer(*(chunk(piece) for piece in pieces), chunk({}, "tool_calls"))
    assert texts(response) == [("tool_call", '{"a":1}'), ("tool_call", "{}")]
    assert [block.tool_call.id for block in response.message.blocks] == ["x", "y"]


def test_call_with_new_id_in_each_piece() -> None:
    """A new id without a name does not begin another call."""
    response = answer(chunk(call("{", index=0, id="x", name="f")), chunk(call("}", index=0, id="z")), STOP)
    assert texts(response) == [("tool_call", "{}")]
    assert response.message.blocks[0].tool_call.id == "x"
    assert response.finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


def test_whole_call_in_one_piece() -> None:
    """Arguments may come at once, and as a value instead of a text."""
    response = answer(
        chunk(call('{"a": 1}', index=0, id="x", name="f")), chunk(call({"b": 2}, index=1, id="y", name="g")), STOP
    )
    assert texts(response) == [("tool_call", '{"a": 1}'), ("tool_call", '{"b":2}')]


def test_numbers_in_arguments_stay_as_written() -> None:
    """Arguments that come as a value keep numbers that no double holds, whole and streamed; counts may be such."""
    numbers = "[1180591620717411303424,0.1000000000000000055511151231257827,1e400,1.0]"
    piece = chunk(call("@", index=0, id="x", name="f"), "tool_calls", usage={"prompt_tokens": 12.0})
    data = piece.replace(b'"@"', b'{"n": ' + numbers.encode() + b"}")
    streamed = answer(data, DONE)
    whole = DIALECT.decode(data[len("data: ") :].replace(b'"delta"', b'"message"'), DEPLOYMENT)
    for response in (streamed, whole):
        assert texts(response) == [("tool_call", f'{{"n":{numbers}}}')]
        assert response.message.blocks[0].tool_call.arguments_valid
        assert response.finished.usage.input_tokens == 12


def test_call_without_id_gets_one() -> None:
    """A call without an id gets one that its result can name, the same as in a whole answer."""
    response = answer(chunk(call("{}", index=0, name="f")), chunk(call("{}", index=1, name="g")), STOP)
    ids = [block.tool_call.id for block in response.message.blocks]
    message = {"tool_calls": [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]}
    body = {"id": "c1", "model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    whole = DIALECT.decode(json.dumps(body).encode(), DEPLOYMENT)
    assert len(set(ids)) == 2
    assert [block.tool_call.id for block in whole.message.blocks] == ids


def test_name_after_arguments() -> None:
    """A call whose name comes late begins then, with all its arguments."""
    response = answer(chunk(call("{", index=0, id="x")), chunk(call("}", index=0, name="f")), STOP)
    assert texts(response) == [("tool_call", "{}")]


def test_call_without_name_is_malformed() -> None:
    """A call that never gets a name is not one that could be run."""
    assert isinstance(failure(chunk(call("{}", index=0, id="x")), STOP), UpstreamMalformed)


def test_function_call() -> None:
    """The older function_call is a tool call."""
    response = answer(
        chunk({"function_call": {"name": "f", "arguments": "{"}}),
        chunk({"function_call": {"arguments": "}"}}, "function_call"),
    )
    assert texts(response) == [("tool_call", "{}")]
    assert response.finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS


def test_text_after_calls() -> None:
    """Text after a call is a later block, and blocks are still stopped in order."""
    events, _ = feed_all(
        DIALECT.stream_decoder(DEPLOYMENT),
        [chunk(call("{", index=0, id="x", name="f")), chunk({"content": "t"}), chunk(call("}", index=0)), STOP],
    )
    assert texts(fold(events)) == [("tool_call", "{}"), ("text", "t")]
    assert [event.block_stop.index for event in events if event.HasField("block_stop")] == [0, 1]


def test_usage_in_every_chunk() -> None:
    """The last usage counts; while the answer grows it is partial, and no event is spent on it."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    assert decoder.usage is None
    events = decoder.feed(chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}))
    assert decoder.usage is not None
    assert decoder.usage.output_source == v1.USAGE_SOURCE_PARTIAL
    events += decoder.feed(chunk({"content": "b"}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2}) + DONE)
    assert not any(event.HasField("usage_update") for event in events)
    usage = fold(events).finished.usage
    assert (usage.output_tokens, usage.output_source) == (2, v1.USAGE_SOURCE_PROVIDER)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        [],
        {},
        {"prompt_tokens": -1},
        {"prompt_tokens": 1e300},
        {"prompt_tokens": True},
        {"prompt_tokens": 2**63},
    ],
)
def test_no_usage_is_invented(usage: Any) -> None:
    """A missing or senseless count is unset, and its source too."""
    assert not answer(chunk({"content": "a"}, "stop", usage=usage)).finished.HasField("usage")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, UpstreamRateLimited),
        ({"error": {"message": "m", "code": "502"}}, UpstreamFailed),
        ({"error": "m"}, UpstreamFailed),
        (
            {"object": "error", "message": "This model's maximum context length is 10 tokens.", "code": 400},
            ContextLengthExceeded,
        ),
        ({"choices": [{"delta": {}, "finish_reason": "error"}], "error": {"message": "m"}}, UpstreamFailed),
    ],
)
def test_error_frames(frame: Any, kind: type[UpstreamError]) -> None:
    """An error inside a stream is that failure, after the events before it, and its words stay home."""
    events, error = feed_all(
        DIALECT.stream_decoder(DEPLOYMENT),
        [chunk({"content": "a"}) + b"data: " + json.dumps(frame).encode() + b"\n\n" + DONE],
    )
    assert type(error) is kind
    assert [event.WhichOneof("kind") for event in events] == ["started", "block_start", "block_delta"]


def test_error_event() -> None:
    """An event named error is one, whatever its data."""
    assert type(failure(b"event: error\ndata: out of memory\n\n")) is UpstreamFailed


def test_failure_is_kept() -> None:
    """A decoder that has failed goes on failing."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    for act in (lambda: decoder.feed(b"data: nonsense\n\n"), lambda: decoder.feed(STOP), decoder.end):
        with pytest.raises(UpstreamMalformed):
            act()


@pytest.mark.parametrize("split", ['"\\ud83d"', '"\\ud83d\\u0041"', '"\xff"'])
def test_text_that_is_no_unicode(split: str) -> None:
    """Lone surrogates and bytes that are not UTF-8 become replacement characters; the answer goes on."""
    frame = chunk({"content": "X"}).replace(b'"X"', split.encode("latin-1"))
    assert texts(answer(frame, chunk({"content": "!"}), STOP))[0][1].startswith("\N{REPLACEMENT CHARACTER}")


def test_infinite_logarithm() -> None:
    """A probability of zero, which is no JSON number as a logarithm, does not cost the answer."""
    logprobs = {"content": [{"token": "a", "logprob": float("-inf")}]}
    frame = chunk(None, choices=[{"delta": {"content": "a"}, "logprobs": logprobs, "finish_reason": "stop"}])
    assert b"-Infinity" in frame
    assert answer(frame).message.blocks[0].logprobs[0].logprob == float("-inf")


@pytest.mark.parametrize(
    ("more", "reason", "matched"),
    [
        ({"stop_reason": "END"}, v1.FINISH_REASON_STOP_SEQUENCE, "END"),
        ({"stop_reason": 128009}, v1.FINISH_REASON_STOP, ""),
        ({"matched_stop": "END"}, v1.FINISH_REASON_STOP_SEQUENCE, "END"),
        ({"stopping_word": "END"}, v1.FINISH_REASON_STOP_SEQUENCE, "END"),
        ({"stopping_word": ""}, v1.FINISH_REASON_STOP, ""),
    ],
)
def test_matched_stop(more: dict[str, Any], reason: int, matched: str) -> None:
    """The stop sequence that was met is told where the server tells it."""
    finished = answer(chunk(None, choices=[{"delta": {"content": "a"}, "finish_reason": "stop", **more}])).finished
    assert (finished.finish_reason, finished.matched_stop) == (reason, matched)


def test_unknown_finish_reason() -> None:
    """A reason without a word of ours is OTHER, with the provider's own."""
    finished = answer(chunk({"content": "a"}, "insufficient_system_resource")).finished
    assert finished.finish_reason == v1.FINISH_REASON_OTHER
    assert finished.native_finish_reason == "insufficient_system_resource"


def test_bound_on_blocks() -> None:
    """More blocks than the bound are malformed."""
    turns = [chunk({"content": "a"}) + chunk({"reasoning": "b"})] * 513
    assert isinstance(failure(*turns, STOP), UpstreamMalformed)
    calls = [chunk(call("", index=at)) for at in range(1025)]
    assert isinstance(failure(*calls, STOP), UpstreamMalformed)


def test_bound_on_events() -> None:
    """An event of more than 4 MiB is malformed, whether its line ends or not."""
    assert isinstance(failure(b"data: " + b"x" * (4 << 20)), UpstreamMalformed)
    assert isinstance(failure(chunk({"content": "x" * (4 << 20)})), UpstreamMalformed)


def test_bound_on_answers() -> None:
    """An answer of more than 64 MiB is malformed."""
    piece = chunk({"content": "x" * (1 << 20)})
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    with pytest.raises(UpstreamMalformed):
        for _ in range(64):
            decoder.feed(piece)


def seconds(stream: bytes, step: int) -> float:
    """This thread's time on the processor in one run over the stream: what others do meanwhile does not count."""
    decoder = DIALECT.stream_decoder(DEPLOYMENT)
    start = time.thread_time()
    for at in range(0, len(stream), step):
        decoder.feed(stream[at : at + step])
    return time.thread_time() - start


def growth(half: bytes, whole: bytes, step: int) -> float:
    """How many times the work on the half the work on the whole is.

    Each is the least of interleaved runs, which is the work itself, without what a busy machine's caches add to it.
    The garbage collector rests, because when it runs depends on what else the process holds.
    """
    gc.collect()
    gc.disable()
    try:
        rounds = [(seconds(half, step), seconds(whole, step)) for _ in range(5)]
    finally:
        gc.enable()
    return min(after for _, after in rounds) / min(before for before, _ in rounds)


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (lambda size: chunk({"content": "word " * 8}) * (size // 100), 16384),
        (lambda size: b"".join(chunk({"content": "ä" * 90_000}) for _ in range(size // 540_000)), 1500),
        (lambda size: chunk(call("x" * 40, index=0, id="a", name="f")) * (size // 150), 16384),
        (lambda size: b":" * (size // 4) + b"\n", 16),
    ],
    ids=["many chunks", "large chunks", "one call", "slow comment"],
)
def test_time_is_linear(make: Any, step: int) -> None:
    """Twice the bytes, up to 10 MB, take about twice the time."""
    half, whole = make(5_000_000), make(10_000_000)
    # Time that grew with the square would give 4 each time; a second try forgives a machine that changed its pace.
    assert growth(half, whole, step) < 2.3 or growth(half, whole, step) < 2.3
