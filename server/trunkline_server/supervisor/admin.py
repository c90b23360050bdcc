"""The admin process: serves operators. Calls go on without it, and serving begins without waiting for it."""

from loguru import logger

from trunkline_server.core import control
from trunkline_server.supervisor.certificates import Certificates
from trunkline_server.supervisor.configuration import Configuration
from trunkline_server.supervisor.keeper import Keeper
from trunkline_server.supervisor.plan import Plan


class Admin:
    """The admin process of a gateway, if callers have to prove who they are: without that there are no keys."""

    def __init__(self, plan: Plan, configuration: Configuration, certificates: Certificates) -> None:
        self._wanted = plan.settings.auth == "on"
        self._configuration = configuration
        self._certificates = certificates
        self._keeper = Keeper(
            name="the admin service",
            module=plan.modules.admin,
            start_s=plan.limits.start_s,
            limits=plan.limits,
            greeting=self._greeting,
            heard=self._heard,
            lost=self._lost,
        )

    def __repr__(self) -> str:
        return repr(self._keeper) if self._wanted else "<no admin service>"

    def start(self) -> None:
        """Spawns it."""
        if self._wanted:
            self._keeper.start()

    def configure(self) -> None:
        """Tells it of the configuration in effect: orgs, teams and keys of the file."""
        self._keeper.send(self._message())

    def renew(self) -> None:
        """Tells it which certificate to present now."""
        if self._certificates.material:
            self._keeper.send(control.Renew(renewal=self._certificates.renewal, tls=self._certificates.material))

    async def end(self) -> None:
        """Ends it."""
        await self._keeper.end()

    async def _greeting(self) -> control.Message:
        return self._message()

    def _message(self) -> control.Configure:
        return self._configuration.message((), self._certificates.material)

    @staticmethod
    def _heard(message: control.Message) -> None:
        if isinstance(message, control.Refused):
            logger.error("the admin service refused the configuration: {}", message.why)

    @staticmethod
    def _lost(_why: str) -> bool:
        """It is started again in any case: that keys can't be changed for a while ends no gateway."""
        return True
