"""What holds for the events of every answer, whatever the bytes were."""

from collections.abc import Sequence

from trunkline import v1
from trunkline_server.core.errors import UpstreamError

_DELTAS = {
    "text": "text",
    "reasoning": "reasoning",
    "reasoning_summary": "reasoning",
    "arguments_json": "tool_call",
    "media": "media",
}
"""Pieces that only blocks of one kind have."""


def check_events(events: Sequence[v1.StreamEvent], error: UpstreamError | None) -> None:
    """Fails if the events are not those of one answer, as core/dialect.py promises them."""
    kinds: list[str] = []
    stopped = 0
    finished = False
    for place, event in enumerate(events):
        assert not finished, "an event after Finished"
        kind = event.WhichOneof("kind")
        assert (kind == "started") == (place == 0), f"event {place} is {kind}"
        if kind == "block_start":
            assert event.block_start.index == len(kinds), "blocks are not numbered in order"
            kinds.append(event.block_start.header.WhichOneof("kind") or "")
            assert kinds[-1], "a block without a kind"
        elif kind == "block_delta":
            index = event.block_delta.index
            assert stopped <= index < len(kinds), "a piece of a block that is not open"
            piece = event.block_delta.WhichOneof("kind")
            assert piece is not None, "a piece without content"
            assert _DELTAS.get(piece, kinds[index]) == kinds[index], f"{piece} in a block of {kinds[index]}"
        elif kind == "block_stop":
            assert event.block_stop.index == stopped, "blocks are not stopped in order"
            assert event.block_stop.HasField("arguments_valid") == (kinds[stopped] == "tool_call")
            stopped += 1
        elif kind == "finished":
            finished = True
            assert stopped == len(kinds), "Finished before all blocks were stopped"
            assert event.finished.finish_reason != v1.FINISH_REASON_UNSPECIFIED
    assert finished != (error is not None), "an answer ends with Finished or a failure, and never with both"


def check_usage(usage: v1.Usage | None) -> None:
    """Fails if a count is below zero, or a part of a sum larger than the sum."""
    if usage is None:
        return
    for field, value in usage.ListFields():
        if field.cpp_type == field.CPPTYPE_INT64:
            assert value >= 0, field.name
