"""One connection to a provider: bytes in, the head and the body of one answer after another out.

                    send               final head            end of message
    IDLE ---------------------> SENT ---------------> BODY ------------------> WHOLE
      ^                           |                     |                        |
      |                           | lost, malformed     | lost, malformed        | recycle
      |                           v                     v                        |
      |                          DEAD <---------------- + <--- not reusable -----+
      +--------------------------------------------------------- reusable -------+

 In BODY an answer may linger: nobody reads it any more, but its end is awaited for a moment, to keep the connection.

1. Bytes nobody asked for (in IDLE, or after the end of a message) end the connection: it is never used again.
2. Parsed bytes wait in `_waiting`, at most PAUSE_AT + RECEIVE_SIZE of them: beyond PAUSE_AT reading is paused.
3. The head is counted by us and cut off at the bound, because httptools gathers an endless header silently and in
   quadratic time. So are trailers and chunk extensions: that many bytes without a byte of body end the answer, give
   or take one RECEIVE_SIZE.
4. A body ends with the connection only where HTTP says so (no length, no chunks), and only if the end was in order. A
   TLS peer that leaves without a farewell is told from one that ended in order by uvloop, not by asyncio's own loop.
"""

import asyncio
import enum
import math
from collections.abc import Callable
from typing import cast

import httptools

from trunkline_server.core.errors import UpstreamBroken, UpstreamError, UpstreamMalformed, UpstreamUnreachable

RECEIVE_SIZE = 64 * 1024
"""Bytes taken from the kernel at a time, into a buffer that all connections of a worker share."""
MAX_READ = 16 * 1024
"""Bytes handed out at a time, so that decoding one read does not hold up the loop."""
PAUSE_AT = MAX_READ
MAX_HEADERS = 512
"""Header lines of one answer. Beyond it UpstreamMalformed."""
LINGER_S = 0.25
"""How long the end of an answer that nobody reads any more is awaited."""
LINGER_BYTES = 4096
"""How much of it may come meanwhile."""
JOIN_BELOW = 64 * 1024
"""Bodies below this leave in one write with their head; larger ones are not worth the copy."""

CONTINUE, SWITCHING_PROTOCOLS, OK = 100, 101, 200
BODILESS = frozenset({204, 304})
_SUCCESSES = range(200, 300)


class State(enum.Enum):
    """Where a connection stands; see the diagram above."""

    IDLE = enum.auto()
    SENT = enum.auto()
    BODY = enum.auto()
    WHOLE = enum.auto()
    DEAD = enum.auto()


# Names of their own: a member of an Enum class costs a look-up that is felt per chunk.
IDLE, SENT, BODY, WHOLE, DEAD = State


