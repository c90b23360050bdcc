"""A whole answer of Gemini as a CompleteResponse: what the events of its one chunk fold to."""

from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.gemini.answer import AnswerParts
from trunkline_server.providers.gemini.wire import decode_chunk

__all__ = ["decode_response"]


def decode_response(body: bytes, deployment: Deployment, format_: str) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken without a finish reason, or what the body reports."""
    answer = AnswerParts(deployment, format_)
    answer.take(decode_chunk(body), body)
    answer.finish()
    return fold(answer.events.take())
