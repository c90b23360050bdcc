"""Settings from the environment, models from a file, and the snapshot that a worker serves from."""

from trunkline_server.config.document import DEFAULT_FILE, Document, chosen, load
from trunkline_server.config.doubts import doubts
from trunkline_server.config.problems import ConfigError, Problem
from trunkline_server.config.settings import Settings, unknown_variables
from trunkline_server.config.snapshot import LocalModelAddress, LocalModelConfig, Snapshot, build

__all__ = [
    "DEFAULT_FILE",
    "ConfigError",
    "Document",
    "LocalModelAddress",
    "LocalModelConfig",
    "Problem",
    "Settings",
    "Snapshot",
    "build",
    "chosen",
    "doubts",
    "load",
    "unknown_variables",
]
