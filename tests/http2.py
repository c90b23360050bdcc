"""A raw HTTP/2 client that speaks gRPC and enforces nothing: no deadline of its own, and no reading unless told."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.settings
from google.protobuf.message import Message

MAX_FRAME = 16384
"""Bytes of a frame that any peer takes. A body has to fit the first window, 64 KiB."""


@dataclass
class Stream:
    """What has come on one stream."""

    number: int
    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reset: int | None = None


class RawClient:
    """One connection. With `reads` off, no window is ever opened again after the first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reads: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._reads = reads
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._streams: dict[int, Stream] = {}
        self._flush()
        self._pump = asyncio.create_task(self._receive())

    @classmethod
    async def connect(cls, target: str, *, reads: bool = True) -> Self:
        host, _, port = target.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)), reads=reads)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pump.cancel()
        self._writer.transport.abort()

    def call(self, path: str, request: Message, **metadata: str) -> Stream:
        """Start a call; dashes in metadata names are written as underscores."""
        body = request.SerializeToString()
        return self.send(path, b"\0" + len(body).to_bytes(4) + body, **metadata)

    def send(self, path: str, data: bytes, *, end: bool = True, **metadata: str) -> Stream:
        """Start a call with these bytes of a body, whole or not."""
        number = self._h2.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "test",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in metadata.items()},
        }
        stream = self._streams[number] = Stream(number)
        self._h2.send_headers(number, list(headers.items()), end_stream=end and not data)
        for at in range(0, len(data), MAX_FRAME):
            self._h2.send_data(number, data[at : at + MAX_FRAME], end_stream=end and at + MAX_FRAME >= len(data))
        self._flush()
        return stream

    def cancel(self, stream: Stream) -> None:
        """RST_STREAM with CANCEL."""
        self._h2.reset_stream(stream.number, 8)
        self._flush()

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())

    async def _receive(self) -> None:
        while data := await self._reader.read(65536):
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()

    def _take(self, event: Any) -> None:
        stream = self._streams.get(getattr(event, "stream_id", 0))
        if stream is None:
            return
        match event:
            case h2.events.ResponseReceived():
                stream.headers = dict(event.headers)
            case h2.events.TrailersReceived():
                stream.trailers = dict(event.headers)
            case h2.events.DataReceived():
                stream.data += event.data
                if self._reads:
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamReset():
                stream.reset = event.error_code
                stream.ended.set()
            case h2.events.StreamEnded():
                stream.ended.set()
