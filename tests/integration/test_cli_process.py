"""Commands as processes: how they start, and what they make of the streams that a shell gives them."""

import os
import subprocess
import sys

import pytest

from tests.fakes import gateway as fake

TRUNKLINE = f"{sys.executable} -m trunkline_server"


@pytest.fixture
def gateway():
    with fake.running_gateway() as running:
        yield running


def shell(line, target=""):
    return subprocess.run(
        ["/bin/sh", "-c", f"{TRUNKLINE} {line}"],
        env={**os.environ, "TRUNKLINE_TARGET": target},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", ["complete", "health"])
def test_what_draws_and_edits_is_not_loaded_for_a_piped_command(command):
    """Neither gRPC nor Markdown, colours or a line editor are loaded before they are needed: a script starts fast."""
    heavy = {"grpc", "rich.console", "markdown_it", "pygments", "prompt_toolkit"}
    code = f"import sys, trunkline_server.cli.{command}; sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    loaded = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert (loaded.returncode, loaded.stderr) == (0, "")


@pytest.mark.parametrize("words", ["--help", "version", "check", "models --help"])
def test_a_full_disk_is_told_in_a_sentence_by_commands_that_call_nobody(words):
    """There is no traceback, also where it is the help that can't be written."""
    ended = shell(f"{words} > /dev/full")
    assert (ended.returncode, ended.stderr) == (1, "error: the output can't be written: No space left on device\n")


@pytest.mark.parametrize(("streams", "answer"), [("<&-", "Hello\n"), (">&- </dev/null", ""), ("<&- 2>&-", "Hello\n")])
def test_streams_that_the_shell_closed_are_empty_ones(gateway, streams, answer):
    """Without stdin, stdout or stderr, as some cron jobs and supervisors have it, a question is asked all the same."""
    ended = shell(f"complete Hi {streams}", gateway.target)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, answer, "")
