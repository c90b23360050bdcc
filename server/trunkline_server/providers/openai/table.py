"""The providers that speak OpenAI's chat completions, one row each: where they are, and what differs.

`source` is where the provider says so, `checked` when that was read. A row is `verified="run"` where calls of ours were
answered by the server itself. The rows themselves are in makers.py, hosted.py and self_hosted.py.

A row has a format of its own, named as itself, where its answers hold something that only it can use when it is sent
back: thoughts. The others share "openai".
"""

from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting
from trunkline_server.providers.openai.hosted import HOSTED
from trunkline_server.providers.openai.makers import MAKERS
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.rows import row
from trunkline_server.providers.openai.self_hosted import SELF_HOSTED

__all__ = ["ROWS"]

_OPENAI: Final = row(
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

ROWS: Final[tuple[DialectRow, ...]] = (_OPENAI, *MAKERS, *HOSTED, *SELF_HOSTED)
"""By dialect, `openai` first."""
