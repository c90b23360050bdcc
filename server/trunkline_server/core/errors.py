"""Everything that can go wrong with a call, as nouns.

1. gRPC code and reason live on the class; what varies is data in the fields.
2. A message says what was wrong and how to mend it. It never holds text of a provider, a prompt, a key or an address
   of ours: messages leave the house.
3. Foreign exceptions are turned into these at the edge where they appear, with `raise ... from`.
"""

import random
from dataclasses import dataclass
from typing import ClassVar

from google.rpc import code_pb2

from trunkline import v1

__all__ = [
    "CallCancelled",
    "CapabilityMissing",
    "ContextLengthExceeded",
    "CredentialMissing",
    "DeadlineExceeded",
    "FieldViolation",
    "FirstTokenTimeout",
    "GatewayError",
    "HealthServiceUnknown",
    "IdleTimeout",
    "InternalFault",
    "InvalidMetadata",
    "InvalidRequest",
    "KeyNotFound",
    "KeyUnchangeable",
    "MalformedMessage",
    "MethodUnimplemented",
    "ModelNotFound",
    "Overloaded",
    "PermissionDenied",
    "ProviderOptionRefused",
    "QuotaExceeded",
    "StoreUnavailable",
    "Unauthenticated",
    "UpstreamAuthFailed",
    "UpstreamBroken",
    "UpstreamContentPolicy",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamMalformed",
    "UpstreamModelNotFound",
    "UpstreamOverloaded",
    "UpstreamQuotaExhausted",
    "UpstreamRateLimited",
    "UpstreamRejected",
    "UpstreamTooLong",
    "UpstreamUnreachable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """What is wrong with one field of a request."""

    field: str
    """Path in the request: "messages[0].blocks[1].media.mime_type"."""
    description: str
    """What is wrong, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaViolation:
    """A limit that a call did not pass."""

    limit: str
    """Name of the limit."""
    description: str
    """What it allows, what is left, when it comes back: "allows 600 requests a minute; 0 are left"."""


class GatewayError(Exception):
    """A failure that a caller may see."""

    code: ClassVar[code_pb2.Code] = code_pb2.INTERNAL
    reason: ClassVar["v1.ErrorReason.ValueType"] = v1.ERROR_REASON_INTERNAL

    def __init__(
        self,
        message: str,
        *,
        violations: tuple[FieldViolation, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = violations
        self.retry_after_s = retry_after_s
        """Seconds after which a repeat may succeed; None where a repeat can't help or nothing is known."""

    @property
    def reason_name(self) -> str:
        """The reason as callers read it: "MODEL_NOT_FOUND"."""
        return v1.ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")


class InvalidRequest(GatewayError):
    """Fields of the request are wrong. Always carries at least one violation."""

    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_INVALID_REQUEST

    def __init__(self, *violations: FieldViolation) -> None:
        first, more = violations[0], len(violations) - 1
        rest = f" (and {more} more)" if more else ""
        super().__init__(f"{first.field}: {first.description}{rest}", violations=violations)


class ProviderOptionRefused(InvalidRequest):
    """provider_options names a member that it may not set, or is not permitted."""

    reason = v1.ERROR_REASON_PROVIDER_OPTION_REFUSED


class MalformedMessage(GatewayError):
    """The bytes of the request are not the message they should be."""

    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_MALFORMED_MESSAGE


class InvalidMetadata(GatewayError):
    """Request metadata that is too large, doubled or has characters it may not have."""

    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_INVALID_METADATA


class ModelNotFound(GatewayError):
    """No such model."""

    code = code_pb2.NOT_FOUND
    reason = v1.ERROR_REASON_MODEL_NOT_FOUND


class HealthServiceUnknown(GatewayError):
    """A health check names no service of ours. The health protocol has a code for it, and no reason."""

    code = code_pb2.NOT_FOUND
    reason = v1.ERROR_REASON_HEALTH_SERVICE_UNKNOWN


class KeyNotFound(GatewayError):
    """An operator names a key that there is not."""

    code = code_pb2.NOT_FOUND
    reason = v1.ERROR_REASON_KEY_NOT_FOUND


class KeyUnchangeable(GatewayError):
    """The key can't be changed this way: it stands in the file, or it has ended. Says which, and what can be done."""

    code = code_pb2.FAILED_PRECONDITION
    reason = v1.ERROR_REASON_KEY_UNCHANGEABLE


class CapabilityMissing(GatewayError):
    """The deployment's dialect or model can't do what a field asks. Always carries the violation."""

    code = code_pb2.FAILED_PRECONDITION
    reason = v1.ERROR_REASON_CAPABILITY_MISSING

    def __init__(self, violation: FieldViolation) -> None:
        super().__init__(f"{violation.field}: {violation.description}", violations=(violation,))


class CredentialMissing(GatewayError):
    """The provider needs a credential and has none."""

    code = code_pb2.FAILED_PRECONDITION
    reason = v1.ERROR_REASON_CREDENTIAL_MISSING


class MethodUnimplemented(GatewayError):
    """No such method, or not yet."""

    code = code_pb2.UNIMPLEMENTED
    reason = v1.ERROR_REASON_METHOD_UNIMPLEMENTED


class Overloaded(GatewayError):
    """The gateway has as many calls, or as much of requests, as it takes. Nothing was started."""

    code = code_pb2.RESOURCE_EXHAUSTED
    reason = v1.ERROR_REASON_OVERLOADED
    RETRY_FROM_S: ClassVar = 0.05
    RETRY_TO_S: ClassVar = 0.25

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        # Jitter, so that those refused together do not come back together.
        soon = random.uniform(self.RETRY_FROM_S, self.RETRY_TO_S)  # noqa: S311 - nothing secret about it
        super().__init__(message, retry_after_s=soon if retry_after_s is None else retry_after_s)


class Unauthenticated(GatewayError):
    """No proof of who calls, or not a valid one. Never says which part of it was wrong to someone who guesses."""

    code = code_pb2.UNAUTHENTICATED
    reason = v1.ERROR_REASON_UNAUTHENTICATED


class PermissionDenied(GatewayError):
    """The principal may not do this. Names what, and who can allow it."""

    code = code_pb2.PERMISSION_DENIED
    reason = v1.ERROR_REASON_PERMISSION_DENIED


class QuotaExceeded(GatewayError):
    """Limits of the principal are reached; each is named. Nothing was started."""

    code = code_pb2.RESOURCE_EXHAUSTED
    reason = v1.ERROR_REASON_QUOTA_EXCEEDED

    def __init__(self, *exceeded: QuotaViolation, retry_after_s: float | None) -> None:
        """`retry_after_s`: when a repeat succeeds if nobody else calls; None where it never will."""
        first, more = exceeded[0], len(exceeded) - 1
        rest = f" (and {more} more)" if more else ""
        super().__init__(f"limit {first.limit}: {first.description}{rest}", retry_after_s=retry_after_s)
        self.exceeded = exceeded


class StoreUnavailable(GatewayError):
    """A store that the answer depends on can't be reached, or did not answer in time. Not the caller's fault."""

    code = code_pb2.UNAVAILABLE
    reason = v1.ERROR_REASON_STORE_UNAVAILABLE


class DeadlineExceeded(GatewayError):
    """The caller's deadline came."""

    code = code_pb2.DEADLINE_EXCEEDED
    reason = v1.ERROR_REASON_DEADLINE_EXCEEDED


class FirstTokenTimeout(GatewayError):
    """No content came within the caller's limit for the first token."""

    code = code_pb2.DEADLINE_EXCEEDED
    reason = v1.ERROR_REASON_FIRST_TOKEN_TIMEOUT


class CallCancelled(GatewayError):
    """The caller went away. Never sent; it is what records say."""

    code = code_pb2.CANCELLED
    reason = v1.ERROR_REASON_CANCELLED


class InternalFault(GatewayError):
    """A fault of the gateway. Its cause stays home."""


class UpstreamError(GatewayError):
    """A provider failed. Of its answer only status, code and parameter path leave; its message stays home."""

    code = code_pb2.UNAVAILABLE
    reason = v1.ERROR_REASON_UPSTREAM_FAILED

    def __init__(
        self,
        message: str,
        *,
        http_status: int = 0,
        native_code: str = "",
        param: str = "",
        foreign_message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.http_status = http_status
        """0 if there was no answer."""
        self.native_code = native_code
        """The provider's code or type: at most 64 characters of A-Z, a-z, 0-9, dot, dash and underscore."""
        self.param = param
        """Path of the parameter that the provider complains of, of the same characters and brackets."""
        self.foreign_message = foreign_message
        """The provider's words, at most 512 bytes. For records under content policy; never in a status or a log."""
        self.provider = ""
        """Name of the provider; the router fills it in."""
        self.renewed = False
        """True if it did not take a credential that another one takes the place of; the router fills it in."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, or it broke before an answer began."""

    reason = v1.ERROR_REASON_UPSTREAM_UNREACHABLE


class UpstreamBroken(UpstreamError):
    """The provider broke off in the middle of an answer."""

    reason = v1.ERROR_REASON_UPSTREAM_BROKEN


class UpstreamMalformed(UpstreamError):
    """The provider sent something that is not its own format, or beyond a bound."""

    reason = v1.ERROR_REASON_UPSTREAM_MALFORMED


class UpstreamTooLong(UpstreamError):
    """The provider's answer is beyond the bound on whole answers. It would be again, and billed again."""

    reason = v1.ERROR_REASON_UPSTREAM_TOO_LONG


class UpstreamFailed(UpstreamError):
    """The provider failed: HTTP 5xx, or an error in the middle of a stream."""


class UpstreamOverloaded(UpstreamError):
    """The provider says it is overloaded."""

    reason = v1.ERROR_REASON_UPSTREAM_OVERLOADED


class UpstreamRateLimited(UpstreamError):
    """The provider's limit for our account is reached."""

    code = code_pb2.RESOURCE_EXHAUSTED
    reason = v1.ERROR_REASON_UPSTREAM_RATE_LIMITED


class UpstreamQuotaExhausted(UpstreamError):
    """Our account at the provider is out of credit."""

    code = code_pb2.FAILED_PRECONDITION
    reason = v1.ERROR_REASON_UPSTREAM_QUOTA_EXHAUSTED


class UpstreamAuthFailed(UpstreamError):
    """The provider does not take our credential. INTERNAL: the caller's own credential was fine."""

    code = code_pb2.INTERNAL
    reason = v1.ERROR_REASON_UPSTREAM_AUTH_FAILED


class UpstreamRejected(UpstreamError):
    """The provider refused the request as wrong."""

    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_UPSTREAM_REJECTED


class ContextLengthExceeded(UpstreamError):
    """The prompt does not fit the model's context."""

    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED


class UpstreamModelNotFound(UpstreamError):
    """The provider knows no such model."""

    code = code_pb2.FAILED_PRECONDITION
    reason = v1.ERROR_REASON_UPSTREAM_MODEL_NOT_FOUND


class UpstreamContentPolicy(UpstreamError):
    """The provider's policy forbids the request."""

    code = code_pb2.PERMISSION_DENIED
    reason = v1.ERROR_REASON_UPSTREAM_CONTENT_POLICY


class IdleTimeout(UpstreamError):
    """The provider fell silent for longer than the idle limit."""

    reason = v1.ERROR_REASON_IDLE_TIMEOUT
