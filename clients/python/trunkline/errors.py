"""What a call can fail with, as exceptions. Nothing of gRPC is loaded here.

1. Every failure of a call is a TrunklineError; its class follows the gRPC status code, its reason says more.
2. No message and no repr holds the api key or the prompt.
3. No reason is empty: where nobody told one, the client gives its own.
"""

from dataclasses import dataclass
from datetime import timedelta

from trunkline import v1

__all__ = [
    "Aborted",
    "AlreadyExists",
    "BrokenStream",
    "Cancelled",
    "DeadlineExceeded",
    "FieldViolation",
    "InternalError",
    "InvalidRequest",
    "NotFound",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "TrunklineError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "error_class",
]

GATEWAY_DOMAIN = "trunkline.dev"
"""`domain` of what the gateway decided."""
CLIENT_DOMAIN = "client.trunkline.dev"
"""`domain` of what this client decided without asking the gateway, and of failures that came without details."""
CLIENT_CLOSED = "CLIENT_CLOSED"
"""`reason` where `close` of this client ended the call or came before it."""
CONNECTION_LOST = "CONNECTION_LOST"
"""`reason` where the connection broke after the answer had begun. What had come is not the whole answer."""
GATEWAY_UNREACHABLE = "GATEWAY_UNREACHABLE"
"""`reason` where no connection could be made, or it broke before anything of the answer came."""
TLS_FAILED = "TLS_FAILED"
"""`reason` where somebody answered and TLS failed; the message says how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """What is wrong with one field of a request, or which limit was met."""

    field: str
    """Path in the request: "messages[0].blocks[1].media.mime_type"; the name of the limit for a quota."""
    description: str


class TrunklineError(Exception):
    """A call failed. `str()` is the gateway's message, which says what was wrong and how to mend it."""

    default_code = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        domain: str = "",
        retry_after: timedelta | None = None,
        violations: tuple[FieldViolation, ...] = (),
        partial: v1.PartialResult | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        """Name of the gRPC status code: "NOT_FOUND"."""
        self.reason = reason or self.code
        """A name of v1.ErrorReason without its prefix: "MODEL_NOT_FOUND". With the domain "client.trunkline.dev" one of
        the client's own: "CONNECTION_LOST", "GATEWAY_UNREACHABLE", "TLS_FAILED", "STREAM_BROKEN", "CLIENT_CLOSED",
        "CLIENT_POOL_BUSY", "CLIENT_POOL_FULL", else the name of the status code."""
        self.domain = domain if reason else domain or CLIENT_DOMAIN
        """Who says so: "trunkline.dev" for the gateway, the provider's name for a provider, else this client."""
        self.retry_after = retry_after
        """After this time a repeat may succeed. None: a repeat can't help, or nothing is known."""
        self.violations = violations
        self.partial = partial
        """What had been used and sent by then, where the gateway told."""
        self.request_id = request_id
        """Names the call in the gateway's records; give it to the operator."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}, {self.reason}: {self.message})"


class InvalidRequest(TrunklineError):
    """The request is wrong; `violations` name the fields."""

    default_code = "INVALID_ARGUMENT"


class NotFound(TrunklineError):
    """No such model or call."""

    default_code = "NOT_FOUND"


class AlreadyExists(TrunklineError):
    """The call with this idempotency key has ended and its answer is not kept."""

    default_code = "ALREADY_EXISTS"


class Unauthenticated(TrunklineError):
    """No api key, or not a valid one."""

    default_code = "UNAUTHENTICATED"


class PermissionDenied(TrunklineError):
    """The key may not do that, or a provider's policy forbids it."""

    default_code = "PERMISSION_DENIED"


class RateLimited(TrunklineError):
    """A limit is met, the key's, the gateway's or the provider's; `reason` says whose."""

    default_code = "RESOURCE_EXHAUSTED"


class PreconditionFailed(TrunklineError):
    """The gateway can't do this as it is set up: a capability, a credential or credit is missing."""

    default_code = "FAILED_PRECONDITION"


class Aborted(TrunklineError):
    """A call with the same idempotency key is running."""

    default_code = "ABORTED"


class DeadlineExceeded(TrunklineError):
    """The deadline came, here or at the gateway."""

    default_code = "DEADLINE_EXCEEDED"


class Unavailable(TrunklineError):
    """The gateway can't be reached, the connection to it broke, it is shutting down, or no provider could answer."""

    default_code = "UNAVAILABLE"


class Cancelled(TrunklineError):
    """The call was cancelled."""

    default_code = "CANCELLED"


class Unimplemented(TrunklineError):
    """The gateway has no such method."""

    default_code = "UNIMPLEMENTED"


class InternalError(TrunklineError):
    """A fault of the gateway or of its account at a provider."""

    default_code = "INTERNAL"


class BrokenStream(TrunklineError):
    """A stream broke the contract: it ended without Finished, or its events don't make an answer."""

    default_code = "DATA_LOSS"

    def __init__(self, message: str, *, partial: v1.PartialResult | None = None, request_id: str = "") -> None:
        super().__init__(message, reason="STREAM_BROKEN", domain=CLIENT_DOMAIN, partial=partial, request_id=request_id)


_CLASSES: dict[str, type[TrunklineError]] = {
    cls.default_code: cls
    for cls in (
        InvalidRequest,
        NotFound,
        AlreadyExists,
        Unauthenticated,
        PermissionDenied,
        RateLimited,
        PreconditionFailed,
        Aborted,
        DeadlineExceeded,
        Unavailable,
        Cancelled,
        Unimplemented,
        InternalError,
    )
}


def error_class(code: str) -> type[TrunklineError]:
    """The exception for a status code's name; TrunklineError itself for codes without one of their own."""
    return _CLASSES.get(code, TrunklineError)
