"""The probe process: told every second, and at each change, whether the gateway is ready."""

import asyncio
from collections.abc import Callable
from functools import partial

from trunkline_server.core import control
from trunkline_server.supervisor.keeper import Keeper
from trunkline_server.supervisor.plan import Changed, Lost, Plan


class Probes:
    """The probe of a gateway, if its settings want one."""

    def __init__(self, plan: Plan, *, ready: Callable[[], bool], changed: Changed, lost: Lost) -> None:
        self._plan = plan
        self._ready = ready
        self._changed = changed
        self._news = asyncio.Event()
        self._beat: asyncio.Task[None] | None = None
        self.address = plan.settings.probe_listen or None
        """Where it listens; None if there is no probe. A port 0 is replaced by the real one, which then stays."""
        self._keeper = Keeper(
            name="the probe",
            module=plan.modules.probe,
            start_s=plan.limits.start_s,
            limits=plan.limits,
            greeting=self._greeting,
            heard=self._heard,
            lost=partial(lost, "the probe"),
        )

    def __repr__(self) -> str:
        return repr(self._keeper) if self.address else "<no probe>"

    @property
    def up(self) -> bool:
        """Whether probes are answered, if they are to be."""
        return self._keeper.up or not self.address

    def start(self) -> None:
        """Spawns the probe."""
        if self.address:
            self._keeper.start()
            self._beat = asyncio.create_task(self._tell())

    def news(self) -> None:
        """The state may have changed: the probe hears of it now."""
        self._news.set()

    async def end(self) -> None:
        """Ends the probe."""
        if self._beat:
            self._beat.cancel()
        await self._keeper.end()

    async def _greeting(self) -> control.Message:
        settings = self._plan.settings
        return control.StartProbe(listen=self.address or "", log_level=settings.log_level, log_json=settings.log_json)

    def _heard(self, message: control.Message) -> None:
        if isinstance(message, control.Listening) and self.address:
            self.address = f"{self.address.rpartition(':')[0]}:{message.port}"
            self._changed()

    async def _tell(self) -> None:
        while True:
            self._news.clear()
            self._keeper.send(control.State(ready=self._ready()))
            try:
                async with asyncio.timeout(self._plan.limits.beat_s):
                    await self._news.wait()
            except TimeoutError:
                continue
