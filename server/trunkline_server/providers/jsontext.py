"""JSON texts that callers and models wrote and the gateway passes on as they are.

A caller's are embedded in the provider's request unread, because validation has read them: each is one JSON object in
UTF-8. One that is not could close the object around it and write members of its own into the request: whoever encodes
without validating gives callers that request to write.
"""

from typing import Final

import msgspec

__all__ = ["embedded", "is_json", "is_object", "members_of"]

_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def embedded(data: bytes) -> msgspec.Raw:
    """A caller's JSON text, byte for byte, for the encoder to embed."""
    return msgspec.Raw(data)


def members_of(data: bytes) -> dict[str, msgspec.Raw]:
    """The members of a caller's JSON object, each as it was written."""
    return _MEMBERS.decode(data)


def is_json(data: bytes | bytearray) -> bool:
    """Whether this is one JSON value in UTF-8. Nothing is built of it: that would cost twenty times as much."""
    try:
        data.decode()  # the parser does not look at bytes within strings
        _SYNTAX.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def is_object(data: bytes) -> bool:
    """Whether this is one JSON object in UTF-8. Only such a text may be embedded where callers write it."""
    return data.lstrip(b" \t\r\n")[:1] == b"{" and is_json(data)
