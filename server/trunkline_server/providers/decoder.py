"""What the decoders of all dialects share: bytes in, frames to the dialect, events out.

1. The events are the same however the bytes are split. A failure comes after the events before it: from the call that
   would give no other event, which is the next one or `end`.
2. An answer has at most MAX_ANSWER_BYTES in its frames.
3. What follows Finished is ignored. An end without it is broken, unless the dialect knows that the answer is whole.
"""

from abc import ABC, abstractmethod
from typing import Final, Protocol

from trunkline import v1
from trunkline_server.core.errors import UpstreamBroken, UpstreamError, UpstreamMalformed
from trunkline_server.providers.events import AnswerEvents

__all__ = ["MAX_ANSWER_BYTES", "AnswerDecoder", "Framing", "broken_off"]

MAX_ANSWER_BYTES: Final = 64 << 20


class Framing(Protocol):
    """Cuts bytes into frames: a name and a payload."""

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that these bytes complete. Raises UpstreamMalformed; frames before the failure come first."""
        ...

    def end(self) -> list[tuple[bytes, bytes]]:
        """The frames that the end of the bytes leaves. Raises UpstreamError."""
        ...


class AnswerDecoder(ABC):
    """One streamed answer; a StreamDecoder (core/dialect.py). A dialect says what its frames mean."""

    def __init__(self, framing: Framing, events: AnswerEvents) -> None:
        self._framing = framing
        self.events = events
        self._failure: UpstreamError | None = None
        self._closed = False
        self._size = 0

    @property
    @abstractmethod
    def usage(self) -> v1.Usage | None:
        """What the provider has reported so far; None if nothing."""

    @property
    @abstractmethod
    def ending(self) -> bool:
        """Whether the provider gave its finish reason."""

    @abstractmethod
    def take(self, name: bytes, payload: bytes) -> None:
        """One frame. Raises UpstreamError. Write `events.finish` when the answer is whole."""

    def finish_at_end(self) -> None:
        """The bytes have ended without Finished. Raises UpstreamBroken, or finishes where the answer is whole."""
        raise broken_off()

    def feed(self, data: bytes) -> list[v1.StreamEvent]:
        """Events that these bytes complete. Raises UpstreamError."""
        if self._failure:
            raise self._failure
        if self._closed or not data:
            return []
        try:
            for name, payload in self._framing.feed(data):
                self._take(name, payload)
        except UpstreamError as error:
            return self._failed(error)
        return self.events.take()

    def end(self) -> list[v1.StreamEvent]:
        """Events that the end completes. Raises UpstreamBroken if the answer is not whole."""
        if self._failure:
            raise self._failure
        if self._closed:
            return []
        try:
            self._take_rest()
            if not self._closed:
                self.finish_at_end()
        except UpstreamError as error:
            return self._failed(error)
        self._closed = True
        return self.events.take()

    def _failed(self, error: UpstreamError) -> list[v1.StreamEvent]:
        """The events before a failure; the failure where there are none."""
        self._failure = error
        events = self.events.take()
        if not events:
            raise error
        return events

    def _take(self, name: bytes, payload: bytes) -> None:
        if self._closed:
            return
        self._size += len(payload)
        if self._size > MAX_ANSWER_BYTES:
            raise UpstreamMalformed(f"the provider sent an answer of more than {MAX_ANSWER_BYTES} bytes")
        self.take(name, payload)
        self._closed = self.events.finished

    def _take_rest(self) -> None:
        for name, payload in self._framing.end():
            try:
                self._take(name, payload)
            except UpstreamMalformed:
                return  # cut in the middle of an event: not the answer's end, whatever else is known


def broken_off() -> UpstreamBroken:
    """The failure of an answer that ends before it is whole."""
    return UpstreamBroken("the provider broke off in the middle of an answer")
