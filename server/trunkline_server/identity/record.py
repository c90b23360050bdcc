"""A virtual key as stores keep it: what it is and may, and the digest of its secret. Never the secret."""

import msgspec

from trunkline_server.core.limit import Limit
from trunkline_server.core.principal import ContentPolicy, Permissions, Priority, Role


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One key. Times are seconds since 1970."""

    id: str
    digest: str
    """SHA-256 of the secret, in hex."""
    name: str = ""
    org: str = ""
    team: str = ""
    """"acme/search"; empty for a key of the org itself."""
    labels: dict[str, str] = {}
    permissions: Permissions = Permissions()
    limits: tuple[Limit, ...] = ()
    priority: Priority = Priority.NORMAL
    content: ContentPolicy = ContentPolicy.NONE
    role: Role = Role.CALLER
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    revoke_now: bool = False
    """Whether its open calls were to end with it."""
    previous_digest: str = ""
    """Of the secret before the last rotation; empty if there is none."""
    previous_until: float = 0.0
    """Until when that one is taken."""
    rotated_at: float | None = None

    def __repr__(self) -> str:
        return f"<KeyRecord {self.id} {self.name!r}>"
