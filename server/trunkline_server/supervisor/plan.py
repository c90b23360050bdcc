"""What a supervisor is to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trunkline_server.config import Settings
from trunkline_server.supervisor.limits import Limits, Modules

Lost = Callable[[str, str], bool]
"""Told which child ended that should not have, and why; says whether another is to be started."""
Changed = Callable[[], None]
"""Told that something came up or went down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Set once, at the start."""

    settings: Settings
    ready_file: Path | None = None
    """Written once the gateway serves: a JSON object with "listen", "probe", "pid" and "tls"."""
    limits: Limits = field(default_factory=Limits)
    modules: Modules = field(default_factory=Modules)
