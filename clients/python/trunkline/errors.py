"""What a call can fail with, as exceptions. Nothing of gRPC is loaded here.

1. Every failure of a call is a TrunklineError; its class follows the gRPC status code, its reason says more.
2. No message and no repr holds the api key or the prompt.
3. No reason is empty: where nobody told one, the client gives its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from trunkline.signpost import Signposted

if TYPE_CHECKING:
    from trunkline import v1
    from trunkline.completion import Completion

__all__ = [
    "Aborted",
    "AlreadyExists",
    "BrokenStream",
    "Cancelled",
    "DeadlineExceeded",
    "FieldViolation",
    "InternalError",
    "InvalidOutput",
    "InvalidRequest",
    "NotFound",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "TrunklineError",
    "TurnLimit",
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
MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
"""`reason` where gRPC refused a message, here or at the gateway; the message has its size and the bound."""
TLS_FAILED = "TLS_FAILED"
"""`reason` where somebody answered and TLS failed; the message says how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """What is wrong with one field of a request, or which limit was met.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                client.complete("fast", "Hi", temperature=-1)
            except trunkline.InvalidRequest as error:
                violation: trunkline.FieldViolation
                for violation in error.violations:
                    print(violation.field, violation.description)
    """

    field: str
    """Path in the request: "messages[0].blocks[1].media.mime_type"; the name of the limit for a quota."""
    description: str


