"""What a wire dialect is: four pure verbs. No sockets, no clock, no await."""

from collections.abc import Mapping
from typing import Protocol

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest


class StreamDecoder(Protocol):
    """Bytes of one streamed answer in, events out. One object per answer.

    Bytes may be split anywhere; the events are the same. The first event is Started, the last is Finished. Blocks are
    started and stopped in order, and all are stopped before Finished.
    """

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported so far; None if nothing. For answers that are cut."""
        ...

    @property
    def ending(self) -> bool:
        """True once the provider gave its finish reason: only usage may follow, and `end` gives a whole answer."""
        ...

    def feed(self, data: bytes) -> list[v1.StreamEvent]:
        """Events that these bytes complete.

        Raises UpstreamMalformed for bytes that are not the format or beyond a bound, and another UpstreamError where
        the provider reports an error inside the stream. Bytes after Finished are ignored. Where events come before a
        failure, they are returned first and the next call raises it, be it `feed` or `end`.
        """
        ...

    def end(self) -> list[v1.StreamEvent]:
        """Events that the end of the body completes. Raises UpstreamBroken if the answer is not whole."""
        ...


class Embeddings(Protocol):
    """How vectors are asked for."""

    def most_inputs(self, deployment: Deployment) -> int:
        """How many inputs one request may hold. The router splits what is longer, and puts the answers together."""
        ...

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. `request` is valid, and holds at most `most_inputs` inputs.

        Raises CapabilityMissing naming the field that the dialect can't carry, and ProviderOptionRefused.
        """
        ...

    def decode(self, body: bytes, request: v1.EmbedRequest, deployment: Deployment) -> v1.EmbedResponse:
        """The answer in a body with status 200: vectors in the order of the inputs, served_model and usage.

        Raises UpstreamMalformed, also where there are not as many vectors as inputs, or another UpstreamError.
        """
        ...


class Counting(Protocol):
    """How the provider is asked to count the tokens of a request."""

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request for a count. Raises as Dialect.encode does.

        Raises CountingMissing where this deployment can't count, though others of the dialect can.
        """
        ...

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The answer in a body with status 200: input_tokens, source and served_model. Raises UpstreamError."""
        ...


class CountingMissing(Exception):
    """The provider does not count for this deployment; the gateway estimates."""


class Dialect(Protocol):
    """A wire format. Stateless: one object serves all calls."""

    @property
    def name(self) -> str:
        """The word for it in the configuration and in `provider_options`: "openai"."""
        ...

    @property
    def format(self) -> str:
        """The value of Origin.format for blocks it decodes."""
        ...

    @property
    def embeddings(self) -> Embeddings | None:
        """How vectors are asked for; None if the dialect has none."""
        ...

    @property
    def counting(self) -> Counting | None:
        """How token counts are asked for; None if the dialect has no such question."""
        ...

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request. `request` is valid already (services/validation.py), and that is relied on.

        Which block stands in which turn, and that the caller's JSON texts are JSON objects, is not looked at again: the
        texts are embedded as they are.

        Raises CapabilityMissing naming the field that the dialect can't carry, and ProviderOptionRefused naming the
        member of provider_options.
        """
        ...

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """The answer in a body with status 200.

        Filled in: `message`, and of `started` and `finished` what the provider states (served_model, response_id;
        finish reasons, matched stop, usage). The router adds the rest. Raises UpstreamMalformed, or another
        UpstreamError where the body reports one.
        """
        ...

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer; its events fold to what `decode` would give for the same answer."""
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer with another status than 200 tells of. `body` may be cut. Never raises."""
        ...
