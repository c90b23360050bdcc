"""Azure OpenAI as two kinds of providers: the same account, asked in chat completions or in the Responses API."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting
from trunkline_server.core.credential import ENTRA_SETTINGS
from trunkline_server.providers.openai_responses.table import ENCRYPTED_REASONING

__all__ = ["ROWS"]

_SOURCE: Final = "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle"
_CHECKED: Final = "2026-11-23"
_KEYS: Final = ("api-key", "authorization")

_API_VERSION: Final = Setting(
    name="api_version",
    default="v1",
    pattern=r"v1|preview|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?",
    example="v1, preview or 2024-10-21",
)
"""v1 has no versions, and names the deployment in the body; "preview" is v1 with what is not released. A date is an
older API, which names the deployment in the path."""

ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="azure",
            title="Azure OpenAI",
            key="needed",
            auth_headers=_KEYS,
            presents="entra",
            settings=(
                _API_VERSION,
                Setting(
                    name="max_tokens_key",
                    choices=("max_completion_tokens", "max_tokens"),
                    default="max_completion_tokens",
                ),
                *ENTRA_SETTINGS,
            ),
            source=_SOURCE,
            checked=_CHECKED,
        ),
        speaker="trunkline_server.providers.azure.chat:Azure",
    ),
    DialectRow(
        account=Account(
            dialect="azure-responses",
            title="Azure OpenAI Responses",
            key="needed",
            auth_headers=_KEYS,
            presents="entra",
            settings=(
                _API_VERSION,
                ENCRYPTED_REASONING,
                # Azure answers the question with a 404: https://learn.microsoft.com/en-us/answers/questions/5889782
                Setting(name="native_count", kind="truth", default=False),
                *ENTRA_SETTINGS,
            ),
            source=_SOURCE,
            checked=_CHECKED,
        ),
        speaker="trunkline_server.providers.azure.responses:AzureResponses",
    ),
)
