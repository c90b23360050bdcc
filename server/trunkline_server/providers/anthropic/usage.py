"""What an answer used, after Anthropic's own way of counting.

1. Its input tokens were neither read from a cache nor written to one; its output tokens include thinking.
2. What a compaction took stands among `iterations` alone. It is billed as the rest is, so it is counted in. What an
   advisor took is billed at another model's price, and is not.

Sources: BetaUsage and BetaIterationsUsage of the `anthropic` package, 2.12;
https://platform.claude.com/docs/en/build-with-claude/compaction-threshold.
"""

from collections.abc import Callable
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.toolcalls import add_tool_calls

__all__ = ["merged_usage", "usage_of"]

_MAX_INT64: Final = (1 << 63) - 1


def merged_usage(known: Any, told: Any) -> Any:
    """The counts so far: later ones replace earlier ones, and null tells nothing."""
    if not isinstance(told, dict):
        return known
    told = {name: value for name, value in told.items() if value is not None}
    return {**known, **told} if isinstance(known, dict) else told


def usage_of(wire: Any, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER) -> v1.Usage | None:
    """The provider's counts; None if it told none. A number that is no count is not known."""
    if not isinstance(wire, dict):
        return None
    usage, wires = v1.Usage(), [wire, *_compactions(wire)]
    read = _sum(wires, lambda each: count_of(each, "cache_read_input_tokens"))
    written = _sum(wires, _written)
    if read is not None:
        usage.cache_read_input_tokens = read
    if written is not None:
        usage.cache_write_input_tokens = written
    fresh = _sum(wires, lambda each: count_of(each, "input_tokens"))
    if fresh is not None and (total := fresh + (read or 0) + (written or 0)) <= _MAX_INT64:
        usage.input_tokens, usage.input_source = total, source
    if (count := _sum(wires, lambda each: count_of(each, "output_tokens"))) is not None:
        usage.output_tokens, usage.output_source = count, source
    if (count := count_of(wire.get("output_tokens_details"), "thinking_tokens")) is not None:
        usage.reasoning_output_tokens = count
    add_tool_calls(usage, wire)
    return usage if usage.ListFields() else None


def _compactions(wire: dict[str, Any]) -> list[Any]:
    iterations = wire.get("iterations")
    if not isinstance(iterations, list):
        return []
    return [each for each in iterations if isinstance(each, dict) and each.get("type") == "compaction"]


def _sum(wires: list[Any], count: Callable[[Any], int | None]) -> int | None:
    """All that is told; None where nothing is, or more than a count can be."""
    told = [number for number in map(count, wires) if number is not None]
    return total if told and (total := sum(told)) <= _MAX_INT64 else None


def _written(wire: Any) -> int | None:
    total = count_of(wire, "cache_creation_input_tokens")
    if total is not None:
        return total
    parts = wire.get("cache_creation")
    short, long = count_of(parts, "ephemeral_5m_input_tokens"), count_of(parts, "ephemeral_1h_input_tokens")
    return None if short is None and long is None else (short or 0) + (long or 0)
