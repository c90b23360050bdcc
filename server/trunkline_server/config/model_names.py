"""One name for a model under the many that clouds and resellers give it.

"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929" and "anthropic/claude-sonnet-4.5" are all
"claude-sonnet-4-5": prefixes of regions and vendors, dates of snapshots and versions of the listing are left away, and
numbers are joined by dashes. A name that was chosen freely stays what it is, and then nothing is known of it.
"""

import re
from typing import Final

__all__ = ["canonical", "forms", "spelled"]

_PREFIX: Final = re.compile(r"(?:[a-z][a-z-]*\.)*([a-z][a-z-]*)\.")
"""Regions and vendors before a dot, as Bedrock has them: "us.anthropic."; never a part with digits, as in "gpt-5.1"."""
_PART_OF_NAME: Final = frozenset({"deepseek"})
"""Vendors that Bedrock leaves out of the model's own name: "deepseek.r1"."""
_LISTING: Final = re.compile(r"(?:-v\d+)?(?:-\d)?:\d+(?::\w+)?$|-v1$")
"""Versions of Bedrock's listing: "-v1:0", "-v1:0:24k", "-1:0", "-v1"."""
_OWN_VERSION: Final = re.compile(r"titan-|embed-")
"""Models whose own version looks like one of the listing: "titan-embed-text-v2:0", "embed-v4:0"."""
_VARIANT: Final = re.compile(r":(?:free|nitro|floor|online|extended|exacto|thinking|beta|cloud|latest)$")
"""How OpenRouter and Ollama serve a model, and not which."""
_SNAPSHOT: Final = re.compile(r"(?:-20\d{2}-\d{2}-\d{2}|-20\d{6})$")
_HOST: Final = re.compile(r"^(?:databricks-)?(?:meta-(?=llama))?|(?:-maas|-latest)$")
_POINT: Final = re.compile(r"(?<=\d)[.p](?=\d)")


def canonical(name: str) -> str:
    """The name without what says where it is served, and without the date of a snapshot. Never raises."""
    return forms(name)[-1]


def forms(name: str) -> tuple[str, ...]:
    """The names to look for: with the date of its snapshot, if it has one, and without."""
    text = name.strip().lower().rpartition("/")[2].partition("@")[0]
    if prefix := _PREFIX.match(text):
        rest = text[prefix.end() :]
        text = f"{prefix[1]}-{rest}" if prefix[1] in _PART_OF_NAME else rest
    text = _VARIANT.sub("", text)
    text = text.partition(":")[0] if _OWN_VERSION.match(text) else _LISTING.sub("", text)
    dated = spelled(_HOST.sub("", text))
    undated = _SNAPSHOT.sub("", dated)
    return (dated, undated) if dated != undated else (dated,)


def spelled(name: str) -> str:
    """The name with dashes for the points, colons and underscores in it: "gpt-5.1" and "gpt-5-1" are the same."""
    return _POINT.sub("-", name).replace(":", "-").replace("_", "-")
