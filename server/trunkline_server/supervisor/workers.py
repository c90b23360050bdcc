"""The workers: told what to serve, told to drain, and asked which generation they serve."""

import asyncio
from functools import partial

from loguru import logger

from trunkline_server.core import control, log
from trunkline_server.supervisor.certificates import Certificates
from trunkline_server.supervisor.configuration import Configuration
from trunkline_server.supervisor.keeper import Keeper
from trunkline_server.supervisor.listeners import Listeners
from trunkline_server.supervisor.plan import Changed, Lost, Plan


class Workers:
    """All workers of a gateway. They are spawned at once and configured once `configure` was called."""

    def __init__(
        self,
        plan: Plan,
        configuration: Configuration,
        certificates: Certificates,
        listeners: Listeners,
        *,
        changed: Changed,
        refused: Changed,
        lost: Lost,
    ) -> None:
        """`refused` is called when workers refused a document and the one before it is in effect again."""
        self._plan = plan
        self._configuration = configuration
        self._certificates = certificates
        self._listeners = listeners
        self._changed = changed
        self._refused = refused
        self._lost = lost
        self._may_configure = asyncio.Event()
        self._in_effect: dict[str, int] = {}
        """Generation that each worker serves, by its name."""
        self._told = 0
        self._keepers = [self._keeper(index) for index in range(self._count())]

    def __repr__(self) -> str:
        return ", ".join(map(repr, self._keepers))

    def __len__(self) -> int:
        return len(self._keepers)

    @property
    def any_up(self) -> bool:
        """Whether calls can be served."""
        return any(keeper.up for keeper in self._keepers)

    @property
    def all_up(self) -> bool:
        """Whether each worker is ready."""
        return all(keeper.up for keeper in self._keepers)

    def start(self) -> None:
        """Spawns all of them."""
        for keeper in self._keepers:
            keeper.start()

    def configure(self) -> None:
        """Tells all what to serve now; those to come will hear it too."""
        if not self._may_configure.is_set():
            self._told = self._configuration.generation  # the first one needs no saying
            self._may_configure.set()
        for index, keeper in enumerate(self._keepers):
            keeper.send(self._configure_message(index))

    def renew(self) -> None:
        """Tells all which certificate to present now; those to come will hear it too."""
        if self._certificates.material:
            for keeper in self._keepers:
                keeper.send(control.Renew(renewal=self._certificates.renewal, tls=self._certificates.material))

    async def drain(self, at_once: asyncio.Event) -> None:
        """Has all end their calls and exit; returns when they have, their time is over, or `at_once` is set."""
        settings = self._plan.settings
        for keeper in self._keepers:
            keeper.no_more_lives()
            if keeper.up:
                keeper.send(control.Drain(delay_s=settings.drain_delay_s, grace_s=settings.drain_grace_s))
            else:
                keeper.kill()
        limit_s = settings.drain_delay_s + settings.drain_grace_s + self._plan.limits.drain_slack_s
        cut = asyncio.create_task(at_once.wait())
        ended = asyncio.create_task(self._all_ended())
        await asyncio.wait([ended, cut], timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        cut.cancel()
        if not ended.done():
            ended.cancel()
            self._tell_cut(asked=at_once.is_set())

    def _tell_cut(self, *, asked: bool) -> None:
        """Says what is lost with the workers that are killed now; that they are is no wonder where it was asked for."""
        left = [keeper for keeper in self._keepers if not keeper.is_over]
        calls = sum(keeper.in_flight for keeper in left)
        cut = f"{log.counted(calls, 'open call')} {'is' if calls == 1 else 'are'} cut"
        if not asked:
            names = ", ".join(keeper.name for keeper in left)
            logger.warning("{} did not end in time, and {}", names, cut)
        elif calls:
            logger.info("{}", cut)

    async def end(self) -> None:
        """Kills those that are left."""
        for keeper in self._keepers:
            keeper.kill()
        await self._all_ended()

    async def _all_ended(self) -> None:
        for keeper in self._keepers:
            await keeper.ended()

    def _count(self) -> int:
        wanted = self._plan.settings.workers
        if wanted > 1 and not self._listeners.for_worker(1):
            logger.warning("one worker instead of {}: only TCP ports can be shared by workers", wanted)
            return 1
        return wanted

    def _keeper(self, index: int) -> Keeper:
        name = f"worker {index}"
        return Keeper(
            name=name,
            module=self._plan.modules.worker,
            index=index,
            start_s=self._plan.limits.start_s,
            limits=self._plan.limits,
            greeting=partial(self._greeting, index),
            heard=partial(self._heard, name),
            lost=partial(self._lost, name),
        )

    async def _greeting(self, index: int) -> control.Message:
        await self._may_configure.wait()
        return self._configure_message(index)

    def _configure_message(self, index: int) -> control.Configure:
        return self._configuration.message(self._listeners.for_worker(index), self._certificates.material)

    def _heard(self, name: str, message: control.Message) -> None:
        if isinstance(message, control.Ready):
            self._listeners.note_files()
            self._changed()
        elif isinstance(message, control.Configured):
            self._in_effect[name] = message.generation
            self._tell_in_effect()
        elif isinstance(message, control.Refused):
            logger.error("{} refused the configuration: {}", name, message.why)
            if self._configuration.refused(message.generation):
                logger.warning("the configuration before it is in effect again")
                self._refused()
        elif isinstance(message, control.NotRenewed) and self._certificates.refused(message.renewal):
            self.renew()

    def _tell_in_effect(self) -> None:
        """Says once per generation that all workers serve it."""
        generation = self._configuration.generation
        if generation > self._told and all(
            self._in_effect.get(keeper.name) == generation for keeper in self._keepers if keeper.up
        ):
            self._told = generation
            logger.info("generation {} of the configuration is in effect", generation)
