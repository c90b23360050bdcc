"""What is allowed in a configuration and probably not meant: `check` shows it, `serve` logs it, nothing is refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from trunkline_server.config.base_url import split_base_url
from trunkline_server.config.document import Document
from trunkline_server.config.problems import Problem, Where, key_text
from trunkline_server.config.schema import RemoteEntry
from trunkline_server.config.settings import Settings, unknown_variables
from trunkline_server.config.snapshot import Snapshot
from trunkline_server.core.addresses import literal_address
from trunkline_server.core.deployment import Provider
from trunkline_server.credentials.kinds import KINDS

_ADDED_PATHS: Final = ("/chat/completions", "/messages", "/responses", "/embeddings", "/v2/chat")
_FILE_MEND: Final = "Put it there. A path that begins without a slash begins at the folder of this file"


def doubts(
    settings: Settings, document: Document, snapshot: Snapshot, environ: Mapping[str, str]
) -> tuple[Problem, ...]:
    """Each doubt with the place it is about."""
    return (
        *_of_listeners(settings),
        *unknown_variables(environ, document.variables),
        *_of_credentials(document, snapshot),
        *_of_paths(document, snapshot),
        *_of_unused(document),
        *_of_files(document),
        *_of_callers(settings, snapshot),
    )


def _of_listeners(settings: Settings) -> Iterator[Problem]:
    if settings.tls_files and all(address.path for address in settings.listen_addresses):
        yield Problem(
            key="TRUNKLINE_TLS_CERT_FILE",
            message="nothing presents it: Unix sockets stay plaintext",
            mend="Unset it, or listen on host:port",
        )
    for address in settings.listen_addresses:
        if not address.is_local and not settings.tls_client_ca_file:
            yield Problem(
                key="TRUNKLINE_LISTEN",
                message=f"{address} is open to the network, and the gateway asks callers for no key",
                mend="Let only your services reach it, ask for certificates (TRUNKLINE_TLS_CLIENT_CA_FILE), or listen "
                "on 127.0.0.1 or unix:/path",
            )


def _of_callers(settings: Settings, snapshot: Snapshot) -> Iterator[Problem]:
    directory = snapshot.directory
    stated = {
        "orgs": directory.orgs,
        "keys": directory.keys,
        "issuers": directory.issuers,
        "certificates": directory.certificates,
    }
    for key, entries in stated.items():
        if entries and settings.auth == "off":
            yield Problem(
                key=key,
                message="nobody is held to it: callers don't prove who they are (TRUNKLINE_AUTH is off)",
                mend="Let only your services reach the gateway",
            )


def _of_credentials(document: Document, snapshot: Snapshot) -> Iterator[Problem]:
    for name, provider in snapshot.providers.items():
        entry = document.config.providers[name]
        written = isinstance(entry, RemoteEntry) and entry.api_key is not None
        if not provider.credential and not provider.presents and (written or provider.needs_credential):
            yield _no_key(document, provider, written=written)
        issued = KINDS.get(provider.presents)
        if issued is not None and issued.missing:
            message = f"{issued.missing} is not installed, so calls to this provider fail"
            yield _of(document, name, "", message, issued.mend)
        if (provider.credential or issued) and provider.endpoint.scheme == "http" and not _stays_here(provider):
            yield _of(document, name, "base_url", "the credential travels in clear text", "Use https")


def _no_key(document: Document, provider: Provider, *, written: bool) -> Problem:
    effect = "are refused" if provider.needs_credential else "go without a key"
    instead = "" if provider.needs_credential else ", or take api_key out"
    return _of(
        document,
        provider.name,
        "api_key",
        f"{'empty' if written else 'missing'}, so calls to this provider {effect}",
        f"Set the variable or file that it names{instead}" if written else "Add api_key",
    )


def _of_paths(document: Document, snapshot: Snapshot) -> Iterator[Problem]:
    for name, provider in snapshot.providers.items():
        added = next((path for path in _ADDED_PATHS if provider.base_path.endswith(path)), None)
        if added:
            message = f"ends in {added}, which the gateway adds itself"
            yield _of(document, name, "base_url", message, "End it before that, such as in /v1")
        elif own := _own_path_missing(document, provider):
            message = f"has no path, and that of the provider itself is {own}"
            yield _of(document, name, "base_url", message, "Add it, or take base_url out")


def _own_path_missing(document: Document, provider: Provider) -> str:
    """The path of the provider's own address, where another way to the same host is written without any."""
    entry = document.config.providers[provider.name]
    if not isinstance(entry, RemoteEntry) or entry.base_url is None or provider.base_path or not entry.at_home:
        return ""
    own = entry.account.base_url
    return split_base_url(own)[1] if isinstance(own, str) else ""


def _of_unused(document: Document) -> Iterator[Problem]:
    used = {deployment.provider for model in document.config.models.values() for deployment in model.deployments}
    for name in document.config.providers:
        if name not in used:
            yield _of(document, name, "", "no model uses it", "Add a deployment of it to a model, or take it out")


def _of_files(document: Document) -> Iterator[Problem]:
    for name, entry in document.config.providers.items():
        for key, value in entry:
            if isinstance(value, Path) and not value.is_file():
                yield _of(document, name, key, "no such file", _FILE_MEND)


def _of(document: Document, provider: str, key: str, message: str, mend: str) -> Problem:
    """A doubt about a provider, or about one of its keys."""
    where: Where = ("providers", provider, key) if key else ("providers", provider)
    line = document.line(where)
    return Problem(file=document.origin, line=line, key=key_text(where), message=message, mend=mend)


def _stays_here(provider: Provider) -> bool:
    address = literal_address(provider.endpoint.host)
    return provider.endpoint.host == "localhost" or (address is not None and address.is_loopback)
