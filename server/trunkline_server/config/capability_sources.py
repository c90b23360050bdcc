"""Who may be named as the source of a fact, and whose word is enough to refuse a request by.

1. A source is a page, a package of a stated version that the table lists under `sources`, or a module of our own.
2. A fact that refuses requests is said by a vendor, in its pages or packages, or by two who did not copy it from each
   other. A refusal that is wrong costs an answer; a fact that is missing costs nothing.
3. Whether a source says what is written of it only a reader can tell. This tells what a reader has to open.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Sources", "refusals"]

MAX_NAMES: Final = 200
"""Vendors, tables, and packages of one table."""

_LIMITS: Final = ("input", "max_output_tokens")
"""Facts that refuse whatever they say: what is not in them, or beyond them."""
_ABILITIES: Final = (
    "forced_tools",
    "json_object",
    "json_schema",
    "later_instructions",
    "logprobs",
    "parallel_tools",
    "reasoning",
    "shortens",
    "tools",
    "tools_while_reasoning",
)
"""Facts that refuse where they are false."""
_OWN: Final = re.compile(r"providers/[a-z_]+/[a-z_]+\.py")
_DETAIL: Final = re.compile(r" \([^()]*\)$")
"""What in a package was read: "openai 3.54.0 (types/embedding_create_params)"."""

_Name = Annotated[str, Field(min_length=1, max_length=128)]


def refusals(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of those facts that can refuse a request."""
    named = [fact for fact in _LIMITS if fact in facts]
    named += [fact for fact in _ABILITIES if facts.get(fact) is False]
    named += ["reasoning_always"] if facts.get("reasoning_always") else []
    named += ["sampling_limits"] if facts.get("sampling_limits") else []
    return tuple(named)


class Sources(BaseModel):
    """The key `sources` of the table."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    vendors: Annotated[list[_Name], Field(max_length=MAX_NAMES)] = Field(default_factory=list)
    """Hosts of pages, and packages, of those who make or serve the models."""
    tables: Annotated[dict[_Name, list[_Name]], Field(max_length=MAX_NAMES)] = Field(default_factory=dict)
    """Packages that gather what vendors say, by where they have it from: those of one line count once."""

    def unlisted(self, source: str) -> str:
        """The first name in this source that is none of ours; empty if there is none."""
        return next((name for name in _names(source) if not self._witness(name)), "")

    def may_refuse(self, source: str) -> bool:
        """Whether facts that refuse may rest on this source."""
        witnesses = {self._witness(name) for name in _names(source)}
        return "vendor" in witnesses or len(witnesses - {"", "own"}) > 1

    def _witness(self, name: str) -> str:
        """Whose word it is; empty if that is not known."""
        url = urlsplit(name)
        if url.scheme == "https" and url.hostname:
            return "vendor" if url.hostname in self.vendors else name
        if name in self.vendors:
            return "vendor"
        if _OWN.fullmatch(name):
            return "own"
        return next((f"table {line}" for line, packages in self.tables.items() if name in packages), "")


def _names(source: str) -> Iterator[str]:
    return (_DETAIL.sub("", name.strip()) for name in source.split(";"))
