"""`trunkline chat`: a conversation with a model.

1. Ctrl-C cancels the answer and not the chat; Ctrl-D ends it. A turn that was cancelled or failed is forgotten.
2. The conversation is bounded by the gateway, which refuses more than 4,096 messages: a refused turn is forgotten too.
3. Without a terminal it reads one question a line and prints the answers alone.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import click
from prompt_toolkit import PromptSession

import trunkline
from trunkline import v1
from trunkline_server.cli.models import served
from trunkline_server.cli.output import (
    connect,
    gateway_options,
    note,
    note_left_out,
    print_failure,
    reported,
    tokens,
    write_answer,
)

_HELP: Final = """\
/model NAME    ask another model; without NAME: list them
/system TEXT   instructions for the model; without TEXT: none
/clear         forget the conversation, keep the instructions
/help          this list
/quit          end; Ctrl-D does too. Ctrl-C cancels an answer"""


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What was said so far."""

    client: "trunkline.Client"
    model: str
    system: str = ""
    messages: list[v1.Message] = field(default_factory=list)
    failed: bool = False
    """True if the last turn failed."""

    def ask(self, question: str) -> None:
        """One turn. Raises TrunklineError and KeyboardInterrupt; the turn is forgotten then."""
        turn = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text=question))])
        with self.client.stream(self.model, [*self._instructions(), *self.messages, turn]) as stream:
            write_answer(stream.text)
            answer = stream.collect()
        self.messages += [turn, answer.message]
        note_left_out(answer)
        note(f"({self.model}: {tokens(answer.usage)})")

    def _instructions(self) -> list[v1.Message]:
        if not self.system:
            return []
        return [v1.Message(role=v1.ROLE_SYSTEM, blocks=[v1.Block(text=v1.Text(text=self.system))])]


@click.command("chat")
@click.option("-m", "--model", metavar="NAME", help="Model to ask. Without it: the first that is served.")
@click.option("--system", default="", metavar="TEXT", help="Instructions for the model.")
@gateway_options
@click.pass_context
def command(
    context: click.Context, *, model: str | None, system: str, target: str | None, timeout: float | None
) -> None:
    """Talk with a model. /help lists what can be typed besides questions."""
    with connect(target, timeout) as client, reported(client):
        talk = Conversation(client=client, model=_first_model(client, model), system=system)
        for line in _lines():
            if line in ("/quit", "/exit"):
                break
            if line:
                _turn(talk, line)
        context.exit(1 if talk.failed else 0)


def _first_model(client: "trunkline.Client", wanted: str | None) -> str:
    """The model to begin with. A wrong name is told before anything is typed."""
    names = served(client)
    if wanted is not None and wanted not in names:
        raise click.UsageError(f"{wanted} is not served; models: {', '.join(names)}")
    if wanted is None and len(names) > 1:
        note(f"asking {names[0]}; /model NAME asks another of {', '.join(names)}")
    return wanted or names[0]


def _turn(talk: Conversation, line: str) -> None:
    """One line of a person. Nothing that fails here ends the chat."""
    talk.failed = False
    try:
        if line.startswith("/"):
            _obey(talk, line)
        else:
            talk.ask(line)
    except KeyboardInterrupt:
        note("(cancelled; this turn is forgotten)")
    except trunkline.TrunklineError as failure:
        talk.failed = True
        print_failure(failure, talk.client.target)


def _lines() -> Iterator[str]:
    """What is typed or piped in, line by line, until it ends."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield from (line.strip() for line in sys.stdin)
        return
    note("/help lists what can be typed besides questions.")
    session: PromptSession[str] = PromptSession("> ")
    while True:
        try:
            yield session.prompt().strip()
        except KeyboardInterrupt:  # it clears the line
            if not session.default_buffer.text:
                note("Ctrl-D ends the chat")
        except EOFError:
            return


def _obey(talk: Conversation, line: str) -> None:
    word, _, rest = line.partition(" ")
    known = _COMMANDS.get(word)
    if known is None:
        note(f"{word} is not known; /help lists what is")
    else:
        known(talk, rest.strip())


def _model(talk: Conversation, name: str) -> None:
    names = served(talk.client)
    if name in names:
        talk.model = name
        note(f"now asking {name}")
    else:
        note(f"{f'{name} is not served; ' if name else ''}models: {', '.join(names)}")


def _system(talk: Conversation, text: str) -> None:
    talk.system = text
    note("instructions set" if text else "no instructions")


def _clear(talk: Conversation, _: str) -> None:
    talk.messages.clear()
    note("the conversation is forgotten")


def _help(_: Conversation, __: str) -> None:
    note(_HELP)


_COMMANDS: Final[dict[str, Callable[[Conversation, str], Any]]] = {
    "/model": _model,
    "/system": _system,
    "/clear": _clear,
    "/help": _help,
}
