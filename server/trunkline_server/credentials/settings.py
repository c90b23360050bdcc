"""Settings of a provider, read by their names."""

from trunkline_server.core.account import Settings
from trunkline_server.core.secret import Secret


def line(settings: Settings, name: str) -> str:
    """A text that is no secret; empty if it was not written."""
    value = settings.get(name, "")
    return value if isinstance(value, str) else ""


def secret(settings: Settings, name: str) -> str:
    """A text that may be a secret, revealed; empty if it was not written."""
    value = settings.get(name, "")
    return value.reveal() if isinstance(value, Secret) else line(settings, name)
