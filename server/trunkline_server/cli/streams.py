"""Where a command reads and writes: stdin, stdout and stderr, as the shell left them.

1. One that the shell closed (`<&-`, some cron jobs and supervisors) is an empty one: Python would have None there.
2. A reader who goes away ends the command quietly, a full disk with a sentence; the exit code is 1.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

__all__ = ["open_streams", "written"]


def open_streams() -> None:
    """Let there be three streams."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as the process is
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


@contextmanager
def written() -> Iterator[None]:
    """Turns output that can't be written into exit code 1."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as failure:
        _abandon_stdout()
        if failure.errno != errno.EPIPE:
            with suppress(OSError):
                click.secho(f"error: the output can't be written: {failure.strerror}", fg="red", err=True)
        raise SystemExit(1) from None


def _abandon_stdout() -> None:
    """What is still buffered goes nowhere; Python would try once more at its end, and complain."""
    with suppress(io.UnsupportedOperation):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
