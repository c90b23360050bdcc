"""What a status of gRPC's own becomes, and what happens to errors that travel between processes."""

import copy
import pickle

import pytest

import trunkline
from trunkline import v1
from trunkline.status import error_from_status


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "SERVER: Received message larger than max (34000000 vs. 33554432)",
            "the request has 34,000,000 bytes, and the gateway takes at most 33,554,432; send files by their address",
        ),
        (
            "Received message larger than max (34000000 vs. 33554432)",
            "the request has 34,000,000 bytes, and the gateway takes at most 33,554,432; ",
        ),
        (
            "CLIENT: Sent message larger than max (70000000 vs. 67108864)",
            "the request has 70,000,000 bytes, and this client sends at most 67,108,864; ",
        ),
        (
            "CLIENT: Received message larger than max (70000000 vs. 67108864)",
            "the answer has 70,000,000 bytes, and this client takes at most 67,108,864 ",
        ),
        ("Decompressed message larger than max", "the request has more bytes than the gateway takes; "),
    ],
)
def test_a_message_that_is_too_large_says_its_size_and_the_mend(message, words):
    """gRPC's bare refusal of a large message gets a reason, the size, the bound and what to do."""
    error = error_from_status("RESOURCE_EXHAUSTED", message, (), "r-1")
    assert error.message.startswith(words)
    assert (error.reason, error.domain) == ("MESSAGE_TOO_LARGE", "client.trunkline.dev")


def errors():
    answer = trunkline.Completion(v1.CompleteResponse(started=v1.Started(request_id="r-2")))
    return [
        error_from_status("NOT_FOUND", "no such model", (), "r-1"),
        trunkline.BrokenStream("not whole", request_id="r-1"),
        trunkline.TurnLimit("too many", messages=(v1.Message(name="a"),), request_id="r-1"),
        trunkline.InvalidOutput("no Place", reason="OUTPUT_INVALID", completion=answer, path="$.city"),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_an_error_survives_its_way_between_processes(error):
    """Pickled, copied and deeply copied, an error keeps its class, message and members: pools of processes do that."""
    for made in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(made), str(made), made.args, repr(made)) == (type(error), str(error), error.args, repr(error))
        assert (made.reason, made.code, made.request_id) == (error.reason, error.code, error.request_id)
        assert getattr(made, "messages", None) == getattr(error, "messages", None)
        if isinstance(error, trunkline.InvalidOutput):
            assert made.completion.response == error.completion.response
            assert made.path == error.path
