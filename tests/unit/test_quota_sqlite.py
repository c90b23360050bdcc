"""Limits in an SQLite file: shared by processes, whole after a kill, and never more than they allow."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from tests.ledger import Ledger
from trunkline_server.core.limit import Limit, Period, Resource, Scope, Window
from trunkline_server.quota import windows
from trunkline_server.quota.sqlite import LATE_S, SqliteStore
from trunkline_server.quota.store import Ask, Report, StoreDown

HOUR = 3600 * 10**9
NOON = 1_795_521_600 * 10**9
BUDGET = Limit(
    name="budget", scope=Scope.TEAM, scope_id="acme/search", resource=Resource.TOKENS, window=Window.CALENDAR,
    period=Period.MONTH, capacity=2000,
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "quota.sqlite3"


async def take(store, need, lease="a", reports=()):
    [grant] = await store.exchange([Ask(limit=BUDGET, lease=lease, need=need, want=need, reports=reports)])
    return grant


async def test_what_was_used_is_known_after_a_restart(path):
    """A store that is opened again goes on where the last one ended; its file is its user's alone."""
    store = await SqliteStore.open(path, lambda: NOON)
    grant = await take(store, 1500)
    await take(store, 0, reports=(Report(lease="a", window=grant.window, used=1500, returned=0),))
    await store.close()
    again = await SqliteStore.open(path, lambda: NOON)
    assert (await take(again, 1000, "b")).amount == 500
    assert [each.remaining for each in await again.standings([BUDGET])] == [500]
    assert path.stat().st_mode & 0o777 == 0o600
    await again.close()


GREEDY = textwrap.dedent(
    """
    import asyncio, sys, time
    from pathlib import Path
    from tests.unit.test_quota_sqlite import BUDGET, NOON
    from trunkline_server.quota.sqlite import SqliteStore
    from trunkline_server.quota.store import Ask, StoreDown

    async def main():
        store = await SqliteStore.open(Path(sys.argv[1]), lambda: NOON)
        mine = 0
        while True:
            try:
                [grant] = await store.exchange([Ask(limit=BUDGET, lease=sys.argv[2], need=1, want=3)])
            except StoreDown:
                continue
            if not grant.amount:
                break
            mine += grant.amount
        print(mine)

    asyncio.run(main())
    """
)


async def test_processes_that_race_get_all_of_it_and_no_more(path):
    """Four processes that take as fast as they can have the whole limit between them, to the unit."""
    root = Path(__file__).parents[2]
    takers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", GREEDY, str(path), f"lease{number}", stdout=subprocess.PIPE, cwd=root
        )
        for number in range(4)
    ]
    async with asyncio.timeout(90):
        told = [(await taker.communicate())[0] for taker in takers]
    assert sum(map(int, told)) == BUDGET.capacity


async def test_a_killed_process_leaves_a_whole_file(path):
    """After kill -9 in the middle of it the file opens, and what was granted is still granted."""
    root = Path(__file__).parents[2]
    taker = await asyncio.create_subprocess_exec(sys.executable, "-c", GREEDY, str(path), "dead", cwd=root)
    async with asyncio.timeout(60):
        while not path.exists() or not _granted(path):
            await asyncio.sleep(0.005)
    taker.send_signal(signal.SIGKILL)
    await taker.wait()
    store = await SqliteStore.open(path, lambda: NOON)
    left = (await take(store, BUDGET.capacity, "b")).amount
    assert left < BUDGET.capacity
    await store.reap([(BUDGET, Report(lease="dead", window=(await take(store, 0, "c")).window, used=1, returned=0))])
    assert (await take(store, BUDGET.capacity, "b")).amount == BUDGET.capacity - left - 1
    await store.close()


def _granted(path):
    try:
        with sqlite3.connect(path) as connection:
            return connection.execute("SELECT count(*) FROM account").fetchone()[0]
    except sqlite3.Error:
        return 0


