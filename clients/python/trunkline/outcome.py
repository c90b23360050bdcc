"""How an earlier call ended."""

from datetime import UTC, datetime

from trunkline import v1
from trunkline.completion import Completion
from trunkline.errors import CLIENT_DOMAIN, TrunklineError, Unavailable
from trunkline.status import error_from_outcome

__all__ = ["Outcome", "outcome_request"]


def outcome_request(request_id: str | None, idempotency_key: str | None) -> v1.GetOutcomeRequest:
    """Asks for a call by one of its two names."""
    if request_id and not idempotency_key:
        return v1.GetOutcomeRequest(request_id=request_id)
    if idempotency_key and not request_id:
        return v1.GetOutcomeRequest(idempotency_key=idempotency_key)
    raise TypeError("request_id or idempotency_key: give one of them")


class Outcome:
    """Where a call stands: `response` is the message of the contract.

    For example:
        import trunkline

        with trunkline.Client() as client:
            outcome = client.outcome("poem-1")  # as request_id= said when the call was made
            if outcome.running:
                print(outcome.request_id, "has been running since", outcome.started_at)
            elif outcome.error is not None:
                print("failed at", outcome.ended_at, outcome.error.reason)
            else:
                print(outcome.usage.output_tokens, outcome.completion and outcome.completion.text)
    """

    __slots__ = ("error", "response")

    def __init__(self, response: v1.GetOutcomeResponse) -> None:
        self.response = response
        self.error: TrunklineError | None = _error(response)
        """What the call failed with, as it would have been raised; None for a call that runs or ended well."""

    @property
    def running(self) -> bool:
        """True while the call has not ended."""
        return self.response.state == v1.OUTCOME_STATE_RUNNING

    @property
    def completion(self) -> Completion | None:
        """The answer, where the gateway keeps content for this key."""
        return Completion(self.response.response) if self.response.HasField("response") else None

    @property
    def usage(self) -> v1.Usage:
        """Tokens used. Numbers that nobody knows are unset: ask HasField before you take 0 for an answer."""
        return self.response.finished.usage

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records."""
        return self.response.request_id

    @property
    def started_at(self) -> datetime | None:
        """When the call came in, in UTC."""
        return self._time("started_at")

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC."""
        return self._time("ended_at")

    def _time(self, field: str) -> datetime | None:
        if not self.response.HasField(field):  # type: ignore[arg-type] # one of the two above
            return None
        moment: datetime = getattr(self.response, field).ToDatetime(tzinfo=UTC)
        return moment

    def __repr__(self) -> str:
        known = self.response.state in v1.OutcomeState.values()  # a newer gateway may have more states
        state = v1.OutcomeState.Name(self.response.state) if known else str(self.response.state)
        return f"Outcome({self.request_id}, {state.removeprefix('OUTCOME_STATE_')}, {self.error!r})"


def _error(response: v1.GetOutcomeResponse) -> TrunklineError | None:
    if response.state == v1.OUTCOME_STATE_RUNNING:
        return None
    if response.code:
        return error_from_outcome(response)
    if response.state == v1.OUTCOME_STATE_WORKER_LOST:
        return Unavailable(
            "the gateway's process that held the call died",
            reason="WORKER_LOST",
            domain=CLIENT_DOMAIN,
            partial=v1.PartialResult(usage=response.finished.usage),
            request_id=response.request_id,
        )
    return None
