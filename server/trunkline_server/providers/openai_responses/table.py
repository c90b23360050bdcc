"""OpenAI's Responses API as a kind of provider.

Other servers that speak it (vLLM, llama.cpp, LM Studio, OpenRouter, xAI) are reached by base_url.
"""

from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting

__all__ = ["ENCRYPTED_REASONING", "ROWS"]

ENCRYPTED_REASONING: Final = Setting(name="encrypted_reasoning", kind="truth", default=True)
"""Whether reasoning is asked for in the form that a later turn needs, since nothing is stored at the provider."""

ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="openai-responses",
            title="OpenAI Responses",
            base_url="https://api.openai.com/v1",
            key="needed",
            settings=(
                ENCRYPTED_REASONING,
                # Few other servers count, and one that doesn't would answer each question with a 404.
                Setting(name="native_count", kind="truth", default=True, elsewhere=False),
                Setting(name="min_output_tokens", kind="number", default=16, elsewhere=1, least=1),
            ),
            source="https://developers.openai.com/api/reference/resources/responses",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.openai_responses.dialect:OpenAIResponses",
    ),
)
