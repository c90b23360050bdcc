"""Marks that ask for the prompt to be cached up to them.

1. At most MAX_MARKS are sent, since the provider refuses a request with more. The last ones are kept: each covers all
   that stands before it. The others are named.
2. A time is rounded up to one that the provider offers. Behind a mark with the shorter time a longer one is refused, so
   it is sent as the shorter.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from typing import Any, Final

from trunkline import v1

__all__ = ["MAX_MARKS", "CacheMarks"]

MAX_MARKS: Final = 4
_SHORT_S: Final = 300


class CacheMarks:
    """The marks of one request, added in the order in which the provider reads it: tools, instructions, turns."""

    __slots__ = ("_asked", "_dropped", "_marks", "_taken")

    def __init__(self, *, taken: bool) -> None:
        self._taken = taken
        """Whether the model caches at all."""
        self._asked: list[tuple[dict[str, Any], str, str]] = []
        """The wire's block, the time, and the path of the mark."""
        self._dropped: list[str] = []
        self._marks = 0

    def add(self, part: dict[str, Any] | None, mark: v1.CacheMark, path: str) -> None:
        """A mark at this block of the wire; None where the block can't carry one."""
        if part is None or not self._taken:
            self._dropped.append(path)
        else:
            self._asked.append((part, _time(mark.ttl.seconds) if mark.HasField("ttl") else "", path))

    def add_configured(self) -> None:
        """A mark that stands in the settings of a provider's own tool. It counts, and is sent as it is."""
        self._marks += 1

    def settle(self) -> list[str]:
        """Write the marks that are kept. Returns the paths of the others."""
        room = max(MAX_MARKS - self._marks, 0)
        first_kept = max(len(self._asked) - room, 0)
        self._dropped += [path for _, _, path in self._asked[:first_kept]]
        shorter_before = False
        for part, time, _ in self._asked[first_kept:]:
            kept = "5m" if time == "1h" and shorter_before else time
            part["cache_control"] = _control(kept)
            shorter_before = shorter_before or kept != "1h"
            self._marks += 1
        return self._dropped

    def automatic(self, ttl_s: int, last_part: Any) -> dict[str, str] | None:
        """The mark that the provider places by itself at the end of the prompt; None where there is no room for it.

        `last_part` is the last block of the last turn, which may carry a mark already. Called after `settle`.
        """
        if not self._taken or self._marks >= MAX_MARKS:
            return None
        if isinstance(last_part, dict) and "cache_control" in last_part:
            return None
        short = any(part.get("cache_control", {}).get("ttl") != "1h" for part, _, _ in self._asked[-MAX_MARKS:])
        return _control("5m" if short else _time(ttl_s))


def _time(seconds: int) -> str:
    return "5m" if seconds <= _SHORT_S else "1h"


def _control(time: str) -> dict[str, str]:
    return {"type": "ephemeral", "ttl": time} if time else {"type": "ephemeral"}
