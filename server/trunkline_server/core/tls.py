"""What a TLS port presents, as it goes from the supervisor to the workers. Its repr shows nothing of it."""

import msgspec


class TlsMaterial(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with its key, and whom it trusts; all of it PEM."""

    chain: bytes
    """The gateway's certificate, and those between it and its CA."""
    key: bytes
    client_ca: bytes | None = None
    """Callers must show a certificate of one of these CAs. None: they show none."""

    def __repr__(self) -> str:
        return f"<TlsMaterial{', for callers with certificates' if self.client_ca else ''}>"
