"""`trunkline chat`: a conversation with a model.

1. Ctrl-C cancels the answer and not the chat; Ctrl-D ends it. A turn that was cancelled or failed is forgotten, because
   a part of an answer is no turn that providers take back; its question stands in the prompt again where the gateway
   failed, and /retry asks it.
2. The conversation is bounded by the gateway, which refuses more than 4,096 messages: a refused turn is forgotten too.
3. Without a terminal it reads one question a line and prints the answers alone.
"""

import os
import sys
from collections.abc import Iterator

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.answer_view import Clocked, after_turn, opened_view, show
from trunkline_server.cli.chat_commands import COMMANDS, Chat, obey
from trunkline_server.cli.gateway import Gateway, gateway_options
from trunkline_server.cli.history import FileHistory, history_file
from trunkline_server.cli.inputs import instructions, instructions_options
from trunkline_server.cli.line_editor import Editor
from trunkline_server.cli.model_choice import served
from trunkline_server.cli.output import cost_of, note, print_failure, reported
from trunkline_server.cli.remarks import note_remarks
from trunkline_server.cli.talk import Talk, Turn, text_of


@click.command("chat")
@click.option("-m", "--model", metavar="NAME", help="Model to ask. Without it: the first that is served.")
@instructions_options
@click.option("--thoughts", is_flag=True, help="Show all that a model thinks, where its provider shows it.")
@click.option("--plain", is_flag=True, help="Text as it comes, instead of Markdown.")
@click.option("--no-history", is_flag=True, help="Neither read nor keep what is typed.")
@gateway_options
@click.pass_context
def command(
    context: click.Context,
    *,
    model: str | None,
    system: str | None,
    system_file: str | None,
    thoughts: bool,
    plain: bool,
    no_history: bool,
    gateway: Gateway,
) -> None:
    """Talk with a model. /help lists what can be typed besides questions."""
    told = instructions(system, system_file)
    with gateway.connect() as client, reported(client):
        models = served(client)
        chat = Chat(
            client=client,
            talk=Talk(model=_first_model(models, model), system=told),
            models=models,
            ask=lambda chat, question: _ask(chat, question, thoughts=thoughts, plain=plain),
        )
        if sys.stdin.isatty() and sys.stdout.isatty():
            _converse(chat, _editor(chat, no_history=no_history))
        else:
            _read_along(chat)
        context.exit(1 if chat.talk.failed else 0)


def _first_model(names: list[str], wanted: str | None) -> str:
    """The model to begin with. A wrong name is told before anything is typed."""
    if wanted is not None and wanted not in names:
        raise click.UsageError(f"{wanted} is not served; models: {', '.join(names)}")
    if wanted is None and len(names) > 1:
        note(f"asking {names[0]}; /model NAME asks another of {', '.join(names)}")
    return wanted or names[0]


def _editor(chat: Chat, *, no_history: bool) -> Editor:
    history = None if no_history else FileHistory(history_file(os.environ))
    return Editor(history=history, commands=list(COMMANDS), models=lambda: chat.models)


def _converse(chat: Chat, editor: Editor) -> None:
    note("/help lists what can be typed besides questions.")
    for entry in editor.lines():
        _take(chat, entry)
        if chat.left:
            return
        if chat.talk.failed and chat.talk.unanswered is not None:
            editor.typed = text_of(chat.talk.unanswered)


def _read_along(chat: Chat) -> None:
    for line in _piped():
        _take(chat, line)
        if chat.left:
            return


def _piped() -> Iterator[str]:
    return (line.strip() for line in sys.stdin)


def _take(chat: Chat, entry: str) -> None:
    """One entry of a person. Nothing that fails here ends the chat."""
    if entry in ("", "/quit", "/exit"):
        chat.left = bool(entry)
        return
    chat.talk.failed = False
    try:
        if entry.startswith("/"):
            obey(chat, entry)
        else:
            _question(chat, entry)
    except KeyboardInterrupt:
        note("(cancelled; this turn is forgotten, /retry asks it again)")
    except trunkline.TrunklineError as failure:
        chat.talk.failed = True
        print_failure(failure, chat.client.target)
    except (ValueError, click.ClickException) as wrong:  # what the client refuses to send; a gateway without models
        chat.talk.failed = True
        note(f"error: {wrong}")


def _question(chat: Chat, text: str) -> None:
    try:
        question = chat.talk.question(text)
    except ValueError as wrong:  # an attached file is gone
        note(f"not asked: {wrong}; /file without PATH sends none")
        return
    chat.ask(chat, question)


def _ask(chat: Chat, question: v1.Message, *, thoughts: bool, plain: bool) -> None:
    """One turn. Raises TrunklineError and KeyboardInterrupt; the turn is forgotten then."""
    talk, clock = chat.talk, Clocked()
    talk.unanswered = question
    with (
        opened_view(thoughts=thoughts, plain=plain) as view,
        chat.client.stream(talk.model, talk.messages(question)) as stream,
    ):
        show(stream, view, clock)
        answer = stream.collect()
    turn = Turn(question=question, answer=answer.message, usage=answer.usage, cost_nano_usd=cost_of(answer))
    talk.answered(turn)
    note_remarks(answer)
    note(after_turn(answer, clock, chat_cost_nano_usd=talk.cost_nano_usd))
