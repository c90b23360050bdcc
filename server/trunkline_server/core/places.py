"""Places: so many may be taken in all, and so many by one connection.

1. A place is taken or Overloaded is raised, at once; nothing waits.
2. Connections are told apart by the peer's address. Callers on a Unix socket have none, so they share the places of
   one connection multiplied by UNIX_SHARE: those of other connections are never theirs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from trunkline_server.core.errors import Overloaded

UNIX: Final = "unix:"
UNIX_SHARE: Final = 8
"""As many connections as the shipped client has at most."""


class PerPeer:
    """How many of something each peer has. Peers that have none take no memory."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def of(self, peer: str) -> int:
        """How many that peer has."""
        return self._counts.get(peer, 0)

    def add(self, peer: str) -> None:
        """One more."""
        self._counts[peer] = self._counts.get(peer, 0) + 1

    def discard(self, peer: str) -> None:
        """One less, if it has any."""
        left = self._counts.get(peer, 0) - 1
        if left > 0:
            self._counts[peer] = left
        else:
            self._counts.pop(peer, None)


class Places:
    """Counted places for one kind of thing. repr: "3 of 16 health watches"."""

    def __init__(self, what: str, *, in_all: int, per_connection: int) -> None:
        self._what = what
        self._in_all = in_all
        self._per_connection = per_connection
        self._taken = 0
        self._by_peer = PerPeer()

    @contextmanager
    def one(self, peer: str) -> Iterator[None]:
        """A place for as long as the context is open. Raises Overloaded."""
        if (full := self.full(peer)) is not None:
            raise full
        self.take(peer)
        try:
            yield
        finally:
            self.give_back(peer)

    def full(self, peer: str) -> Overloaded | None:
        """Why this peer gets no place now; None if it gets one."""
        if self._taken >= self._in_all:
            return Overloaded(f"the gateway has {self._in_all} {self._what} already; try again in a moment")
        most = self._per_connection * (UNIX_SHARE if peer.startswith(UNIX) else 1)
        if self._by_peer.of(peer) >= most:
            return Overloaded(f"this connection has {most} {self._what} already; try again in a moment")
        return None

    def take(self, peer: str) -> None:
        """Take a place that `full` left free."""
        self._taken += 1
        self._by_peer.add(peer)

    def give_back(self, peer: str) -> None:
        """Give one back."""
        self._taken -= 1
        self._by_peer.discard(peer)

    def __repr__(self) -> str:
        return f"<{self._taken} of {self._in_all} {self._what}>"
