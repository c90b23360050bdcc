"""How every process of the gateway logs: loguru on stderr, for operators.

1. One line per event, also when a message holds line breaks; only the traceback of a fault follows on lines of its own.
2. Tracebacks show no values of variables.
"""

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

_TEXT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <7} {extra[role]} | {extra[line]}\n"


def set_up(*, role: str, level: str = "INFO", json: bool = False) -> None:
    """Replaces all sinks of this process. `role` names the process: "supervisor", "worker 0"."""
    logger.remove()
    logger.configure(extra={"role": role}, patcher=_flatten)
    if json:
        logger.add(_write_json, level=level, format=_message, backtrace=False, diagnose=False)
    else:
        logger.add(sys.stderr, level=level, format=_text, backtrace=False, diagnose=False)


def counted(number: int, noun: str) -> str:
    """The number with its noun: "1 open call", "2 open calls"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _flatten(record: "Record") -> None:
    record["extra"]["line"] = record["message"].replace("\r", "\\r").replace("\n", "\\n")


def _text(record: "Record") -> str:
    return _TEXT + "{exception}" if record["exception"] else _TEXT


def _message(record: "Record") -> str:
    return "{exception}" if record["exception"] else ""


def _write_json(message: Any) -> None:
    record = message.record
    event = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "role": record["extra"]["role"],
        "message": record["message"],
    }
    if record["exception"]:
        event["traceback"] = str(message)
    sys.stderr.write(msgspec.json.encode(event).decode() + "\n")
    sys.stderr.flush()
