"""Members that a caller adds to the provider's request by provider_options.

1. Permission comes first: without it nothing of them is read.
2. A member that the dialect refuses is refused with its path: those that it writes itself, and those that choose the
   model, the stream's shape, the number of answers, the output bound, the tier or storage. However it is spelt: servers
   written in Go take "Model" for "model" (https://pkg.go.dev/encoding/json#Unmarshal).
3. Entries for other dialects are left out and named.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from trunkline_server.core.errors import FieldViolation, ProviderOptionRefused
from trunkline_server.providers.jsontext import members_of

__all__ = ["extra_members", "refused"]


def extra_members(
    options: Mapping[str, bytes], dialect: str, refuses: Collection[str], *, allowed: bool, left_out: list[str]
) -> dict[str, msgspec.Raw]:
    """The members to add to the body: those of `options` for this dialect. `refuses`: names that no caller may set.

    Raises ProviderOptionRefused.
    """
    if not options:
        return {}
    left_out.extend(f'provider_options["{other}"]' for other in sorted(options) if other != dialect)
    if dialect not in options:
        return {}
    path = f'provider_options["{dialect}"]'
    if not allowed:
        raise refused(path, "this provider is not configured to take provider options; leave them out")
    members = members_of(options[dialect])
    _check(members, refuses, path)
    return members


def _check(members: Iterable[str], refuses: Collection[str], path: str) -> None:
    folded = {name.casefold() for name in refuses}
    for member in members:
        if member.casefold() in folded:
            raise refused(f"{path}.{member}", "the gateway decides this member; use the field of the request")


def refused(path: str, description: str) -> ProviderOptionRefused:
    """The refusal of one member."""
    return ProviderOptionRefused(FieldViolation(field=path, description=description))
