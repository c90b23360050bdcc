"""Settings of the gateway: environment variables that begin with TRUNKLINE_.

1. `Settings.load` takes the environment as an argument and tells all that is wrong at once.
2. No error and no repr shows a value that was refused.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from trunkline_server.config.listen import ListenAddress, read_listen_address, read_networks, split_list
from trunkline_server.config.problems import ConfigError, Problem, did_you_mean, explain, wrong
from trunkline_server.config.tls import TlsFiles

PREFIX: Final = "TRUNKLINE_"
MAX_LISTENERS: Final = 16
MAX_WORKERS: Final = 256

_OF_CLIENTS: Final = frozenset(
    f"{PREFIX}{name}" for name in ("TARGET", "API_KEY", "TLS", "CA_FILE", "CERT_FILE", "KEY_FILE", "SERVER_NAME")
)
_MEANS_OFF: Final = frozenset({"TRUNKLINE_PROBE_LISTEN"})
"""Variables for which empty is a value. Any other that is empty counts as unset."""

# Kubernetes sets such variables in each pod for services whose name begins with "trunkline".
_OF_KUBERNETES: Final = re.compile(
    r"TRUNKLINE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)"
)

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,9}")
_MODE: Final = re.compile(r"0?[67][0-7]{2}")
_MIB: Final = 1024 * 1024
_INT32_MAX: Final = 2**31 - 1


def _listen(value: object) -> object:
    texts = split_list(value) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return value
    if not 0 < len(texts) <= MAX_LISTENERS:
        raise wrong(f"must have 1 to {MAX_LISTENERS} addresses", "Separate them by commas")
    addresses = tuple(str(_listener(str(text), number, len(texts))) for number, text in enumerate(texts, 1))
    fixed = [address for address in addresses if not address.endswith(":0")]
    if len(set(fixed)) < len(fixed):
        raise wrong("has an address twice", "Keep one of the two")
    return addresses


def _listener(text: str, number: int, of: int) -> ListenAddress:
    """One address of several; what is wrong with it is told by its place in the list, since values aren't shown."""
    try:
        return read_listen_address(text)
    except PydanticCustomError as error:
        context = error.context or {}
        if of == 1:
            raise
        raise wrong(f"address {number} of {of} {context['message']}", context["mend"]) from None


def _probe(value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    address = read_listen_address(value.strip())
    if address.path:
        raise wrong("must be host:port", "Probes come over TCP; leave it empty to have none")
    return str(address)


def _mode(value: object) -> object:
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise wrong("must be an octal mode from 0600 to 0777", "Write 0660 to let its group connect too")
    return f"0{value[-3:]}"


def _workers(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "auto":
        return len(os.sched_getaffinity(0))
    if not _WHOLE.fullmatch(value.strip()):
        raise wrong('must be a whole number or "auto"', 'Write "auto" for one per CPU')
    return value


def _addresses(value: object) -> object:
    if not isinstance(value, str):
        return value
    if read_networks(value) is None:
        raise wrong("must be IP addresses or networks", "Separate them by commas: 169.254.10.1,fd00:ec2::/32")
    return tuple(split_list(value))


def _key_store(value: SecretStr) -> SecretStr:
    return _store(value, ("sqlite", "file"), ("postgresql://", "postgres://"))


def _quota_store(value: SecretStr) -> SecretStr:
    return _store(value, ("sqlite", "memory"), ("redis://", "rediss://"))


def _store(value: SecretStr, words: tuple[str, ...], schemes: tuple[str, ...]) -> SecretStr:
    """A store by its word or its address, which may hold a password and is not looked into here."""
    text = value.get_secret_value().strip()
    address = text.startswith(schemes) and text.isascii() and text.isprintable() and " " not in text
    if text not in words and not address:
        raise wrong("no such store", f"Write {', '.join(words)}, or an address that begins with {schemes[0]}")
    return SecretStr(text)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise wrong("names no file", "Put the certificates there, or unset it")
    return path


def _auth(value: str) -> str:
    # What proves callers is not there yet. Who switches it on must not believe that it is.
    if value == "on":
        raise wrong("can't be on in this version, which doesn't prove callers yet", "Let only your services reach it")
    return value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


Addresses = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400)]
Calls = Annotated[int, Field(ge=1, le=1_000_000)]


