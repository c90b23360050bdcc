"""What is wrong with a request, gathered field by field, and the checks that fields share."""

from typing import Final

import msgspec
from google.protobuf.duration_pb2 import Duration

from trunkline_server.core.errors import FieldViolation, InvalidRequest
from trunkline_server.services.bounds import MAX_JSON_BYTES, MAX_MODEL_BYTES, MAX_NAME_CHARS

MAX_VIOLATIONS: Final = 16
"""At this many the search ends: they fit in trailers, and whoever mends them asks again."""

_MAX_DURATION_S: Final = 315_576_000_000
"""What google.protobuf.Duration holds."""
_NANOS: Final = 1_000_000_000

_NAME_CHARS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class _AnyObject(msgspec.Struct):
    """Any JSON object: its members are checked for syntax and skipped."""


_JSON_OBJECT: Final = msgspec.json.Decoder(_AnyObject)
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)
_SPARE_DEPTH: Final = 64
"""Levels of brackets that are kept free below what the parser takes here: dialects read the text again from deeper
within our own calls, and each call takes a level."""
_MAY_BE_DEEP: Final = 512
"""Brackets; with fewer no text comes near what the parser takes."""


class Violations:
    """What was found so far."""

    __slots__ = ("_path", "found")

    def __init__(self, path: str = "") -> None:
        self._path = path
        """What stands before each field: "request." for one within another."""
        self.found: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Takes note of a violation. Raises InvalidRequest with all of them when there are enough."""
        self.found.append(FieldViolation(field=self._path + field, description=description))
        if len(self.found) >= MAX_VIOLATIONS:
            raise InvalidRequest(*self.found)

    def enforce(self) -> None:
        """Raises InvalidRequest if anything was found."""
        if self.found:
            raise InvalidRequest(*self.found)

    def require(self, value: str, field: str) -> None:
        """A text that must not be empty."""
        if not value:
            self.add(field, "required; set it")

    def bound(self, value: str, field: str, most: int) -> None:
        """A text of so many bytes of UTF-8 at most."""
        # No character takes more than four bytes, so short texts need no encoding.
        if len(value) * 4 > most and len(value.encode()) > most:
            self.add(field, f"longer than {most} bytes; shorten it")

    def count(self, number: int, field: str, most: int) -> bool:
        """Whether there are no more entries than that; if not, it is noted, and they are not to be looked at."""
        if number > most:
            self.add(field, f"{number} entries, at most {most} are taken; leave some out")
        return number <= most

    def name(self, value: str, field: str) -> None:
        """A name of a function or schema. Required."""
        if not value or len(value) > MAX_NAME_CHARS or not _NAME_CHARS.issuperset(value):
            self.add(field, "not a name; use 1 to 64 letters, digits, underscores and dashes")

    def model(self, value: str, field: str) -> None:
        """A name of a model. Refusals quote it, so it has to be fit to be shown."""
        self.bound(value, field, MAX_MODEL_BYTES)
        if not value.isprintable():
            self.add(field, "holds characters that no model's name has; write a name that ListModels gives")

    def json_object(self, data: bytes, field: str, most: int = MAX_JSON_BYTES) -> None:
        """Bytes that must be a JSON object in UTF-8."""
        if len(data) > most:
            self.add(field, f"{len(data)} bytes, at most {most} are taken; shorten it")
        elif not _is_json_object(data):
            self.add(field, "not a JSON object in UTF-8; send {...} with its members")

    def duration(self, value: Duration, field: str) -> None:
        """A time that must be more than nothing."""
        seconds, nanos = value.seconds, value.nanos
        if not 0 <= seconds <= _MAX_DURATION_S or not 0 <= nanos < _NANOS or seconds + nanos == 0:
            self.add(field, "not a time above zero; set seconds and nanos, both without a sign, or leave it out")


def _is_json_object(data: bytes) -> bool:
    try:
        data.decode()
        _JSON_OBJECT.decode(data)
        if data.count(b"{") + data.count(b"[") > _MAY_BE_DEEP:
            _JSON.decode(b"[" * _SPARE_DEPTH + data + b"]" * _SPARE_DEPTH)
    except (ValueError, RecursionError):
        # The parser doesn't look at bytes within strings, hence the decoding. Its errors are ValueErrors, as those of
        # the decoding are; RecursionError comes of brackets without end.
        return False
    return True
