"""The local model: runs while the configuration asks for it, and is replaced when its settings change."""

import re
import secrets
from typing import Final

from loguru import logger

from trunkline_server.config import LocalModelConfig
from trunkline_server.core import control
from trunkline_server.supervisor.configuration import Configuration
from trunkline_server.supervisor.keeper import Keeper
from trunkline_server.supervisor.plan import Changed, Lost, Plan

_LLAMA: Final = re.compile(r"\d[\d.]+ ([A-Z]) +")
"""How a line of llama.cpp begins: with a time and the letter of its level."""


class LocalModel:
    """The local model of a gateway.

    While it is down the configuration names no address for it: its port may belong to another process by then, which
    must get neither key nor prompts.
    """

    def __init__(self, plan: Plan, configuration: Configuration, *, changed: Changed, lost: Lost) -> None:
        self._plan = plan
        self._configuration = configuration
        self._changed = changed
        self._lost = lost
        self._runs: LocalModelConfig | None = None
        self._keeper: Keeper | None = None
        self._replaced: list[Keeper] = []
        self._key = ""

    def __repr__(self) -> str:
        return repr(self._keeper) if self._keeper else "<no local model>"

    def fit(self) -> None:
        """Runs what the configuration asks for; does nothing if that runs already."""
        wanted = self._configuration.local_model
        if wanted == self._runs:
            return
        if self._keeper:
            self._keeper.kill()
            self._replaced = [keeper for keeper in (*self._replaced, self._keeper) if not keeper.is_over]
            self._configuration.model_listens(None)
        self._runs = wanted
        self._keeper = self._start() if wanted else None

    async def end(self) -> None:
        """Ends it, and those that it replaced."""
        for keeper in (*self._replaced, *([self._keeper] if self._keeper else ())):
            await keeper.end()

    def _start(self) -> Keeper:
        keeper = Keeper(
            name="the local model",
            module=self._plan.modules.local_model,
            start_s=self._plan.limits.model_start_s,
            limits=self._plan.limits,
            greeting=self._greeting,
            heard=self._heard,
            lost=self._down,
            says=_says,
        )
        keeper.start()
        return keeper

    async def _greeting(self) -> control.Message:
        """A key of its own for each child: the one before may have leaked with its port."""
        wanted = self._runs
        assert wanted  # noqa: S101  it runs only while it is wanted
        self._key = secrets.token_urlsafe(32)
        return control.StartModel(
            gguf=str(wanted.gguf) if wanted.gguf else None,
            context_tokens=wanted.context_tokens,
            slots=wanted.slots,
            threads=wanted.threads,
            alias=wanted.name,
            api_key=self._key,
        )

    def _heard(self, message: control.Message) -> None:
        if isinstance(message, control.Listening):
            logger.info("the local model {} is loaded", self._runs.name if self._runs else "")
            self._configuration.model_listens(control.LocalModelAt(port=message.port, api_key=self._key))
            self._changed()

    def _down(self, why: str) -> bool:
        if self._configuration.local_model_at:
            self._configuration.model_listens(None)
            self._changed()
        return self._lost("the local model", why)


def _says(line: str) -> None:
    """Logs a line that the child wrote."""
    start = _LLAMA.match(line)
    level = "INFO" if start and start[1] in "ID" else "WARNING"
    logger.bind(role="local model").log(level, "{}", line[start.end() :] if start else line)
