"""The dialects that this build speaks: the rows of each folder, in one list.

Plain data, free of protobuf, since the supervisor reads it to check the configuration; dialects.py makes the dialects.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trunkline_server.core.account import DialectRow
from trunkline_server.providers import anthropic, azure, bedrock, cohere, gemini, openai, openai_responses, vertex

__all__ = ["ROWS"]

_ALL: Final[tuple[DialectRow, ...]] = (
    *openai.ROWS,
    *anthropic.ROWS,
    *openai_responses.ROWS,
    *azure.ROWS,
    *gemini.ROWS,
    *vertex.ROWS,
    *bedrock.ROWS,
    *cohere.ROWS,
)

ROWS: Final[Mapping[str, DialectRow]] = MappingProxyType({row.account.dialect: row for row in _ALL})
"""By the dialect's name."""
