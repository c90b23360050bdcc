"""How often a provider's own tools ran, as providers write it beside their counts of tokens.

A tool has one name wherever it runs: what a provider's word for the counter adds to it ("_requests", "_calls") is left
out, and other words for searching and reading the web are told as the usual ones.

Sources: ServerToolUsage of anthropic 2.12; ToolUsage of openai 3.54; https://docs.x.ai/developers/tools/tool-usage-details;
https://openrouter.ai/docs/client-sdks/python/components/bodyservertooluse; the pages on usage of Perplexity's Agent and
Sonar APIs, and of Alibaba's Responses API. Read in November 2026.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.counts import count_of

__all__ = ["MAX_TOOLS", "add_tool_calls", "tell_tool_calls"]

MAX_TOOLS: Final = 64
"""Most tools of one answer that are told; those after are left away."""
_MAX_NAME: Final = 64

_COUNTERS: Final[Mapping[str, str]] = {
    "server_tool_use": "_requests",  # Anthropic, OpenRouter: {"web_search_requests": 2}
    "server_side_tool_usage_details": "_calls",  # xAI: {"web_search_calls": 2}
}
"""Members that hold a counter for each tool -> what its name adds to the tool's."""
_OBJECTS: Final[Mapping[str, str]] = {
    "tool_usage": "num_requests",  # OpenAI: {"web_search": {"num_requests": 2}}
    "tool_calls_details": "invocation",  # Perplexity: {"search_web": {"invocation": 2}}
    "x_tools": "count",  # Alibaba: {"web_search": {"count": 2}}
}
"""Members that hold an object for each tool -> the counter in that."""
_PLAIN: Final[Mapping[str, str]] = {
    "num_search_queries": "web_search",  # Perplexity
    "num_sources_used": "search_source",  # xAI: it bills sources and not searches
}
"""Counters of one tool."""
_SAME: Final[Mapping[str, str]] = {"search_web": "web_search", "fetch_url": "web_fetch"}


def add_tool_calls(usage: v1.Usage, *told: Any) -> None:
    """What these objects of a provider tell of its tools. Never raises."""
    tell_tool_calls(usage, (pair for wire in told if isinstance(wire, dict) for pair in _counts(wire)))


def tell_tool_calls(usage: v1.Usage, counts: Iterable[tuple[str, int | None]]) -> None:
    """Tell of these tools, by name. Those that did not run, or of which nothing is known, are left away."""
    calls: dict[str, int] = {}
    for name, count in counts:
        tool = _SAME.get(name, name)
        if count and tool.isascii() and 0 < len(tool) <= _MAX_NAME:
            calls[tool] = max(calls.get(tool, 0), count)  # two counters of one tool count the same runs
    for tool in sorted(calls)[:MAX_TOOLS]:
        usage.provider_tool_calls.add(tool=tool, calls=calls[tool])


def _counts(wire: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    for member, suffix in _COUNTERS.items():
        tools = _object(wire.get(member))
        for name in tools:
            if name.endswith(suffix):
                yield name.removesuffix(suffix), count_of(tools, name)
    for member, counter in _OBJECTS.items():
        for tool, told in _object(wire.get(member)).items():
            yield tool, count_of(told, counter)
    for member, tool in _PLAIN.items():
        yield tool, count_of(wire, member)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
