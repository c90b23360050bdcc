"""Answers that are almost right: bytes and values of golden ones, changed at random and by a seed."""

import json
import random
from copy import deepcopy
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 2**63, -(2**63) - 1, 2**200, 1e308, "", "x", "\u0000", "\ud83d", "9" * 400,
    [], {}, [[]], [None], {"type": "x"}, {"": ""}, ["text"], {"text": None}, "null", "{", "AAAA", "====", "é",
)  # fmt: skip
"""Values that no provider should send."""


def spoil_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut, double, swap and flip."""
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(spoilt) + 1) for _ in range(2))
        match rng.randrange(5):
            case 0:
                del spoilt[at : at + rng.randint(1, 40)]
            case 1:
                spoilt[at:at] = spoilt[at : min(to, at + 200)]
            case 2:
                spoilt[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3 if at < len(spoilt):
                spoilt[at] ^= 1 << rng.randrange(8)
            case _:
                spoilt[at:at] = rng.choice((b"\n\n", b"data: ", b'"', b"}", b"[", b"\xff", b"null", b"\r"))
    return bytes(spoilt)


def spoil_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one or a few of its parts replaced, taken out, doubled or renamed."""
    spoilt = json.loads(json.dumps(value))
    for _ in range(rng.randint(1, 3)):
        spoilt = _spoil(spoilt, rng)
    return spoilt


def _spoil(value: Any, rng: random.Random) -> Any:
    holders = [holder for holder in _holders(value) if holder]
    if not holders:
        return deepcopy(rng.choice(ODD))
    holder = rng.choice(holders)
    key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(deepcopy(holder[key]))
        case 1:
            holder[str(rng.choice(ODD))] = holder[key]
        case 2:
            holder[key] = deepcopy(rng.choice(holders))  # another part of the same answer, or itself
        case _:
            holder[key] = deepcopy(rng.choice(ODD))
    return value


def _holders(value: Any) -> list[Any]:
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            found.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    return found
