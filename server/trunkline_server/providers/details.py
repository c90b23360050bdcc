"""What a provider says of an ending beside its word for it."""

from typing import Any, Final

__all__ = ["MAX_DETAIL_BYTES", "detail_of"]

MAX_DETAIL_BYTES: Final = 512
"""The contract's bound of Finished.finish_detail; the rest is cut."""


def detail_of(*told: Any) -> str:
    """The texts among these, joined: "cyber: The request could enable harm." What is no text says nothing.

    Never raises.
    """
    text = ": ".join(part.strip() for part in told if isinstance(part, str) and part.strip())
    return text.encode("utf-8", "replace")[:MAX_DETAIL_BYTES].decode("utf-8", "ignore")
