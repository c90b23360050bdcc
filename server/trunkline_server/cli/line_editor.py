"""Where a person types.

1. Enter sends. Alt-Enter, or Enter after a backslash, begins another line; what is pasted keeps its lines.
2. Tab completes commands, names of models and files.
3. Ctrl-C clears what was typed; twice with nothing typed, it ends, and so does Ctrl-D.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from trunkline_server.cli.output import note

__all__ = ["Editor"]

TAKES_MODEL: Final = ("/model",)
TAKES_FILE: Final = ("/file", "/save")
_MENU_ROWS: Final = 6


class Editor:
    """A prompt on a terminal."""

    def __init__(
        self, *, history: History | None, commands: Sequence[str], models: Callable[[], Sequence[str]]
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            "> ",
            multiline=True,
            key_bindings=_keys(),
            prompt_continuation="  ",
            history=history or InMemoryHistory(),
            completer=_Words(commands, models),
            complete_while_typing=Condition(lambda: self._session.default_buffer.text.startswith("/")),
            reserve_space_for_menu=_MENU_ROWS,
            enable_open_in_editor=True,
        )
        self.typed = ""
        """What the next prompt begins with."""

    def lines(self) -> Iterator[str]:
        """What is typed, entry by entry, until it ends."""
        interrupted = False
        while True:
            try:
                begin, self.typed = self.typed, ""
                entry = self._session.prompt(default=begin)
            except KeyboardInterrupt:
                if self._session.default_buffer.text:
                    interrupted = False
                elif interrupted:
                    return
                else:
                    interrupted = True
                    note("Ctrl-C again or Ctrl-D ends the chat")
            except EOFError:
                return
            else:
                interrupted = False
                yield entry.strip()


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _Words(Completer):
    """Commands, and what follows them."""

    def __init__(self, commands: Sequence[str], models: Callable[[], Sequence[str]]) -> None:
        self._commands = commands
        self._models = models
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What could be meant."""
        line = document.text_before_cursor
        word, space, rest = line.partition(" ")
        if not line.startswith("/") or "\n" in line:
            return
        if not space:
            yield from _beginning(self._commands, word)
        elif word in TAKES_MODEL:
            yield from _beginning(self._models(), rest)
        elif word in TAKES_FILE:
            yield from self._paths.get_completions(Document(rest), complete_event)


def _beginning(words: Sequence[str], begin: str) -> Iterator[Completion]:
    for word in words:
        if word.startswith(begin):
            yield Completion(word, start_position=-len(begin))
