"""TLS of a client: which files it uses, what is wrong with them, and when they are read again.

1. Files are read when the client is made, so that a wrong one is told at once, by the name of its argument or variable.
2. They are looked at again every 10 s while calls are made. Changed ones are for the connections that are opened from
   then on; see trunkline.pool for the others. Changed ones that can't be used leave the old ones in force, and one
   warning is logged.
3. Nothing that stands in a file is in an error, a repr or a log.
"""

import logging
import os
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

__all__ = ["Tls", "TlsFiles", "resolve_tls"]

LOOK_EVERY_S: Final = 10.0
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""A system's whole bundle has about 250 KiB."""

_SWITCH: Final = "TRUNKLINE_TLS"
_VARIABLES: Final = {
    "ca_file": "TRUNKLINE_CA_FILE",
    "cert_file": "TRUNKLINE_CERT_FILE",
    "key_file": "TRUNKLINE_KEY_FILE",
    "server_name": "TRUNKLINE_SERVER_NAME",
}
_FILES: Final = ("ca_file", "cert_file", "key_file")
_ARGUMENTS: Final = {name: f"tls.{name}" for name in _VARIABLES}
_WORDS: Final = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----")
_LOCKED: Final = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")

_ROOTS_FOR_GRPC: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_ROOTS_OF_SYSTEMS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, the BSDs
)

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS to the gateway. The files are in PEM, and each may be left out; see trunkline.tls for when they are read.

    For example:
        import trunkline

        try:
            tls = trunkline.Tls(ca_file="ca.pem", cert_file="client.pem", key_file="client.key")
            client = trunkline.Client("gateway.example:50051", tls=tls)
        except ValueError as error:
            print(error)  # tls.ca_file: there is no file ca.pem; ...
    """

    ca_file: str | os.PathLike[str] | None = None
    """Certificates of the authorities that may vouch for the gateway. None: those that the system trusts."""
    cert_file: str | os.PathLike[str] | None = None
    """The client's own certificate, and those between it and its root, for a gateway that asks for one."""
    key_file: str | os.PathLike[str] | None = None
    """The private key of the client's certificate, without a passphrase."""
    server_name: str | None = None
    """The name that the gateway's certificate has to have. None: the host of the target."""


def resolve_tls(tls: Tls | bool | None, environ: Mapping[str, str]) -> "TlsFiles | None":
    """What the argument says, else the environment; None is plaintext.

    A Tls is taken as it is, so that no certificate of the one meets a key of the other. True takes the files that the
    environment names. Raises ValueError for what can't be used.
    """
    if tls is False:
        return None
    if isinstance(tls, Tls):
        return TlsFiles(tls, _ARGUMENTS)
    if tls is not None and tls is not True:
        raise TypeError(f"tls: True, False or a trunkline.Tls, not {type(tls).__name__}")
    given = {name: environ.get(variable) or None for name, variable in _VARIABLES.items()}
    if not (tls or _switched_on(environ.get(_SWITCH, ""), given)):
        return None
    return TlsFiles(Tls(**given), _VARIABLES)


def _switched_on(word: str, given: Mapping[str, str | None]) -> bool:
    """What TRUNKLINE_TLS says; without it, any of the files means TLS."""
    if not word:
        return any(given[name] for name in _FILES)
    if word.strip().lower() not in _WORDS:
        files = ", ".join(_VARIABLES[name] for name in _FILES)
        raise ValueError(f"{_SWITCH}: 1 for TLS or 0 for plaintext; where it is unset, any of {files} means TLS")
    return _WORDS[word.strip().lower()]


