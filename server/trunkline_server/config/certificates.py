"""Certificates, judged: what would make callers refuse the gateway, or the gateway its callers.

1. A pure function of the content and the time, but for the key file's mode. It opens no socket and asks nobody.
2. Each problem names the setting, the file and the mend. No error of the library is quoted: it may hold the content.
"""

import re
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trunkline_server.config.problems import Problem
from trunkline_server.config.tls import CERT_FILE, CLIENT_CA_FILE, KEY_FILE, Judged, TlsFiles
from trunkline_server.core.tls import TlsMaterial

ENDS_SOON: Final = timedelta(days=30)
MIN_RSA_BITS: Final = 2048
"""What the TLS libraries of Linux distributions take."""

_CURVES: Final = ("secp256r1", "secp384r1")
"""The curves that gRPC's own clients take; they offer neither P-521 nor Ed25519."""
_RENEW: Final = "Put a renewed one there; it is in force within a second"
_PEM: Final = "It has lines that begin with -----BEGIN; `openssl x509 -inform der` turns DER into that"
_SHIFTED: Final = re.compile(rb"(?<!\n)(?<!\A)-----(?:BEGIN|END) ")
"""A mark that does not begin its line: after spaces, or a byte order mark. gRPC reads no PEM there, and would fail to
serve what was judged right."""
_UNSHIFT: Final = "Begin those lines with -----, without spaces or a byte order mark before them"
_NO_PEM: Final = (ValueError, TypeError, UnsupportedAlgorithm)
_NO_EXTENSION: Final = (x509.ExtensionNotFound, ValueError)


def judge(files: TlsFiles, material: TlsMaterial, now: datetime) -> Judged:
    """What the files hold, and all that is wrong with it at that time."""
    problems: list[Problem] = []
    doubts: list[Problem] = []
    chain = _load(material.chain, files.cert, CERT_FILE, problems)
    public = _public_key(material.key, files.key, problems)
    if chain:
        problems += _of_chain(chain, files.cert, now)
        doubts += _doubts_of_chain(chain, files.cert, now)
        if public:
            problems += _of_pair(chain, public, files)
    doubts += _of_mode(files.key)
    cas: list[x509.Certificate] = []
    if files.client_ca:
        cas = _load(material.client_ca or b"", files.client_ca, CLIENT_CA_FILE, problems)
        problems += _of_cas(cas, files.client_ca, now)
        doubts += _doubts_of_cas(cas, files.client_ca, now)
    return Judged(
        names=_names(chain[0]) if chain else (),
        not_after=min((one.not_valid_after_utc for one in chain), default=None),
        client_cas=tuple(map(_subject, cas)),
        problems=tuple(problems),
        doubts=tuple(doubts),
    )


def _load(content: bytes, path: Path, setting: str, problems: list[Problem]) -> list[x509.Certificate]:
    if _SHIFTED.search(content):
        problems.append(_problem(path, setting, "has something before -----BEGIN or -----END", _UNSHIFT))
        return []
    try:
        return x509.load_pem_x509_certificates(content)
    except _NO_PEM:
        problems.append(_problem(path, setting, "holds no certificate in PEM", _PEM))
        return []


def _public_key(content: bytes, path: Path, problems: list[Problem]) -> bytes:
    """The public half of the key, as bytes to compare; empty after a problem."""
    if _SHIFTED.search(content):
        problems.append(_problem(path, KEY_FILE, "has something before -----BEGIN or -----END", _UNSHIFT))
        return b""
    try:
        key = load_pem_private_key(content, password=None)
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError:  # what the library says of a key that needs a password
        message, mend = "holds a key that is encrypted", "Put it there in clear (`openssl pkey -in FILE`), mode 0600"
    except _NO_PEM:
        message, mend = "holds no private key in PEM", "It has a line that ends in PRIVATE KEY-----"
    problems.append(_problem(path, KEY_FILE, message, mend))
    return b""


