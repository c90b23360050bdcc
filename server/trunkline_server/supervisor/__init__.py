"""The parent process of `trunkline serve`. It imports neither gRPC nor uvloop: what it spawns does.

Children: workers that serve callers, the probe process, and the local model if one is configured.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trunkline_server.config import ConfigError, Settings
from trunkline_server.core import log
from trunkline_server.supervisor.configuration import Configuration
from trunkline_server.supervisor.limits import Limits, Modules
from trunkline_server.supervisor.listeners import Listeners, ListenFailed
from trunkline_server.supervisor.plan import Plan
from trunkline_server.supervisor.run import Supervisor

__all__ = ["Limits", "Modules", "serve"]

BAD_CONFIGURATION: Final = 2
BAD_ADDRESS: Final = 1
_PRIVATE: Final = 0o077


def serve(
    environ: Mapping[str, str],
    *,
    ready_file: Path | None = None,
    limits: Limits | None = None,
    modules: Modules | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code, after it has said on stderr what was wrong.

    0: drained and stopped. 1: an address is taken, or a child could not start. 2: the configuration is bad. Children
    read their settings from the environment of the process, so `environ` should be that.
    """
    os.umask(_PRIVATE)  # files and Unix sockets of the gateway are its user's alone, also those of its children
    limits = limits or Limits()
    try:
        settings = Settings.load(environ)
        log.set_up(role="supervisor", level=settings.log_level, json=settings.log_json)
        configuration = Configuration(settings, environ, limits)
        with Listeners(settings.listen) as listeners:
            plan = Plan(settings=settings, ready_file=ready_file, limits=limits, modules=modules or Modules())
            return asyncio.run(_run(plan, configuration, listeners))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_CONFIGURATION
    except ListenFailed as error:
        sys.stderr.write(f"{error}\n")
        return BAD_ADDRESS


async def _run(plan: Plan, configuration: Configuration, listeners: Listeners) -> int:
    return await Supervisor(plan, configuration, listeners).run()
