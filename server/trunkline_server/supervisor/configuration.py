"""The configuration in effect, and how it changes.

1. A new document takes effect only if all of it is right; otherwise the old one stays and each problem is logged once.
2. Each change has a generation of its own, and the document before is kept to go back to when workers refuse the new.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from trunkline_server.config import ConfigError, Document, LocalModelConfig, build, load, unknown_variables
from trunkline_server.core import control
from trunkline_server.supervisor.limits import Limits
from trunkline_server.supervisor.watch import Watch


class Configuration:
    """Where the document comes from, the one in effect, and where the local model listens."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], limits: Limits) -> None:
        """Raises ConfigError."""
        self._path = path
        self._environ = environ
        self._limits = limits
        self.generation = 1
        self.document, self.local_model = self._read()
        self.local_model_at: control.LocalModelAt | None = None
        self._before: tuple[Document, LocalModelConfig | None] | None = None
        self._watch = Watch(self._sources())
        self._complaint = ""
        self._retry_at = 0.0

    def introduce(self) -> None:
        """Says at the start where the configuration comes from, and which variables look like settings and are none."""
        logger.info("starting with {}, version {}", self.document.origin, self.document.version)
        for problem in unknown_variables(self._environ, self.document.variables):
            logger.warning("{}", problem)

    def message(self, listen: tuple[str, ...]) -> control.Configure:
        """What a worker is to serve."""
        return control.Configure(
            generation=self.generation,
            document=self.document.to_json(),
            local_model=self.local_model_at,
            listen=listen,
        )

    def model_listens(self, at: control.LocalModelAt | None) -> None:
        """The local model can be reached there, or not at all."""
        self.local_model_at = at
        self.generation += 1

    def due(self, now: float) -> bool:
        """Whether it is time to reload."""
        return self._watch.changed() or bool(self._complaint and now >= self._retry_at)

    def reload(self, now: float) -> bool:
        """Reads the files again; True if another document is in effect now."""
        self._retry_at = now + self._limits.retry_bad_s
        try:
            document, local_model = self._read()
        except ConfigError as error:
            self._complain(str(error))
            return False
        except Exception as fault:  # noqa: BLE001  calls go on being served, whatever a new file does to us
            self._complain(f"a fault of the gateway while it was read: {type(fault).__name__}")
            return False
        self._complaint = ""
        if document.version == self.document.version:
            logger.info("the configuration has not changed")
            return False
        self._before = self.document, self.local_model
        self.document, self.local_model = document, local_model
        self.generation += 1
        self._watch = Watch(self._sources())
        logger.info("a new configuration was read, generation {}", self.generation)
        return True

    def refused(self, generation: int) -> bool:
        """A worker refused a generation; True if the document before it is in effect again, under a new one."""
        if generation != self.generation or self._before is None:
            return False
        self.document, self.local_model = self._before
        self._before = None
        self.generation += 1
        return True

    def _read(self) -> tuple[Document, LocalModelConfig | None]:
        document = load(self._path, self._environ)
        return document, build(document).local_model

    def _sources(self) -> tuple[Path, ...]:
        """What the document was read from, and the file that was named, which may yet appear."""
        named = (self._path,) if self._path else ()
        return tuple(dict.fromkeys((*self.document.sources, *named)))

    def _complain(self, problems: str) -> None:
        if problems == self._complaint:
            return
        self._complaint = problems
        logger.error("the new configuration can't be used; generation {} stays in effect", self.generation)
        for problem in problems.splitlines():
            logger.error("{}", problem)


async def changes(configuration: Configuration, asked: asyncio.Event, limits: Limits) -> None:
    """Returns when the configuration is to be read again: its files changed, or `asked` is set."""
    loop = asyncio.get_running_loop()
    while not asked.is_set() and not configuration.due(loop.time()):
        try:
            async with asyncio.timeout(limits.poll_s):
                await asked.wait()
        except TimeoutError:
            continue
    asked.clear()