async def test_an_account_is_kept_as_long_as_it_says_something(path):
    """A budget is remembered to the end of its month and no longer; then its row goes, also while the store is open."""
    now = NOON
    store = await SqliteStore.open(path, lambda: now)
    await take(store, 100)
    await store.close()
    month_end = windows.calendar(Period.MONTH, NOON)[1]
    now = month_end + LATE_S * 10**9
    store = await SqliteStore.open(path, lambda: now)
    assert _granted(path) == 1
    now += 2 * HOUR
    [grant] = await store.exchange([Ask(limit=replace(BUDGET, scope_id="acme"), lease="b", need=1, want=1)])
    assert grant.amount == _granted(path) == 1
    await store.close()


async def test_looking_takes_no_lock(path):
    """Standings are told while another process writes, and leave nothing behind."""
    store = await SqliteStore.open(path, lambda: NOON)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert [each.remaining for each in await store.standings([BUDGET])] == [BUDGET.capacity]
        other.execute("ROLLBACK")
    other.close()
    assert _granted(path) == 0
    await store.close()


async def test_a_full_disk_is_told_and_mends(path):
    """What can't be written was not granted, and once there is room all goes on."""
    store = await SqliteStore.open(path, lambda: NOON)
    await take(store, 100)
    connection = store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    many = [Ask(limit=replace(BUDGET, scope_id=f"acme/{n}"), lease="a", need=1, want=1) for n in range(100)]
    with pytest.raises(StoreDown, match="full"):
        await store.exchange(many)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert {grant.amount for grant in await store.exchange(many)} == {1}
    await store.close()


async def test_a_file_that_is_no_store_is_refused_and_kept(path):
    """Its bytes stay as they are, and the error says which file it is."""
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreDown, match=r"quota\.sqlite3"):
        await SqliteStore.open(path, lambda: NOON)
    assert path.read_bytes().startswith(b"something else")


async def test_a_store_of_a_later_version_is_refused(path):
    """A gateway that doesn't know the format writes nothing into it."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(StoreDown, match="another version"):
        await SqliteStore.open(path, lambda: NOON)


async def test_a_locked_file_is_told_soon(path):
    """Who can't write within the bound is told so, and nothing is granted by halves."""
    store = await SqliteStore.open(path, lambda: NOON)
    await take(store, 100)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDown, match="locked"):
        await take(store, 100)
    holder.execute("ROLLBACK")
    holder.close()
    assert (await take(store, BUDGET.capacity)).amount == BUDGET.capacity - 100
    await store.close()
    with pytest.raises(StoreDown, match="closed"):
        await take(store, 1)


async def test_an_account_that_cant_be_read_stops_that_exchange_alone(path):
    """Half of an exchange is never kept: the others of the same exchange are as before."""
    store = await SqliteStore.open(path, lambda: NOON)
    other = Limit(
        name="other", scope=Scope.KEY, scope_id="k", resource=Resource.REQUESTS, window=Window.CALENDAR,
        period=Period.DAY, capacity=10,
    )  # fmt: skip
    await take(store, 100)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE account SET state = x'c1'")
    connection.close()
    with pytest.raises(StoreDown, match="can't be read"):
        await store.exchange(
            [Ask(limit=other, lease="o", need=4, want=4), Ask(limit=BUDGET, lease="a", need=1, want=1)]
        )
    [grant] = await store.exchange([Ask(limit=other, lease="o", need=10, want=10)])
    assert grant.amount == 10
    await store.close()


class SqliteLedger(Ledger):
    """All that can happen to an account, in a file as in memory, answer for answer."""

    def open_twin(self):
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "quota.sqlite3"
        return self.runner.run(SqliteStore.open(self.path, self.clock))

    @rule()
    def restart(self):
        """The gateway is started anew."""
        self.runner.run(self.twin.close())
        self.twin = self.runner.run(SqliteStore.open(self.path, self.clock))

    def teardown(self):
        super().teardown()
        self.folder.cleanup()


SqliteLedger.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None, derandomize=True)
TestSqliteLedger = SqliteLedger.TestCase
