"""What callers of one provider ask, asked of every other: refused by name, or right by that vendor's own word."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.golden.exchange import Exchange, request_json
from tests.golden.folders import find
from tests.golden.judges.judge import Refused
from tests.golden.judges.table import JUDGES
from trunkline import v1
from trunkline_server.core.errors import CapabilityMissing, InvalidRequest

COMPLETIONS = [each for each in find().exchanges if each.verb == "complete" and each.dialect.name in JUDGES]
"""Of the dialects that have a judge of their own."""
FIRST = {f"{each.dialect.name}, {each.deployment.upstream_model}": each for each in reversed(COMPLETIONS)}
"""An exchange with each of their models: whom to ask."""


def asked_of(first: Exchange) -> Iterator[tuple[str, dict[str, Any]]]:
    """The HTTP requests for what all callers ask, whole and streamed, with the folder that each comes from."""
    for exchange in COMPLETIONS:
        if _holds_what_it_made(exchange, first):
            continue
        for stream in (False, True):
            try:
                made = replace(exchange, deployment=first.deployment).encode(stream=stream)
            except (CapabilityMissing, InvalidRequest):
                continue
            yield f"{exchange.name}, {'streamed' if stream else 'whole'}", request_json(made)


def _holds_what_it_made(exchange: Exchange, first: Exchange) -> bool:
    """Whether another's folder has blocks that this provider would have made: their bytes are made up there."""
    own = first.dialect.format
    assert isinstance(exchange.request, v1.CompleteRequest)
    blocks = (block for message in exchange.request.messages for block in message.blocks)
    made = any(block.HasField("provider_opaque") and block.origin.format == own for block in blocks)
    return made and exchange.dialect.format != own


def refusal(dialect: str, request: dict[str, Any]) -> str:
    """What the judge says; empty if it takes the request."""
    try:
        JUDGES[dialect].request(request)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("name", FIRST)
def test_what_others_are_asked(name: str) -> None:
    """Nothing that any golden caller asks becomes a request that this vendor's own word refuses."""
    first = FIRST[name]
    made = list(asked_of(first))
    assert made
    refused = [f"{case}: {why}" for case, request in made if (why := refusal(first.dialect.name, request))]
    assert not refused, "\n".join(refused)
