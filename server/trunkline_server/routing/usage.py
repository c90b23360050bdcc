"""Sums of usage over several requests of one call."""

from typing import Final, Literal, get_args

from trunkline import v1

_Count = Literal[
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "tool_input_tokens",
]
_COUNTS: Final[tuple[_Count, ...]] = get_args(_Count)
_KINDS: Final = ("input_by_modality", "output_by_modality")
_MAX_INT64: Final = (1 << 63) - 1


def add_usage(total: v1.Usage, more: v1.Usage) -> None:
    """Add `more` to `total`. A count that either does not know is not known of both, nor is one beyond 64 bits."""
    for name in _COUNTS:
        known = total.HasField(name) and more.HasField(name)
        if known and (both := getattr(total, name) + getattr(more, name)) <= _MAX_INT64:
            setattr(total, name, both)
        else:
            total.ClearField(name)
    for kinds in _KINDS:
        counts = {kind.modality: kind for kind in getattr(total, kinds)}
        for kind in getattr(more, kinds):
            if kind.modality not in counts:
                getattr(total, kinds).add(modality=kind.modality, tokens=kind.tokens)
            elif (both := counts[kind.modality].tokens + kind.tokens) <= _MAX_INT64:
                counts[kind.modality].tokens = both
    calls = {ran.tool: ran for ran in total.provider_tool_calls}
    for ran in more.provider_tool_calls:
        if ran.tool not in calls:
            total.provider_tool_calls.add(tool=ran.tool, calls=ran.calls)
        elif (both := calls[ran.tool].calls + ran.calls) <= _MAX_INT64:
            calls[ran.tool].calls = both
