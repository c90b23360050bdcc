"""Where Azure OpenAI is asked, and with which header.

Source: Microsoft's specification 2024-10-21 and its page on the v1 API (both as of 2026-11).
"""

from dataclasses import replace
from typing import Final
from urllib.parse import quote

from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.headers import request_headers

__all__ = ["V1", "at_azure", "is_dated", "key_header", "path_of"]

V1: Final = "v1"


def at_azure(made: HttpRequest, operation: str, deployment: Deployment, *, stream: bool) -> HttpRequest:
    """A request as OpenAI would get it, to the operation of this deployment at Azure."""
    provider = deployment.provider
    return replace(
        made,
        target=path_of(provider, operation, deployment.upstream_model),
        headers=request_headers(provider, stream=stream, own=key_header(provider)),
    )


def path_of(provider: Provider, operation: str, deployment: str = "") -> str:
    """Path and query of an operation. `deployment`: its name, where a dated API wants it in the path.

    Operators write the resource alone, or copy what the portal shows: with /openai or /openai/v1 at its end.
    """
    root = provider.base_path.removesuffix("/v1").removesuffix("/openai")
    version = _version(provider)
    if not is_dated(provider):
        return f"{root}/openai/v1{operation}" + ("" if version == V1 else f"?api-version={version}")
    place = f"/deployments/{quote(deployment, safe='')}" if deployment else ""
    return f"{root}/openai{place}{operation}?api-version={version}"


def is_dated(provider: Provider) -> bool:
    """Whether an older API is asked, whose versions are dates."""
    return _version(provider)[0].isdigit()


def key_header(provider: Provider) -> dict[str, str]:
    """The header that carries the key, where there is one."""
    return {"api-key": provider.credential.reveal()} if provider.credential else {}


def _version(provider: Provider) -> str:
    return str(provider.settings.get("api_version", V1))
