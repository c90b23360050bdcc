"""Sees when files change, by looking at them: works on mounts and symlink swaps where notifications don't."""

from collections.abc import Sequence
from pathlib import Path

_Look = tuple[tuple[int, int, int, int] | None, ...]


class Watch:
    """What a set of files looked like. At most as many entries as there are files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._settled = self._last = self._look()

    def changed(self) -> bool:
        """True once per change, when two looks in a row saw the same: a file that is being written is left alone."""
        now = self._look()
        steady, self._last = now == self._last, now
        if not steady or now == self._settled:
            return False
        self._settled = now
        return True

    def _look(self) -> _Look:
        return tuple(_fingerprint(path) for path in self._paths)


def _fingerprint(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
