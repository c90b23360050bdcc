"""Adds up what several calls used."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trunkline import v1

__all__ = ["total"]

_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "tool_input_tokens",
)


def total(usages: Iterable[v1.Usage]) -> v1.Usage:
    """The sum. A number that one call does not tell is left out of it; one that none tells stays unset.

    Sums are as well known as the least of what they are made of: PROVIDER, else ESTIMATED, else PARTIAL.
    """
    given = list(usages)
    whole = v1.Usage()
    for name in _COUNTS:
        told = [getattr(usage, name) for usage in given if usage.HasField(name)]
        if told:
            setattr(whole, name, sum(told))
    if given:
        whole.input_source = _source([usage.input_source for usage in given])
        whole.output_source = _source([usage.output_source for usage in given])
    for usage in given:
        _add(whole.input_by_modality, usage.input_by_modality, "modality", "tokens")
        _add(whole.output_by_modality, usage.output_by_modality, "modality", "tokens")
        _add(whole.provider_tool_calls, usage.provider_tool_calls, "tool", "calls")
    return whole


def _source(sources: Sequence[Any]) -> Any:
    if len(set(sources)) == 1:
        return sources[0]
    lesser = {v1.USAGE_SOURCE_PARTIAL, v1.USAGE_SOURCE_UNSPECIFIED}.intersection(sources)
    return v1.USAGE_SOURCE_PARTIAL if lesser else v1.USAGE_SOURCE_ESTIMATED


def _add(entries: Any, more: Iterable[Any], key: str, count: str) -> None:
    for entry in more:
        same = next((each for each in entries if getattr(each, key) == getattr(entry, key)), None)
        if same is None:
            entries.add().CopyFrom(entry)
        else:
            setattr(same, count, getattr(same, count) + getattr(entry, count))