class Connection(asyncio.BufferedProtocol):
    """A connection and the answer that is under way on it. One request at a time, one reader at a time."""

    __slots__ = (
        "_buffer",
        "_failure",
        "_head_bytes",
        "_keep_alive",
        "_linger_ended",
        "_loop",
        "_max_header_bytes",
        "_orderly_end",
        "_pairs",
        "_parser",
        "_paused",
        "_quiet_bytes",
        "_state",
        "_timer",
        "_timer_at",
        "_transport",
        "_until",
        "_until_close",
        "_waiter",
        "_waiting",
        "headers",
        "idle_since",
        "status",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        max_header_bytes: int,
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._max_header_bytes = max_header_bytes
        self._parser: httptools.HttpResponseParser | None = None
        self._state = IDLE
        self._waiting = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._until = self._timer_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._failure: UpstreamError | None = None
        self._linger_ended: Callable[[], None] | None = None
        self._pairs: list[tuple[bytes, bytes]] = []
        self._paused = self._keep_alive = self._until_close = self._orderly_end = False
        self._head_bytes = self._quiet_bytes = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.idle_since = 0.0

    # What the client asks for.

    def send(self, head: bytes, body: bytes) -> None:
        """Start an exchange. The whole request is handed to the transport at once; the caller has bounded its size."""
        self._state = SENT
        self._head_bytes = self._quiet_bytes = 0
        if len(body) < JOIN_BELOW:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def wait_for_head(self, until: float) -> None:
        """Return when `status` and `headers` are those of the final head, or raise what came instead."""
        while self._state is SENT:
            await self._wait(until)
        if self._failure is not None:
            raise self._failure

    async def read(self, until: float) -> bytes:
        """Bytes that wait, at most MAX_READ; b"" after the last. Those before a failure come before the failure."""
        while not self._waiting and self._state is BODY:
            await self._wait(until)
        if self._waiting:
            return self._take()
        if self._failure is not None:
            raise self._failure
        return b""

    def recycle(self, now: float) -> bool:
        """Make ready for the next request. False if that can't be: then the connection is aborted."""
        if self._state is not WHOLE or not self._keep_alive or self._transport.get_write_buffer_size():
            self.abort()
            return False
        self._state = IDLE
        self._waiting.clear()
        self._resume()
        self.idle_since = now
        return True

    def linger(self, ended: Callable[[], None]) -> bool:
        """Drop what still comes of the answer, and call `ended` at its end. False if there is nothing to wait for.

        A body that goes on for more than LINGER_S or LINGER_BYTES is aborted.
        """
        if self._state is not BODY:
            return False
        self._linger_ended = ended
        self._waiting.clear()
        self._resume()
        self._disarm()
        self._timer = self._loop.call_later(LINGER_S, self.abort)
        return True

    def abort(self) -> None:
        """End the connection now, without a farewell: the provider sees it at once. Whoever still reads is told."""
        self._fail(UpstreamBroken("the answer was closed before its end"))

    @property
    def usable(self) -> bool:
        """Whether an idle connection can take a request, as far as is known."""
        return self._state is IDLE and not self._transport.is_closing()

    async def _wait(self, until: float) -> None:
        """Wait for the next event. Raises TimeoutError at `until`; the answer can still be read then."""
        self._until = until
        if until < self._timer_at:
            self._arm(until)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _arm(self, at: float) -> None:
        """Set the one timer.

        It is left to run when a wait ends, because the next limit mostly lies beyond it: so a stream costs a timer
        now and then instead of one per chunk.
        """
        self._disarm()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._waiter is None or self._waiter.done() or self._until == math.inf:
            return
        if (now := self._loop.time()) >= self._until:
            self._waiter.set_exception(TimeoutError())
        else:
            # At least a millisecond, because uvloop counts in them and rounds down: else this would spin.
            self._arm(max(self._until, now + 0.001))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._linger_ended is not None:
            self._go_on_lingering(self._linger_ended)

    def _go_on_lingering(self, ended: Callable[[], None]) -> None:
        if self._state is not BODY:
            self._linger_ended = None
            self._disarm()
            ended()
        elif len(self._waiting) > LINGER_BYTES:
            self.abort()

    def _take(self) -> bytes:
        waiting = self._waiting
        if len(waiting) <= MAX_READ:
            data = bytes(waiting)
            waiting.clear()
        else:
            data = bytes(memoryview(waiting)[:MAX_READ])
            del waiting[:MAX_READ]
        if self._paused and len(waiting) < PAUSE_AT:
            self._resume()
        return data

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _fail(self, failure: UpstreamError) -> None:
        """The answer can't become whole. After its end that is no matter, but the connection is done with."""
        if self._state in (SENT, BODY):
            self._failure = failure
        if self._state is not WHOLE:
            self._state = DEAD
        self._keep_alive = False
        self._transport.abort()
        self._wake()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: a plain one, or one of TLS after its handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """The shared buffer. It is parsed before anyone else can be given it, in `buffer_updated`."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came."""
        if self._state is not SENT and self._state is not BODY:
            self._fail(UpstreamMalformed("the provider sent bytes nobody asked for"))
            return
        try:
            if self._state is SENT:
                self._feed_head(nbytes)
            else:
                self._feed_body(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            failure = UpstreamMalformed("the provider's answer is no valid HTTP/1.1")
            failure.__cause__ = error
            self._fail(failure)
        if len(self._waiting) >= PAUSE_AT and not self._paused and self._state is BODY:
            self._paused = True
            self._transport.pause_reading()

    def _feed_head(self, nbytes: int) -> None:
        room = self._max_header_bytes - self._head_bytes
        self._head_bytes += nbytes
        self._feed(self._buffer[: min(room, nbytes)])
        if nbytes > room:
            if self._state is SENT:
                self._fail(UpstreamMalformed("the head of the provider's answer is beyond the bound"))
            elif self._state is BODY:
                self._feed_body(self._buffer[room:nbytes])

    def _feed_body(self, data: memoryview) -> None:
        self._quiet_bytes += len(data)
        self._feed(data)
        if self._quiet_bytes > self._max_header_bytes and self._state is BODY:
            self._fail(UpstreamMalformed("trailers or chunk extensions of the provider's answer are beyond the bound"))

    def _feed(self, data: memoryview) -> None:
        if self._parser is not None:
            self._parser.feed_data(data)

    def eof_received(self) -> None:
        """The provider ended the connection in order; `connection_lost` follows, because nothing is returned."""
        self._orderly_end = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Say what the end of the connection means for the answer."""
        was, self._state = self._state, DEAD
        self._disarm()
        self._parser = None  # It holds our bound methods: without this the pair would wait for the garbage collector.
        whole = self._until_close and self._orderly_end
        if was is SENT and not self._head_bytes:
            self._failure = UpstreamUnreachable("the provider ended the connection before an answer began")
        elif was is SENT or (was is BODY and not whole):
            self._failure = UpstreamBroken("the provider ended the connection inside its answer")
        if self._failure is not None and self._failure.__cause__ is None:
            self._failure.__cause__ = exc
        self._wake()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """A message starts. One that no request stands for ends the connection."""
        if self._state is not SENT:
            self._fail(UpstreamMalformed("the provider sent bytes nobody asked for"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header; those of trailers are dropped."""
        if self._state is SENT:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is there: an informational one is skipped, the final one is checked and shown."""
        if self._state is not SENT or self._parser is None:
            return
        status, pairs, self._pairs = self._parser.get_status_code(), self._pairs, []
        if CONTINUE <= status < OK and status != SWITCHING_PROTOCOLS:
            return
        if status < OK or len(pairs) > MAX_HEADERS:
            self._fail(UpstreamMalformed("the head of the provider's answer is none that we can take"))
            return
        self.status, self.headers = status, _joined(pairs)
        self._keep_alive = self._parser.should_keep_alive()
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self._fail(UpstreamMalformed("the provider's answer has a transfer encoding that was not asked for"))
        elif status in _SUCCESSES and self.headers.get("content-encoding", "identity").lower() != "identity":
            # Of a failure status and headers say enough: what a proxy packed is still a 429, to be left alone.
            self._fail(UpstreamMalformed("the provider's answer has a content encoding that was not asked for"))
        else:
            framed = "transfer-encoding" in self.headers or "content-length" in self.headers
            self._until_close = not framed and status not in BODILESS
            self._state = BODY
            self._wake()

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body until it is read."""
        if self._state is BODY:
            self._quiet_bytes = 0
            self._waiting += data
            self._wake()

    def on_message_complete(self) -> None:
        """The end of a message; that of an informational one means nothing."""
        if self._state is BODY:
            self._state = WHOLE
            self._wake()


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; doubled ones joined by ", " (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
