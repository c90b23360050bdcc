"""`trunkline key` against the operators' service on its Unix socket, over a store in memory."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.test_keys_service import Bench
from trunkline_server.admin import AdminServer, AlreadyServed, admin_methods, held


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Bench]:
    bench = Bench()
    with held(folder) as address:
        server = AdminServer(admin_methods(bench.keys, None))
        await server.listen_on_socket(address)
        try:
            yield bench
        finally:
            await server.stop()


async def trunkline(folder: Path, *arguments: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline_server", *arguments),
        env={**clean, "TRUNKLINE_DATA_DIR": str(folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_socket_is_its_users_alone(tmp_path: Path) -> None:
    """The socket has mode 0600, its directory 0700; a second process is refused, and a dead one's file replaced."""
    folder = tmp_path / "data"
    async with served(folder):
        assert stat.S_IMODE((folder / "admin.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(AlreadyServed), held(folder):
            pass
        assert (folder / "admin.sock").exists()
    (folder / "admin.sock").touch()
    async with served(folder):
        assert (await trunkline(folder, "key", "list"))[0] == 0


async def test_create_and_show(tmp_path: Path) -> None:
    """A key is made with its token alone on stdout, and shown with its limits."""
    async with served(tmp_path):
        options = ("--name", "search", "--org", "acme", "--team", "search", "--model", "smart", "--priority", "high")
        limits = ("--limit", "600 requests/minute", "--limit", "smart: 250 usd/month")
        code, out, err = await trunkline(tmp_path, "key", "create", *options, *limits)
        assert (code, out) == (0, "tl_key1_secret1_crc\n"), err
        assert "told this once" in err
        code, out, _ = await trunkline(tmp_path, "key", "show", "key1")
        assert code == 0
        assert "600 requests/minute" in out
        assert "smart: 250 usd/month" in out
        assert "acme/search" in out
        assert "secret1" not in out
        code, out, _ = await trunkline(tmp_path, "key", "list", "--org", "acme")
        assert [line.split()[0] for line in out.splitlines()] == ["id", "key1", "infile"]


async def test_rotate_and_revoke(tmp_path: Path) -> None:
    """Rotation tells until when the old token works; revocation is told, and the key has gone from the list."""
    async with served(tmp_path) as bench:
        await bench.create()
        code, out, err = await trunkline(tmp_path, "key", "rotate", "key1", "--overlap", "2h")
        assert (code, out) == (0, "tl_key1_secret2_crc\n")
        assert "works until 2027-01-15T10:00:00Z" in err
        code, out, _ = await trunkline(tmp_path, "key", "revoke", "key1", "--now")
        assert (code, out) == (0, "key1 is revoked\n")
        assert bench.store.records["key1"].revoke_now
        code, out, _ = await trunkline(tmp_path, "key", "list", "--json")
        assert [key["id"] for key in json.loads(out)] == ["infile"]


async def test_refusals(tmp_path: Path) -> None:
    """A refusal exits with 1 and says the field; a bad limit with 2; without a gateway the mend is told."""
    async with served(tmp_path):
        code, _, err = await trunkline(tmp_path, "key", "create", "--name", "x", "--org", "acne")
        assert code == 1
        assert 'spec.org: no org "acne"' in err
        code, _, err = await trunkline(tmp_path, "key", "create", "--name", "x", "--limit", "600 bananas/minute")
        assert code == 2
        assert "600 bananas/minute" in err
    code, _, err = await trunkline(tmp_path, "key", "list")
    assert code == 1
    assert "TRUNKLINE_DATA_DIR" in err
