"""How tokens are asked for over HTTP, where a library lets us say so.

1. No answer is waited for longer than a few seconds, whatever the library would wait.
2. The status of the last answer is kept: it is what the operator is told, in place of foreign words.
3. The operator's own certificates are trusted beside the system's. Proxies are those of the environment.
"""

import ssl
from collections.abc import Mapping
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

_CONNECT_S: Final = 5.0
_READ_S: Final = 10.0


class TokenSession(requests.Session):
    """A session for one fetch. `ca_file` holds certificates to trust beside the system's."""

    def __init__(self, ca_file: str | None) -> None:
        super().__init__()
        self.last_status = 0
        """0: nobody answered."""
        self.mount("https://", _Adapter(self, _context(ca_file)))
        self.mount("http://", _Adapter(self, None))


class _Adapter(HTTPAdapter):
    def __init__(self, session: TokenSession, context: ssl.SSLContext | None) -> None:
        self._session = session
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """With our certificates."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """With our certificates."""
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Ask, with our limits."""
        self._session.last_status = 0
        response = super().send(request, stream, _bounded(timeout), verify, cert, proxies)
        self._session.last_status = response.status_code
        return response


def _context(ca_file: str | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def _bounded(timeout: Any) -> tuple[float, float]:
    """Of the library's limits, as requests takes them, and ours the shorter."""
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return min(connect or _CONNECT_S, _CONNECT_S), min(read or _READ_S, _READ_S)
