"""Where Cohere is, and what may be said of it."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow

__all__ = ["ROWS"]

ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="cohere",
            title="Cohere",
            base_url="https://api.cohere.com",
            key="needed",
            source="https://docs.cohere.com/reference/chat",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.cohere.dialect:Cohere",
    ),
)
