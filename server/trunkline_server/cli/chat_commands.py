"""What can be typed in a chat besides questions. Each command is a function in the table at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import trunkline
from trunkline import v1
from trunkline_server.cli.inputs import typed_path
from trunkline_server.cli.model_choice import served
from trunkline_server.cli.output import dollars, note
from trunkline_server.cli.talk import Talk

__all__ = ["COMMANDS", "Chat", "obey"]

_HELP: Final = """\
/model NAME    ask another model; without NAME: list them
/system TEXT   instructions for the model; without TEXT: none
/file PATH     send a picture, a document or a text with the next question; without PATH: send none
/retry         ask the last question again
/undo          forget the last question and its answer
/clear         forget the conversation, keep the instructions
/tokens        what the conversation has used, and what the next question will send
/save PATH     write the conversation as Markdown, or as JSON where PATH ends with .json
/help          this list
/quit          end; Ctrl-D does too. Ctrl-C cancels an answer
Alt-Enter, or a backslash before Enter, begins another line. Tab completes."""


@dataclass(slots=True, kw_only=True)
class Chat:
    """A conversation and whom it is with."""

    client: "trunkline.Client"
    talk: Talk
    models: list[str]
    """Names of those that can answer, as the gateway told them last."""
    ask: Callable[["Chat", v1.Message], None]
    """One turn."""
    left: bool = field(default=False)
    """True once the person wants to end."""


def obey(chat: Chat, line: str) -> None:
    """Do what a line that begins with a slash says."""
    word, _, rest = line.partition(" ")
    known = COMMANDS.get(word)
    if known is None:
        note(f"{word} is not known; /help lists what is")
    else:
        known(chat, rest.strip())


def _model(chat: Chat, name: str) -> None:
    chat.models = served(chat.client)
    if name in chat.models:
        chat.talk.model = name
        note(f"now asking {name}")
    else:
        note(f"{f'{name} is not served; ' if name else ''}models: {', '.join(chat.models)}")


def _system(chat: Chat, text: str) -> None:
    chat.talk.system = text
    note("instructions set" if text else "no instructions")


def _file(chat: Chat, path: str) -> None:
    talk = chat.talk
    if not path:
        talk.attached.clear()
        note("no file goes with the next question")
        return
    try:
        talk.attach(typed_path(path))
    except ValueError as wrong:
        note(f"not attached: {wrong}")
    else:
        note(f"with the next question: {', '.join(each.name for each in talk.attached)}")


def _retry(chat: Chat, _: str) -> None:
    question = chat.talk.undo()
    if question is None:
        note("nothing was asked yet")
    else:
        chat.ask(chat, question)


def _undo(chat: Chat, _: str) -> None:
    note("nothing was asked yet" if chat.talk.undo() is None else "the last question is forgotten")


def _clear(chat: Chat, _: str) -> None:
    chat.talk.turns.clear()
    chat.talk.unanswered = None
    note("the conversation is forgotten")


def _tokens(chat: Chat, _: str) -> None:
    talk = chat.talk
    into, out = talk.used("input_tokens"), talk.used("output_tokens")
    cost = talk.cost_nano_usd
    note(f"{len(talk.turns)} turns, {into} tokens in, {out} out{'' if cost is None else f', {dollars(cost)}'}")
    if talk.messages():
        count = chat.client.count_tokens(talk.model, talk.messages())
        note(f"the next question is sent after {'about ' if count.estimated else ''}{count.input_tokens} tokens")


def _save(chat: Chat, path: str) -> None:
    if not path:
        note("/save PATH: to where?")
        return
    file = typed_path(path)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(chat.talk.as_json() if file.suffix == ".json" else chat.talk.as_markdown())
    except FileExistsError:
        note(f"not saved: {file} is there already; name another")
    except OSError as failure:
        note(f"not saved: {failure.strerror}: {file}")
    else:
        note(f"saved to {file}")


def _help(_: Chat, __: str) -> None:
    note(_HELP)


COMMANDS: Final[Mapping[str, Callable[[Chat, str], Any]]] = {
    "/model": _model,
    "/system": _system,
    "/file": _file,
    "/retry": _retry,
    "/undo": _undo,
    "/clear": _clear,
    "/tokens": _tokens,
    "/save": _save,
    "/help": _help,
}
