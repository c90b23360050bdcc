"""Ids of tool calls, for providers that take fewer than the contract does.

1. An id that the provider takes is sent as it is.
2. Another one is sent under a name made of its hash: the same for a call and its result, in every request, and
   different for different ids.
"""

import re
from hashlib import blake2b

__all__ = ["fitting_id"]


def fitting_id(id_: str, pattern: re.Pattern[str], *, short: int = 0) -> str:
    """The id under which a call and its result are sent. `pattern` is what all of it has to match.

    Stand-ins are 37 characters of a-z, 0-9 and an underscore; or, where `short` is given, so many hexadecimal digits.
    """
    if pattern.fullmatch(id_):
        return id_
    if short:
        return blake2b(id_.encode(), digest_size=16).hexdigest()[:short]
    return f"call_{blake2b(id_.encode(), digest_size=16).hexdigest()}"
