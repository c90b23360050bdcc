"""Who judges which dialect. A dialect that is not here has no judge yet, and test_exchanges.py says so."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.golden.judges.anthropic import Anthropic
from tests.golden.judges.azure import Azure
from tests.golden.judges.bedrock import Bedrock
from tests.golden.judges.cohere import Cohere
from tests.golden.judges.google import Gemini, Vertex
from tests.golden.judges.judge import Judge
from tests.golden.judges.openai import OpenAI, SpeaksOpenAI
from tests.golden.judges.openai_responses import OpenAIResponses

JUDGES: Final[Mapping[str, Judge]] = MappingProxyType(
    {
        "anthropic": Anthropic(),
        "azure": Azure(),
        "bedrock": Bedrock(),
        "cohere": Cohere(),
        "gemini": Gemini(),
        "local": SpeaksOpenAI(),
        "openai": OpenAI(),
        "openai-responses": OpenAIResponses(),
        "vertex": Vertex(),
    }
)
