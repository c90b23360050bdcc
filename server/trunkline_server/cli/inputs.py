"""What commands read besides their arguments: pipes, files with instructions. Each is UTF-8 and has a bound."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import click

__all__ = ["MAX_INPUT_BYTES", "instructions", "instructions_options", "piped", "typed_path"]

F = TypeVar("F", bound=Callable[..., Any])

MAX_INPUT_BYTES: Final = 32 * 1024 * 1024
"""Most bytes that are read; more is refused. A message may have 64 MiB."""


def instructions_options(command: F) -> F:
    """--system and --system-file."""
    text = click.option("--system", metavar="TEXT", help="Instructions for the model.")
    file = click.option(
        "--system-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="The same, from a file."
    )
    return text(file(command))


def instructions(system: str | None, system_file: str | None) -> str:
    """What the model is told beforehand: both, the file's first."""
    told = "" if system_file is None else from_file(Path(system_file))
    return "\n\n".join(part for part in (told.strip(), system) if part)


def piped() -> str:
    """All of stdin. Raises click.UsageError for what is too long or no text."""
    return _text(sys.stdin.buffer, "what was piped in")


def from_file(path: Path) -> str:
    """All of a file. Raises click.UsageError like `piped`."""
    try:
        with path.open("rb") as file:
            return _text(file, str(path))
    except OSError as failure:
        raise click.UsageError(f"{path}: {failure.strerror}") from None


def _text(source: BinaryIO, what: str) -> str:
    data = source.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise click.UsageError(f"{what} is more than {MAX_INPUT_BYTES // 1024**2} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        raise click.UsageError(f"{what} is not UTF-8 at byte {wrong.start}") from None


def typed_path(text: str) -> Path:
    """A path as people type it, or drop it on their terminal: with ~, in quotes, or with backslashes before spaces."""
    literal = os.path.expanduser(text)
    if os.path.exists(literal):
        return Path(literal)
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation mark that is part of the name
        words = []
    return Path(os.path.expanduser(words[0]) if len(words) == 1 else literal)
