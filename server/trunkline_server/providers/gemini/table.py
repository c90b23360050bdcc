"""The Gemini API as a row: where it is, and how it is asked for leave."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow

__all__ = ["ROWS"]

ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="gemini",
            title="Google Gemini API",
            base_url="https://generativelanguage.googleapis.com/v1beta",
            key="needed",
            auth_headers=("x-goog-api-key", "authorization"),
            source="https://generativelanguage.googleapis.com/$discovery/rest?version=v1beta",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.gemini.dialect:Gemini",
    ),
)
