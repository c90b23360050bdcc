"""Sees when files change, by looking at them: works on mounts and symlink swaps where notifications don't."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Fingerprint = tuple[int, int, int, int] | None
"""Device, inode, time of change and size; None for a file that is not there."""


class Watch:
    """What a set of files looked like. At most as many entries as there are files.

    `seen` is what some of them looked like before they were read: a change while they were read is seen as well.
    """

    def __init__(self, paths: Sequence[Path], seen: Mapping[Path, Fingerprint]) -> None:
        self._paths = tuple(paths)
        self._last = looks(self._paths)
        self._settled = {path: seen.get(path, look) for path, look in self._last.items()}

    def changed(self) -> bool:
        """True once per change, when two looks in a row saw the same: a file that is being written is left alone."""
        now = looks(self._paths)
        steady, self._last = now == self._last, now
        if not steady or now == self._settled:
            return False
        self._settled = now
        return True


def looks(paths: Iterable[Path]) -> dict[Path, Fingerprint]:
    """What files look like now."""
    return {path: _fingerprint(path) for path in paths}


def _fingerprint(path: Path) -> Fingerprint:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
