"""Certificates made for a test, and files of them as a gateway reads them."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from trunkline_server.core.tls import TlsMaterial
from trunkline_server.engine.tls import ServerTls

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate chain and its key, in PEM."""

    chain: bytes
    key: bytes

    def configure(self, context: ssl.SSLContext, folder: Path) -> None:
        """Has a client's context show it."""
        path = folder / f"pair-{id(self)}.pem"
        path.write_bytes(self.key + self.chain)
        context.load_cert_chain(path)


class Authority:
    """A CA of its own."""

    def __init__(self, name: str = "Test CA", *, ends: datetime = NOW + 900 * DAY, is_ca: bool = True) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=is_ca, path_length=None)
        built = self._builder(self._name, self._key, NOW - 999 * DAY, ends).add_extension(constraints, critical=True)
        self.pem = built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        self.itself = Pair(chain=self.pem, key=_pem(self._key))

    def issue(
        self,
        *names: str,
        common_name: str = "leaf",
        begins: datetime = NOW - DAY,
        ends: datetime = NOW + 90 * DAY,
        key: Any = None,
        usage: x509.ObjectIdentifier | None = None,
        password: bytes = b"",
    ) -> Pair:
        """A certificate of those names: "a.example", "10.0.0.1", "me@a.example", "spiffe://a/b"."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        built = self._builder(_name(common_name), key, begins, ends)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(map(_alternative, names)), critical=False)
        if usage:
            built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return Pair(
            chain=built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM),
            key=_pem(key, password),
        )

    def _builder(self, subject: x509.Name, key: Any, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )

    def context(self, folder: Path | None = None, shows: Pair | None = None, alpn: str = "h2") -> ssl.SSLContext:
        """How a client of the standard library trusts this CA. `folder`: for the file that `shows` takes."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if alpn:
            context.set_alpn_protocols([alpn])
        if shows and folder:
            shows.configure(context, folder)
        return context

    def credentials(self, shows: Pair | None = None) -> grpc.ChannelCredentials:
        """The same for a client of gRPC."""
        if shows is None:
            return grpc.ssl_channel_credentials(self.pem)
        return grpc.ssl_channel_credentials(self.pem, shows.key, shows.chain)


def presenting(
    pair: Pair, client_ca: Authority | None = None, clock: Callable[[], float] = time.monotonic
) -> ServerTls:
    """What a gateway presents, without files."""
    return ServerTls(TlsMaterial(chain=pair.chain, key=pair.key, client_ca=client_ca.pem if client_ca else None), clock)


class Files:
    """The three files of a gateway's TLS."""

    def __init__(self, folder: Path, pair: Pair, client_ca: bytes | None = None) -> None:
        self.cert, self.key, self.client_ca = folder / "tls.crt", folder / "tls.key", folder / "ca.crt"
        self.cert.write_bytes(pair.chain)
        self.key.touch(mode=0o600)
        self.key.write_bytes(pair.key)
        self.with_ca = client_ca is not None
        if client_ca is not None:
            self.client_ca.write_bytes(client_ca)

    @property
    def environ(self) -> dict[str, str]:
        """As settings."""
        named = {"TRUNKLINE_TLS_CERT_FILE": str(self.cert), "TRUNKLINE_TLS_KEY_FILE": str(self.key)}
        return named | ({"TRUNKLINE_TLS_CLIENT_CA_FILE": str(self.client_ca)} if self.with_ca else {})

    def replace(self, pair: Pair) -> None:
        """Another pair, one file after the other."""
        self.cert.write_bytes(pair.chain)
        self.key.write_bytes(pair.key)


def key_that_grpc_refuses() -> rsa.RSAPrivateKey:
    """A key like any other, but for its exponent: BoringSSL takes 33 bits, OpenSSL 64."""
    exponent = (1 << 40) + 15
    made = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q = made.p, made.q
    d = pow(exponent, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(exponent, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _pem(key: Any, password: bytes = b"") -> bytes:
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(text: str) -> x509.GeneralName:
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    if "@" in text:
        return x509.RFC822Name(text)
    return x509.IPAddress(ip_address(text)) if text.replace(".", "").isdigit() else x509.DNSName(text)
