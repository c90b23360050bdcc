"""What is allowed in a configuration and probably not meant: `check` shows it, `serve` logs it, nothing is refused."""

from collections.abc import Iterator, Mapping
from typing import Final

from trunkline_server.config.base_url import literal_address
from trunkline_server.config.document import Document
from trunkline_server.config.problems import Problem
from trunkline_server.config.schema import LocalEntry, RemoteEntry
from trunkline_server.config.settings import Settings, unknown_variables
from trunkline_server.config.snapshot import Snapshot
from trunkline_server.core.deployment import Provider
from trunkline_server.credentials.kinds import KINDS

_ADDED_PATH: Final = "/chat/completions"


def doubts(
    settings: Settings, document: Document, snapshot: Snapshot, environ: Mapping[str, str]
) -> tuple[Problem, ...]:
    """Each doubt with the place it is about."""
    return (
        *_of_listeners(settings),
        *unknown_variables(environ, document.variables),
        *_of_credentials(document, snapshot),
        *_of_paths(document.origin, snapshot),
        *_of_unused(document),
        *_of_weights(document),
    )


def _of_listeners(settings: Settings) -> Iterator[Problem]:
    for address in settings.listen_addresses:
        if not address.is_local:
            yield Problem(
                key="TRUNKLINE_LISTEN",
                message=f"{address} is open to the network, and the gateway asks callers for no key",
                mend="Let only your services reach it, or listen on 127.0.0.1 or unix:/path",
            )


def _of_credentials(document: Document, snapshot: Snapshot) -> Iterator[Problem]:
    for name, provider in snapshot.providers.items():
        entry = document.config.providers[name]
        written = isinstance(entry, RemoteEntry) and entry.api_key is not None
        if not provider.credential and not provider.presents and (written or provider.needs_credential):
            yield _no_key(document.origin, provider, written=written)
        issued = KINDS.get(provider.presents)
        if issued is not None and issued.missing:
            yield Problem(
                file=document.origin,
                key=f"providers.{name}",
                message=f"{issued.missing} is not installed, so calls to this provider fail",
                mend=issued.mend,
            )
        if (provider.credential or issued) and provider.endpoint.scheme == "http" and not _stays_here(provider):
            yield Problem(
                file=document.origin,
                key=f"providers.{name}.base_url",
                message="the credential travels in clear text",
                mend="Use https",
            )


def _no_key(file: str, provider: Provider, *, written: bool) -> Problem:
    effect = "are refused" if provider.needs_credential else "go without a key"
    instead = "" if provider.needs_credential else ", or take api_key out"
    return Problem(
        file=file,
        key=f"providers.{provider.name}.api_key",
        message=f"{'empty' if written else 'missing'}, so calls to this provider {effect}",
        mend=f"Set the variable or file that it names{instead}" if written else "Add api_key",
    )


def _of_paths(file: str, snapshot: Snapshot) -> Iterator[Problem]:
    for name, provider in snapshot.providers.items():
        if provider.base_path.endswith(_ADDED_PATH):
            yield Problem(
                file=file,
                key=f"providers.{name}.base_url",
                message=f"ends in {_ADDED_PATH}, which the gateway adds itself",
                mend="End it before that, such as in /v1",
            )


def _of_unused(document: Document) -> Iterator[Problem]:
    used = {deployment.provider for model in document.config.models.values() for deployment in model.deployments}
    for name in document.config.providers:
        if name not in used:
            yield Problem(
                file=document.origin,
                key=f"providers.{name}",
                message="no model uses it",
                mend="Add a deployment of it to a model, or take it out",
            )


def _of_weights(document: Document) -> Iterator[Problem]:
    for name, entry in document.config.providers.items():
        if isinstance(entry, LocalEntry) and entry.gguf and not entry.gguf.is_file():
            yield Problem(
                file=document.origin, key=f"providers.{name}.gguf", message="no such file", mend="Put the weights there"
            )


def _stays_here(provider: Provider) -> bool:
    address = literal_address(provider.endpoint.host)
    return provider.endpoint.host == "localhost" or (address is not None and address.is_loopback)