def _of_chain(chain: list[x509.Certificate], path: Path, now: datetime) -> Iterator[Problem]:
    for number, one in enumerate(chain, 1):
        which = "its certificate" if number == 1 else f"certificate {number} of its chain"
        if now > one.not_valid_after_utc:
            yield _problem(path, CERT_FILE, f"{which} ended on {_minute(one.not_valid_after_utc)}", _RENEW)
        elif now < one.not_valid_before_utc:
            message = f"{which} begins on {_minute(one.not_valid_before_utc)}"
            yield _problem(path, CERT_FILE, message, "Wait for that, or set the clock right")
    if not _is_usual(chain[0]):
        yield _problem(
            path,
            CERT_FILE,
            "its key is of a kind or length that callers refuse",
            f"Make one with ECDSA P-256 or P-384, or with RSA of {MIN_RSA_BITS} bits or more",
        )


def _is_usual(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except _NO_PEM:
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= MIN_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES


def _of_pair(chain: list[x509.Certificate], public: bytes, files: TlsFiles) -> Iterator[Problem]:
    """Whether the key is that of the first certificate."""
    at = next((number for number, one in enumerate(chain) if _public_bytes(one) == public), None)
    if at is None:
        message = f"is not the key of the certificate in {CERT_FILE}"
        yield _problem(files.key, KEY_FILE, message, "Put both of one pair there")
    elif at:
        message = f"its certificate {at + 1} is the one of the key in {KEY_FILE}"
        yield _problem(files.cert, CERT_FILE, message, "Put the gateway's own first, then each one's issuer")


def _public_bytes(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _NO_PEM:
        return b""


def _doubts_of_chain(chain: list[x509.Certificate], path: Path, now: datetime) -> Iterator[Problem]:
    for number, one in enumerate(chain, 1):
        which = "its certificate" if number == 1 else f"certificate {number} of its chain"
        if now <= one.not_valid_after_utc < now + ENDS_SOON:
            yield _problem(path, CERT_FILE, f"{which} ends on {_minute(one.not_valid_after_utc)}", _RENEW)
    if not _alternative_names(chain[0]):
        yield _problem(
            path,
            CERT_FILE,
            "its certificate has no subject alternative names",
            "Add one; callers look at no other name",
        )
    if not _may_serve(chain[0]):
        yield _problem(
            path, CERT_FILE, "its certificate is not for servers", "Add serverAuth to its extended key usage"
        )


def _may_serve(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except _NO_EXTENSION:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _of_mode(path: Path) -> Iterator[Problem]:
    try:
        mode = path.stat().st_mode
    except OSError:  # told already
        return
    if mode & stat.S_IROTH:
        message = f"may be read by everyone on this machine (mode {stat.S_IMODE(mode):04o})"
        yield _problem(path, KEY_FILE, message, "chmod 0600, or 0640 with a group of its own")


def _of_cas(cas: list[x509.Certificate], path: Path, now: datetime) -> Iterator[Problem]:
    for one in cas:
        if not _is_ca(one):
            message = f"holds a certificate that is no CA: {_subject(one)}"
            yield _problem(path, CLIENT_CA_FILE, message, "Put the CA there that issues callers' certificates")
    if cas and all(now > one.not_valid_after_utc for one in cas):
        last = max(one.not_valid_after_utc for one in cas)
        yield _problem(path, CLIENT_CA_FILE, f"its last CA ended on {_minute(last)}", _RENEW)


def _doubts_of_cas(cas: list[x509.Certificate], path: Path, now: datetime) -> Iterator[Problem]:
    for one in cas:
        if one.not_valid_after_utc < now + ENDS_SOON:
            verb = "ended" if now > one.not_valid_after_utc else "ends"
            message = f"its CA {_subject(one)} {verb} on {_minute(one.not_valid_after_utc)}"
            yield _problem(path, CLIENT_CA_FILE, message, "Add the one that follows it, or take it out")


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except _NO_EXTENSION:
        return False
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    return _alternative_names(certificate) or (_subject(certificate),)


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names: Iterable[x509.GeneralName] = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except _NO_EXTENSION:
        return ()
    return tuple(_plain(str(name.value)) for name in names)


def _subject(certificate: x509.Certificate) -> str:
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _plain(str(common[0].value) if common else certificate.subject.rfc4514_string()) or "without a name"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M UTC}"


def _problem(path: Path, setting: str, message: str, mend: str) -> Problem:
    return Problem(file=str(path), key=setting, message=message, mend=mend)
