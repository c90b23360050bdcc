"""How a field that a dialect can't carry is refused."""

from trunkline_server.core.errors import CapabilityMissing, FieldViolation

__all__ = ["missing"]


def missing(field: str, description: str) -> CapabilityMissing:
    """The refusal of one field; `description` says what would be taken."""
    return CapabilityMissing(FieldViolation(field=field, description=description))
