"""What callers of one provider ask, asked of every other: refused by name, or right by that vendor's own word."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.golden.exchange import Exchange, request_json
from tests.golden.folders import find
from tests.golden.judges.judge import Refused
from tests.golden.judges.table import JUDGES
from trunkline_server.core.errors import CapabilityMissing, InvalidRequest

COMPLETIONS = [each for each in find().exchanges if each.verb == "complete"]
FIRST = {each.dialect.name: each for each in reversed(COMPLETIONS) if each.dialect.name in JUDGES}
"""An exchange of each dialect that has a judge of its own: whom to ask."""


def asked_of(first: Exchange) -> Iterator[tuple[str, dict[str, Any]]]:
    """The HTTP requests for what all callers ask, whole and streamed, with the folder that each comes from."""
    for exchange in COMPLETIONS:
        for stream in (False, True):
            try:
                made = replace(exchange, deployment=first.deployment).encode(stream=stream)
            except (CapabilityMissing, InvalidRequest):
                continue
            yield f"{exchange.name}, {'streamed' if stream else 'whole'}", request_json(made)


def refusal(dialect: str, request: dict[str, Any]) -> str:
    """What the judge says; empty if it takes the request."""
    try:
        JUDGES[dialect].request(request)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("dialect", FIRST)
def test_what_others_are_asked(dialect: str) -> None:
    """Nothing that any golden caller asks becomes a request that this vendor's own word refuses."""
    made = list(asked_of(FIRST[dialect]))
    assert made
    refused = {name: why for name, request in made if (why := refusal(dialect, request))}
    assert refused == {}
