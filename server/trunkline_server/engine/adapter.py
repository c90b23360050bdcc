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

from trunkline.request_id import new_request_id
from trunkline_server.core.call import Call
from trunkline_server.core.ending import CallEnded, Ending, ending, foreseen
from trunkline_server.core.errors import MethodUnimplemented
from trunkline_server.core.faults import FaultLog
from trunkline_server.engine.handlers import CALL, Behaviour, Context, Handler, behaviour_of, with_behaviour
from trunkline_server.engine.method import Method

REQUEST_ID: Final = "trunkline-request-id"
PUSHBACK: Final = "grpc-retry-pushback-ms"
STATUS_DETAILS: Final = "grpc-status-details-bin"
MARGIN_S: Final = 0.020
MARGIN_SHARE: Final = 0.05
"""The gateway ends a call min(MARGIN_S, MARGIN_SHARE of the time) before its deadline."""
MAX_TIME_S: Final = 24 * 3600.0
"""gRPC takes deadlines of 11,000 years; the gateway does not."""
MAX_REQUEST_ID: Final = 128

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class Calls:
    """The open calls of a worker. repr: "3 open"."""

    def __init__(self) -> None:
        self._open: set[Call] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, call: Call) -> None:
        """A call begins."""
        self._open.add(call)
        self._idle.clear()

    def discard(self, call: Call) -> None:
        """A call has ended, its clean-up included."""
        self._open.discard(call)
        if not self._open:
            self._idle.set()

    async def all_ended(self) -> None:
        """Return when no call is open."""
        await self._idle.wait()

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"Calls({len(self._open)} open)"


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
    ) -> None:
        self._methods = methods
        self._calls = calls
        self._faults = faults
        self._clock = clock
        self._default_timeout_s = default_timeout_s
        self._unknown = with_behaviour(self._enter(None, _unknown_method))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of a method with the adapter around it, or one that says that there is no such method."""
        handler = await continuation(handler_call_details)
        method = self._methods.get(handler_call_details.method)
        if handler is None or method is None:
            return self._unknown
        return with_behaviour(self._enter(method, behaviour_of(handler)))

    def _enter(self, method: Method | None, inner: Behaviour) -> Behaviour:
        async def behave(requests: Any, context: Context) -> None:
            call = self._open(method, context)
            CALL.set(call)
            self._calls.add(call)
            try:
                async with asyncio.timeout_at(None if call.deadline == math.inf else call.deadline):
                    await inner(requests, context)
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                return
            except CallEnded as ended:
                last = ended.ending
            except BaseException as error:  # noqa: BLE001 - nothing may pass that a caller would read or hang on
                last = self._unforeseen(error, call)
            finally:
                call.request = None  # it may be large, and a caller that does not read keeps the ending waiting
                self._calls.discard(call)
            if _cancelled():
                raise asyncio.CancelledError
            await _abort(context, call, last)

        return behave

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
        if failure is not error:
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
    if isinstance(given, str) and 0 < len(given) <= MAX_REQUEST_ID and given.isascii() and given.isprintable():
        return given
    return new_request_id()
