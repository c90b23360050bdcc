"""A worker: the process that serves gRPC.

1. It serves what the supervisor configured, and says every second that it lives.
2. A configuration that it can't use leaves the one before in force.
3. It drains in this order: NOT_SERVING, time for endpoints to learn it, end of health watches, GOAWAY, the open calls
   up to the grace, the clean-up of each of them, exit 0.
4. It ends with its supervisor.
"""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

import grpc
import uvloop
from loguru import logger

from trunkline_server.app import App, open_app
from trunkline_server.config.document import Document
from trunkline_server.config.problems import ConfigError
from trunkline_server.config.settings import Settings
from trunkline_server.config.snapshot import LocalModelAddress, Snapshot, build
from trunkline_server.core import control, log
from trunkline_server.core.secret import Secret
from trunkline_server.engine.server import TransportLimits, make_server
from trunkline_server.engine.tls import ServerTls, is_refused

CLEAN_UP_S: Final = 2.0
"""Longest wait for the clean-up of calls that the end of the grace has cut."""


class Worker:
    """One worker from its first configuration to its exit."""

    def __init__(self, channel: control.Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings

    async def run(self) -> None:
        """Serve until drained. Returns when the process may exit."""
        first = await self._channel.receive()
        if not isinstance(first, control.Configure):
            return
        async with open_app(self._settings, _snapshot(first), os.environ) as app:
            tls = ServerTls(first.tls, app.clock) if first.tls else None
            server = server_for(app, self._settings, share_port=first.share_port, tls=tls)
            if not self._bind(server, first, tls):
                return
            await server.start()
            self._tell(app, serving=True)
            self._channel.send(control.Configured(generation=first.generation))
            self._channel.send(control.Ready())
            beat = asyncio.create_task(control.beat(self._channel, lambda: len(app.calls)))
            drain = await self._obey(app, tls)
            await self._drain(app, server, drain)
            beat.cancel()
            self._channel.send(control.Drained())

    def _bind(self, server: grpc.aio.Server, first: control.Configure, tls: ServerTls | None) -> bool:
        for address in first.listen:
            try:
                bind(server, address, tls)
            except RuntimeError:
                why = f"can't listen on {address}; free it, or choose another in TRUNKLINE_LISTEN"
                if first.tls and is_refused(first.tls):
                    why = (
                        "gRPC can't use what is in TRUNKLINE_TLS_CERT_FILE and _KEY_FILE; make a pair with ECDSA P-256"
                    )
                self._channel.send(control.Failed(why=why))
                return False
        return True

    @staticmethod
    def _tell(app: App, *, serving: bool) -> None:
        for service in ("", *app.services):
            app.health.set(service, serving=serving)

    async def _obey(self, app: App, tls: ServerTls | None) -> control.Drain:
        """Take in new configurations until told to drain."""
        while True:
            message = await self._channel.receive()
            if isinstance(message, control.Configure):
                self._configure(app, message)
            elif isinstance(message, control.Renew) and tls:
                self._renew(tls, message)
            elif isinstance(message, control.Drain):
                return message
            elif message is None:
                control.exit_orphaned()

    def _renew(self, tls: ServerTls, renew: control.Renew) -> None:
        if is_refused(renew.tls):
            self._channel.send(control.NotRenewed(renewal=renew.renewal))
        else:
            tls.use(renew.tls)

    def _configure(self, app: App, message: control.Configure) -> None:
        try:
            app.configuration.use(_snapshot(message))
        except ConfigError as error:
            self._channel.send(control.Refused(generation=message.generation, why=str(error)))
        else:
            self._channel.send(control.Configured(generation=message.generation))

    async def _drain(self, app: App, server: grpc.aio.Server, drain: control.Drain) -> None:
        self._channel.send(control.Heartbeat(in_flight=len(app.calls)))  # the supervisor tells of calls that are cut
        count = log.counted(len(app.calls), "open call")
        logger.info("draining: {}, {:g} s at most", count, drain.delay_s + drain.grace_s)
        self._tell(app, serving=False)
        await asyncio.sleep(drain.delay_s)
        app.health.end_watches()
        await server.stop(drain.grace_s)
        # stop() returns before the clean-up of the calls that it cut (grpc/grpc#37239).
        with suppress(TimeoutError):
            await asyncio.wait_for(app.calls.all_ended(), CLEAN_UP_S)


def bind(server: grpc.aio.Server, address: str, tls: ServerTls | None) -> int:
    """Has the server listen there; returns the port. Unix sockets are never TLS: their mode guards them.

    Raises RuntimeError if the address can't be had.
    """
    if tls is None or address.startswith("unix:"):
        return server.add_insecure_port(address)
    return server.add_secure_port(address, tls.credentials())


def server_for(app: App, settings: Settings, *, share_port: bool, tls: ServerTls | None = None) -> grpc.aio.Server:
    """The gRPC server of a worker, neither bound nor started."""
    return make_server(
        app.methods,
        app.policies,
        TransportLimits(
            max_concurrent_streams=settings.max_concurrent_streams,
            max_concurrent_rpcs=settings.max_concurrent_rpcs,
            max_connections=settings.max_connections,
            max_receive_message_bytes=settings.max_receive_message_bytes,
            max_metadata_bytes=settings.max_metadata_bytes,
            handshake_timeout_s=settings.handshake_timeout_s,
            max_connection_age_s=settings.max_connection_age_s,
            max_connection_age_grace_s=settings.max_connection_age_grace_s,
            max_connection_idle_s=settings.max_connection_idle_s,
            min_ping_interval_s=settings.min_ping_interval_s,
            channelz=settings.channelz_on,
        ),
        request_policies=app.request_policies,
        calls=app.calls,
        intake=app.intake,
        faults=app.faults,
        clock=app.clock,
        default_timeout_s=settings.default_timeout_s,
        share_port=share_port,
        asks_certificates=tls is not None and tls.mutual,
    )


def _snapshot(message: control.Configure) -> Snapshot:
    """The snapshot of a configuration. Raises ConfigError."""
    at = message.local_model
    address = LocalModelAddress(port=at.port, api_key=Secret(at.api_key)) if at is not None else None
    return build(Document.from_json(message.document), local_model=address)


async def _serve(arguments: control.ChildArguments) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    try:
        settings = Settings.load(os.environ)
        log.set_up(role=f"worker {arguments.index}", level=settings.log_level, json=settings.log_json)
        await Worker(channel, settings).run()
    except ConfigError as error:
        channel.send(control.Failed(why=str(error)))
    except control.ControlBroken as error:
        logger.error("{}; this worker ends and another takes its place", error)
    channel.close()


def main() -> None:
    """Entry of the child process."""
    uvloop.run(_serve(control.enter_child(sys.argv[1:])))


if __name__ == "__main__":
    main()
