"""The configuration in effect, and how it changes.

1. A new document takes effect only if all of it is right; otherwise the old one stays and each problem is logged once,
   and again whenever an operator asks.
2. Where it comes from is decided once: a file that was served from and has gone is a bad file. Only while the built-in
   configuration is served does ./trunkline.yaml, when it appears, take its place.
3. Each change has a generation of its own, and the document before is kept to go back to when workers refuse the new.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from trunkline_server.config import (
    DEFAULT_FILE,
    ConfigError,
    Document,
    LocalModelConfig,
    Problem,
    Settings,
    build,
    chosen,
    doubts,
    load,
)
from trunkline_server.core import control
from trunkline_server.core.tls import TlsMaterial
from trunkline_server.supervisor.limits import Limits
from trunkline_server.supervisor.watch import Watch, looks


class Configuration:
    """Where the document comes from, the one in effect, and where the local model listens."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], limits: Limits) -> None:
        """Raises ConfigError."""
        self._settings = settings
        self._path = settings.config
        self._environ = environ
        self._limits = limits
        self.generation = 1
        seen = looks(self._first_sources())
        self.document, self.local_model = self._read()
        self.local_model_at: control.LocalModelAt | None = None
        self._before: tuple[Document, LocalModelConfig | None] | None = None
        self._watch = Watch(self._sources(), seen)
        self._complaint = ""
        self._doubts: tuple[Problem, ...] = ()
        self._retry_at = 0.0

    def introduce(self) -> None:
        """Says at the start where the configuration comes from, and what of it is probably not meant."""
        logger.info("starting with {}, version {}", self.document.origin, self.document.version)
        self._warn()

    def message(self, listen: tuple[str, ...], tls: TlsMaterial | None = None) -> control.Configure:
        """What a worker is to serve, and what its TCP addresses present."""
        return control.Configure(
            generation=self.generation,
            document=self.document.to_json(),
            local_model=self.local_model_at,
            listen=listen,
            tls=tls,
        )

    def model_listens(self, at: control.LocalModelAt | None) -> None:
        """The local model can be reached there, or not at all."""
        self.local_model_at = at
        self.generation += 1

    def due(self, now: float) -> bool:
        """Whether it is time to reload."""
        return self._watch.changed() or bool(self._complaint and now >= self._retry_at)

    def reload(self, now: float, *, asked: bool = False) -> bool:
        """Reads the files again; True if another document is in effect now. Who has `asked` is answered in any case."""
        if asked:
            self._complaint = ""
        self._retry_at = now + self._limits.retry_bad_s
        seen = looks(self._sources())
        try:
            document, local_model = self._read()
        except ConfigError as error:
            self._complain(*self._of_bad_file(error))
            return False
        except Exception as fault:  # noqa: BLE001  calls go on being served, whatever a new file does to us
            why = f"a fault of the gateway while it was read: {type(fault).__name__}"
            self._complain("the new configuration can't be used", why)
            return False
        self._complaint = ""
        if document.version == self.document.version:
            logger.info("the configuration has not changed")
            return False
        self._before = self.document, self.local_model
        self.document, self.local_model = document, local_model
        self.generation += 1
        self._watch = Watch(self._sources(), seen)
        logger.info(
            "a new configuration was read, generation {}: {}, version {}",
            self.generation,
            document.origin,
            document.version,
        )
        self._warn()
        return True

    def refused(self, generation: int) -> bool:
        """A worker refused a generation; True if the document before it is in effect again, under a new one."""
        if generation != self.generation or self._before is None:
            return False
        self.document, self.local_model = self._before
        self._before = None
        self.generation += 1
        self._warn()
        return True

    def _read(self) -> tuple[Document, LocalModelConfig | None]:
        path = chosen(self._path)
        document = load(path, self._environ, named_by="--config or TRUNKLINE_CONFIG")
        local_model = build(document, with_capabilities=False).local_model
        self._path = path  # it can be used, and from now on it is where the configuration comes from
        return document, local_model

    def _sources(self) -> tuple[Path, ...]:
        """What the document was read from; for the built-in one, the file that may yet appear."""
        return self.document.sources if self._path else (DEFAULT_FILE.absolute(), *self.document.sources)

    def _first_sources(self) -> tuple[Path, ...]:
        """What is known to be read before anything is."""
        return ((self._path or DEFAULT_FILE).absolute(),)

    def _warn(self) -> None:
        """Tells the doubts about what is in effect that the one before did not raise too."""
        snapshot = build(self.document, with_capabilities=False)
        found = doubts(self._settings, self.document, snapshot, self._environ)
        told = {(doubt.key, doubt.message) for doubt in self._doubts}  # wherever it stands in the file now
        for doubt in found:
            if (doubt.key, doubt.message) not in told:
                logger.warning("{}", doubt)
        self._doubts = found

    def _of_bad_file(self, error: ConfigError) -> tuple[str, ...]:
        """What is wrong, and with what."""
        if self._path and not self._path.exists():
            return (f"{self._path}: has gone",)
        return "the new configuration can't be used", *map(str, error.problems)

    def _complain(self, heading: str, *problems: str) -> None:
        complaint = "\n".join((heading, *problems))
        if complaint == self._complaint:
            return
        self._complaint = complaint
        logger.error("{}; generation {} stays in effect", heading, self.generation)
        for problem in problems:
            logger.error("{}", problem)


async def changes(configuration: Configuration, asked: asyncio.Event, limits: Limits) -> bool:
    """Returns when the configuration is to be read again: its files changed, or `asked` is set, which is returned."""
    loop = asyncio.get_running_loop()
    while not asked.is_set() and not configuration.due(loop.time()):
        try:
            async with asyncio.timeout(limits.poll_s):
                await asked.wait()
        except TimeoutError:
            continue
    was_asked = asked.is_set()
    asked.clear()
    return was_asked
