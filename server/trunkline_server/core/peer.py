"""Who is at the other end of a connection, as TLS has proven it.

Names are those of the certificate that gRPC has verified, letter by letter. What is no plain text is no name: a NUL or
a line break in a certificate would read as another name somewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_KNOWN: Final = 512
"""Certificates whose names are kept. The one that was read first makes room for another."""
MAX_KNOWN_PEM_BYTES: Final = 16 * 1024
"""Larger ones are read anew at each call."""

AuthContext = Mapping[str, Iterable[bytes]]
"""Properties of a connection as gRPC tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerCertificate:
    """The certificate that a caller has shown. Compare names as a whole; none is a pattern."""

    spiffe_id: str = ""
    """ "spiffe://trust-domain/path"; empty if it has none, or more than one URI."""
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    common_name: str = ""
    """Of the subject. Old certificates have no other name."""


def caller_certificate(context: AuthContext) -> CallerCertificate | None:
    """The certificate that this connection's caller has proven to be its own, if there is one."""
    if not context.get("x509_pem_cert"):
        return None
    return CallerCertificate(
        spiffe_id=_only(context, "peer_spiffe_id"),
        uris=_names(context, "peer_uri"),
        dns_names=_names(context, "peer_dns"),
        ip_addresses=_names(context, "peer_ip"),
        emails=_names(context, "peer_email"),
        common_name=_only(context, "x509_common_name"),
    )


@dataclass(frozen=True, slots=True)
class CallerCertificates:
    """Reads callers' certificates. What was read is kept by its content: a call pays 4 us for that, and 10 without."""

    _known: dict[bytes, CallerCertificate] = field(default_factory=dict, repr=False)

    def of(self, context: AuthContext) -> CallerCertificate | None:
        """`caller_certificate`, faster."""
        pem = next(iter(context.get("x509_pem_cert", ())), b"")
        known = self._known.get(pem)
        if known is not None:
            return known
        read = caller_certificate(context)
        if read is not None and len(pem) <= MAX_KNOWN_PEM_BYTES:
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[pem] = read
        return read


def _only(context: AuthContext, key: str) -> str:
    names = _names(context, key)
    return names[0] if len(names) == 1 else ""


def _names(context: AuthContext, key: str) -> tuple[str, ...]:
    if key not in context:
        return ()
    texts = (name.decode("utf-8", "replace") for name in context[key])
    return tuple(text for text in texts if text and text.isprintable() and "\ufffd" not in text)
