"""What a cloud gives for a while, and where it comes from.

1. No repr shows a token or a key.
2. A source blocks, so it runs in a thread; what went wrong with it leaves as a type's name and an HTTP status, since
   the words of foreign errors may quote a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from trunkline_server.core.http import HttpRequest
from trunkline_server.core.secret import Secret

_UNAUTHORIZED: Final = 401


class Grant(Protocol):
    """Leave to ask a provider, valid for a while."""

    @property
    def expires_at(self) -> float | None:
        """Seconds of the wall clock; None: never."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that nothing a provider says may bring out."""
        ...

    def put_on(self, request: HttpRequest, now: float) -> HttpRequest:
        """The same request with headers that authorise it. `now`: seconds of the wall clock."""
        ...

    def made(self, request: HttpRequest) -> bool:
        """Whether the request carries this grant and not one before or after it."""
        ...

    def refused(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer says that it was not taken."""
        ...


class Source(Protocol):
    """Where grants come from."""

    def fetch(self) -> Grant:
        """A new grant; nothing is cached, and files and variables are read again. Blocks. Raises NoGrant."""
        ...


class NoGrant(Exception):
    """There is none to be had."""

    def __init__(self, cause: BaseException | str, *, status: int = 0, unreachable: bool = False) -> None:
        told = cause if isinstance(cause, str) else type(cause).__name__
        super().__init__(f"{told}, HTTP {status}" if status else told)
        self.unreachable = unreachable
        """True if nobody answered, or said that it is not our fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A token in the Authorization header (RFC 6750)."""

    token: Secret
    expires_at: float | None
    headers: tuple[tuple[str, str], ...] = ()
    """What goes with it, names in lower case. Operators' own headers of these names win."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self.token.reveal(),)

    def put_on(self, request: HttpRequest, now: float) -> HttpRequest:  # noqa: ARG002 (a token holds no time)
        """The same request with the token."""
        beside = self.headers
        if beside:
            named = {name for name, _ in request.headers}
            beside = tuple(pair for pair in beside if pair[0] not in named)
        return with_headers(request, (*beside, ("authorization", self._value)))

    def made(self, request: HttpRequest) -> bool:
        """Whether the request carries this token."""
        return ("authorization", self._value) in request.headers

    def refused(self, status: int, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 (the status says it)
        """403 is of what the account may do, and another token would not change that."""
        return status == _UNAUTHORIZED

    @property
    def _value(self) -> str:
        return f"Bearer {self.token.reveal()}"


def with_headers(request: HttpRequest, added: tuple[tuple[str, str], ...]) -> HttpRequest:
    """The request with these headers in place of those of the same names."""
    names = {name for name, _ in added}
    kept = tuple(pair for pair in request.headers if pair[0] not in names)
    return replace(request, headers=(*kept, *added))
