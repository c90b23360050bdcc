"""One exchange with a provider: a request out, an answer in, whatever is asked for.

1. Whatever happens, the connection is given back or closed before the exchange is over.
2. Silence and size are bounded; what is beyond a bound is a failure with a name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trunkline_server.core.credential import Presenter
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import Dialect
from trunkline_server.core.errors import FirstTokenTimeout, GatewayError, IdleTimeout, UpstreamTooLong
from trunkline_server.core.http import HttpRequest
from trunkline_server.routing.trail import Attempt
from trunkline_server.upstream import Upstream, UpstreamResponse

OK: Final = 200
MAX_ERROR_BODY: Final = 64 * 1024
"""Bytes of a failed answer that are read; the rest is cut."""
ERROR_BODY_S: Final = 1.0
"""How long they are waited for: the status alone says enough to go elsewhere."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLimits:
    """The operator's limits in time and size."""

    first_token_s: float | None
    """An attempt without content after this long is given up for another deployment, if there is one."""
    idle_s: float
    """Longest silence of a provider after the first content."""
    max_response_bytes: int
    """Largest body of a unary answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Asks providers. One object for all calls of a worker."""

    upstream: Upstream
    dialects: Mapping[str, Dialect]
    limits: RouterLimits
    presenter: Callable[[Provider], Presenter | None]
    clock: Clock

    def dialect(self, deployment: Deployment) -> Dialect:
        """What the provider speaks."""
        return self.dialects[deployment.provider.dialect]

    async def whole(
        self, deployment: Deployment, http: HttpRequest, trying: Attempt, *, until: float, idle_s: float
    ) -> bytes:
        """The body of an answer with status 200. `until` is the limit for its first byte, `idle_s` that for silence."""
        with await self.open(deployment, http, trying, until=until) as response:
            return await self.read_whole(response, until, idle_s)

    async def open(
        self, deployment: Deployment, http: HttpRequest, trying: Attempt, *, until: float
    ) -> UpstreamResponse:
        """A response with status 200. Raises what another status means."""
        presenter = self.presenter(deployment.provider) if deployment.provider.presents else None
        try:
            if presenter is not None:
                http = await presenter.present(http, until=until)
                trying.presents(presenter.secrets)
            response = await self.upstream.open(http, until=until)
        except TimeoutError as error:
            raise FirstTokenTimeout("the provider did not answer within the limit for the first token") from error
        trying.answered(response.status, response.headers)
        if response.status == OK:
            return response
        with response:
            body = await _read_some(response, min(until, self.clock() + ERROR_BODY_S))
        failure = self.dialect(deployment).decode_error(response.status, response.headers, body)
        if presenter is not None:
            failure.renewed = presenter.refused(http, response.status, response.headers)
        raise failure

    async def read_whole(self, response: UpstreamResponse, until: float, idle_s: float) -> bytes:
        """The body of an answer in one piece. Once its head is there, silence is bounded as in a stream."""
        limit = self.limits.max_response_bytes
        pieces: list[bytes] = []
        size = 0
        while data := await self.read(response, until, self.clock() + idle_s):
            size += len(data)
            if size > limit:
                raise UpstreamTooLong(f"the provider's answer is longer than {limit} bytes; ask for less")
            pieces.append(data)
        return b"".join(pieces)

    @staticmethod
    async def read(response: UpstreamResponse, until: float, silent_until: float) -> bytes:
        """What has come. `until` is the limit for the first content, `silent_until` that for silence."""
        try:
            return await response.read(until=min(until, silent_until))
        except TimeoutError as error:
            if silent_until < until:
                raise IdleTimeout("the provider fell silent in the middle of its answer") from error
            raise FirstTokenTimeout("no content came within the limit for the first token") from error


async def _read_some(response: UpstreamResponse, until: float) -> bytes:
    """The start of a failed answer's body; what breaks while it is read is not what failed."""
    body = bytearray()
    try:
        while len(body) < MAX_ERROR_BODY and (data := await response.read(until=until)):
            body += data
    except (GatewayError, TimeoutError):
        pass
    return bytes(body[:MAX_ERROR_BODY])
