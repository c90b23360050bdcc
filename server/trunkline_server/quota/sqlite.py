"""Limits counted in an SQLite file, shared by the workers of one machine. Survives restarts and kill -9.

1. Every exchange is one transaction, in a thread of the store's own: the loop never waits for the disk.
2. An account is one row; so an ask is done as a whole or not at all.
3. An account is forgotten when it tells nothing that a new one would not: at the opening, and every PRUNE_S by the
   way. So the file is as large as what is in use.
4. A file that is no database of ours is an error that names it; nothing of it is thrown away.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from trunkline_server.core.limit import Limit
from trunkline_server.quota import account
from trunkline_server.quota.account import Account
from trunkline_server.quota.store import Ask, Grant, Report, Standing, StoreDown
from trunkline_server.quota.windows import SECOND

FORMAT: Final = 1
"""PRAGMA user_version of the file."""
PRUNE_S: Final = 3600.0
LATE_S: Final = 7200
"""So much later than it could be: a clock that went forward and is set back must not cost a budget its account."""
BUSY_S: Final = 0.04
"""How long to wait for another worker's transaction: below what a call may wait in all."""
OPEN_S: Final = 0.5
"""How long the opening may wait for another worker that makes the file."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Account)
_Got = TypeVar("_Got")


class SqliteStore:
    """A Store. Open it with `open`; `now` gives nanoseconds since 1970."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor, now: Callable[[], int]
    ) -> None:
        self._path = path
        self._connection = connection
        self._thread = thread
        self._now = now
        self._prune_at = now() + round(PRUNE_S * SECOND)

    def __repr__(self) -> str:
        return f"SqliteStore({self._path.name})"

    @classmethod
    async def open(cls, path: Path, now: Callable[[], int]) -> Self:
        """The store in a file, which is made with mode 0600 if it is missing. Raises StoreDown."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="quota-sqlite")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, _connect, path, now)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(path, connection, thread, now)

    async def exchange(self, asks: Sequence[Ask]) -> list[Grant]:
        """Take in reports and grant leases, in one transaction."""
        return await self._run("IMMEDIATE", lambda: [self._exchange(ask) for ask in asks])

    async def reap(self, reports: Sequence[tuple[Limit, Report]]) -> None:
        """Close leases of dead workers."""
        await self._run("IMMEDIATE", lambda: [self._reap(*each) for each in reports])

    async def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """Where limits stand. Only reads, so it waits for nobody."""
        return await self._run("DEFERRED", lambda: [self._standing(limit) for limit in limits])

    async def close(self) -> None:
        """Close the file. Safe to do twice."""
        with suppress(RuntimeError):  # the thread has ended already
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    async def _run(self, kind: str, work: Callable[[], list[_Got]]) -> list[_Got]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, kind, work)
        except RuntimeError as error:
            raise StoreDown("the store is closed") from error

    def _transaction(self, kind: str, work: Callable[[], list[_Got]]) -> list[_Got]:
        try:
            self._connection.execute(f"BEGIN {kind}")
            got = work()
            self._connection.execute("COMMIT")
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise StoreDown(f"{self._path.name}: {_why(error)}") from error
        finally:
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        return got

    def _exchange(self, ask: Ask) -> Grant:
        state, now = self._read(ask.limit), self._now()
        grant = account.exchange(state, ask, now)
        self._write(ask.limit, state)
        if now >= self._prune_at:
            self._prune_at = now + round(PRUNE_S * SECOND)
            _prune(self._connection, now)
        return grant

    def _reap(self, limit: Limit, report: Report) -> Account:
        state = self._read(limit)
        account.reap(state, limit, report, self._now())
        self._write(limit, state)
        return state

    def _standing(self, limit: Limit) -> Standing:
        return account.standing(self._read(limit), limit, self._now())

    def _read(self, limit: Limit) -> Account:
        row = self._connection.execute("SELECT state FROM account WHERE limit_id = ?", (limit.id,)).fetchone()
        return _DECODER.decode(row[0]) if row else Account()

    def _write(self, limit: Limit, state: Account) -> None:
        self._connection.execute(
            "INSERT INTO account (limit_id, state, until_s) VALUES (?, ?, ?) ON CONFLICT (limit_id) "
            "DO UPDATE SET state = excluded.state, until_s = excluded.until_s",
            (limit.id, _ENCODER.encode(state), account.forgettable_at(state, limit) // SECOND + 1),
        )


def _connect(path: Path, now: Callable[[], int]) -> sqlite3.Connection:
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=OPEN_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreDown(f"{path.name}: {_why(error)}") from error
    try:
        _prepare(connection, now())
    except (sqlite3.Error, StoreDown) as error:
        connection.close()
        raise StoreDown(f"{path.name}: {_why(error)}") from error
    return connection


def _prepare(connection: sqlite3.Connection, now: int) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, FORMAT):
        raise StoreDown(f"was written by another version of the gateway ({version}); move it away to count anew")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS account (limit_id TEXT PRIMARY KEY, state BLOB NOT NULL, until_s INTEGER NOT NULL)"
    )
    _prune(connection, now)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")


def _prune(connection: sqlite3.Connection, now: int) -> None:
    connection.execute("DELETE FROM account WHERE until_s < ?", (now // SECOND - LATE_S,))


def _why(error: Exception) -> str:
    """What went wrong, in the database's own words, which hold neither values nor paths."""
    if isinstance(error, OSError):
        return error.strerror or "it can't be opened"
    if isinstance(error, msgspec.MsgspecError):
        return "an account in it can't be read; move the file away to count anew"
    return str(error)
