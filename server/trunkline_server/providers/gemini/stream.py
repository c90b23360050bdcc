"""A streamed answer of Gemini as events: each event of the stream is a whole GenerateContentResponse.

There is no mark for the end: Finished comes where the bytes end, and only if the provider gave a finish reason. An
error may stand between the events as bare JSON, also behind a finish reason
(https://github.com/vercel/ai/issues/5217).
"""

from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.decoder import AnswerDecoder, broken_off
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.gemini.answer import AnswerParts
from trunkline_server.providers.gemini.errors import reported_error
from trunkline_server.providers.gemini.wire import decode_chunk

__all__ = ["GenerateContentDecoder"]

_ERROR: Final = b"error"


class GenerateContentDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment, format_: str) -> None:
        self._answer = AnswerParts(deployment, format_)
        super().__init__(SseFraming(bare=_ERROR), self._answer.events)

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported so far; None if nothing."""
        return self._answer.usage

    @property
    def ending(self) -> bool:
        """Whether the provider gave its finish reason."""
        return self._answer.ending

    def take(self, name: bytes, payload: bytes) -> None:
        """One chunk. Raises UpstreamError."""
        if name == _ERROR:
            raise reported_error(payload)
        if payload[:1] != b"{":
            payload = payload.strip()
            if not payload or payload == b"[DONE]":  # proxies in front of Google end streams so
                return
        self._answer.take(decode_chunk(payload), payload)

    def finish_at_end(self) -> None:
        """The end of the bytes is the end of an answer that has a finish reason. Raises UpstreamBroken."""
        if not self._answer.ending:
            raise broken_off()
        self._answer.finish()
