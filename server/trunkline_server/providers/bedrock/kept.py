"""Blocks of a stream that are kept until they are whole, because only Bedrock reads them.

What is kept is a part of the answer, whose bytes have a bound (decoder.py).
"""

from typing import Final, Protocol

import msgspec

from trunkline_server.providers.bedrock.pieces import IN_PIECES, server_result, server_use
from trunkline_server.providers.bedrock.wire import ToolResult, ToolUse
from trunkline_server.providers.jsontext import is_json

__all__ = ["Kept", "KeptDeltas", "KeptResult", "KeptUse"]

_ENCODER: Final = msgspec.json.Encoder()


class Kept(Protocol):
    """A block that is put together."""

    def whole(self) -> tuple[str, bytes]:
        """Type and data of the ProviderOpaque."""
        ...


class KeptUse:
    """A call of a tool that Bedrock runs."""

    __slots__ = ("_pieces", "_start")

    def __init__(self, start: ToolUse) -> None:
        self._start = start
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """More of the input."""
        self._pieces.append(piece)

    def whole(self) -> tuple[str, bytes]:
        """The block as it may be sent back; input that is no JSON stands as a text."""
        text = "".join(self._pieces).encode() or b"{}"
        return "toolUse", server_use(self._start, text if is_json(text) else _ENCODER.encode(text.decode()))


class KeptResult:
    """What a tool of Bedrock's gave back."""

    __slots__ = ("_content", "_start")

    def __init__(self, start: ToolResult) -> None:
        self._start = start
        self._content: list[msgspec.Raw] = []

    def add(self, content: list[msgspec.Raw]) -> None:
        """More of the result."""
        self._content += [item.copy() for item in content]

    def whole(self) -> tuple[str, bytes]:
        """The block as it may be sent back."""
        return "toolResult", server_result(self._start, self._content)


class KeptDeltas:
    """A block that is newer than this, as it came: {"start": ..., "deltas": [...]}."""

    __slots__ = ("_deltas", "_kind", "_start")

    def __init__(self, kind: str, start: msgspec.Raw | None) -> None:
        self._kind = kind
        self._start = start.copy() if start is not None else None
        self._deltas: list[msgspec.Raw] = []

    def add(self, delta: msgspec.Raw) -> None:
        """One more piece."""
        self._deltas.append(delta.copy())

    def whole(self) -> tuple[str, bytes]:
        """All of it."""
        return IN_PIECES + self._kind, _ENCODER.encode({"start": self._start, "deltas": self._deltas})
