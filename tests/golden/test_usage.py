"""Tokens are counted one way, whoever answered: input includes what a cache gave or took, output includes reasoning.

The numbers were worked out by hand from each provider's own, of whole answers and of streams; the sums are written out
where a provider counts a part apart.
"""

from dataclasses import dataclass

import pytest

from tests.golden.folders import find
from trunkline_server.providers.registry import ROWS

EXCHANGES = {each.name: each for each in find().exchanges}


@dataclass(frozen=True, kw_only=True)
class Used:
    """What an exchange used; None where the provider does not tell."""

    input: int
    output: int
    read: int | None = None
    written: int | None = None
    reasoning: int | None = None
    tools: int | None = None


TABLE = {
    "alibaba/reasoning": Used(input=60, output=40, read=32, written=16, reasoning=30),
    "anthropic/cache": Used(input=4 + 1800 + 2060, output=5, read=1800, written=2060),
    "anthropic/reasoning_replayed": Used(input=803 + 600, output=77, read=600, written=0, reasoning=31),
    "azure-responses/tool": Used(input=61, output=42, read=0, written=0, reasoning=24),
    "azure/text": Used(input=12, output=3, read=0, reasoning=0),
    "bedrock/cache_read": Used(input=18 + 7502, output=5, read=7502, written=0),
    "bedrock/cache_write": Used(input=18 + 7502, output=5, read=0, written=7502),
    "cerebras/reasoning": Used(input=40, output=30, read=16, reasoning=20),
    "cohere/cached": Used(input=1470, output=2, read=1408),
    "databricks/reasoning": Used(input=40, output=60, read=32, written=0),
    "deepseek/reasoning": Used(input=64 + 6, output=60, read=64, reasoning=45),
    "fireworks/reasoning": Used(input=31, output=30, read=16),
    "gemini/cached": Used(input=4200, output=2, read=4096),
    "gemini/code_execution": Used(input=30 + 88, output=60 + 12, reasoning=12, tools=88),
    "gemini/grounding": Used(input=10 + 120, output=40 + 51, reasoning=51, tools=120),
    "groq/reasoning": Used(input=90, output=40, read=64, reasoning=22),
    "huggingface/text": Used(input=31, output=20),
    "litellm/reasoning": Used(input=60, output=40, read=32, written=16, reasoning=30),
    "llamacpp/reasoning": Used(input=31, output=20, read=16),
    "lmstudio/json": Used(input=31, output=20, reasoning=12),
    "local/characters": Used(input=45, output=24, read=5),
    "minimax/reasoning": Used(input=60, output=40, read=48, reasoning=30),
    "mistral/parallel_tools": Used(input=21, output=37, read=16),
    "moonshot/reasoning": Used(input=60, output=40, read=48),
    "nebius/reasoning": Used(input=31, output=20, read=16),
    "nvidia/reasoning": Used(input=31, output=20),
    "ollama/reasoning": Used(input=31, output=20),
    "openai-responses/reasoning_replay": Used(input=210, output=61, read=128, written=0, reasoning=40),
    "openai/cached_and_reasoning_usage": Used(input=3000, output=900, read=2048, written=512, reasoning=896),
    "openrouter/parallel_tools_with_reasoning": Used(input=300, output=90, read=256, written=32, reasoning=70),
    "parasail/text": Used(input=31, output=20, reasoning=0),
    "perplexity/citations": Used(input=33, output=120 + 2000, reasoning=2000),
    "sambanova/text": Used(input=31, output=20, read=0),
    "sglang/reasoning": Used(input=31, output=20, read=16, reasoning=12),
    "together/reasoning": Used(input=31, output=20, read=16),
    "vertex/claude_text": Used(input=12, output=6, read=0, written=0),
    "vertex/tool_replay": Used(input=90, output=12 + 30, reasoning=30),
    "vllm/reasoning": Used(input=31, output=20, read=16),
    "xai/reasoning": Used(input=100, output=9 + 131, read=80, reasoning=131),
    "zai/reasoning": Used(input=60, output=40, read=48, reasoning=30),
}
STREAMED_ONLY = {"local/characters"}


@pytest.mark.parametrize("name", TABLE)
def test_usage(name: str) -> None:
    """The whole answer and the stream give the counts of the table, and nothing that the provider did not tell."""
    exchange = EXCHANGES[name]
    told = [exchange.response["finished"]["usage"]] if exchange.response else []
    told += [event["finished"]["usage"] for event in exchange.events if "finished" in event]
    assert len(told) == (1 if name in STREAMED_ONLY else 2)
    for usage in told:
        found = Used(
            input=int(usage["inputTokens"]),
            output=int(usage["outputTokens"]),
            read=_count(usage, "cacheReadInputTokens"),
            written=_count(usage, "cacheWriteInputTokens"),
            reasoning=_count(usage, "reasoningOutputTokens"),
            tools=_count(usage, "toolInputTokens"),
        )
        assert found == TABLE[name]
        assert usage["inputSource"] == usage["outputSource"] == "USAGE_SOURCE_PROVIDER"


def _count(usage: dict[str, str], name: str) -> int | None:
    return int(usage[name]) if name in usage else None


def test_every_provider_is_in_the_table() -> None:
    """A new row of the registry needs a line here."""
    assert {name.partition("/")[0] for name in TABLE} == set(ROWS)
