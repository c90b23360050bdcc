"""The endpoints that speak Anthropic's messages as Anthropic does: where they are, and what may be said of them."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting
from trunkline_server.providers.anthropic.flavour import Flavour

__all__ = ["MESSAGES_SETTINGS", "ROWS"]

MESSAGES_SETTINGS: Final = (
    Setting(name="default_max_tokens", kind="number", least=1),
    Setting(
        name="betas",
        pattern=r"[A-Za-z0-9._-]+(?: *, *[A-Za-z0-9._-]+)*",
        example="context-1m-2025-08-07,interleaved-thinking-2025-05-14",
    ),
)
"""Of every endpoint that speaks messages.

default_max_tokens: the bound on the output where a caller gives none and the model's own is not known; the wire wants
one. betas: names for the header anthropic-beta, beside those that a request needs.
"""

ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="anthropic",
            title="Anthropic",
            base_url="https://api.anthropic.com/v1",
            key="needed",
            auth_headers=("x-api-key", "authorization"),
            settings=MESSAGES_SETTINGS,
            source="https://platform.claude.com/docs/en/api/messages",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.anthropic.dialect:Anthropic",
        arguments=(Flavour(),),
    ),
)
