"""A provider that tests can script. It speaks real HTTP/1.1 over real sockets and does as it is told.

    async with FakeProvider() as provider:
        provider.script = sequence(rate_limited(retry_after="2"), chat(text="Hello there"))
        ...                                 # call provider.base_url + "/v1/chat/completions"
        request = await provider.seen(2)    # the second request, as soon as it is whole
        await request.closed.wait()         # the caller has gone

A script is `async def handler(request, send)`: it answers one request with the `Reply` it is given. A handler whose
connection goes away is cancelled. One that fails by itself makes the fake raise at the end of its `async with`.
`python -m tests.fakes.provider --port 0` serves from a process of its own and prints its port.
"""

import argparse
import asyncio
import json
import math
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
MAX_REQUEST = 128 * 1024 * 1024
"""Bytes of one request. A longer one ends the connection."""


@dataclass(eq=False, kw_only=True)
class SeenRequest:
    """One request as it arrived, and what became of its connection."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case; doubled ones joined by a comma."""
    head: bytes
    """Everything up to the empty line, and that line."""
    body: bytes
    at: float
    """When it was whole, by loop.time()."""
    connection: int
    """Number of its connection, from 1 on in the order of arrival."""
    closed: asyncio.Event
    """Set when the connection is gone, whoever closed it."""
    reply: "Reply"

    @property
    def closed_at(self) -> float:
        """When the connection was gone, by loop.time(); inf while it is there."""
        return self.reply.wire.closed_at

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """The answer to one request, whole with `send(...)` or in pieces. Each piece waits until the socket takes it."""

    def __init__(self, wire: "_Wire", limit: float = math.inf) -> None:
        self.wire = wire
        self.limit = limit
        """Bytes after which `cut` ends the connection."""
        self.reset_at_limit = False
        self.written = 0
        self.chunked = False

    async def __call__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A whole answer with Content-Length."""
        await self.raw(_head(status, {"content-length": str(len(body)), **(headers or {})}) + body)

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """A head. The body follows in chunks unless the headers give a length or end it with the connection."""
        given = dict(headers or {})
        names = {name.lower() for name in given}
        self.chunked = not names & {"content-length", "connection"}
        await self.raw(_head(status, {**given, "transfer-encoding": "chunked"} if self.chunked else given))

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    async def end(self) -> None:
        """The end of a chunked body. A body without length ends with `close`."""
        if self.chunked:
            await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """Bytes as they are, wrong ones too."""
        if self.wire.transport.is_closing():
            await self.stall()
        left = self.limit - self.written
        if len(data) >= left:
            self.wire.send(data[: int(left)])
            self.written += int(left)
            self.reset() if self.reset_at_limit else self.close()
            await self.stall()
        self.written += len(data)
        self.wire.send(data)
        await self.wire.writable.wait()

    async def stall(self) -> None:
        """Nothing more, until the caller goes away."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """End the connection in order, after what was written."""
        self.wire.transport.close()

    def reset(self) -> None:
        """End the connection with a TCP reset. What was not yet sent is lost."""
        sock = self.wire.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.wire.transport.abort()

    @property
    def taken(self) -> int:
        """Bytes that the kernel has taken. It stands still when the caller does not read."""
        return self.written - self.wire.transport.get_write_buffer_size()


Handler = Callable[[SeenRequest, Reply], Awaitable[None]]


@dataclass(kw_only=True)
class Connections:
    accepted: int = 0
    open: int = 0


class FakeProvider:
    """Listens from `async with` on, on a port of its own, in the running loop."""

    def __init__(
        self,
        script: Handler | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep: int = 100_000,
    ) -> None:
        self.script: Handler = script or chat()
        self.host, self.port, self.tls = host, port, tls
        self.keep = keep
        """How many requests `requests` holds; later ones are answered and counted, but not kept."""
        self.requests: list[SeenRequest] = []
        self.connections = Connections()
        self.failures: list[BaseException] = []
        self._wires: set[_Wire] = set()
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    async def seen(self, count: int = 1) -> SeenRequest:
        """The request of that number, as soon as it is there."""
        while len(self.requests) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self.requests[count - 1]

    async def open_connections(self, count: int) -> None:
        """Return as soon as just so many connections are open."""
        while self.connections.open != count:
            self._changed.clear()
            await self._changed.wait()

    def drop_connections(self, *, reset: bool = False) -> None:
        """End all connections from the provider's side, also those that wait idle in the caller's pool."""
        for wire in list(self._wires):
            Reply(wire).reset() if reset else wire.transport.close()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Wire(self), self.host, self.port, ssl=self.tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for wire in list(self._wires):
            wire.transport.abort()
        await self.open_connections(0)
        if self.failures:
            raise self.failures[0]


class _Wire(asyncio.Protocol):
    """One connection of a caller."""

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider
        self.loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        self.closed_at = math.inf
        self.writable = asyncio.Event()
        self.buffer = bytearray()
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Small kernel buffers, so that a caller who does not read is felt after kilobytes, not megabytes.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.transport.set_write_buffer_limits(high=64 * 1024)
        self.writable.set()
        self.provider._wires.add(self)
        connections = self.provider.connections
        connections.accepted += 1
        connections.open += 1
        self.number = connections.accepted
        self.provider._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = self.loop.time()
        self.closed.set()
        if self.task is not None:
            self.task.cancel()
        self.provider._wires.discard(self)
        self.provider.connections.open -= 1
        self.provider._changed.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > MAX_REQUEST:
            self.transport.abort()
        elif self.task is None:
            self._next()

    def _next(self) -> None:
        """Answer the next request if it is whole."""
        end = self.buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = bytes(self.buffer[:end])
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = _joined(line.partition(":") for line in lines)
        whole = end + int(headers.get("content-length", "0"))
        if len(self.buffer) < whole:
            return
        body = bytes(self.buffer[end:whole])
        del self.buffer[:whole]
        method, target, _ = first.split(" ", 2)
        request = SeenRequest(
            method=method,
            target=target,
            headers=headers,
            head=head,
            body=body,
            at=self.loop.time(),
            connection=self.number,
            closed=self.closed,
            reply=Reply(self),
        )
        if len(self.provider.requests) < self.provider.keep:
            self.provider.requests.append(request)
            self.provider._arrived.set()
        self.task = self.loop.create_task(self._answer(request))

    async def _answer(self, request: SeenRequest) -> None:
        try:
            await self.provider.script(request, request.reply)
        except Exception as failure:  # noqa: BLE001 -- a script at fault must fail the test, whatever it raised
            self.provider.failures.append(failure)
            self.transport.abort()
        self.task = None
        if request.headers.get("connection", "").lower() == "close":
            self.transport.close()
        elif not self.transport.is_closing():
            self._next()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _joined(parts: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, _, text in parts:
        key, value = name.strip().lower(), text.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


# What a provider may do: handlers, ready made.


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of a model, before it takes the form of OpenAI chat completions."""

    text: str = "Hello! How can I help you today?"
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    """Of each call its id, the function's name and the arguments as JSON text."""
    finish_reason: str | None = "stop"
    """None: the finish reason never comes."""
    usage: tuple[int, int] | None = (9, 12)
    """Tokens in and out. None: no usage is reported."""
    model: str = "fake-model-2026-01-01"
    id: str = "chatcmpl-fake"
    created: int = 1_767_225_600
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further members of a unary answer and of each chunk."""

    def envelope(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, **self.extra}

    def usage_json(self) -> dict[str, int] | None:
        if self.usage is None:
            return None
        given, made = self.usage
        return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}

    def body(self) -> bytes:
        """The unary body."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id_, name, arguments in self.tool_calls
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        whole = {**self.envelope("chat.completion"), "choices": [choice]}
        if usage := self.usage_json():
            whole["usage"] = usage
        return json.dumps(whole).encode()

    def frames(self, chunks: int) -> list[bytes]:
        """The streamed body as SSE events: the role, `chunks` of text, tool calls, finish reason, usage, [DONE]."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in _pieces(self.text, chunks)]
        for index, (id_, name, arguments) in enumerate(self.tool_calls):
            opening = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
            deltas.append({"tool_calls": [opening]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in _pieces(arguments, chunks)
            ]
        base = self.envelope("chat.completion.chunk")
        events = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        if self.finish_reason is not None:
            events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]})
        if usage := self.usage_json():
            events.append({**base, "choices": [], "usage": usage})
        return [sse(event) for event in events] + [sse("[DONE]")]


def sse(event: Any) -> bytes:
    """One SSE event: text as it is, everything else as JSON."""
    text = event if isinstance(event, str) else json.dumps(event)
    return b"data: " + text.encode() + b"\n\n"


def _pieces(text: str, count: int) -> list[str]:
    """The text in at most `count` parts of about one size, none of them empty."""
    size = max(1, math.ceil(len(text) / max(1, count)))
    return [text[at : at + size] for at in range(0, len(text), size)]


def chat(answer: Answer | None = None, *, chunks: int = 8, interval_s: float = 0.0, **fields: Any) -> Handler:
    """What the default script does: OpenAI chat completions, streamed if the request asks for it.

    `fields` are those of Answer: chat(text="Hi", usage=None).
    """
    said = answer or Answer(**fields)
    unary, streamed = said.body(), stream(said, chunks=chunks, interval_s=interval_s)

    async def handler(request: SeenRequest, send: Reply) -> None:
        if request.target.partition("?")[0].rpartition("/")[2] != "completions":
            await send(404, json.dumps({"error": {"message": "no such path", "code": None}}).encode())
        elif request.json.get("stream"):
            await streamed(request, send)
        else:
            await send(200, unary, {"content-type": "application/json"})

    return handler


def chat_text(text: str, **fields: Any) -> Handler:
    """chat() with this text."""
    return chat(text=text, **fields)


def stream_text(text: str, *, chunks: int = 8, interval_s: float = 0.0, **fields: Any) -> Handler:
    """A streamed answer with this text, whatever was asked for."""
    return stream(Answer(text=text, **fields), chunks=chunks, interval_s=interval_s)


def stream(
    answer: Answer | None = None,
    *,
    chunks: int = 8,
    interval_s: float = 0.0,
    stall_after: int | None = None,
    end_after: int | None = None,
    error_after: int | None = None,
    error: Mapping[str, Any] | None = None,
) -> Handler:
    """A streamed answer, which may go wrong after so many SSE events (the first event has the role, the next text).

    `stall_after`: silence; 0 comes after the head and before the first token. `end_after`: the body ends in order, but
    the answer is not whole. `error_after`: an error event, as providers send it after status 200.
    """
    frames = (answer or Answer()).frames(chunks)
    trouble = sse({"error": error or {"message": "server had an error", "type": "server_error", "code": None}})

    async def handler(request: SeenRequest, send: Reply) -> None:
        await send.head(200, {"content-type": "text/event-stream"})
        for number, frame in enumerate(frames):
            if number == stall_after:
                await send.stall()
            if number == error_after:
                await send.chunk(trouble)
            if number in (end_after, error_after):
                break
            if interval_s and number:
                await asyncio.sleep(interval_s)
            await send.chunk(frame)
        await send.end()

    return handler


def silent() -> Handler:
    """Takes the request and never answers."""

    async def handler(request: SeenRequest, send: Reply) -> None:
        await send.stall()

    return handler


def status(code: int, body: bytes | Mapping[str, Any] = b"", headers: Mapping[str, str] | None = None) -> Handler:
    """A whole answer with that status. A mapping is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}

    async def handler(request: SeenRequest, send: Reply) -> None:
        await send(code, payload, {**kind, **(headers or {})})

    return handler


