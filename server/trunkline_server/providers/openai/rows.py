"""How a row of the table is made."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow
from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["row"]

_SPEAKER: Final = "trunkline_server.providers.openai.dialect:OpenAI"


def row(account: Account, quirks: Quirks) -> DialectRow:
    """A provider whose ways are all data."""
    return DialectRow(account=account, speaker=_SPEAKER, arguments=(quirks,))
