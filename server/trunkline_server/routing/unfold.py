"""The events of an answer that came whole although a stream was asked for.

Some servers answer so where they can't stream: with tools, behind a proxy, from a cache. Folding the events gives the
answer again.
"""

from trunkline import v1

__all__ = ["unfold"]


def unfold(answer: v1.CompleteResponse) -> list[v1.StreamEvent]:
    """Started, each block in one piece, and Finished."""
    events = [v1.StreamEvent(started=answer.started)]
    for index, block in enumerate(answer.message.blocks):
        stop = v1.BlockStop(index=index)
        if block.HasField("tool_call"):
            stop.arguments_valid = block.tool_call.arguments_valid
        events.append(v1.StreamEvent(block_start=v1.BlockStart(index=index, header=block)))
        events.append(v1.StreamEvent(block_stop=stop))
    events.append(v1.StreamEvent(finished=answer.finished))
    return events