def rate_limited(*, retry_after: str = "1") -> Handler:
    """429 in OpenAI's form."""
    error = {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    return status(429, {"error": error}, {"retry-after": retry_after})


def raw(*pieces: bytes, interval_s: float = 0.0, close: bool = False) -> Handler:
    """These bytes, right or wrong. `close` ends the connection after them; else it stays."""

    async def handler(request: SeenRequest, send: Reply) -> None:
        for number, piece in enumerate(pieces):
            if interval_s and number:
                await asyncio.sleep(interval_s)
            await send.raw(piece)
        if close:
            send.close()

    return handler


def hang_up(*, reset: bool = False) -> Handler:
    """Takes the request and ends the connection without a byte."""

    async def handler(request: SeenRequest, send: Reply) -> None:
        send.reset() if reset else send.close()

    return handler


def cut(handler: Handler, *, at: int, reset: bool = False) -> Handler:
    """As `handler`, but the connection ends after so many bytes, head included; with a TCP reset or in order."""

    async def wrapped(request: SeenRequest, send: Reply) -> None:
        send.limit, send.reset_at_limit = at, reset
        await handler(request, send)

    return wrapped


def sequence(*handlers: Handler) -> Handler:
    """The first request gets the first handler and so on; from the last on they all get the last."""
    count = 0

    async def handler(request: SeenRequest, send: Reply) -> None:
        nonlocal count
        count += 1
        await handlers[min(count, len(handlers)) - 1](request, send)

    return handler


def flood(total: int, *, head: bytes | None = None, piece: bytes = b"x" * 65536) -> Handler:
    """A body of about `total` bytes, as fast as the socket takes it: `request.reply.taken` counts them.

    `head` replaces the head; whatever it is, nothing but `piece`, again and again, follows it.
    """
    count = math.ceil(total / len(piece))
    opening = _head(200, {"content-length": str(count * len(piece))}) if head is None else head

    async def handler(request: SeenRequest, send: Reply) -> None:
        await send.raw(opening)
        for _ in range(count):
            await send.raw(piece)

    return handler


def endless_headers(total: int = 1 << 30) -> Handler:
    """Header lines without an end."""
    return flood(total, head=b"HTTP/1.1 200 OK\r\n", piece=b"x-more: and more\r\n" * 3600)


def endless_line(total: int = 1 << 30) -> Handler:
    """One header whose value has no end."""
    return flood(total, head=b"HTTP/1.1 200 OK\r\nx-long: ")


async def _serve(port: int, script: Handler, host: str) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with FakeProvider(script, host=host, port=port, keep=0) as provider:
        print(provider.port, flush=True)
        await ended.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve chat completions until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", default=Answer.text)
    parser.add_argument("--chunks", type=int, default=8, help="events of text in a streamed answer")
    parser.add_argument("--interval-ms", type=float, default=0.0, help="time between events")
    given = parser.parse_args(arguments)
    script = chat(text=given.text, chunks=given.chunks, interval_s=given.interval_ms / 1000)
    asyncio.run(_serve(given.port, script, given.host))


if __name__ == "__main__":
    main()
