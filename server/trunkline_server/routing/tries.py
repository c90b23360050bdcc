"""The tries of one call: where it goes first, and where after each failure.

1. Before the first content a failed attempt is followed by another, within the deadline; after it, never.
2. A request that no deployment can serve is refused before any socket opens.
"""

import asyncio
import math
import random

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import CapabilityMissing, FieldViolation, GatewayError, IdleTimeout
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.principal import Principal
from trunkline_server.routing.candidates import Encode, Queue, Routed, candidates
from trunkline_server.routing.catalogue import Find
from trunkline_server.routing.exchange import Clock
from trunkline_server.routing.retry import AGAIN, ELSEWHERE, GiveUp, decide


class Tries:
    """One call's. The deployment to ask now and what to send it; `after` a failure, the next."""

    def __init__(
        self, queue: Queue, call: Call, faults: FaultLog, *, until: float, clock: Clock, rng: random.Random
    ) -> None:
        self._queue = queue
        self._call = call
        self._faults = faults
        self._until = until
        self._clock = clock
        self._rng = rng
        self.deployment, self.http = queue.take()

    def has_another(self) -> bool:
        """Whether another deployment can take the call."""
        return self._queue.has_another()

    async def after(self, error: GatewayError) -> None:
        """Go to where the failed attempt is followed by another, and wait as long as that takes.

        Raises the failure where there is nothing to do.
        """
        if isinstance(error, (*ELSEWHERE, *AGAIN, IdleTimeout)):
            # The others are the caller's to mend, and not the operator's.
            self._faults.failed(self._call.attempts[-1], self._call)
        await asyncio.sleep(self._go_on(error))

    def _go_on(self, error: GatewayError) -> float:
        """Choose what comes next; after so many seconds."""
        tried = sum(1 for entry in self._call.attempts if entry.outcome != v1.ATTEMPT_OUTCOME_SKIPPED)
        while True:
            followed = decide(
                error,
                attempts=tried,
                others=not self._queue.empty,
                content_sent=self._call.content_sent,
                remaining_s=self._until - self._clock(),
                rng=self._rng,
            )
            if isinstance(followed, GiveUp):
                raise error
            if followed.same:
                return followed.delay_s
            try:
                self.deployment, self.http = self._queue.take()
            except GatewayError:
                continue  # none of the others can take the call: what is left is the same once more, or the failure
            return followed.delay_s


class Planner:
    """Plans the tries of all calls of a worker. `find` is asked anew for each: a reload is in force at once."""

    def __init__(self, find: Find, faults: FaultLog, *, clock: Clock, rng: random.Random) -> None:
        self._find = find
        self._faults = faults
        self._clock = clock
        self._rng = rng

    def candidates(self, request: Routed, principal: Principal | None) -> list[Deployment]:
        """Every deployment that a principal's call may go to, in order. Raises as `routing.candidates` does."""
        _refuse_unserved(request)
        return candidates(self._find, request, principal, self._rng)

    def tries(self, request: Routed, call: Call, encode: Encode, *, until: float = math.inf) -> Tries:
        """The tries of a call. `until`: when the caller's limit for the first content comes, beside the deadline."""
        queue = Queue(self.candidates(request, call.principal), encode, call)
        until = min(call.deadline, until)
        return Tries(queue, call, self._faults, until=until, clock=self._clock, rng=self._rng)


def _refuse_unserved(request: Routed) -> None:
    """Refuse what would have to be ignored otherwise: a caller that asks for it relies on it."""
    if request.idempotency_key:
        text = "this version of the gateway does not keep idempotency keys; leave it empty"
        raise CapabilityMissing(FieldViolation(field="idempotency_key", description=text))
    if request.routing.HasField("max_cost_nano_usd"):
        text = "this version of the gateway knows no prices, so it can't hold to a cost; leave it unset"
        raise CapabilityMissing(FieldViolation(field="routing.max_cost_nano_usd", description=text))
