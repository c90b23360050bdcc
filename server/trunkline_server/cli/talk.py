"""A conversation: what was said, and what it used.

1. A turn is a question and its whole answer. One that was cancelled or failed is no part of the conversation; its
   question is kept as `unanswered`, so that it can be asked again.
2. The answer's blocks are kept as they came, signatures included, and go back to the model that way.
3. The gateway bounds the conversation: it refuses more than 4,096 messages or 64 MiB.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from trunkline import v1
from trunkline.conversation import conversation

__all__ = ["MAX_ATTACHED", "Talk", "Turn", "instructing", "message_of", "text_of"]

MAX_ATTACHED: Final = 16
"""Files that may go with one question."""
_FOR_PROGRAMS: Final = re.compile(
    r"^messages\[0\]\.content\[\d+\]: |; write v1\.Media\(.*\)(?=: )|; send the address of this one(?=: )"
)
"""What the client's complaints have for those who write programs: the place in the call, and another form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer."""

    question: v1.Message
    answer: v1.Message
    usage: v1.Usage
    cost_nano_usd: int | None
    """None: the gateway knows no price."""


@dataclass(slots=True, kw_only=True)
class Talk:
    """What was said so far."""

    model: str
    system: str = ""
    turns: list[Turn] = field(default_factory=list)
    attached: list[Path] = field(default_factory=list)
    """Files for the next question."""
    unanswered: v1.Message | None = None
    """The last question, where its turn failed or was cancelled."""
    failed: bool = False
    """True if the last turn failed."""

    def messages(self, question: v1.Message | None = None) -> list[v1.Message]:
        """All that a model is sent, with another question at its end."""
        said = [message for turn in self.turns for message in (turn.question, turn.answer)]
        system = [instructing(self.system)] if self.system else []
        return [*system, *said, *([] if question is None else [question])]

    def attach(self, path: Path) -> None:
        """Send a file with the next question. Raises ValueError for one that can't go."""
        if len(self.attached) >= MAX_ATTACHED:
            raise ValueError(f"at most {MAX_ATTACHED} files go with one question")
        message_of("", [path])
        self.attached.append(path)

    def question(self, text: str) -> v1.Message:
        """What is asked, with the files that are attached. Raises ValueError where one can't be read."""
        return message_of(text, self.attached)

    def answered(self, turn: Turn) -> None:
        """A turn is whole."""
        self.turns.append(turn)
        self.attached.clear()
        self.unanswered = None

    def undo(self) -> v1.Message | None:
        """Forget the last turn, and give its question."""
        if self.unanswered is not None:
            question, self.unanswered = self.unanswered, None
            return question
        return self.turns.pop().question if self.turns else None

    @property
    def cost_nano_usd(self) -> int | None:
        """What the turns cost together, as far as the gateway told it."""
        told = [turn.cost_nano_usd for turn in self.turns if turn.cost_nano_usd is not None]
        return sum(told) if told else None

    def used(self, name: str) -> int:
        """A number of the usage, over all turns."""
        return sum(getattr(turn.usage, name) for turn in self.turns)

    def as_json(self) -> str:
        """All of it, as JSON in the words of the contract."""
        said = [MessageToDict(message, preserving_proto_field_name=True) for message in self.messages()]
        document: dict[str, Any] = {"model": self.model, "messages": said}
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"

    def as_markdown(self) -> str:
        """What people said and read, as Markdown."""
        return "\n".join(_markdown(message) for message in self.messages())


def message_of(text: str, files: list[Path]) -> v1.Message:
    """A user's message: the files, then the text. Raises ValueError where one can't be read."""
    content = [*files, text] if text else list(files)
    try:
        [message] = conversation([{"role": "user", "content": content}])
    except OSError as failure:
        raise ValueError(f"{_FOR_PROGRAMS.sub('', str(failure.strerror))}: {failure.filename}") from None
    except ValueError as wrong:
        raise ValueError(_FOR_PROGRAMS.sub("", str(wrong))) from None
    return message


def instructing(text: str) -> v1.Message:
    """Instructions for the model."""
    return v1.Message(role=v1.ROLE_SYSTEM, blocks=[v1.Block(text=v1.Text(text=text))])


def text_of(message: v1.Message) -> str:
    """The last text of a message: the question without the texts of its files."""
    texts = [block.text.text for block in message.blocks if block.HasField("text")]
    return texts[-1] if texts else ""


def _markdown(message: v1.Message) -> str:
    role = v1.Role.Name(message.role).removeprefix("ROLE_").capitalize()
    return "\n\n".join((f"# {role}", *_paragraphs(message))) + "\n"


def _paragraphs(message: v1.Message) -> Iterator[str]:
    for block in message.blocks:
        if block.HasField("text"):
            yield block.text.text.strip("\n")
        elif block.HasField("media"):
            yield f"({block.media.mime_type} {block.media.name}".rstrip() + ")"
