"""The parent process of `trunkline serve`. It imports neither gRPC nor uvloop: what it spawns does.

Children: workers that serve callers, the probe process, and the local model if one is configured.
"""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from loguru import logger

from trunkline_server.config import ConfigError, Problem, Settings
from trunkline_server.core import log
from trunkline_server.supervisor.certificates import Certificates
from trunkline_server.supervisor.configuration import Configuration
from trunkline_server.supervisor.limits import Limits, Modules
from trunkline_server.supervisor.listeners import Listeners, ListenFailed, check_free
from trunkline_server.supervisor.plan import Plan
from trunkline_server.supervisor.run import Supervisor

__all__ = ["Limits", "Modules", "serve"]

BAD_CONFIGURATION: Final = 2
BAD_ADDRESS: Final = 1
_PRIVATE: Final = 0o077
_LOG_JSON: Final = "TRUNKLINE_LOG_JSON"


def serve(
    environ: Mapping[str, str],
    *,
    options: Mapping[str, str] | None = None,
    ready_file: Path | None = None,
    limits: Limits | None = None,
    modules: Modules | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code, after it has said on stderr what was wrong.

    0: drained and stopped. 1: an address is taken, or a child could not start. 2: the configuration is bad. Children
    read their settings from the environment of the process, so `environ` should be that. `options`: by what name the
    operator gave a variable, where it was not that of the variable.
    """
    os.umask(_PRIVATE)  # files and Unix sockets of the gateway are its user's alone, also those of its children
    limits = limits or Limits()
    json = _wants_json(environ)
    log.set_up(role="supervisor", json=json)
    try:
        settings = Settings.load(environ)
        log.set_up(role="supervisor", level=settings.log_level, json=json)
        certificates = Certificates(settings.tls_files, limits)
        configuration = Configuration(settings, environ, limits)
        with Listeners(settings.listen, settings.unix_socket_mode) as listeners:
            if settings.probe_listen:
                check_free(settings.probe_listen, "TRUNKLINE_PROBE_LISTEN")
            plan = Plan(settings=settings, ready_file=ready_file, limits=limits, modules=modules or Modules())
            return asyncio.run(Supervisor(plan, configuration, certificates, listeners).run())
    except ConfigError as error:
        _tell(error.problems, options or {}, json=json)
        return BAD_CONFIGURATION
    except ListenFailed as error:
        _tell([error.problem], options or {}, json=json)
        return BAD_ADDRESS


def _wants_json(environ: Mapping[str, str]) -> bool:
    """Whether the log is to be JSON, which holds for what is wrong with other settings too."""
    try:
        return Settings.load({_LOG_JSON: environ.get(_LOG_JSON, "")}).log_json
    except ConfigError:
        return False


def _tell(problems: Iterable[Problem], options: Mapping[str, str], *, json: bool) -> None:
    for problem in problems:
        named = replace(problem, key=options.get(problem.key, problem.key))
        if json:
            logger.error("{}", named)
        else:
            sys.stderr.write(f"{named}\n")
