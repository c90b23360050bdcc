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


def add_usage(total: v1.Usage, more: v1.Usage) -> None:
    """Add `more` to `total`. A count that either does not know is not known of both."""
    for name in _COUNTS:
        if total.HasField(name) and more.HasField(name):
            setattr(total, name, getattr(total, name) + getattr(more, name))
        else:
            total.ClearField(name)
    for kinds in _KINDS:
        counts = {kind.modality: kind for kind in getattr(total, kinds)}
        for kind in getattr(more, kinds):
            if kind.modality in counts:
                counts[kind.modality].tokens += kind.tokens
            else:
                getattr(total, kinds).add(modality=kind.modality, tokens=kind.tokens)
