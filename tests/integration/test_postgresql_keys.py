"""Keys in a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.postgres import Postgres, postgres, present
from trunkline_server.core.errors import StoreUnavailable
from trunkline_server.core.limit import Limit, Period, Resource, Scope, Window
from trunkline_server.core.principal import Permissions, Priority, Role
from trunkline_server.identity.audit import AuditRecord
from trunkline_server.identity.postgresql import PostgresqlKeys
from trunkline_server.identity.record import KeyRecord

pytestmark = pytest.mark.skipif(not present(), reason="this machine has no PostgreSQL")
ACT = AuditRecord(at=1.0, who="uid 1", what="create", key_id="a")
RECORD = KeyRecord(
    id="a",
    digest="d",
    name="Ünï",
    labels={"env": "a\0b"},
    permissions=Permissions(models=frozenset({"m"}), max_output_tokens=5),
    limits=(
        Limit(
            name="l", scope=Scope.KEY, scope_id="a", resource=Resource.NANO_USD, window=Window.CALENDAR,
            period=Period.MONTH, capacity=2**53,
        ),
    ),
    priority=Priority.HIGH,
    role=Role.OPERATOR,
    expires_at=1.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def store(server: Postgres) -> Iterator[PostgresqlKeys]:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    store = PostgresqlKeys(server.address)
    yield store
    store.close()


def test_round_trip(store: PostgresqlKeys) -> None:
    """A record comes back as it was kept, and the version grows with each change of keys and with nothing else."""
    before = store.version()
    store.put(RECORD, ACT)
    assert store.get("a") == RECORD
    assert store.all() == [RECORD]
    after = store.version()
    assert after > before
    store.note(ACT)
    assert store.version() == after
    assert store.get("b") is None
    assert store.get("a'; DROP TABLE trunkline_keys; --") is None
    assert store.get("a\0") is None
    assert store.audit() == [ACT, ACT]


def test_many_gateways_at_once(store: PostgresqlKeys, server: Postgres) -> None:
    """Gateways that start together make the schema once, and no change of one is lost to another."""

    def one(number: int) -> None:
        mine = PostgresqlKeys(server.address)
        mine.put(KeyRecord(id=f"k{number}", digest="d"), ACT)
        mine.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(16)))
    assert store.version() == 16
    assert len(store.all()) == 16
    with psycopg.connect(server.address) as connection:
        assert connection.execute("SELECT count(*) FROM trunkline_schema").fetchone() == (1,)


def test_bounded_audit(store: PostgresqlKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest audit records go."""
    monkeypatch.setattr("trunkline_server.identity.postgresql.MAX_AUDIT", 3)
    for number in range(5):
        store.note(AuditRecord(at=float(number), who="w", what="create"))
    assert [entry.at for entry in store.audit()] == [4.0, 3.0, 2.0]


def test_stopped_and_back(store: PostgresqlKeys, server: Postgres) -> None:
    """While it is stopped the store is unavailable, without a word of where it is; once back it is asked again."""
    store.put(RECORD, ACT)
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as unavailable:
                store.get("a")
            assert str(server.folder) not in str(unavailable.value)
    finally:
        server.start()
    assert store.get("a") == RECORD
