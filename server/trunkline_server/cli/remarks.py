"""What a reader should know of an answer beside its text: what it was not given, how it ended, what is not shown."""

from collections.abc import Iterator
from typing import Final

import trunkline
from trunkline import v1
from trunkline_server.cli.output import note

__all__ = ["note_remarks"]

_ENDINGS: Final = {
    v1.FINISH_REASON_LENGTH: "cut: the bound on output tokens was met",
    v1.FINISH_REASON_CONTEXT_WINDOW: "cut: the model's context is full",
    v1.FINISH_REASON_CONTENT_FILTER: "cut: the provider's filter ended the answer",
    v1.FINISH_REASON_REFUSAL: "the model declined",
    v1.FINISH_REASON_PAUSED: "paused by the provider",
}
"""Endings that a reader should know of. The others need no words."""
MAX_ARGUMENTS: Final = 200
"""Characters of a tool call's arguments that are shown."""


def note_remarks(answer: "trunkline.Completion", *, used: str = "") -> None:
    """Say on stderr what there is to say; `used` goes with the ending."""
    for remark in (*_left_out(answer), *_not_shown(answer), *_ending(answer, used)):
        note(f"({remark})")


def _left_out(answer: "trunkline.Completion") -> Iterator[str]:
    if answer.left_out:
        yield f"{answer.response.started.deployment or 'the model'} could not take: {', '.join(answer.left_out)}"


def _not_shown(answer: "trunkline.Completion") -> Iterator[str]:
    for block in answer.message.blocks:
        if block.HasField("media"):
            yield f"not shown: {block.media.mime_type}, {len(block.media.data):,} bytes {block.media.uri}".rstrip()
    for call in answer.tool_calls:
        arguments = call.arguments_json.decode(errors="replace")
        yield f"calls the tool {call.name}, which nobody runs here: {arguments[:MAX_ARGUMENTS]}"
    if not answer.message.blocks:
        yield "the answer is empty"


def _ending(answer: "trunkline.Completion", used: str) -> Iterator[str]:
    ending = _ENDINGS.get(answer.finish_reason)
    if ending:
        detail = answer.response.finished.finish_detail
        yield "; ".join(filter(None, (f"{ending}{f': {detail}' if detail else ''}", used)))
