"""Keeps one child alive at its place.

```
 spawned --greeting--> starting --Ready, Listening--> up --(asked to end)--> ended
    ^                     |  too slow, Failed          |  silent, dead
    +------ back-off -----+----------------------------+
```
"""

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger

from trunkline_server.core import control
from trunkline_server.supervisor.backoff import Backoff
from trunkline_server.supervisor.child import Child
from trunkline_server.supervisor.limits import Limits
from trunkline_server.supervisor.relay import Says

_END_S = 2.0
_LATE_MAIL_S = 0.2


class Keeper:
    """A place for one child: says what is told to it, hears what it says, and starts it again when it is lost."""

    def __init__(
        self,
        *,
        name: str,
        module: str,
        index: int = 0,
        start_s: float,
        limits: Limits,
        greeting: Callable[[], Awaitable[control.Message]],
        heard: Callable[[control.Message], None],
        lost: Callable[[str], bool],
        says: Says | None = None,
    ) -> None:
        """Says nothing to the child by itself.

        `greeting` gives the first message to a new child and may wait until there is something to say. `heard` is
        called for each message that is no heartbeat, `lost` when a child ended that should not have; it says whether
        another is to be started. `says` is called for each line that the child writes, which else goes where ours go.
        """
        self.name = name
        self.up = False
        """True while its child serves."""
        self.in_flight = 0
        self._module = module
        self._index = index
        self._start_s = start_s
        self._limits = limits
        self._greeting = greeting
        self._heard = heard
        self._lost = lost
        self._says = says
        self._backoff = Backoff(limits)
        self._child: Child | None = None
        self._greeted = False
        self._was_up = False
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {'up' if self.up else 'down'}, {self.in_flight} in flight>"

    @property
    def pid(self) -> int | None:
        """The child's process id, if there is a child."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Starts to keep a child alive, until `no_more_lives`, `end` or `kill`."""
        self._task = asyncio.create_task(self._keep(), name=self.name)

    def send(self, message: control.Message) -> None:
        """Tells the child, if there is one that was greeted; another will hear the latest in its greeting."""
        if self._child and self._greeted:
            self._child.channel.send(message)

    def no_more_lives(self) -> None:
        """The child that runs is the last one."""
        self._ending.set()

    def kill(self) -> None:
        """Ends the child at once, for good."""
        self.no_more_lives()
        if self._task:
            self._task.cancel()

    @property
    def is_over(self) -> bool:
        """Whether its last child is gone, or none was ever started."""
        return self._task is None or self._task.done()

    async def ended(self) -> None:
        """Returns when its last child is gone."""
        if self._task:
            await asyncio.wait([self._task])

    async def end(self) -> None:
        """Ends the child by closing its channel, for good; returns when it is gone."""
        self.no_more_lives()
        if self._child:
            self._child.channel.close()
        if self._task:
            await asyncio.wait([self._task], timeout=_END_S)
        self.kill()
        await self.ended()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            began_at = loop.time()
            why = await self._live_guarded()
            if self._ending.is_set() or not self._lost(why):
                return
            delay = self._backoff.delay(up_s=loop.time() - began_at)
            logger.warning("{} is gone: {}. It starts again in {:.1f} s", self.name, why, delay)
            await self._sleep(delay)

    async def _sleep(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._ending.wait()
        except TimeoutError:
            return

    async def _live_guarded(self) -> str:
        """A fault of ours in one life ends that life, not the keeping."""
        try:
            return await self._live()
        except Exception:  # noqa: BLE001
            logger.exception("a fault while {} was watched", self.name)
            return "a fault of the supervisor, told above"

    async def _live(self) -> str:
        """One life of a child; returns how it ended."""
        try:
            self._child = child = await Child.spawn(self._module, self._index, self._says)
        except OSError as error:
            return f"the system can't start it ({error.strerror})"
        why = "it was to end"
        try:
            self._greeted = await self._greet(child)
            why = await self._follow(child) if self._greeted else ""
        finally:
            self.up = self._greeted = False
            self.in_flight = 0
            if why:
                child.kill()
            ending = await child.end(within_s=_END_S)
            self._child = None
        return why or ending

    async def _greet(self, child: Child) -> bool:
        """Waits for what there is to say and says it; False if the child ends before that."""
        greeting = asyncio.ensure_future(self._greeting())
        gone = asyncio.create_task(child.gone())
        try:
            await asyncio.wait([greeting, gone], return_when=asyncio.FIRST_COMPLETED)
            if not greeting.done():
                return False
            child.channel.send(greeting.result())
            return True
        finally:
            greeting.cancel()
            gone.cancel()

    async def _follow(self, child: Child) -> str:
        """Hears the child out; returns why it has to be killed, or "" when it ended by itself."""
        loop = asyncio.get_running_loop()
        limit_s, limit = self._start_s, loop.time() + self._start_s
        while True:
            try:
                message = await _next_message(child, limit)
            except TimeoutError:
                return f"it said nothing for {limit_s:g} s" if self.up else f"it was not ready within {limit_s:g} s"
            except control.ControlBroken as error:
                return str(error)
            if message is None:
                return ""
            if isinstance(message, control.Failed):
                return message.why
            self._take_in(message)
            if self.up:
                limit_s, limit = self._limits.silence_s, loop.time() + self._limits.silence_s

    def _take_in(self, message: control.Message) -> None:
        if isinstance(message, control.Heartbeat):
            self.in_flight = message.in_flight
            return
        if isinstance(message, control.Ready | control.Listening):
            if self._was_up:
                logger.info("{} is back", self.name)
            self.up = self._was_up = True
        self._heard(message)


async def _next_message(child: Child, limit: float) -> control.Message | None:
    """What the child says next. Raises TimeoutError if it says nothing until the loop's clock shows `limit`.

    A supervisor that was stopped itself for a while wakes up late with its mail unread; it reads that before it judges.
    """
    try:
        async with asyncio.timeout_at(limit):
            return await child.channel.receive()
    except TimeoutError:
        async with asyncio.timeout(_LATE_MAIL_S):
            return await child.channel.receive()