class TlsFiles:
    """The files of one client, and the credentials that were made of them last. Threads may share it."""

    def __init__(self, tls: Tls, origins: Mapping[str, str]) -> None:
        """`origins` are what people know the fields of `tls` by. Raises ValueError for files that can't be used."""
        self.tls = tls
        self._origins = origins
        self._lock = threading.Lock()
        self._generation = 0
        self._look_at = 0.0
        self._warned = False
        _check_name(tls.server_name, origins["server_name"])
        self._seen = self._signature()
        self._credentials = self._read()

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """For the next connection."""
        return self._credentials

    def generation(self, now: float) -> int:
        """Counts how often other files were taken. Looks at them at most every 10 s, on the clock of `now`."""
        if now >= self._look_at:
            with self._lock:
                if now >= self._look_at:
                    self._look(now)
        return self._generation

    def _look(self, now: float) -> None:
        self._look_at = now + LOOK_EVERY_S
        seen = self._signature()
        if seen == self._seen:
            return
        try:
            credentials = self._read()
        except ValueError as wrong:
            # Files are replaced one after the other: a certificate may be there before its key.
            if not self._warned:
                _log.warning("the TLS files changed and can't be used, the earlier ones stay in force: %s", wrong)
            self._warned = True
        else:
            if self._signature() != seen:
                return  # they were replaced while they were read: the next look takes them whole
            self._credentials = credentials
            self._seen, self._warned = seen, False
            self._generation += 1

    def _files(self) -> list[tuple[str, Path]]:
        """Names of the files, each with what people know it by."""
        named = {self._origins[field]: getattr(self.tls, field) for field in _FILES}
        return [(origin, Path(path)) for origin, path in named.items() if path is not None]

    def _signature(self) -> tuple[object, ...]:
        """Differs when a file was written or another was put in its place, also behind a symbolic link."""
        return tuple(_stamp(path) for _, path in self._files())

    def _read(self) -> grpc.ChannelCredentials:
        key, chain = self._pair()
        return grpc.ssl_channel_credentials(
            root_certificates=self._roots(), private_key=key or None, certificate_chain=chain or None
        )

    def _roots(self) -> bytes | None:
        """The authorities. None leaves them to gRPC, which brings some."""
        if self.tls.ca_file is None:
            return None if os.environ.get(_ROOTS_FOR_GRPC) else _system_roots()
        origin, path = self._origins["ca_file"], Path(self.tls.ca_file)
        roots = _certificates(origin, path)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=roots.decode("ascii", "replace"))
        except ssl.SSLError:
            raise ValueError(f"{origin}: a certificate in {path} can't be read; export it again as PEM") from None
        return roots

    def _pair(self) -> tuple[bytes, bytes]:
        """Key and certificates of the client, which belong together; empty if it has none."""
        if self.tls.cert_file is None and self.tls.key_file is None:
            return b"", b""
        cert_origin, key_origin = self._origins["cert_file"], self._origins["key_file"]
        if self.tls.key_file is None:
            raise ValueError(f"{cert_origin}: needs its private key; name that file in {key_origin}")
        if self.tls.cert_file is None:
            raise ValueError(f"{key_origin}: needs its certificate; name that file in {cert_origin}")
        cert_path, key_path = Path(self.tls.cert_file), Path(self.tls.key_file)
        chain, key = _certificates(cert_origin, cert_path), _private_key(key_origin, key_path)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_path, key_path, password=lambda: b"")
        except ssl.SSLError as wrong:
            what = "does not belong to" if wrong.reason == "KEY_VALUES_MISMATCH" else "can't be used with"
            raise ValueError(
                f"{key_origin}: the key in {key_path} {what} the certificate in {cert_path} ({cert_origin}); "
                "name a certificate and the key that it was made for, the client's own certificate first"
            ) from None
        except OSError as failure:
            raise ValueError(f"{key_origin}: can't read {key_path} ({failure.strerror})") from None
        return key, chain

    def __repr__(self) -> str:
        return f"TlsFiles({', '.join(f'{origin}={path}' for origin, path in self._files())})"


def _check_name(name: str | None, origin: str) -> None:
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"{origin}: a name as it stands in a certificate, gateway.example, without scheme and port")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _content(origin: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"{origin}: there is no file {path}; put it there or name another") from None
    except OSError as failure:
        raise ValueError(
            f"{origin}: can't read {path} ({failure.strerror}); name a file that this user may read"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{origin}: {path} has more than {MAX_FILE_BYTES} bytes; name a file in PEM")
    return content


def _certificates(origin: str, path: Path) -> bytes:
    content = _content(origin, path)
    if _CERTIFICATE not in content:
        found = "a private key" if _KEY.search(content) else "nothing that begins -----BEGIN CERTIFICATE-----"
        raise ValueError(f"{origin}: {path} holds {found}; name a file with certificates in PEM")
    return content


def _private_key(origin: str, path: Path) -> bytes:
    content = _content(origin, path)
    if _LOCKED.search(content):
        raise ValueError(
            f"{origin}: the key in {path} has a passphrase; write it without one: openssl pkey -in ... -out"
        )
    if not _KEY.search(content):
        found = "a certificate" if _CERTIFICATE in content else "nothing that begins -----BEGIN PRIVATE KEY-----"
        raise ValueError(f"{origin}: {path} holds {found}; name a file with the private key in PEM")
    return content


def _system_roots() -> bytes | None:
    """The authorities that this system trusts; those that gRPC brings would not have a company's own among them."""
    for path in (ssl.get_default_verify_paths().cafile, *_ROOTS_OF_SYSTEMS):
        if path and Path(path).is_file():
            return _certificates("the system's certificates", Path(path))
    return None
