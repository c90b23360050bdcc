"""Keys in PostgreSQL, for gateways on many machines.

1. A change of a key, its audit record and the version that followers look at are one transaction.
2. The schema is made and brought up to date here, under an advisory lock, by whichever gateway comes first.
3. A statement takes STATEMENT_MS at most, a connection CONNECT_S. What fails is StoreUnavailable, without the words of
   the server or the address, which may hold a password.
4. At most MAX_AUDIT audit records are kept; the oldest go first.
5. Called in threads. One connection, one call at a time: keys are asked for four times a second, not in a call's path.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import msgspec
import psycopg

from trunkline_server.core.errors import StoreUnavailable
from trunkline_server.identity.audit import AuditRecord
from trunkline_server.identity.record import KeyRecord

CONNECT_S: Final = 3
STATEMENT_MS: Final = 5000
MAX_AUDIT: Final = 100_000
_LOCK: Final = 0x7472_756E_6B6C_696E
"""Of the migration: "trunklin" as a number."""
_MIGRATIONS: Final = (
    (
        "CREATE TABLE trunkline_keys (id text PRIMARY KEY, record text NOT NULL)",
        "CREATE TABLE trunkline_audit (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry text NOT NULL)",
        "CREATE TABLE trunkline_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL)",
        "INSERT INTO trunkline_version (version) VALUES (0)",
    ),
)
"""By version, from 1 on. What has been released is never changed."""

T = TypeVar("T")


class PostgresqlKeys:
    """The store. It connects at the first call, and anew after a failure."""

    def __init__(self, address: str) -> None:
        """`address`: "postgresql://user:password@host/database"."""
        self._address = address
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def __repr__(self) -> str:
        return f"<PostgresqlKeys: {'connected' if self._connection else 'not connected'}>"

    def version(self) -> int:
        """Grows with each change of keys."""
        return self._run(lambda connection: int(_one(connection, "SELECT version FROM trunkline_version")[0]))

    def all(self) -> list[KeyRecord]:
        """Every key."""
        rows = self._run(lambda connection: connection.execute("SELECT record FROM trunkline_keys").fetchall())
        return [_record(row[0]) for row in rows]

    def get(self, key_id: str, /) -> KeyRecord | None:
        """One key, if there is one of this id."""
        if "\0" in key_id:  # PostgreSQL takes none in a text
            return None
        query = "SELECT record FROM trunkline_keys WHERE id = %s"
        row = self._run(lambda connection: connection.execute(query, (key_id,)).fetchone())
        return _record(row[0]) if row else None

    def put(self, record: KeyRecord, audit: AuditRecord, /) -> None:
        """Keeps a key and what was done to it, or neither."""

        def work(connection: psycopg.Connection[Any]) -> None:
            # First, and with its row lock: versions are seen in the order of the changes.
            connection.execute("UPDATE trunkline_version SET version = version + 1")
            connection.execute(
                "INSERT INTO trunkline_keys (id, record) VALUES (%s, %s) "
                "ON CONFLICT (id) DO UPDATE SET record = EXCLUDED.record",
                (record.id, _json(record)),
            )
            _keep(connection, audit)

        self._run(work)

    def note(self, audit: AuditRecord, /) -> None:
        """Keeps that an act was refused."""
        self._run(lambda connection: _keep(connection, audit))

    def audit(self, most: int = 1000) -> list[AuditRecord]:
        """The last acts, newest first."""
        query = "SELECT entry FROM trunkline_audit ORDER BY number DESC LIMIT %s"
        rows = self._run(lambda connection: connection.execute(query, (most,)).fetchall())
        return [msgspec.json.decode(row[0], type=AuditRecord) for row in rows]

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()

    def _run(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Does it in one transaction. Raises StoreUnavailable."""
        with self._lock, self._translated():
            connection = self._connected()
            with connection.transaction():
                return work(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error:
            self._drop()
            raise StoreUnavailable("the key store can't be reached; try again in a moment") from None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            options = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}"
            connection = psycopg.connect(self._address, connect_timeout=CONNECT_S, autocommit=True, options=options)
            try:
                _migrate(connection)
            except psycopg.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _migrate(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS trunkline_schema (version integer NOT NULL)")
        done = int(_one(connection, "SELECT coalesce(max(version), 0) FROM trunkline_schema")[0])
        for number, statements in enumerate(_MIGRATIONS[done:], done + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO trunkline_schema (version) VALUES (%s)", (number,))


def _one(connection: psycopg.Connection[Any], query: str) -> Any:
    return connection.execute(query).fetchone()


def _keep(connection: psycopg.Connection[Any], audit: AuditRecord) -> None:
    connection.execute("INSERT INTO trunkline_audit (entry) VALUES (%s)", (_json(audit),))
    connection.execute(
        "DELETE FROM trunkline_audit WHERE number <= (SELECT max(number) FROM trunkline_audit) - %s", (MAX_AUDIT,)
    )


def _json(value: KeyRecord | AuditRecord) -> str:
    return msgspec.json.encode(value).decode()


def _record(text: str) -> KeyRecord:
    return msgspec.json.decode(text, type=KeyRecord)
