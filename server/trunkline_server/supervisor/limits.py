"""Every length of time in the supervisor, and the modules that it spawns, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. A test may shorten them."""

    start_s: float = 30.0
    """From its configuration until a worker is ready; one that takes longer is killed and replaced."""
    model_start_s: float = 300.0
    """The same for the local model, whose weights may be many gigabytes."""
    silence_s: float = 10.0
    """A child that says nothing for so long is killed and replaced."""
    poll_s: float = 0.5
    """How often the files of the configuration are looked at. A change counts once it was seen twice."""
    certificates_s: float = 0.2
    """How often the files of TLS are looked at. A change counts once it was seen twice."""
    retry_bad_s: float = 5.0
    """How often a configuration that was refused is tried again, in case of a cause outside the watched files."""
    beat_s: float = 1.0
    """How often the probe is told the state."""
    drain_slack_s: float = 5.0
    """What workers get beyond delay and grace before they are killed."""
    backoff_first_s: float = 0.1
    backoff_most_s: float = 10.0
    healthy_s: float = 30.0
    """A child that was up for so long starts again without back-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """What is run as `python -m`. A test may name stand-ins."""

    worker: str = "trunkline_server.worker"
    probe: str = "trunkline_server.probe"
    admin: str = "trunkline_server.admin"
    local_model: str = "trunkline_server.local_model"
