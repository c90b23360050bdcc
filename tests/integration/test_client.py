"""The client for threads, against a real gRPC server."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest

import trunkline
from tests.fakes import gateway as fake
from trunkline import v1


@pytest.fixture
def gateway():
    with fake.running_gateway() as running:
        yield running


@pytest.fixture
def client(gateway):
    with trunkline.Client(gateway.target, api_key="tk-secret", timeout=30) as made:
        yield made


def test_an_answer_comes_with_what_is_wanted_most(client, gateway):
    """complete sends the request as written and gives text, ending, usage and the message to append."""
    answer = client.complete("m", [{"role": "user", "content": "Hi"}], temperature=0.0, max_output_tokens=7)
    assert (answer.text, answer.finish_reason, answer.usage.output_tokens) == ("Hello", v1.FINISH_REASON_STOP, 1)
    assert answer.message.role == v1.ROLE_ASSISTANT
    assert gateway.last.request == v1.CompleteRequest(
        model="m",
        messages=[v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi"))])],
        sampling=v1.Sampling(temperature=0.0),
        max_output_tokens=7,
    )


def test_every_call_carries_a_deadline_a_name_and_the_key(client, gateway):
    """A call has the client's deadline or its own, a request id and the key as a bearer token."""
    client.complete("m", "Hi")
    assert 25 < gateway.last.time_remaining <= 31
    assert gateway.last.metadata["trunkline-request-id"][14] == "7"
    assert gateway.last.metadata["authorization"] == "Bearer tk-secret"
    client.complete("m", "Hi", timeout=5, request_id="mine")
    assert gateway.last.time_remaining <= 6
    assert gateway.last.metadata["trunkline-request-id"] == "mine"
    stream = client.stream("m", "Hi", timeout=5, request_id="mine-too")
    stream.collect()
    assert gateway.last.time_remaining <= 6
    assert gateway.last.metadata["trunkline-request-id"] == stream.request_id == "mine-too"


@pytest.mark.parametrize("per_message", [1, 3, 100])
def test_a_stream_is_events_and_text_and_an_answer(client, gateway, per_message):
    """However events are packed into messages, a stream gives each event, the text in pieces, and the whole answer."""
    gateway.on_stream = fake.speak("Grüß ", "", "Gott", per_message=per_message)
    with client.stream("m", "Hi") as stream:
        assert list(stream) == fake.events("Grüß ", "", "Gott")
        assert stream.collect().text == "Grüß Gott"
    with client.stream("m", "Hi") as stream:
        assert list(stream.text) == ["Grüß ", "Gott"]
        assert stream.usage.input_tokens == 5
    assert client.stream("m", "Hi").collect().text == "Grüß Gott"


def test_leaving_a_stream_cancels_its_call(client, gateway):
    """The gateway sees the cancel when the with is left, and the closed stream says that it was closed."""
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
    with client.stream("m", "Hi") as stream:
        assert next(stream.text) == "Hel"
    assert gateway.last.ended.wait(5)
    assert gateway.last.cancelled
    with pytest.raises(trunkline.Cancelled):
        stream.collect()


def test_a_dropped_stream_gives_its_place_back(client, gateway):
    """A stream that nobody holds any more is cancelled, and the pool counts no call."""
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
    stream = client.stream("m", "Hi")
    next(stream)
    assert "1 calls on 1 connections" in repr(client)
    call = stream._call
    freed = threading.Event()
    call.add_callback(freed.set)
    del stream, call
    gc.collect()
    assert gateway.last.ended.wait(5)
    assert freed.wait(5)
    assert "0 calls on 1 connections" in repr(client)


def test_a_failure_tells_all_that_the_gateway_told(client, gateway):
    """Code, reason, domain, delay, violations, partial usage and request id of a status are on the exception."""
    partial = v1.PartialResult(usage=v1.Usage(input_tokens=9), content_sent=True)
    gateway.on_complete = fake.fail(
        grpc.StatusCode.INVALID_ARGUMENT,
        "messages[0].role: is not set",
        reason="INVALID_REQUEST",
        retry_after_s=3,
        fields={"messages[0].role": "is not set"},
        partial=partial,
    )
    with pytest.raises(trunkline.InvalidRequest, match=r"messages\[0\].role: is not set") as caught:
        client.complete("m", "Hi", request_id="r-1")
    failure = caught.value
    assert (failure.code, failure.reason, failure.domain) == ("INVALID_ARGUMENT", "INVALID_REQUEST", "trunkline.dev")
    assert failure.retry_after == timedelta(seconds=3)
    assert failure.violations == (trunkline.FieldViolation(field="messages[0].role", description="is not set"),)
    assert failure.partial == partial
    assert failure.request_id == "r-1"


