"""JSON texts that callers write and the dialect passes on as they are.

They are checked whole before they are embedded: a text that is not one JSON object could close the object around it
and write members of its own into the provider's request.
"""

from typing import Final

import msgspec

from trunkline_server.core.errors import FieldViolation, InvalidRequest

__all__ = ["is_json", "json_members", "json_object"]

_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def json_members(data: bytes, path: str) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, each as it was written. Raises InvalidRequest naming `path` if it isn't one."""
    try:
        data.decode()  # the parser does not look at bytes within strings
        return _MEMBERS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(path) from error


def json_object(data: bytes, path: str) -> msgspec.Raw:
    """The same text, byte for byte, for the encoder to embed. Raises InvalidRequest if it isn't a JSON object."""
    if not data.lstrip()[:1] == b"{" or not is_json(data):
        raise _refused(path)
    return msgspec.Raw(data)


def is_json(data: bytes | bytearray) -> bool:
    """Whether this is one JSON value in UTF-8. Nothing is built of it: that would cost twenty times as much."""
    try:
        data.decode()  # the parser does not look at bytes within strings
        _SYNTAX.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _refused(path: str) -> InvalidRequest:
    return InvalidRequest(FieldViolation(field=path, description="is not a JSON object in UTF-8; send one"))
