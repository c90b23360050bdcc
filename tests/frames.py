"""HTTP/2 frame by frame, for callers that keep no rule: nothing is checked, nothing is sent unless told."""

import asyncio
import base64
from collections.abc import Iterable
from typing import Any, Self

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
COMPLETE = "/trunkline.v1.Completion/Complete"
MAX_FRAME = 16384
ANSWER_S = 5.0


class Wire:
    """One connection. What comes is parsed and kept, by kind of frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.came: list[Frame] = []
        self.closed = asyncio.Event()
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._changed = asyncio.Event()
        self._pump = asyncio.create_task(self._receive())

    @classmethod
    async def connect(cls, target: str, *, greets: bool = True, settings: dict[int, int] | None = None) -> Self:
        """With `greets` off, not even the preface is sent."""
        host, _, port = target.rpartition(":")
        wire = cls(*await asyncio.open_connection(host, int(port)))
        if greets:
            wire.raw(PREFACE)
            wire.send(SettingsFrame(settings=settings or {}))
        return wire

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pump.cancel()
        self.writer.transport.abort()

    def raw(self, data: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(data)

    def send(self, *frames: Frame) -> None:
        self.raw(b"".join(frame.serialize() for frame in frames))

    async def drained(self) -> bool:
        """Whether all that was sent has left; false if the other side is gone."""
        try:
            await self.writer.drain()
        except ConnectionError:
            return False
        return not self.closed.is_set()

    def head(self, stream: int, pairs: Iterable[tuple[str, str]] = (), *, end: bool = False, **named: str) -> None:
        """A call's HEADERS. Names of `named` with a leading underscore are pseudo-headers."""
        given = {
            ":method": "POST",
            ":scheme": "http",
            ":path": COMPLETE,
            ":authority": "test",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        given |= {(":" + name[1:] if name[0] == "_" else name.replace("_", "-")): said for name, said in named.items()}
        self.headers(stream, [*((name, said) for name, said in given.items() if said), *pairs], end=end)

    def headers(self, stream: int, pairs: list[tuple[Any, Any]], *, end: bool = False) -> None:
        """A block of headers, in as many frames as it takes. Each stands alone: no table."""
        block = self._encoder.encode([(name, said, True) for name, said in pairs], huffman=False)
        parts = [block[at : at + MAX_FRAME] for at in range(0, len(block), MAX_FRAME)]
        first = HeadersFrame(stream, data=parts[0], flags=["END_STREAM"] if end else [])
        frames: list[Any] = [first, *(ContinuationFrame(stream, data=part) for part in parts[1:])]
        frames[-1].flags.add("END_HEADERS")
        self.send(*frames)

    def body(self, stream: int, data: bytes, *, end: bool = True) -> None:
        """DATA, whatever the windows say."""
        for at in range(0, max(len(data), 1), MAX_FRAME):
            last = at + MAX_FRAME >= len(data)
            self.send(DataFrame(stream, data=data[at : at + MAX_FRAME], flags=["END_STREAM"] if end and last else []))

    async def ending(self, stream: int) -> dict[str, str]:
        """The headers and trailers of a stream that ended; {"reset": code} if it was reset; {"closed": ""}."""
        seen: dict[str, str] = {}
        async with asyncio.timeout(ANSWER_S):
            at = 0
            while True:
                for frame in self.came[at:]:
                    at += 1
                    if frame.stream_id != stream:
                        continue
                    if isinstance(frame, HeadersFrame):
                        seen |= frame.decoded  # type: ignore[attr-defined]
                        if "END_STREAM" in frame.flags:
                            return seen
                    elif isinstance(frame, RstStreamFrame):
                        return {**seen, "reset": str(frame.error_code)}
                if self.closed.is_set():
                    return {**seen, "closed": ""}
                await self._change()

    async def goaway(self) -> tuple[int, bytes]:
        """Error code and text of the last GOAWAY; -1 if the connection ended without one."""
        async with asyncio.timeout(ANSWER_S):
            while not self.closed.is_set():
                await self._change()
        told = [frame for frame in self.came if isinstance(frame, GoAwayFrame)]
        return (told[-1].error_code, told[-1].additional_data) if told else (-1, b"")

    async def until(self, kind: type[Frame], count: int = 1) -> list[Frame]:
        """The frames of a kind, once there are so many."""
        async with asyncio.timeout(ANSWER_S):
            while len(found := [frame for frame in self.came if isinstance(frame, kind)]) < count:
                assert not self.closed.is_set()
                await self._change()
        return found

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _receive(self) -> None:
        try:
            while True:
                await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
            self._changed.set()

    async def _frame(self) -> None:
        frame, size = Frame.parse_frame_header(memoryview(await self.reader.readexactly(9)))
        frame.parse_body(memoryview(await self.reader.readexactly(size)))
        if isinstance(frame, HeadersFrame):
            frame.decoded = dict(self._decoder.decode(frame.data))  # type: ignore[attr-defined]
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(flags=["ACK"]))
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(opaque_data=frame.opaque_data, flags=["ACK"]))
        self.came.append(frame)
        self._changed.set()


def window(stream: int, increment: int) -> WindowUpdateFrame:
    return WindowUpdateFrame(stream, window_increment=increment)


def told(ending: dict[str, str], kind: type[Any]) -> Any:
    """The detail of that kind in an ending; None if it has none."""
    packed = ending.get("grpc-status-details-bin", "")
    for one in status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4))).details:
        if one.Is(kind.DESCRIPTOR):
            found = kind()
            one.Unpack(found)
            return found
    return None


def reason(ending: dict[str, str]) -> str:
    """ErrorInfo's reason, or what came instead."""
    info = told(ending, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else f"none in {ending}"


def framed(message: Message) -> bytes:
    """A message as gRPC sends it."""
    data = message.SerializeToString()
    return b"\0" + len(data).to_bytes(4) + data
