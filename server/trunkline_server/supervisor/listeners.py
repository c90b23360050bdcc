"""The addresses of the gateway, held for its whole life while workers come and go.

1. An address that another process serves is refused by name: TCP ports are first bound without SO_REUSEPORT, since
   with it a stale process would share the port unseen and steal calls.
2. Then each port is held by a socket that is bound with SO_REUSEPORT and never listens: it gets no connection, and
   keeps the port ours while no worker is up. Port 0 becomes a number here.
3. A Unix socket is served by worker 0 alone, which makes it for its user; whom else it is for is let in once it
   serves. A file that nobody answers on is removed at the start, ours at the end, one that another process put in its
   place never.
"""

import contextlib
import errno
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trunkline_server.config import Problem

_UNIX: Final = "unix:"
_BACKLOG_WAIT_S = 1.0
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ListenFailed(Exception):
    """An address can't be had. Says which, why and the mend."""

    def __init__(self, address: str, why: str, setting: str = "TRUNKLINE_LISTEN") -> None:
        self.problem = Problem(key=setting, message=f"{address} {why}")
        super().__init__(str(self.problem))


def check_free(address: str, setting: str) -> None:
    """Raises ListenFailed if the port can't be had. Nothing is held: it is for a child that shares with nobody."""
    host, _, port = address.rpartition(":")
    absent: list[OSError] = []
    found = _resolve(address, host.strip("[]"), setting)
    for family, where in found:
        try:
            _bind_alone(family, where, int(port))
        except OSError as error:
            if error.errno not in _ABSENT:
                raise ListenFailed(address, _why(error), setting) from error
            absent.append(error)
    if len(absent) == len(found):
        raise ListenFailed(address, _why(absent[0]), setting) from absent[0]


class Listeners:
    """Held addresses; leaving the context gives them back."""

    def __init__(self, listen: Sequence[str], unix_mode: str = "0600") -> None:
        """Takes all addresses, or none and raises ListenFailed. `unix_mode`: of socket files, in octal."""
        self._unix_mode = int(unix_mode, base=8)
        self._held: list[socket.socket] = []
        self._files: dict[Path, tuple[int, int] | None] = {}
        addresses: list[str] = []
        try:
            for address in listen:
                if address.startswith(_UNIX):
                    addresses.append(self._take_file(address))
                else:
                    addresses.extend(self._take_ports(address))
        except BaseException:
            self.close()
            raise
        self.addresses = tuple(addresses)
        """Numeric, with the ports in use: what workers bind."""

    def for_worker(self, index: int) -> tuple[str, ...]:
        """What that worker serves."""
        return tuple(address for address in self.addresses if index == 0 or not address.startswith(_UNIX))

    def note_files(self) -> None:
        """Opens our socket files to whom they are for, and remembers them; each new worker 0 makes them anew."""
        for path in self._files:
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(path.lstat().st_mode):
                    path.chmod(self._unix_mode)
                self._files[path] = _identity(path)

    def close(self) -> None:
        """Gives the ports back and removes our socket files."""
        for held in self._held:
            held.close()
        for path, ours in self._files.items():
            with contextlib.suppress(OSError):
                if ours == _identity(path):
                    path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _take_ports(self, address: str) -> list[str]:
        """One held port per address of the host, all with the same number."""
        host, _, text = address.rpartition(":")
        port = int(text)
        taken: list[str] = []
        absent: OSError | None = None
        for family, where in _resolve(address, host.strip("[]")):
            try:
                port = self._hold(family, where, port)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise ListenFailed(address, _why(error)) from error
                absent = error  # "localhost" may name ::1 where IPv6 is off
            else:
                taken.append(f"[{where}]:{port}" if family == socket.AF_INET6 else f"{where}:{port}")
        if absent and not taken:
            raise ListenFailed(address, _why(absent)) from absent
        return taken

    def _hold(self, family: socket.AddressFamily, where: str, port: int) -> int:
        port = _bind_alone(family, where, port)
        held = socket.socket(family, socket.SOCK_STREAM)
        self._held.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((where, port))
        return port

    def _take_file(self, address: str) -> str:
        path = Path(address.removeprefix(_UNIX).removeprefix("//")).absolute()
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise ListenFailed(address, "is a file and no socket; name another path, or remove it")
            if _answers(address, path):
                raise ListenFailed(address, "is served by another process; stop it, or listen elsewhere")
            path.unlink()
        if not path.parent.is_dir():
            raise ListenFailed(address, "is in a directory that does not exist; make it first")
        self._files[path] = None
        return f"{_UNIX}{path}"


def _bind_alone(family: socket.AddressFamily, where: str, port: int) -> int:
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind((where, port))
        number: int = alone.getsockname()[1]
        return number


def _resolve(address: str, host: str, setting: str = "TRUNKLINE_LISTEN") -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenFailed(address, "names no address of this machine", setting) from error
    return list(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))


def _answers(address: str, path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_BACKLOG_WAIT_S)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            return True
        except OSError as error:
            raise ListenFailed(address, _why(error)) from error
    return True


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is in use by another process; stop it, or listen elsewhere"
    if error.errno in _ABSENT:
        return "is no address of this machine; 0.0.0.0 and [::] stand for all of them"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "may not be used by this user; take a port from 1024 on, or a path of your own"
    return f"can't be used ({error.strerror or 'unknown cause'})"
