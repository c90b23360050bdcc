"""Who judges which dialect. One that nobody judges fails every test of its exchanges."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.golden.judges.anthropic import Anthropic
from tests.golden.judges.azure import Azure
from tests.golden.judges.bedrock import Bedrock
from tests.golden.judges.cohere import Cohere
from tests.golden.judges.google import Gemini, Vertex
from tests.golden.judges.judge import Judge
from tests.golden.judges.near_twin import NearTwin
from tests.golden.judges.openai import OpenAI, SpeaksOpenAI
from tests.golden.judges.openai_responses import OpenAIResponses
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.registry import ROWS

LLAMA: Final = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"

JUDGES: Final[Mapping[str, Judge]] = MappingProxyType(
    {
        "anthropic": Anthropic(),
        "azure": Azure(),
        "azure-responses": Azure(),
        "bedrock": Bedrock(),
        "cohere": Cohere(),
        "gemini": Gemini(),
        "local": SpeaksOpenAI(top_k=LLAMA, min_p=LLAMA),
        "openai": OpenAI(),
        "openai-responses": OpenAIResponses(),
        "vertex": Vertex(),
    }
)


def judge_of(dialect: str) -> Judge:
    """The judge of a dialect; near-twins of OpenAI without one of their own have OpenAI's, but for what is theirs."""
    if dialect in JUDGES or ROWS[dialect].speaker != ROWS["openai"].speaker:
        return JUDGES[dialect]
    [quirks] = ROWS[dialect].arguments
    assert isinstance(quirks, Quirks)
    return NearTwin(quirks)
