"""How processes log."""

import json

import pytest
from loguru import logger

from trunkline_server.core import log

SECRET = "sk-canary-0123456789"  # a value that must not be seen


@pytest.fixture(autouse=True)
def _after():
    yield
    logger.remove()


def fail():
    key = SECRET  # a local variable, as a traceback with values would show it
    raise ValueError(f"{len(key)} characters")


def test_an_event_is_one_line(capsys):
    """Line breaks in a message don't make lines, and braces or markup in it mean nothing."""
    log.set_up(role="worker 3")
    logger.info("first {}\nsecond\r", "{0} <red>")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO    worker 3 | first {0} <red>\\nsecond\\r")


def test_json_is_one_object_per_line(capsys):
    """With json=True each line is an object with time, level, role and message."""
    log.set_up(role="worker 3", json=True)
    logger.warning("first\nsecond")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["level"], event["role"], event["message"]) == ("WARNING", "worker 3", "first\nsecond")


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_traceback_shows_no_values(capsys, as_json):
    """A fault is logged with its traceback; values of variables stay out of it."""
    log.set_up(role="worker 3", json=as_json)
    try:
        fail()
    except ValueError:
        logger.exception("it failed")
    told = capsys.readouterr().err
    assert "in fail" in told
    assert SECRET not in told


def test_less_than_the_level_is_not_said(capsys):
    """Only events of the level and above are written."""
    log.set_up(role="worker 3", level="WARNING")
    logger.info("hidden")
    assert capsys.readouterr().err == ""