class TrunklineError(Signposted, Exception):
    """A call failed. `str()` is the gateway's message, which says what was wrong and how to mend it.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("nope", "Hi").text)
            except trunkline.TrunklineError as error:
                print(error.code, error.reason, error.domain, error.request_id)
                if error.partial is not None:
                    print("used by then:", error.partial.usage)
    """

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
        "CLIENT_POOL_BUSY", "CLIENT_POOL_FULL", "MESSAGE_TOO_LARGE", "NO_STATUS", "HTTP_502" and its like,
        "OUTPUT_INVALID", "OUTPUT_CUT", "OUTPUT_REFUSED", "TURN_LIMIT", "WORKER_LOST", else the status code."""
        self.domain = domain if reason else domain or CLIENT_DOMAIN
        """Who says so: "trunkline.dev" for the gateway, the provider's name for a provider, else this client."""
        self.retry_after = retry_after
        """After this time a repeat may succeed. None: a repeat can't help, or nothing is known."""
        self.violations = violations
        self.partial = partial
        """What had been used and sent by then, where the gateway told."""
        self.request_id = request_id
        """Names the call in the gateway's records; give it to the operator."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied, and sent between processes, by calling its class with the message; ours take more.
        return _again, (type(self), self.message), self.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}, {self.reason}: {self.message})"


def _again(kind: type[TrunklineError], message: str) -> TrunklineError:
    """An error without its members, which are set after it."""
    return kind.__new__(kind, message)


class InvalidRequest(TrunklineError):
    """The request is wrong; `violations` name the fields.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                client.complete("fast", "Hi", temperature=-1)
            except trunkline.InvalidRequest as error:
                print([violation.field for violation in error.violations])
    """

    default_code = "INVALID_ARGUMENT"


class NotFound(TrunklineError):
    """No such model or call.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                client.complete("nope", "Hi")
            except trunkline.NotFound as error:
                print(error.reason, "there are", [model.name for model in client.models()])
    """

    default_code = "NOT_FOUND"


class AlreadyExists(TrunklineError):
    """The call with this idempotency key has ended and its answer is not kept.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Write a poem.", idempotency_key="poem-1").text)
            except trunkline.AlreadyExists:
                print("poem-1 was written before")
    """

    default_code = "ALREADY_EXISTS"


class Unauthenticated(TrunklineError):
    """No api key, or not a valid one.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.").text)
            except trunkline.Unauthenticated as error:
                print("set TRUNKLINE_API_KEY:", error)
    """

    default_code = "UNAUTHENTICATED"


class PermissionDenied(TrunklineError):
    """The key may not do that, or a provider's policy forbids it.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.").text)
            except trunkline.PermissionDenied as error:
                print("ask the operator:", error, error.request_id)
    """

    default_code = "PERMISSION_DENIED"


class RateLimited(TrunklineError):
    """A limit is met, the key's, the gateway's or the provider's; `reason` says whose.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.").text)
            except trunkline.RateLimited as error:
                print("whose limit:", error.reason, error.domain, "again after:", error.retry_after)
    """

    default_code = "RESOURCE_EXHAUSTED"


class PreconditionFailed(TrunklineError):
    """The gateway can't do this as it is set up: a capability, a credential or credit is missing.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.", seed=7, top_k=3).text)
            except trunkline.PreconditionFailed as error:
                print(error.reason, error)
    """

    default_code = "FAILED_PRECONDITION"


class Aborted(TrunklineError):
    """A call with the same idempotency key is running.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Write a poem.", idempotency_key="poem-1").text)
            except trunkline.Aborted as error:
                print("poem-1 is being written, ask again after", error.retry_after)
    """

    default_code = "ABORTED"


class DeadlineExceeded(TrunklineError):
    """The deadline came, here or at the gateway.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                client.complete("fast", "Write a novel.", timeout=0.5)
            except trunkline.DeadlineExceeded as error:
                print(error.reason, error.partial)
    """

    default_code = "DEADLINE_EXCEEDED"


class Unavailable(TrunklineError):
    """The gateway can't be reached, the connection to it broke, it is shutting down, or no provider could answer.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.").text)
            except trunkline.Unavailable as error:
                print(error.reason, error.retry_after)
    """

    default_code = "UNAVAILABLE"


class Cancelled(TrunklineError):
    """The call was cancelled.

    For example:
        import trunkline

        with trunkline.Client() as client:
            stream = client.stream("fast", "Count to a thousand.")
            stream.close()
            try:
                stream.collect()
            except trunkline.Cancelled as error:
                print(error)
    """

    default_code = "CANCELLED"


class Unimplemented(TrunklineError):
    """The gateway has no such method.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.outcome("poem-1").running)
            except trunkline.Unimplemented:
                print("this gateway does not tell how earlier calls ended")
            except trunkline.NotFound:
                print("there was no such call")
    """

    default_code = "UNIMPLEMENTED"


class InternalError(TrunklineError):
    """A fault of the gateway or of its account at a provider.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "Say hello.").text)
            except trunkline.InternalError as error:
                print("tell the operator:", error.reason, error.request_id)
    """

    default_code = "INTERNAL"


class BrokenStream(TrunklineError):
    """A stream broke the contract: it ended without Finished, or its events don't make an answer.

    For example:
        import trunkline

        with trunkline.Client() as client, client.stream("fast", "Count to five.") as stream:
            try:
                print(stream.collect().text)
            except trunkline.BrokenStream as error:
                print("not whole:", error)
    """

    default_code = "DATA_LOSS"

    def __init__(self, message: str, *, partial: v1.PartialResult | None = None, request_id: str = "") -> None:
        super().__init__(message, reason="STREAM_BROKEN", domain=CLIENT_DOMAIN, partial=partial, request_id=request_id)


class InvalidOutput(TrunklineError):
    """An answer came, and it is not of the type that was asked for.

    `reason` is "OUTPUT_INVALID" for an answer that does not fit, "OUTPUT_CUT" for one that ended at a bound before it
    was whole, "OUTPUT_REFUSED" where the model or its provider declined.

    For example:
        import trunkline

        with trunkline.Client() as client:
            try:
                print(client.complete("fast", "What is six times seven?", output=int).output)
            except trunkline.InvalidOutput as error:
                print(error.reason, error.path, error.completion.text, error.completion.usage)
    """

    default_code = "DATA_LOSS"

    def __init__(self, message: str, *, reason: str, completion: Completion[Any], path: str = "") -> None:
        super().__init__(message, reason=reason, domain=CLIENT_DOMAIN, request_id=completion.request_id)
        self.completion = completion
        """The answer as it came, with its text and what it used."""
        self.path = path
        """Where in the JSON text: "$.places[0].city". Empty where there is no such place."""


class TurnLimit(TrunklineError):
    """A run made all its turns, and the model still asks for tools.

    The tools of the last turn have run: `messages` end with their results, and another run can go on from there.

    For example:
        import trunkline

        def search(words: str) -> str:
            '''Search the archive.'''
            return "Nothing found. Try other words."

        with trunkline.Client() as client:
            try:
                print(client.run("fast", "When was the bridge built?", tools=[search], max_turns=3).collect().text)
            except trunkline.TurnLimit as error:
                print(client.complete("fast", [*error.messages, trunkline.User("Answer with what you know.")]).text)
    """

    default_code = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, messages: tuple[v1.Message, ...], request_id: str = "") -> None:
        super().__init__(message, reason="TURN_LIMIT", domain=CLIENT_DOMAIN, request_id=request_id)
        self.messages = messages
        """The whole conversation so far."""


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
