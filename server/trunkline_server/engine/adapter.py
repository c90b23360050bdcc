"""The adapter: where gRPC ends and the gateway begins.

1. It is the outermost interceptor. Nothing comes out of it but an answer, a status with details, or the cancellation
   that gRPC itself asked for.
2. It opens the Call, keeps the registry of open ones, and ends each a little before its caller's deadline, so that
   the status still arrives.
3. A real cancellation is passed on, always: swallowing it leaks memory in gRPC (grpc/grpc#43360).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from trunkline.request_id import MAX_LENGTH, new_request_id
from trunkline_server.core.call import REQUEST_ID, Call
from trunkline_server.core.calls import Calls
from trunkline_server.core.ending import CallEnded, Ending, ending, foreseen
from trunkline_server.core.errors import InternalFault, MethodUnimplemented
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.peer import CallerCertificates
from trunkline_server.engine.handlers import CALL, Behaviour, Context, Handler, behaviour_of, with_behaviour
from trunkline_server.engine.method import Method

PUSHBACK: Final = "grpc-retry-pushback-ms"
STATUS_DETAILS: Final = "grpc-status-details-bin"
MARGIN_S: Final = 0.020
MARGIN_SHARE: Final = 0.05
"""The gateway ends a call min(MARGIN_S, MARGIN_SHARE of the time) before its deadline."""
MAX_TIME_S: Final = 24 * 3600.0
"""gRPC takes deadlines of 11,000 years; the gateway does not."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class Adapter(grpc.aio.ServerInterceptor):
    """Turns a gRPC call into a Call, and what comes of it into a gRPC ending."""

    def __init__(
        self,
        methods: dict[str, Method],
        calls: Calls,
        faults: FaultLog,
        *,
        clock: Callable[[], float],
        default_timeout_s: float,
        asks_certificates: bool = False,
    ) -> None:
        self._methods = methods
        self._calls = calls
        self._faults = faults
        self._clock = clock
        self._default_timeout_s = default_timeout_s
        self._certificates = CallerCertificates() if asks_certificates else None
        self._handlers: dict[str, Handler] = {}
        """Handlers of known methods with everything around them. Nothing in them depends on the call."""
        self._unknown = with_behaviour(self._enter(None, _unknown_method))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of a method with the adapter around it, or one that says that there is no such method."""
        name = handler_call_details.method
        if name in self._handlers:
            return self._handlers[name]
        method = self._methods.get(name)
        handler = await continuation(handler_call_details)
        if handler is None or method is None:
            return self._unknown
        self._handlers[name] = with_behaviour(self._enter(method, behaviour_of(handler)))
        return self._handlers[name]

    def _enter(self, method: Method | None, inner: Behaviour) -> Behaviour:
        async def behave(requests: Any, context: Context) -> None:
            call = self._open(method, context)
            CALL.set(call)
            self._calls.add(call)
            try:
                last = await self._run(call, inner(requests, context))
                if _cancelled():
                    raise asyncio.CancelledError
                if last is None:
                    context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                else:
                    await _abort(context, call, last)
            finally:
                self._calls.discard(call)  # not before the ending has left: a caller that does not read holds it up

        return behave

    async def _run(self, call: Call, running: Awaitable[None]) -> Ending | None:
        """Run the call within its deadline. Returns how it failed; None if it did not."""
        try:
            async with asyncio.timeout_at(None if call.deadline == math.inf else call.deadline):
                await running
        except CallEnded as ended:
            return ended.ending
        except BaseException as error:  # noqa: BLE001 - nothing may pass that a caller would read or hang on
            return self._unforeseen(error, call)
        finally:
            call.request = None  # it may be large, and the ending may have to wait
        return None

    def _open(self, method: Method | None, context: Context) -> Call:
        pairs = tuple(context.invocation_metadata() or ())
        metadata = dict(pairs)
        now = self._clock()
        return Call(
            request_id=_request_id(metadata.get(REQUEST_ID)),
            method=method.name if method is not None else "",
            metadata=metadata,
            metadata_pairs=pairs,
            peer=context.peer(),
            certificate=self._certificates.of(context.auth_context()) if self._certificates else None,
            started_at=now,
            deadline=self._deadline(now, context.time_remaining(), timed=method is None or method.timed),
        )

    def _deadline(self, now: float, remaining: float | None, *, timed: bool) -> float:
        if remaining is None:
            return now + self._default_timeout_s if timed else math.inf
        remaining = min(remaining, MAX_TIME_S)
        return now + remaining - min(MARGIN_S, MARGIN_SHARE * remaining)

    def _unforeseen(self, error: BaseException, call: Call) -> Ending:
        """What a caller is sent where no interceptor said it: a fault in one of them, or no interceptor at all."""
        failure = foreseen(error, call, now=self._clock(), cancelling=_cancelled())
        if isinstance(failure, InternalFault):
            self._faults.seen(error, call)
        return ending(failure, call)


async def _unknown_method(_requests: Any, _context: Context) -> None:
    raise MethodUnimplemented("there is no such method; server reflection lists those that there are")


def _cancelled() -> bool:
    """Whether gRPC asked for the cancellation of this task. The adapter's own time limit has taken its request back."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _abort(context: Context, call: Call, last: Ending) -> None:
    await context.abort(
        _CODES[last.status.code],
        last.status.message,
        (
            (STATUS_DETAILS, last.status.SerializeToString()),
            (PUSHBACK, str(last.pushback_ms)),
            (REQUEST_ID, call.request_id),
        ),
    )


def _request_id(given: str | bytes | None) -> str:
    """The caller's id if it can be sent back as it is, else a new one. The metadata policy refuses the others."""
    if isinstance(given, str) and 0 < len(given) <= MAX_LENGTH and given.isascii() and given.isprintable():
        return given
    return new_request_id()
