"""Headers of requests to providers."""

from collections.abc import Mapping

from trunkline_server.core.deployment import Provider

__all__ = ["request_headers"]


def request_headers(
    provider: Provider, *, stream: bool, own: Mapping[str, str], accept: str = "text/event-stream"
) -> tuple[tuple[str, str], ...]:
    """Headers of a JSON request. `own` are the dialect's, the credential's among them; `accept` is what a stream is in.

    The operator's own headers stand in place of ours where the names meet.
    """
    headers = {
        "content-type": "application/json",
        "accept": accept if stream else "application/json",
        "user-agent": "trunkline",
        **own,
    }
    headers.update(provider.headers)
    return tuple(headers.items())
