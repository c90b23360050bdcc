"""Settings from the environment, models from a file, and the snapshot that a worker serves from."""

from trunkline_server.config.document import Document, load
from trunkline_server.config.problems import ConfigError, Problem
from trunkline_server.config.settings import Settings, unknown_variables
from trunkline_server.config.snapshot import LocalModelAddress, LocalModelConfig, Snapshot, build

__all__ = [
    "ConfigError",
    "Document",
    "LocalModelAddress",
    "LocalModelConfig",
    "Problem",
    "Settings",
    "Snapshot",
    "build",
    "load",
    "unknown_variables",
]
