"""Whole exchanges with providers, and the vendors' own specifications and types as judges of both sides."""

import json
import re
from typing import Any

import pytest
from google.protobuf import json_format

from tests.golden.exchange import Exchange, error_json, feed_all, message_json, request_json
from tests.golden.folders import find
from tests.golden.judges.table import judge_of
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.services.validation import validate

FOUND = find()
ALL = FOUND.exchanges
COMPLETIONS = [each for each in ALL if each.verb == "complete"]
UNARY = [each for each in ALL if each.upstream_response]
STREAMS = [each for each in ALL if each.stream is not None]
BOTH = [each for each in ALL if each.response and each.events]


def _name(exchange: Exchange) -> str:
    return exchange.name


def made(exchange: Exchange, *, stream: bool = False) -> dict[str, Any]:
    """The HTTP request that the dialect makes."""
    return request_json(exchange.encode(stream=stream))


def test_every_folder_is_an_exchange() -> None:
    """Every folder is of a known dialect and holds all files of an exchange; if not, this says what is missing."""
    assert ALL
    assert FOUND.problems == ()


@pytest.mark.parametrize("exchange", COMPLETIONS, ids=_name)
def test_request_is_valid(exchange: Exchange) -> None:
    """What the caller asks for passes the validation that the dialect relies on."""
    assert isinstance(exchange.request, v1.CompleteRequest)
    validate(exchange.request)


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_request(exchange: Exchange) -> None:
    """The caller's request becomes exactly the provider's HTTP request, whole and streamed."""
    wanted = {False: exchange.upstream_request, True: exchange.upstream_stream_request}
    assert any(wanted.values())
    for stream, request in wanted.items():
        if request is not None:
            assert made(exchange, stream=stream) == request


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_request_is_right_by_the_vendor(exchange: Exchange) -> None:
    """The vendor's own word takes every request that is sent, and knows each of its members."""
    for stream in [False, True] if exchange.verb == "complete" else [False]:
        judge_of(exchange.dialect.name).request(made(exchange, stream=stream))


@pytest.mark.parametrize("exchange", UNARY, ids=_name)
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer becomes exactly the golden response, and a failure exactly the golden error."""
    answer = exchange.upstream_response
    assert answer is not None
    body = json.dumps(answer["body"]).encode()
    if answer["status"] == 200:
        assert message_json(exchange.decode(body)) == exchange.response
    else:
        assert error_json(exchange.dialect.decode_error(answer["status"], answer["headers"], body)) == exchange.error


@pytest.mark.parametrize("exchange", STREAMS, ids=_name)
def test_streamed_answer(exchange: Exchange) -> None:
    """A streamed answer becomes exactly the golden events, and then the golden error if it fails."""
    assert exchange.stream is not None
    events, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), [exchange.stream])
    assert [message_json(event) for event in events] == exchange.events
    assert (error_json(error) if error else None) == exchange.error


@pytest.mark.parametrize("exchange", BOTH, ids=_name)
def test_stream_folds_to_whole_answer(exchange: Exchange) -> None:
    """Folding the events of a stream gives what the whole answer gives."""
    events = [json_format.ParseDict(event, v1.StreamEvent()) for event in exchange.events]
    assert message_json(fold(events)) == exchange.response


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_answers_are_right_by_the_vendor(exchange: Exchange) -> None:
    """The vendor's own word takes every golden body, event and error."""
    judge = judge_of(exchange.dialect.name)
    if answer := exchange.upstream_response:
        if answer["status"] == 200:
            judge.answer(made(exchange), answer["body"])
        else:
            judge.failure(answer["status"], answer["body"])
    for data in exchange.streamed:
        judge.event(made(exchange, stream=True), data)


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_source_is_named(exchange: Exchange) -> None:
    """Each exchange says what it was written after or recorded from, and when."""
    assert re.search(r"\b20\d\d-(0[1-9]|1[0-2])\b", exchange.source), "source.md names no month, such as 2026-11"
    recorded, written = exchange.source.startswith("Recorded from"), exchange.source.rstrip().endswith("Not recorded.")
    assert recorded != written, 'source.md begins with "Recorded from" or ends with "Not recorded."'
