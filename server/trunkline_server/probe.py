"""The process that answers probes: a plaintext gRPC port of its own, with Health and nothing else.

1. "" and "readiness" are SERVING while at least one worker is ready and the gateway is not draining.
2. "liveness" is SERVING while the supervisor lives: 10 s without its beat make it NOT_SERVING.
3. Nothing here depends on providers, nor on how busy the workers are.
"""

import asyncio
import contextlib
import sys
from typing import Final

from trunkline_server.core import control, log
from trunkline_server.core.calls import Calls
from trunkline_server.core.faults import FaultLog
from trunkline_server.engine.health import Health, health_methods
from trunkline_server.engine.intake import Intake
from trunkline_server.engine.server import TransportLimits, make_server
from trunkline_server.interceptors.errors import Errors

BEAT_LIMIT_S: Final = 10.0
CHECK_S: Final = 5.0
"""How long a check may take to come in and be answered."""

# A probe port is open to whoever reaches the machine: small messages and few connections.
_LIMITS: Final = TransportLimits(
    max_concurrent_streams=100,
    max_concurrent_rpcs=2000,
    max_connections=1000,
    max_receive_message_bytes=4096,
    max_metadata_bytes=8192,
    handshake_timeout_s=10,
    max_connection_age_s=600,
    max_connection_age_grace_s=600,
    max_connection_idle_s=300,
    min_ping_interval_s=10,
)


class Probe:
    """Health of the gateway as the supervisor tells it."""

    def __init__(self, *, beat_limit_s: float) -> None:
        clock = asyncio.get_running_loop().time
        faults = FaultLog(clock)
        self._health = Health()
        self._server = make_server(
            health_methods(self._health),
            (Errors(faults, clock),),
            _LIMITS,
            calls=Calls(),
            intake=Intake(max_slow=64, max_held_bytes=_LIMITS.max_receive_message_bytes),
            faults=faults,
            clock=clock,
            default_timeout_s=CHECK_S,
            share_port=False,
        )
        self._beat_limit_s = beat_limit_s
        self._silence: asyncio.TimerHandle | None = None
        self._health.set("", serving=False)
        self._health.set("readiness", serving=False)
        self._health.set("liveness", serving=True)
        self._expect_beat()

    async def listen(self, address: str) -> int:
        """Starts to answer; returns the port. Raises RuntimeError if the address can't be had."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    def told(self, state: control.State) -> None:
        """Takes in what the supervisor says; each word of it is a sign of life."""
        self._health.set("", serving=state.ready)
        self._health.set("readiness", serving=state.ready)
        self._health.set("liveness", serving=True)
        self._expect_beat()

    def _expect_beat(self) -> None:
        if self._silence:
            self._silence.cancel()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._beat_limit_s, lambda: self._health.set("liveness", serving=False))


async def _serve(arguments: control.ChildArguments, beat_limit_s: float) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    start = await channel.receive()
    if not isinstance(start, control.StartProbe):
        control.exit_orphaned()
    log.set_up(role="probe", level=start.log_level, json=start.log_json)
    probe = Probe(beat_limit_s=beat_limit_s)
    try:
        port = await probe.listen(start.listen)
    except RuntimeError:
        channel.send(control.Failed(why=f"TRUNKLINE_PROBE_LISTEN: {start.listen} can't be listened on"))
        return
    channel.send(control.Listening(port=port))
    beat = asyncio.create_task(control.beat(channel))
    with contextlib.suppress(control.ControlBroken):
        while message := await channel.receive():
            if isinstance(message, control.State):
                probe.told(message)
    beat.cancel()
    control.exit_orphaned()


def main(beat_limit_s: float = BEAT_LIMIT_S) -> None:
    """Entry of the child process."""
    arguments = control.enter_child(sys.argv[1:])
    asyncio.run(_serve(arguments, beat_limit_s))


if __name__ == "__main__":
    main()
