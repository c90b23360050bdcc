"""How a row of the table is made."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow
from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["CHECKED", "hosted", "row"]

CHECKED: Final = "2026-11-23"
"""When the sources of most rows were read."""
_SPEAKER: Final = "trunkline_server.providers.openai.dialect:OpenAI"


def row(account: Account, quirks: Quirks) -> DialectRow:
    """A provider whose ways are all data."""
    return DialectRow(account=account, speaker=_SPEAKER, arguments=(quirks,))


def hosted(title: str, base_url: str, source: str, quirks: Quirks, *, unsure: str = "") -> DialectRow:
    """One at an address of its own that needs a key and has no settings. `unsure`: see Account."""
    account = Account(
        dialect=quirks.name,
        title=title,
        base_url=base_url,
        key="needed",
        source=source,
        checked=CHECKED,
        unsure=unsure,
    )
    return row(account, quirks)
