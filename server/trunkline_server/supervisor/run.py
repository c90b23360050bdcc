"""The parent process at work: starts the children, passes on what changes, and drains.

1. "Serving" is said once, when every worker is ready, probes are answered and the local model, if there is one, can
   answer. What keeps that from happening at the first start ends the gateway with its reason; later it is retried.
2. Probes say NOT_SERVING from the first moment of a drain, and their process is the last to end.
3. Whatever way `run` is left, no child is left behind.
"""

import asyncio
import signal
from typing import Final

from loguru import logger

from trunkline_server.supervisor.announce import Announcement
from trunkline_server.supervisor.certificates import Certificates
from trunkline_server.supervisor.configuration import Configuration, changes
from trunkline_server.supervisor.listeners import Listeners
from trunkline_server.supervisor.model import LocalModel
from trunkline_server.supervisor.plan import Plan
from trunkline_server.supervisor.probes import Probes
from trunkline_server.supervisor.workers import Workers

OK: Final = 0
FAILED: Final = 1


class Supervisor:
    """One gateway. `run` once, in the main thread: signals are handled there."""

    def __init__(
        self, plan: Plan, configuration: Configuration, certificates: Certificates, listeners: Listeners
    ) -> None:
        self._plan = plan
        self._configuration = configuration
        self._certificates = certificates
        self._listeners = listeners
        self._announcement = Announcement(plan.ready_file)
        self._workers = Workers(
            plan, configuration, certificates, listeners, changed=self._changed, refused=self._fit, lost=self._lost
        )
        self._model = LocalModel(plan, configuration, changed=self._model_changed, lost=self._lost)
        self._probes = Probes(plan, ready=self._is_ready, changed=self._changed, lost=self._lost)
        self._serving = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._reload = asyncio.Event()
        self._start_failure = ""

    def __repr__(self) -> str:
        return f"<Supervisor: {self._workers}, {self._model}, {self._probes}>"

    async def run(self) -> int:
        """Serves until it is told to stop; returns the exit code."""
        self._listen_to_signals()
        follow = asyncio.create_task(self._follow_changes())
        renew = asyncio.create_task(self._certificates.follow(self._workers.renew))
        try:
            self._start()
            await self._stop.wait()
            if self._serving.is_set():
                await self._workers.drain(self._stop_now)
        finally:
            follow.cancel()
            renew.cancel()
            await self._workers.end()
            await self._model.end()
            await self._probes.end()
            self._announcement.take_back()
        return self._exit_code()

    def _start(self) -> None:
        self._configuration.introduce()
        self._certificates.introduce()
        self._announcement.take_back()  # a killed gateway may have left its file behind
        self._probes.start()
        self._model.fit()
        self._workers.start()
        if not self._configuration.local_model:
            self._workers.configure()

    def _is_ready(self) -> bool:
        return self._workers.any_up and not self._stop.is_set()

    def _changed(self) -> None:
        """Something came up or went down."""
        self._probes.news()
        if self._serving.is_set() or self._stop.is_set() or not (self._workers.all_up and self._probes.up):
            return
        self._serving.set()
        self._announcement.make(
            listen=self._listeners.addresses,
            workers=len(self._workers),
            probe=self._probes.address,
            tls=self._certificates.kind,
        )

    def _model_changed(self) -> None:
        self._workers.configure()
        self._changed()

    def _lost(self, name: str, why: str) -> bool:
        """Whether to start another. Before the gateway has served, a loss ends the start."""
        self._probes.news()
        if not self._serving.is_set():
            self._start_failure = self._start_failure or f"{name} did not start: {why}"
            self._stop.set()
        return self._serving.is_set()

    async def _follow_changes(self) -> None:
        await self._serving.wait()
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            asked = await changes(self._configuration, self._reload, self._plan.limits)
            try:
                if self._configuration.reload(loop.time(), asked=asked):
                    self._fit()
            except Exception as fault:  # noqa: BLE001 - a fault of ours must not end the following of files for good
                logger.error("a new configuration could not be passed on: {}", type(fault).__name__)

    def _fit(self) -> None:
        """Makes children fit the configuration that is in effect now."""
        self._model.fit()
        self._workers.configure()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload)

    def _asked_to_reload(self) -> None:
        if self._stop.is_set():
            logger.info("SIGHUP: the gateway stops, and the configuration stays as it is")
        else:
            self._reload.set()

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            logger.info("{}: draining", number.name)
            self._stop.set()
        elif number == signal.SIGINT:
            logger.info("{} again: stopping at once", number.name)
            self._stop_now.set()
        self._probes.news()

    def _exit_code(self) -> int:
        if self._start_failure:
            logger.error("{}", self._start_failure)
            return FAILED
        logger.info("stopped")
        return OK