class Settings(BaseSettings):
    """All settings, checked. Read the environment with `load`; the constructor takes values as they are named here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    config: Path | None = None
    """The model map. None: ./trunkline.yaml if there is one, else the one that is built in."""
    listen: Annotated[Addresses, BeforeValidator(_listen)] = ("127.0.0.1:50051",)
    """Where callers come in: "host:port", "[::1]:port" or "unix:/path"; in the environment separated by commas."""
    unix_socket_mode: Annotated[str, BeforeValidator(_mode)] = "0600"
    """Who may connect to Unix sockets, in octal. 0660: also the group of the gateway's user, or of the directory that
    holds the socket if that hands its group on (chmod g+s)."""
    probe_listen: Annotated[str, BeforeValidator(_probe)] = "127.0.0.1:50052"
    """Where probes come in. Empty: nowhere."""
    tls_cert_file: Path | None = None
    """The gateway's certificate and those between it and its CA, in PEM. With it every TCP address is TLS alone; Unix
    sockets and probes stay as they are. A change of any of these files is in force within a second."""
    tls_key_file: Path | None = None
    """The certificate's key, in PEM and not encrypted."""
    tls_client_ca_file: Path | None = None
    """CAs in PEM. Callers that come over TCP must show a certificate of one of them."""
    workers: Annotated[int, BeforeValidator(_workers), Field(ge=1, le=MAX_WORKERS)] = 1
    """Worker processes. "auto" in the environment: as many as the CPUs that this process may use."""
    reflection: Literal["auto", "on", "off"] = "auto"
    """gRPC reflection. auto: on while only this machine can reach the listeners."""
    channelz: Literal["auto", "on", "off"] = "off"
    """gRPC channelz: connections, their peers and counts of calls. auto: as for reflection."""

    data_dir: Path = Path("~/.local/state/trunkline")
    """Where keys, quotas and the operators' socket are kept. Made with mode 0700 if it is missing."""
    auth: Annotated[Literal["on", "off"], AfterValidator(_auth)] = "off"
    """Whether callers have to prove who they are. off: everyone may do everything, without limits."""
    key_store: Annotated[SecretStr, AfterValidator(_key_store)] = SecretStr("sqlite")
    """Where keys are kept: "sqlite" or "file" (both in data_dir), or "postgresql://user:password@host/database"."""
    max_stale_s: Seconds = 300.0
    """How long known keys are taken while the key store can't be reached. Unknown ones are not, after two seconds."""
    admin_listen: Annotated[str, BeforeValidator(_probe)] = ""
    """Where operators with a key of that role come in over TCP. Empty: nowhere but the socket in data_dir."""
    quota_store: Annotated[SecretStr, AfterValidator(_quota_store)] = SecretStr("sqlite")
    """Where limits are counted: "sqlite" (in data_dir, for this machine), "memory" (one worker, until it ends), or
    "redis://user:password@host:port/0" for many machines ("rediss://" with TLS)."""
    quota_on_store_failure: Literal["deny", "allow_local_share"] = "deny"
    """What happens to calls under limits while that store can't be reached, once what a worker holds is used up."""
    quota_wait_s: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.05
    """How long a call may wait for that store, once."""

    drain_delay_s: Seconds = 0.0
    """From NOT_SERVING until new calls are refused: the time that endpoints take to learn of it."""
    drain_grace_s: Seconds = 30.0
    """How long calls in progress may take to end."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000)] = 250
    """Calls at the same time on one connection."""
    max_calls: Calls = 4000
    """Calls at the same time in one worker. More are refused with details."""
    max_calls_per_connection: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Calls at the same time on one TCP connection, below max_concurrent_streams. More are refused with details."""
    max_slow_requests: Calls = 32
    """Requests of one worker that may take longer than a second to come in. Each may fill up to the size of a request;
    more are refused with details."""
    max_held_request_bytes: Annotated[int, Field(ge=1024, le=2**40)] = 512 * _MIB
    """Size of all requests above 64 KiB together that one worker holds until they are answered. A request that does
    not fit is refused with details."""
    max_concurrent_rpcs: Calls = 5000
    """The transport's own bound, which refuses without details. Above max_calls."""
    max_connections: Calls = 10_000
    """Connections of one worker."""
    max_receive_message_bytes: Annotated[int, Field(ge=1024, le=_INT32_MAX)] = 32 * _MIB
    """Size of a request."""
    max_metadata_bytes: Annotated[int, Field(ge=1024, le=16 * _MIB)] = 16 * 1024
    """Size of a request's metadata."""
    handshake_timeout_s: WholeSeconds = 10
    max_connection_age_s: WholeSeconds = 600
    """After this a caller is asked to connect anew, so that load spreads."""
    max_connection_age_grace_s: WholeSeconds = 3600
    """How long calls may go on after that: at least as long as the longest answer."""
    max_connection_idle_s: WholeSeconds = 300
    """A connection without a call is closed after this; clients connect anew when they call again."""
    min_ping_interval_s: WholeSeconds = 10
    """Callers that ping more often are disconnected."""

    first_token_timeout_s: SomeSeconds | None = None
    """After this the next deployment is tried. None: no limit but the deadline."""
    idle_timeout_s: SomeSeconds = 120.0
    """Longest silence of a provider in the middle of an answer."""
    default_timeout_s: SomeSeconds = 600.0
    """Deadline of calls whose caller set none."""
    max_response_bytes: Annotated[int, Field(ge=64 * 1024, le=_INT32_MAX)] = 16 * _MIB
    """Size of a provider's answer in one piece. It is decoded in one step, during which a worker does nothing else."""
    upstream_ca_file: Annotated[Path, AfterValidator(_existing)] | None = None
    """Certificates to trust beside the system's, in PEM."""
    allowed_addresses: Annotated[Addresses, BeforeValidator(_addresses)] = ()
    """Link-local and metadata addresses, or networks of them, that providers may have."""

    log_level: Annotated[Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = (
        "INFO"
    )
    log_json: bool = False

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """The settings in these variables. Raises ConfigError."""
        settings, problems = cls._read(environ)
        if settings is None:
            raise ConfigError(problems)
        return settings

    @property
    def listen_addresses(self) -> tuple[ListenAddress, ...]:
        """`listen`, read."""
        return tuple(map(read_listen_address, self.listen))

    @property
    def tls_files(self) -> TlsFiles | None:
        """The files of TLS; None if TCP addresses are plaintext."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return TlsFiles(cert=self.tls_cert_file, key=self.tls_key_file, client_ca=self.tls_client_ca_file)

    @property
    def reflection_on(self) -> bool:
        """Whether callers may ask for the contract."""
        return self._on(self.reflection)

    @property
    def channelz_on(self) -> bool:
        """Whether callers may ask for connections and counts of calls."""
        return self._on(self.channelz)

    def _on(self, word: str) -> bool:
        if word == "auto":
            return all(address.is_local for address in self.listen_addresses)
        return word == "on"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (these are pydantic's names)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back: `load` hands the environment over."""
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.max_concurrent_rpcs <= self.max_calls:
            raise wrong(
                f"must be above TRUNKLINE_MAX_CALLS ({self.max_calls})",
                "Leave it a quarter more, so that refusals carry their reason",
                key="max_concurrent_rpcs",
            )
        if self.max_calls_per_connection >= self.max_concurrent_streams:
            raise wrong(
                f"must be below TRUNKLINE_MAX_CONCURRENT_STREAMS ({self.max_concurrent_streams})",
                "Leave it a fifth less, so that refusals carry their reason",
                key="max_calls_per_connection",
            )
        if self.max_held_request_bytes < self.max_receive_message_bytes:
            raise wrong(
                f"must be at least TRUNKLINE_MAX_RECEIVE_MESSAGE_BYTES ({self.max_receive_message_bytes})",
                "Else the largest requests are never taken",
                key="max_held_request_bytes",
            )
        if self.probe_listen in self.listen and not self.probe_listen.endswith(":0"):
            raise wrong("is an address of TRUNKLINE_LISTEN too", "Give probes a port of their own", key="probe_listen")
        for absent, present in (
            ("tls_cert_file", "tls_key_file"),
            ("tls_key_file", "tls_cert_file"),
            ("tls_cert_file", "tls_client_ca_file"),
        ):
            if getattr(self, absent) is None and getattr(self, present) is not None:
                name = PREFIX + present.upper()
                raise wrong(f"missing beside {name}", f"Name its file, or unset {name}", key=absent)
        return self

    @classmethod
    def _read(cls, environ: Mapping[str, str]) -> tuple[Self | None, list[Problem]]:
        source = EnvSettingsSource(cls)
        source.env_vars = {
            name.lower(): value.strip()
            for name, value in environ.items()
            if name.startswith(PREFIX) and (value.strip() or name in _MEANS_OFF)
        }
        # Pydantic's error holds the values, so it ends here.
        try:
            return cls(**source()), []
        except ValidationError as error:
            return None, [_problem(cls, each) for each in error.errors(include_url=False, include_input=False)]


def unknown_variables(environ: Mapping[str, str], known: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Variables that look like settings and are none. `known`: others that the configuration uses."""
    names = {PREFIX + name.upper() for name in Settings.model_fields}
    strangers = (
        name
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and name not in names | _OF_CLIENTS | set(known)
        and not _OF_KUBERNETES.fullmatch(name)
    )
    return tuple(
        Problem(key=name, message="no such setting", mend=did_you_mean(name, names | _OF_CLIENTS)) for name in strangers
    )


def _problem(kind: type[Settings], error: ErrorDetails) -> Problem:
    message, mend = explain(error)
    name = str(error["loc"][0]) if error["loc"] else error["ctx"]["key"]
    default = kind.model_fields[name].default
    fallback = "Unset it to have none" if default in (None, ()) else f"Unset it for the default, {_text(default)}"
    return Problem(key=PREFIX + name.upper(), message=message, mend=mend or fallback)


def _text(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