def test_a_stream_that_fails_in_the_middle_raises_after_what_came(client, gateway):
    """The text that came is given, then the failure is raised, and again for whoever asks again."""
    failing = fake.fail(grpc.StatusCode.UNAVAILABLE, "the provider broke off", reason="UPSTREAM_BROKEN")
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=failing)
    with client.stream("m", "Hi") as stream:
        text = stream.text
        assert next(text) == "Hel"
        with pytest.raises(trunkline.Unavailable, match="broke off"):
            next(text)
        with pytest.raises(trunkline.Unavailable, match="broke off"):
            stream.collect()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (fake.messages(fake.events("Hel")[:-1]), "without finished"),
        ([], "without finished"),
        (fake.messages(fake.events("Hel"))[1:], "event 0 was due and event 1 came"),
        (fake.messages(fake.events("Hel")[:1] + fake.events("Hel")[2:]), "not open"),
    ],
)
def test_a_stream_that_breaks_the_contract_raises(client, gateway, script, words):
    """A bare ending, a missing event and an event out of order are BrokenStream and never an answer."""
    gateway.on_stream = fake.play(script)
    with pytest.raises(trunkline.BrokenStream, match=words), client.stream("m", "Hi") as stream:
        stream.collect()


def test_a_deadline_ends_calls_and_streams(client, gateway):
    """A silent gateway costs the caller its deadline and no more."""
    gateway.on_complete = fake.silence
    gateway.on_stream = fake.play([], then=fake.silence)
    with pytest.raises(trunkline.DeadlineExceeded) as caught:
        client.complete("m", "Hi", timeout=0.2)
    assert (caught.value.reason, caught.value.domain) == ("DEADLINE_EXCEEDED", "client.trunkline.dev")
    with pytest.raises(trunkline.DeadlineExceeded):
        client.stream("m", "Hi", timeout=0.2).collect()


def test_unavailable_is_tried_again_unless_the_gateway_says_not_to(client, gateway):
    """A call refused with UNAVAILABLE is tried four times in all; a pushback below zero forbids it."""
    gateway.on_complete = fake.fail(grpc.StatusCode.UNAVAILABLE, "later")
    with pytest.raises(trunkline.Unavailable):
        client.complete("m", "Hi")
    assert len(gateway.calls) == 4
    gateway.on_complete = fake.fail(grpc.StatusCode.UNAVAILABLE, "no", pushback_ms=-1)
    with pytest.raises(trunkline.Unavailable):
        client.complete("m", "Hi")
    assert len(gateway.calls) == 5


def test_a_thousand_threads_get_an_answer(gateway):
    """A thousand calls at once from one client all succeed, on at most 8 connections of at most 100 calls."""
    barrier = threading.Barrier(1_000)

    def call(number):
        barrier.wait(60)
        return client.stream("m", "Hi").collect().text if number % 2 else client.complete("m", "Hi").text

    with trunkline.Client(gateway.target, timeout=100) as client, ThreadPoolExecutor(1_000) as threads:
        answers = list(threads.map(call, range(1_000)))
        assert answers == ["Hello"] * 1_000
        assert "0 waiting" in repr(client)
    assert gateway.connections <= 8
    assert gateway.peak <= 800


def test_all_models_are_listed(client, gateway):
    """models asks for every page."""
    gateway.models = ["a", "b", "c", "d", "e"]
    assert [model.name for model in client.models()] == ["a", "b", "c", "d", "e"]
    assert len(gateway.calls) == 3


def test_health_is_told_in_a_word(client):
    """health says SERVING, and NotFound for a service that the gateway has not."""
    assert client.health() == "SERVING"
    assert client.health("trunkline.v1.Completion") == "SERVING"
    with pytest.raises(trunkline.NotFound):
        client.health("nothing")


def test_a_closed_client_takes_no_calls(gateway):
    """After close, calls in progress and new ones fail with Cancelled."""
    client = trunkline.Client(gateway.target)
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
    stream = client.stream("m", "Hi")
    next(stream)
    client.close()
    with pytest.raises(trunkline.Cancelled):
        stream.collect()
    with pytest.raises(trunkline.Cancelled, match="closed"):
        client.complete("m", "Hi")


def test_the_key_is_in_no_repr_and_no_error(client, gateway):
    """Neither the client, its errors nor a bad key's complaint show the key."""
    gateway.on_complete = fake.fail(grpc.StatusCode.UNAUTHENTICATED, "no such key", reason="UNAUTHENTICATED")
    with pytest.raises(trunkline.Unauthenticated) as caught:
        client.complete("m", "Hi")
    with pytest.raises(ValueError, match="api_key") as bad:
        trunkline.Client(api_key="tk-se\ncret")
    shown = [repr(client), repr(client._connection), repr(caught.value), repr(caught.value.__cause__), repr(bad.value)]
    assert not any("tk-se" in text for text in shown)


def test_where_and_who_come_from_the_environment(gateway, monkeypatch):
    """TRUNKLINE_TARGET and TRUNKLINE_API_KEY stand in for arguments that are not given."""
    monkeypatch.setenv("TRUNKLINE_TARGET", gateway.target)
    monkeypatch.setenv("TRUNKLINE_API_KEY", "tk-env\n")
    with trunkline.Client() as client:
        client.complete("m", "Hi")
    assert gateway.last.metadata["authorization"] == "Bearer tk-env"
    monkeypatch.delenv("TRUNKLINE_TARGET")
    assert trunkline.Client().target == "127.0.0.1:50051"
