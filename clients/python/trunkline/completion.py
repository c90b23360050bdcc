"""A whole answer, as people use it."""

from trunkline import v1

__all__ = ["Completion"]


class Completion:
    """An answer: the message of the contract in `response`, and what is wanted most often beside it."""

    __slots__ = ("response",)

    def __init__(self, response: v1.CompleteResponse) -> None:
        self.response = response

    @property
    def message(self) -> v1.Message:
        """The assistant's turn. Append it to the conversation as it is: signatures and ids travel back with it."""
        return self.response.message

    @property
    def text(self) -> str:
        """All text of the answer, joined."""
        return "".join(block.text.text for block in self.message.blocks if block.HasField("text"))

    @property
    def reasoning(self) -> str:
        """What the model thought, joined: the thought where it is shown, else its summary."""
        thoughts = [block.reasoning for block in self.message.blocks if block.HasField("reasoning")]
        return "".join(thought.text or thought.summary for thought in thoughts)

    @property
    def tool_calls(self) -> tuple[v1.ToolCall, ...]:
        """The tools that the model asks for. Look at `arguments_valid` before you parse `arguments_json`."""
        return tuple(block.tool_call for block in self.message.blocks if block.HasField("tool_call"))

    @property
    def finish_reason(self) -> "v1.FinishReason.ValueType":
        """Why the model stopped: v1.FINISH_REASON_STOP and its like."""
        return self.response.finished.finish_reason

    @property
    def usage(self) -> v1.Usage:
        """Tokens used. Numbers that nobody knows are unset: ask HasField before you take 0 for an answer."""
        return self.response.finished.usage

    @property
    def left_out(self) -> tuple[str, ...]:
        """Parts of the request that the deployment which answered could not take: "messages[3].blocks[0].signature"."""
        attempts = self.response.finished.attempts
        served = [each for each in attempts if each.outcome == v1.ATTEMPT_OUTCOME_SERVED] or attempts[-1:]
        return tuple(path for each in served[-1:] for path in each.left_out)

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records."""
        return self.response.started.request_id

    def __repr__(self) -> str:
        known = self.finish_reason in v1.FinishReason.values()  # a newer gateway may have more reasons
        reason = v1.FinishReason.Name(self.finish_reason) if known else str(self.finish_reason)
        word = reason.removeprefix("FINISH_REASON_")
        return f"Completion({self.response.finished.model}, {word}, {len(self.message.blocks)} blocks)"
