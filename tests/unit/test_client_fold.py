"""Folding the events of a stream into the answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline import v1
from trunkline.errors import BrokenStream
from trunkline.fold import Fold, fold

STARTED = v1.StreamEvent(started=v1.Started(request_id="r", model="m", provider="p"))
FINISHED = v1.StreamEvent(
    finished=v1.Finished(finish_reason=v1.FINISH_REASON_STOP, usage=v1.Usage(input_tokens=3, output_tokens=4))
)


def start(index, **kind):
    return v1.StreamEvent(block_start=v1.BlockStart(index=index, header=v1.Block(**kind)))


def delta(index, **piece):
    return v1.StreamEvent(block_delta=v1.BlockDelta(index=index, **piece))


def stop(index, **rest):
    return v1.StreamEvent(block_stop=v1.BlockStop(index=index, **rest))


def token(text):
    return v1.TokenLogprob(token=text, logprob=-0.5)


def test_every_kind_of_piece_lands_in_its_field():
    """An answer with all kinds of blocks comes out as the unary answer would be, in order."""
    origin = v1.Origin(provider="p", format="openai")
    answer = fold(
        [
            STARTED,
            start(0, reasoning=v1.Reasoning(id="rs_1"), origin=origin),
            delta(0, reasoning="hm"),
            delta(0, reasoning=", yes"),
            delta(0, reasoning_summary="thought"),
            delta(0, opaque=b"\x00"),
            delta(0, opaque=b"\xff"),
            delta(0, signature=b"si"),
            delta(0, signature=b"gn"),
            stop(0),
            start(1, text=v1.Text()),
            delta(1, text="Grüß", logprobs=[token("Grüß")]),
            delta(1, text=" Gott"),
            delta(1, logprobs=[token("x")]),
            delta(1, citation=v1.Citation(uri="a")),
            delta(1, citation=v1.Citation(uri="b")),
            stop(1),
            start(2, tool_call=v1.ToolCall(id="c", name="f")),
            start(3, media=v1.Media(mime_type="image/png")),
            delta(2, arguments_json=b'{"a"'),
            delta(3, media=b"\x89P"),
            delta(2, arguments_json=b":1}"),
            delta(3, media=b"NG"),
            stop(2, arguments_valid=True),
            stop(3),
            start(4, citation=v1.Citation()),
            delta(4, citation=v1.Citation(title="t")),
            stop(4),
            start(5, provider_opaque=v1.ProviderOpaque(type="w", data=b"1")),
            delta(5, opaque=b"2"),
            stop(5),
            FINISHED,
        ]
    )
    assert answer == v1.CompleteResponse(
        started=STARTED.started,
        message=v1.Message(
            role=v1.ROLE_ASSISTANT,
            blocks=[
                v1.Block(
                    reasoning=v1.Reasoning(id="rs_1", text="hm, yes", summary="thought", opaque=b"\x00\xff"),
                    signature=b"sign",
                    origin=origin,
                ),
                v1.Block(
                    text=v1.Text(text="Grüß Gott", citations=[v1.Citation(uri="a"), v1.Citation(uri="b")]),
                    logprobs=[token("Grüß"), token("x")],
                ),
                v1.Block(tool_call=v1.ToolCall(id="c", name="f", arguments_json=b'{"a":1}', arguments_valid=True)),
                v1.Block(media=v1.Media(mime_type="image/png", data=b"\x89PNG")),
                v1.Block(citation=v1.Citation(title="t")),
                v1.Block(provider_opaque=v1.ProviderOpaque(type="w", data=b"12")),
            ],
        ),
        finished=FINISHED.finished,
    )


@given(st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=4))
def test_how_text_was_cut_makes_no_difference(blocks):
    """However text is cut into pieces, the folded text is the same."""
    events = [STARTED]
    for index, pieces in enumerate(blocks):
        events += [start(index, text=v1.Text()), *(delta(index, text=piece) for piece in pieces), stop(index)]
    answer = fold([*events, FINISHED])
    assert [block.text.text for block in answer.message.blocks] == ["".join(pieces) for pieces in blocks]


def test_what_a_newer_contract_adds_is_skipped():
    """Events, pieces and blocks of unknown kinds change nothing and break nothing."""
    unknown = b"\xfa\x07\x01x"  # field 127, length-delimited
    newer_event = v1.StreamEvent.FromString(unknown)
    newer_block = v1.StreamEvent(block_start=v1.BlockStart(index=0, header=v1.Block.FromString(unknown)))
    answer = fold(
        [
            newer_event,
            STARTED,
            newer_block,
            delta(0, text="?"),
            stop(0),
            start(1, text=v1.Text()),
            v1.StreamEvent(block_delta=v1.BlockDelta.FromString(b"\x08\x01" + unknown)),
            delta(1, text="ok"),
            stop(1),
            v1.StreamEvent(continued=v1.Continued(deployment="d")),
            FINISHED,
            newer_event,
        ]
    )
    assert answer.message.blocks[0].SerializeToString() == unknown
    assert answer.message.blocks[1] == v1.Block(text=v1.Text(text="ok"))


OPEN_TEXT = [STARTED, start(0, text=v1.Text())]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "end without finished"),
        ([STARTED], "end without finished"),
        ([start(0, text=v1.Text())], "before started"),
        ([STARTED, STARTED], "twice"),
        ([STARTED, delta(0, text="x")], "block 0 got a piece"),
        ([STARTED, stop(0)], "not open"),
        ([STARTED, start(1, text=v1.Text())], "block 1 was started where block 0 was due"),
        ([*OPEN_TEXT, start(0, text=v1.Text())], "where block 1 was due"),
        ([*OPEN_TEXT, stop(0), delta(0, text="x")], "not open"),
        ([*OPEN_TEXT, delta(0, arguments_json=b"{")], "text block and got a piece of arguments_json"),
        ([STARTED, start(0, tool_call=v1.ToolCall()), delta(0, citation=v1.Citation())], "got a citation"),
        ([*OPEN_TEXT, FINISHED], "while block 0 was open"),
        ([STARTED, FINISHED, FINISHED], "after finished"),
    ],
)
def test_a_stream_that_breaks_the_contract_is_refused(events, words):
    """Events that can't come where they came raise BrokenStream, and the message says which and where."""
    with pytest.raises(BrokenStream, match=words):
        fold(events)


def test_what_has_come_can_be_read_at_any_time():
    """A fold shows the answer and the usage so far, and goes on after it was read."""
    answer = Fold()
    for event in [*OPEN_TEXT, delta(0, text="Hel")]:
        answer.add(event)
    assert answer.response.message.blocks[0].text.text == "Hel"
    assert answer.usage is None
    answer.add(v1.StreamEvent(usage_update=v1.UsageUpdate(usage=v1.Usage(output_tokens=1))))
    assert answer.usage == v1.Usage(output_tokens=1)
    for event in [delta(0, text="lo"), stop(0), FINISHED]:
        answer.add(event)
    assert answer.whole
    assert answer.usage == FINISHED.finished.usage
    assert answer.response.message.blocks[0].text.text == "Hello"


def test_folding_is_linear():
    """Ten times the pieces take far less than a hundred times the time."""

    def seconds(count):
        events = [*OPEN_TEXT, *[delta(0, text="word " * 20)] * count, stop(0), FINISHED]
        began = time.process_time()
        fold(events)
        return time.process_time() - began

    small = min(seconds(3_000) for _ in range(3))
    assert min(seconds(30_000) for _ in range(2)) < 40 * small
