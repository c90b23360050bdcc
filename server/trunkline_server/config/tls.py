"""The files that TLS is made of, read.

1. A file is read whole or not at all, up to MAX_PEM_BYTES; only a regular file is opened, since others may never end.
2. Nothing of a key is in an error or a repr.
3. What is in the files is judged by config/certificates.py, which is loaded where TLS is configured and nowhere else:
   the library that it takes would cost each start a tenth.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Final

from trunkline_server.config.problems import ConfigError, Problem
from trunkline_server.core.tls import TlsMaterial

CERT_FILE: Final = "TRUNKLINE_TLS_CERT_FILE"
KEY_FILE: Final = "TRUNKLINE_TLS_KEY_FILE"
CLIENT_CA_FILE: Final = "TRUNKLINE_TLS_CLIENT_CA_FILE"
MAX_PEM_BYTES: Final = 1024 * 1024
"""Of one file. All CAs of a browser are a quarter of that."""
MAX_NAMES_TOLD: Final = 8

_JUDGE: Final = "trunkline_server.config.certificates"
_HOLDS: Final = {
    CERT_FILE: "the gateway's certificate and those between it and its CA",
    KEY_FILE: "the certificate's key",
    CLIENT_CA_FILE: "the CA whose certificates callers show",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where certificate, key and callers' CA are."""

    cert: Path
    key: Path
    client_ca: Path | None = None
    """None: callers show no certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the files hold, in an operator's words."""

    names: tuple[str, ...] = ()
    """What the certificate is for: host names, IP addresses, URIs; its common name if there are none."""
    not_after: datetime | None = None
    """The end of the first certificate of the chain that ends."""
    client_cas: tuple[str, ...] = ()
    """Subjects of the CAs whose certificates callers may show."""
    problems: tuple[Problem, ...] = ()
    """Why it can't be used; empty if it can."""
    doubts: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        """In words: "the certificate of a.example, b.example until 2027-01-31 10:00 UTC, for callers of CA X"."""
        end = f" until {self.not_after:%Y-%m-%d %H:%M UTC}" if self.not_after else ""
        callers = f", for callers of {_some(self.client_cas)}" if self.client_cas else ""
        return f"the certificate of {_some(self.names)}{end}{callers}"


def read_files(files: TlsFiles) -> TlsMaterial:
    """What is in the files now. Raises ConfigError with all that can't be read."""
    problems: list[Problem] = []
    chain = _read(files.cert, CERT_FILE, problems)
    key = _read(files.key, KEY_FILE, problems)
    client_ca = _read(files.client_ca, CLIENT_CA_FILE, problems) if files.client_ca else None
    if problems:
        raise ConfigError(problems)
    return TlsMaterial(chain=chain, key=key, client_ca=client_ca)


def judge(files: TlsFiles, material: TlsMaterial, now: datetime) -> Judged:
    """Whether this can be used at that time, and what of it is probably not meant."""
    judged: Judged = import_module(_JUDGE).judge(files, material, now)
    return judged


def read_and_judge(files: TlsFiles, now: datetime) -> tuple[TlsMaterial | None, Judged]:
    """Both at once. The material is None where a file can't be read."""
    try:
        material = read_files(files)
    except ConfigError as error:
        return None, Judged(problems=error.problems)
    return material, judge(files, material, now)


def _some(names: tuple[str, ...]) -> str:
    more = (f"{len(names) - MAX_NAMES_TOLD} more",) if len(names) > MAX_NAMES_TOLD else ()
    return ", ".join((*names[:MAX_NAMES_TOLD], *more))


def _read(path: Path, setting: str, problems: list[Problem]) -> bytes:
    """The file's content; empty after a problem."""
    message, mend = "", f"Put {_HOLDS[setting]} there, in PEM"
    try:
        if not path.exists():
            message = "names no file"
        elif not path.is_file():
            message = "names something that is no file"
        else:
            with path.open("rb") as file:
                content = file.read(MAX_PEM_BYTES + 1)
            if len(content) <= MAX_PEM_BYTES:
                return content
            message = f"is larger than {MAX_PEM_BYTES} bytes"
    except OSError as error:
        message, mend = f"can't be read ({error.strerror})", "Let the gateway's user read it"
    problems.append(Problem(file=str(path), key=setting, message=message, mend=mend))
    return b""
