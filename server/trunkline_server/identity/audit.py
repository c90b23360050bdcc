"""What operators did: one record for each act that changes keys, or was to. It holds no secret and no digest."""

from typing import Any

import msgspec


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One act."""

    at: float
    """Seconds since 1970."""
    who: str
    """"uid 1000" on the Unix socket, else the principal's id: "key:7Hq2…"."""
    what: str
    """"create", "revoke", "rotate"."""
    key_id: str = ""
    """Of the key; empty where none came to be."""
    outcome: str = "done"
    """"done", or the reason of the refusal: "KEY_NOT_FOUND"."""
    request_id: str = ""
    before: dict[str, Any] = {}
    """The fields that were changed, as they were."""
    after: dict[str, Any] = {}
    """The same, as they are now."""
