"""Writes docs/providers.md from the table of dialects: python -m tests.provider_page

The page says of each provider where it is, what it needs and what it does not take; a test holds it to the table.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trunkline_server.core.account import Account, DialectRow
from trunkline_server.providers.openai.quirks import Quirks, Vectors
from trunkline_server.providers.registry import ROWS

PAGE: Final = Path(__file__).parents[1] / "docs" / "providers.md"
_HEAD: Final = """\
# Providers
Most of this comes from the table that the gateway itself reads; `python -m tests.provider_page` writes this page.
**Checked** is when the source was read. **Run** means that our calls were answered by the server itself; all others are
built after the source, and proven by whole exchanges that the vendor's own types and SDKs judge.

"""
_NATIVE: Final = """\

## Dialects of their own
| `dialect` | takes beside text | JSON after a schema | vectors | counts tokens |
|---|---|---|---|---|
| `anthropic` | pictures, documents | yes; older models by a tool | none | yes |
| `gemini` | pictures, sound, films, documents | yes | float32 | yes |
| `vertex` | as `gemini`; others as their makers' dialects | as these | float32 | Gemini, Claude |
| `bedrock` | as the model does: all of these | yes; older models by a tool | Titan, Nova, Cohere | Claude |
| `cohere` | pictures, documents of text | yes, but not beside tools | float32, int8, uint8, binary | no |
| `openai-responses`, `azure-responses` | pictures, documents | yes | none | at OpenAI |
| `azure` | as `openai` | yes | float32 | no |

Reasoning comes back in blocks and is replayed byte for byte, to the same dialect alone. Where tokens are not counted,
the count is an estimate and says so. Bedrock and Vertex AI read `s3://` and `gs://` with the gateway's own rights, so
callers may name these only where `storage_addresses: true` says so."""
_TWINS: Final = """\

## Who speaks OpenAI's chat completions, and how
What is asked for and can't be said there is refused before a socket opens, naming the field. Hints that can't be said
are left out and named in the attempt trail. `provider_options` may carry members that the gateway does not write.
**Not certain** is what the source does not settle: if it matters to you, try it before you rely on it.
"""
_REPLAYS: Final = {
    "": "not sent back",
    "reasoning_content": "as `reasoning_content`",
    "reasoning": "as `reasoning`",
    "reasoning_details": "as `reasoning_details`, signatures and all",
    "thinking_blocks": "as `thinking_blocks`, signatures and all",
    "thinking": "as `thinking` parts of the content",
    "summary": "as `reasoning` parts of the content, signatures and all",
}


def page() -> str:
    """The whole page."""
    rows = [row for name, row in ROWS.items() if name != "local"]
    lines = [_HEAD + "| provider | `dialect` | address | key | checked |\n|---|---|---|---|---|"]
    lines += [line(row.account) for row in rows]
    lines += [_NATIVE, _TWINS]
    for row in rows:
        lines += ways(row)
    return "\n".join(lines) + "\n"


def line(account: Account) -> str:
    """The line of one provider in the table."""
    address = account.base_url if isinstance(account.base_url, str) else "depends on its settings"
    checked = f"[{account.checked}]({account.source})" + (" run" if account.verified == "run" else "")
    key = f"{account.key}, or issued by the cloud" if account.presents else account.key
    return f"| {account.title} | `{account.dialect}` | {address or 'base_url is required'} | {key} | {checked} |"


def ways(row: DialectRow) -> Iterator[str]:
    """What differs at one provider; nothing for those who speak another format."""
    if not (row.arguments and isinstance(row.arguments[0], Quirks)):
        return
    quirks, words = row.arguments[0], row.arguments[0].reasoning
    yield f"\n### {row.account.title}"
    if row.account.settings:
        yield f"- settings: {', '.join(f'`{setting.name}`' for setting in row.account.settings)}"
    asked = [f"`{path}`" for path in (words.effort, words.switch, words.budget) if path]
    taken = f", of the words {', '.join(words.efforts)}" if words.efforts and words.effort else ""
    yield f"- reasoning: {'asked for by ' + ', '.join(asked) + taken if asked else 'nothing to ask for it with'}"
    yield f"- thoughts: {_REPLAYS[quirks.replay]}"
    yield f"- media: {', '.join(sorted(quirks.media)) or 'none'}"
    yield f"- sampling: {', '.join(sorted(quirks.sampling))}"
    yield f"- vectors: {_vectors(quirks.vectors)}"
    if lacks := list(_lacks(quirks)):
        yield f"- refused: {', '.join(lacks)}"
    if row.account.unsure:
        yield f"- not certain: {row.account.unsure}"


def _vectors(vectors: Vectors | None) -> str:
    if vectors is None:
        return "none"
    types = (["float32"] if vectors.floats else []) + [ours.lower() for ours, _ in vectors.dtypes]
    return f"{', '.join(types)}; at most {vectors.most_inputs} inputs in a request"


def _lacks(quirks: Quirks) -> Iterator[str]:
    if not quirks.tools:
        yield "tools"
    elif "required" not in quirks.tool_choices:
        yield "forced tool calls"
    if quirks.tools and not quirks.parallel_tool_calls:
        yield "forbidding parallel calls"
    if "json_schema" not in quirks.formats:
        yield "JSON after a schema"
    if not quirks.formats:
        yield "JSON of any shape"
    if not quirks.seed:
        yield "a seed"
    if not quirks.logprobs:
        yield "log probabilities"
    if quirks.max_stop is not None:
        yield f"more than {quirks.max_stop} stop sequence{'s' if quirks.max_stop > 1 else ''}"


if __name__ == "__main__":
    PAGE.write_text(page())
