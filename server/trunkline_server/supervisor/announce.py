"""Tells the world that the gateway serves: a line in the log, and a file for programs."""

import contextlib
import json
import os
from pathlib import Path

from loguru import logger

from trunkline_server.core import log


class Announcement:
    """Made once the gateway serves, taken back when it ends."""

    def __init__(self, ready_file: Path | None) -> None:
        self._file = ready_file

    def make(self, *, listen: tuple[str, ...], workers: int, probe: str | None, tls: str = "") -> None:
        """`probe` is the probes' address, None without them; `tls` what TCP addresses speak: "TLS", "mTLS" or ""."""
        if self._file:  # before the line in the log: who has read that may read the file
            known: dict[str, object] = {"listen": list(listen), "probe": probe, "pid": os.getpid(), "tls": tls or None}
            self._write(self._file, known)
        probes = f"probes on {probe}" if probe else "no probes"
        addresses = (f"{one} ({tls})" if tls and not one.startswith("unix:") else one for one in listen)
        logger.info("serving on {}, {}, {}", ", ".join(addresses), log.counted(workers, "worker"), probes)

    def take_back(self) -> None:
        """Removes the file."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.unlink()

    @staticmethod
    def _write(file: Path, content: dict[str, object]) -> None:
        """Whole or not at all: whoever waits for the file may read it as soon as it is there."""
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(content) + "\n")
            draft.replace(file)
        except OSError as error:
            logger.warning("the ready file can't be written: {}", error.strerror)
