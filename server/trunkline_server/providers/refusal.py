"""How a field that a dialect can't carry is refused."""

from trunkline_server.core.account import STORAGE_ADDRESSES
from trunkline_server.core.deployment import Provider
from trunkline_server.core.errors import CapabilityMissing, FieldViolation

__all__ = ["missing", "refuse_storage"]


def missing(field: str, description: str) -> CapabilityMissing:
    """The refusal of one field; `description` says what would be taken."""
    return CapabilityMissing(FieldViolation(field=field, description=description))


def refuse_storage(provider: Provider, field: str) -> None:
    """Returns if callers may name objects in the cloud's storage. Raises CapabilityMissing."""
    if not provider.settings.get(STORAGE_ADDRESSES.name, False):
        text = "this provider is not configured to read the cloud's storage for callers; send the data"
        raise missing(field, text)
