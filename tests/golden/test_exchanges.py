"""Whole exchanges with providers, and OpenAI's own types as judges of both sides of those in its format."""

import json
import re
from typing import Any

import pytest
from google.protobuf import json_format
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject

from tests.golden.exchange import Exchange, error_json, feed_all, message_json, request_json
from tests.golden.folders import find
from tests.golden.judge import judge_request
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.services.validation import validate

FOUND = find()
ALL = FOUND.exchanges
UNARY = [each for each in ALL if each.upstream_response]
STREAMS = [each for each in ALL if each.stream is not None]
OPENAI = [each for each in ALL if each.dialect.name == "openai"]
IN_ITS_FORMAT = [each for each in ALL if each.dialect.format == "openai"]
BOTH = [each for each in ALL if each.response and each.events]


def _name(exchange: Exchange) -> str:
    return exchange.name


def data_of(stream: bytes) -> list[Any]:
    """The JSON of every event of a stream whose frames are whole."""
    lines = [line[6:] for line in stream.decode().split("\n\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line.endswith("}")]


def test_every_folder_is_an_exchange() -> None:
    """Every folder is of a known dialect and holds all files of an exchange; if not, this says what is missing."""
    assert ALL
    assert FOUND.problems == ()


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_request(exchange: Exchange) -> None:
    """The caller's request is valid, and becomes exactly the provider's HTTP request, whole and streamed."""
    validate(exchange.request)
    wanted = {False: exchange.upstream_request, True: exchange.upstream_stream_request}
    assert any(wanted.values())
    for stream, request in wanted.items():
        if request is not None:
            made = exchange.dialect.encode(exchange.request, exchange.deployment, stream=stream)
            assert request_json(made) == request


@pytest.mark.parametrize("exchange", OPENAI, ids=_name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_request_fits_vendor_types(exchange: Exchange, stream: bool) -> None:
    """The vendor's request types take every body that is sent, and know each of its members."""
    judge_request(json.loads(exchange.dialect.encode(exchange.request, exchange.deployment, stream=stream).body))


@pytest.mark.parametrize("change", [{"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, {"tempratur": 1}])
def test_judge_is_strict(change: dict[str, Any]) -> None:
    """The judge of request bodies fails for a wrong member deep inside and for one that it does not know."""
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
    judge_request(body)
    with pytest.raises((ValueError, AssertionError)):
        judge_request(body | change)


@pytest.mark.parametrize("exchange", UNARY, ids=_name)
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer becomes exactly the golden response, and a failure exactly the golden error."""
    answer = exchange.upstream_response
    assert answer is not None
    body = json.dumps(answer["body"]).encode()
    if answer["status"] == 200:
        assert message_json(exchange.dialect.decode(body, exchange.deployment)) == exchange.response
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


@pytest.mark.parametrize("exchange", IN_ITS_FORMAT, ids=_name)
def test_answers_fit_vendor_types(exchange: Exchange) -> None:
    """The vendor's response types parse every golden body, chunk and error object."""
    answer = exchange.upstream_response
    if answer and answer["status"] == 200:
        ChatCompletion.model_validate(answer["body"])
    elif answer and exchange in OPENAI:
        ErrorObject.model_validate(answer["body"]["error"])
    for data in data_of(exchange.stream or b""):
        if "error" in data:
            ErrorObject.model_validate(data["error"])
        else:
            ChatCompletionChunk.model_validate(data)


@pytest.mark.parametrize("exchange", ALL, ids=_name)
def test_source_is_named(exchange: Exchange) -> None:
    """Each exchange says what it was written after or recorded from, and when."""
    assert re.search(r"\b20\d\d-(0[1-9]|1[0-2])\b", exchange.source), "source.md names no month, such as 2026-11"
    recorded, written = exchange.source.startswith("Recorded from"), exchange.source.rstrip().endswith("Not recorded.")
    assert recorded != written, 'source.md begins with "Recorded from" or ends with "Not recorded."'
