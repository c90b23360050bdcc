"""The providers that speak OpenAI's chat completions, one row each: where they are, and what differs.

`source` is where the provider says so, `checked` when that was read. A row is `verified="run"` where calls of ours were
answered by the server itself.
"""

from collections.abc import Iterator
from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting
from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["ROWS"]

_SPEAKER: Final = "trunkline_server.providers.openai.dialect:OpenAI"


def _row(account: Account, quirks: Quirks) -> DialectRow:
    return DialectRow(account=account, speaker=_SPEAKER, arguments=(quirks,))


def _rows() -> Iterator[DialectRow]:
    yield _row(
        Account(
            dialect="openai",
            title="OpenAI",
            base_url="https://api.openai.com/v1",
            key="needed",
            settings=(
                Setting(
                    name="max_tokens_key",
                    choices=("max_completion_tokens", "max_tokens"),
                    default="max_completion_tokens",
                    elsewhere="max_tokens",
                ),
            ),
            source="https://developers.openai.com/api/reference",
            checked="2026-11-23",
        ),
        Quirks(),
    )
    # llama.cpp's server. It drops tools without a word: with SmolLM2's template they don't reach the prompt, and with a
    # template that writes them there, a call that is required is not enforced (tried with xllamacpp 2026.10.11549).
    # Calls of earlier turns and names of participants don't reach SmolLM2's prompt either (seen in /apply-template). No
    # projector for media is loaded, so that it would answer each with a 500.
    yield _row(
        Account(dialect="local", title="The embedded model", checked="2026-11-23", verified="run"),
        Quirks(
            name="local",
            developer_role=False,
            refusal_parts=False,
            media=frozenset(),
            names=False,
            tools=False,
            sampling=Quirks().sampling | {"top_k", "min_p"},
            reasoning_effort=False,
            cache_key=False,
            cache_breakpoints_since=None,
            max_stop=16,
            max_tokens_key="max_tokens",
        ),
    )


ROWS: Final = tuple(_rows())
"""By dialect, `openai` first."""
