"""The attempt trail: every try of a call, as its ending shows it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from google.protobuf.duration_pb2 import Duration

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import CapabilityMissing, GatewayError, UpstreamError
from trunkline_server.core.http import HttpRequest

SHARED = 8
"""Characters in a row that a provider's code and a secret may not have in common."""
MAX_UPSTREAM_ID = 128
"""Characters of a provider's id of a request; a longer one is left out."""
MAX_LEFT_OUT = 32
"""Paths of left-out fields that an attempt names. Of more it names one less, and says how many there are besides."""


class Attempt:
    """A try in progress, written into the call's trail as it goes."""

    def __init__(self, call: Call, deployment: Deployment, request: HttpRequest, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secrets = deployment.provider.secrets
        self.started_at = clock()
        self.entry = _entry(deployment)
        self.entry.started_after.CopyFrom(_duration(self.started_at - call.started_at))
        self.entry.left_out.extend(_told(request.left_out))
        call.attempts.append(self.entry)

    def presents(self, secrets: tuple[str, ...]) -> None:
        """The try presents a credential that has these in it."""
        self._secrets += secrets

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of an answer is here."""
        self.entry.http_status = status
        request_id = headers.get("x-request-id", "")
        if len(request_id) <= MAX_UPSTREAM_ID and request_id.isascii() and request_id.isprintable():
            self.entry.upstream_request_id = request_id

    def first_content(self) -> None:
        """The first content is here."""
        if not self.entry.HasField("time_to_first_token"):
            self.entry.time_to_first_token.CopyFrom(_duration(self._clock() - self.started_at))

    def end(self, outcome: "v1.AttemptOutcome.ValueType") -> None:
        """The try has ended. A second end changes nothing."""
        if self.entry.outcome == v1.ATTEMPT_OUTCOME_UNSPECIFIED:
            self.entry.outcome = outcome
            self.entry.duration.CopyFrom(_duration(self._clock() - self.started_at))

    def failed(self, error: GatewayError) -> None:
        """The try has failed."""
        self.entry.reason = error.reason_name
        if isinstance(error, UpstreamError):
            error.provider = self.entry.provider
            self.entry.http_status = error.http_status or self.entry.http_status  # a batch in parts has several
            self._keep_secret(error)
            self.entry.native_code = error.native_code
        self.end(v1.ATTEMPT_OUTCOME_FAILED)

    def _keep_secret(self, error: UpstreamError) -> None:
        """Some providers quote the key that they refuse, and codes are sent on to the caller.

        A code or path that has a part of a secret in it is dropped, with the message that repeats it; so is an id.
        """
        told = error.native_code + "\n" + error.param
        if any(shares(told, secret) for secret in self._secrets):
            error.native_code = error.param = ""
            error.message = error.message.partition(" (")[0]
            error.args = (error.message,)
        if any(shares(error.foreign_message, secret) for secret in self._secrets):
            error.foreign_message = ""
        if any(shares(self.entry.upstream_request_id, secret) for secret in self._secrets):
            self.entry.ClearField("upstream_request_id")


def shares(text: str, secret: str) -> bool:
    """Whether a text and a secret have SHARED characters in a row in common. What is shorter than that is no secret."""
    return any(secret[at : at + SHARED] in text for at in range(len(secret) - SHARED + 1))


@contextmanager
def attempt(call: Call, deployment: Deployment, request: HttpRequest, clock: Callable[[], float]) -> Iterator[Attempt]:
    """Record a try, however it ends."""
    trying = Attempt(call, deployment, request, clock)
    try:
        yield trying
    except GatewayError as error:
        trying.failed(error)
        raise
    except (asyncio.CancelledError, GeneratorExit):
        trying.end(v1.ATTEMPT_OUTCOME_CANCELLED)
        raise
    except BaseException:
        trying.end(v1.ATTEMPT_OUTCOME_FAILED)
        raise
    else:
        trying.end(v1.ATTEMPT_OUTCOME_SERVED)


def skipped(call: Call, deployment: Deployment, error: GatewayError) -> None:
    """Record that a deployment was not tried, and why."""
    entry = _entry(deployment)
    entry.outcome = v1.ATTEMPT_OUTCOME_SKIPPED
    entry.reason = error.reason_name
    if isinstance(error, CapabilityMissing):
        entry.left_out.extend(violation.field for violation in error.violations)
    call.attempts.append(entry)


def _told(left_out: Sequence[str]) -> Sequence[str]:
    if len(left_out) <= MAX_LEFT_OUT:
        return left_out
    told = left_out[: MAX_LEFT_OUT - 1]
    return (*told, f"and {len(left_out) - len(told)} more")


def _entry(deployment: Deployment) -> v1.Attempt:
    return v1.Attempt(
        deployment=deployment.name,
        provider=deployment.provider.name,
        upstream_model=deployment.upstream_model,
        region=deployment.region,
    )


def _duration(seconds: float) -> Duration:
    """To the microsecond: what is below that is noise."""
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
