"""A real PostgreSQL of a test's own, on a Unix socket and no port."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

USER = "nobody"
"""Who runs it where the tests are root's: PostgreSQL refuses that."""


def present() -> bool:
    """Whether this machine has one."""
    return all(map(shutil.which, ("initdb", "pg_ctl", "postgres")))


@dataclass
class Postgres:
    folder: Path

    @property
    def address(self) -> str:
        return f"postgresql://trunkline@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "-w", "-D", "data", "-l", "log.txt", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "-D", "data", "stop")

    def run(self, *command: str) -> None:
        user = USER if os.geteuid() == 0 else None
        subprocess.run(command, cwd=self.folder, user=user, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One that answers; stopped at the end."""
    with TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:  # a socket's path has to be short
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        server = Postgres(Path(folder))
        server.run("initdb", "-D", "data", "-U", "trunkline", "-A", "trust", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()
