"""Vectors, counts, one model and outcomes, as both clients give them."""

import array
import asyncio
import struct
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

import trunkline
from tests.fakes import gateway as fake
from trunkline import v1

DTYPES = [
    (v1.EMBEDDING_DTYPE_FLOAT32, 3, struct.pack("<3f", 0.5, -1.0, 2.0), "f", [0.5, -1.0, 2.0]),
    (v1.EMBEDDING_DTYPE_UNSPECIFIED, 1, struct.pack("<f", 0.25), "f", [0.25]),
    (v1.EMBEDDING_DTYPE_FLOAT16, 2, struct.pack("<2e", 0.5, -2.0), "f", [0.5, -2.0]),
    (v1.EMBEDDING_DTYPE_INT8, 2, b"\x7f\x80", "b", [127, -128]),
    (v1.EMBEDDING_DTYPE_UINT8, 2, b"\x00\xff", "B", [0, 255]),
    (v1.EMBEDDING_DTYPE_BINARY, 10, b"\x80\x40", "B", [128, 64]),
]


@pytest.fixture
async def gateway():
    async with fake.Gateway() as running:
        yield running


@pytest.fixture(params=["threads", "asyncio"])
async def ask(gateway, request):
    """Makes a call with one of the two clients and gives its answer, or raises what it failed with."""

    def in_a_thread(call):
        with trunkline.Client(gateway.target, timeout=20) as client:
            return call(client)

    async def here(call):
        async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
            return await call(client)

    async def threaded(call):
        return await asyncio.to_thread(in_a_thread, call)

    return threaded if request.param == "threads" else here


@pytest.mark.parametrize(
    "part", [v1.Media(uri="https://a.example/b.png"), {"type": "text", "text": "a"}, Path("a.txt")]
)
async def test_one_part_is_one_input(gateway, ask, part, tmp_path, monkeypatch):
    """A medium, a dict or a path that stands alone is embedded as it is, and not taken for a list."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("a")
    vector = v1.EmbeddingVector(dimensions=1, dtype=v1.EMBEDDING_DTYPE_INT8, data=b"\1")
    gateway.on_embed = fake.give(v1.EmbedResponse(vectors=[vector]))
    assert len(await ask(lambda client: client.embed("vectors", part))) == 1
    wanted = v1.Block(media=part) if isinstance(part, v1.Media) else v1.Block(text=v1.Text(text="a"))
    assert [list(each.blocks) for each in gateway.last.request.inputs] == [[wanted]]


async def test_inputs_become_a_request_and_vectors_arrays(gateway, ask):
    """Texts, media and lists of both are inputs in their order; the vectors come with usage and name."""
    vector = v1.EmbeddingVector(dimensions=2, dtype=v1.EMBEDDING_DTYPE_FLOAT32, data=struct.pack("<2f", 1, 2))
    answer = v1.EmbedResponse(vectors=[vector] * 3, request_id="r", model="m", usage=v1.Usage(input_tokens=7))
    gateway.on_embed = fake.give(answer)
    picture = v1.Media(mime_type="image/png", data=b"png")
    found = await ask(
        lambda client: client.embed(
            "m",
            ["one", picture, ["a cat", picture]],
            dimensions=2,
            dtype="float32",
            task="query",
            truncate=False,
            labels={"team": "a"},
            idempotency_key="k",
            provider_options={"openai": {"user": "u"}},
            request_id="r",
        )
    )
    one, shown = v1.Block(text=v1.Text(text="one")), v1.Block(media=picture)
    cat = v1.Block(text=v1.Text(text="a cat"))
    assert gateway.last.request == v1.EmbedRequest(
        model="m",
        inputs=[v1.EmbedInput(blocks=[one]), v1.EmbedInput(blocks=[shown]), v1.EmbedInput(blocks=[cat, shown])],
        dimensions=2,
        dtype=v1.EMBEDDING_DTYPE_FLOAT32,
        task=v1.EMBEDDING_TASK_QUERY,
        truncate=False,
        labels={"team": "a"},
        idempotency_key="k",
        provider_options={"openai": b'{"user": "u"}'},
    )
    assert (len(found), list(found[0]), found.usage.input_tokens, found.request_id) == (3, [1.0, 2.0], 7, "r")
    assert list(found) == list(found.vectors)
    assert repr(found) == "Embeddings(m, 3 vectors of 2)"
    assert gateway.last.metadata["trunkline-request-id"] == "r"


async def test_a_text_alone_is_one_input(gateway, ask):
    """A text is not taken for a list of its letters, and a request given whole is sent as it is."""
    await ask(lambda client: client.embed("m", "cat"))
    assert len(gateway.last.request.inputs) == 1
    whole = v1.EmbedRequest(model="m", inputs=gateway.last.request.inputs)
    await ask(lambda client: client.embed(request=whole))
    assert gateway.last.request == whole


@pytest.mark.parametrize(("dtype", "dimensions", "data", "kind", "numbers"), DTYPES)
async def test_every_type_of_number_is_read(gateway, ask, dtype, dimensions, data, kind, numbers):
    """The bytes of a vector are the numbers they stand for, in an array of Python's own."""
    vector = v1.EmbeddingVector(dimensions=dimensions, dtype=dtype, data=data)
    gateway.on_embed = fake.give(v1.EmbedResponse(vectors=[vector]))
    (found,) = await ask(lambda client: client.embed("m", "x"))
    assert isinstance(found, array.array)
    assert (found.typecode, found.tolist()) == (kind, numbers)


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        (v1.EMBEDDING_DTYPE_FLOAT32, b"\0" * 7),
        (v1.EMBEDDING_DTYPE_FLOAT32, b"\0" * 12),
        (v1.EMBEDDING_DTYPE_FLOAT16, b"\0" * 3),
        (v1.EMBEDDING_DTYPE_BINARY, b"\0" * 2),
        (99, b"\0" * 8),
    ],
)
async def test_a_vector_that_is_not_what_it_says_is_an_error(gateway, ask, dtype, data):
    """Bytes too few, too many or of an unknown type raise BrokenStream, which names the vector and the call."""
    vector = v1.EmbeddingVector(dimensions=2, dtype=dtype, data=data)
    gateway.on_embed = fake.give(v1.EmbedResponse(vectors=[vector], request_id="r"))
    with pytest.raises(trunkline.BrokenStream, match=r"vectors\[0\]") as caught:
        await ask(lambda client: client.embed("m", "x"))
    assert caught.value.request_id == "r"


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        ([1], {}, r"inputs\[0\]: "),
        (7, {}, "inputs: "),
        ("x", {"dtype": "float64"}, "dtype: one of float32, float16"),
        ("x", {"task": "cooking"}, "task: one of query"),
        ("x", {"dimensions": "8"}, "dimensions: a whole number"),
        ("x", {"truncate": 1}, "truncate: True or False"),
        ("x", {"labels": {"a": 1}}, r"labels\['a'\]: text"),
        ("x", {"size": 1}, "unknown options: size"),
        (None, {}, "model and inputs"),
    ],
)
async def test_what_cannot_be_embedded_is_told_by_its_place(gateway, ask, inputs, options, words):
    """Arguments that can't be understood are refused in words before anything is sent."""
    with pytest.raises((TypeError, ValueError), match=words):
        await ask(lambda client: client.embed("m", inputs, **options))
    assert gateway.calls == []


async def test_tokens_are_counted_for_the_request_as_it_would_be_sent(gateway, ask):
    """count_tokens takes what complete takes, and says who counted."""
    said = v1.CountTokensResponse(input_tokens=12, source=v1.USAGE_SOURCE_PROVIDER, served_model="m-1")
    gateway.on_count = fake.give(said)
    count = await ask(lambda client: client.count_tokens("m", "Hi", temperature=0.5, request_id="r"))
    assert (count.input_tokens, count.estimated, count.served_model) == (12, False, "m-1")
    assert gateway.last.request.request.sampling.temperature == 0.5
    assert gateway.last.request.request.messages[0].blocks[0].text.text == "Hi"
    gateway.on_count = fake.give(v1.CountTokensResponse(input_tokens=12, source=v1.USAGE_SOURCE_ESTIMATED))
    assert (await ask(lambda client: client.count_tokens("m", "Hi"))).estimated


async def test_one_model_is_asked_for_by_its_name(gateway, ask):
    """model gives the contract's Model, and NotFound for one that there isn't."""
    assert (await ask(lambda client: client.model("m"))).capabilities.context_tokens == 8192
    with pytest.raises(trunkline.NotFound) as caught:
        await ask(lambda client: client.model("nope"))
    assert caught.value.reason == "MODEL_NOT_FOUND"


async def test_an_outcome_that_ended_well_tells_answer_usage_and_times(gateway, ask):
    """An ended call has no error; its answer is there where content is kept."""
    finished = v1.Finished(finish_reason=v1.FINISH_REASON_STOP, usage=v1.Usage(output_tokens=3))
    message = v1.Message(role=v1.ROLE_ASSISTANT, blocks=[v1.Block(text=v1.Text(text="Hello"))])
    gateway.on_outcome = fake.give(
        v1.GetOutcomeResponse(
            state=v1.OUTCOME_STATE_ENDED,
            request_id="r",
            finished=finished,
            started_at=Timestamp(seconds=1),
            ended_at=Timestamp(seconds=3),
            response=v1.CompleteResponse(message=message, finished=finished),
        )
    )
    outcome = await ask(lambda client: client.outcome("r"))
    assert gateway.last.request == v1.GetOutcomeRequest(request_id="r")
    assert gateway.last.metadata["trunkline-request-id"] != "r"
    assert (outcome.running, outcome.error, outcome.usage.output_tokens) == (False, None, 3)
    assert outcome.completion.text == "Hello"
    assert (outcome.ended_at - outcome.started_at).total_seconds() == 2
    assert outcome.ended_at.utcoffset().total_seconds() == 0
    assert repr(outcome) == "Outcome(r, ENDED, None)"


async def test_an_outcome_that_failed_is_the_exception_it_would_have_been(gateway, ask):
    """Code, message and details of the status come back as class, reason and violations."""
    said = v1.GetOutcomeResponse(
        state=v1.OUTCOME_STATE_ENDED, request_id="r", code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    )
    said.status_message = "the limit is met"
    said.details.add().Pack(error_details_pb2.ErrorInfo(reason="QUOTA_EXCEEDED", domain="trunkline.dev"))
    gateway.on_outcome = fake.give(said)
    outcome = await ask(lambda client: client.outcome(idempotency_key="k"))
    assert gateway.last.request == v1.GetOutcomeRequest(idempotency_key="k")
    assert isinstance(outcome.error, trunkline.RateLimited)
    assert (outcome.error.reason, outcome.error.message) == ("QUOTA_EXCEEDED", "the limit is met")
    assert (outcome.completion, outcome.ended_at) == (None, None)


async def test_calls_that_run_or_were_lost_say_so(gateway, ask):
    """A running call has no error yet; one whose worker died has one with what was used."""
    gateway.on_outcome = fake.give(v1.GetOutcomeResponse(state=v1.OUTCOME_STATE_RUNNING, request_id="r"))
    outcome = await ask(lambda client: client.outcome("r"))
    assert (outcome.running, outcome.error) == (True, None)
    used = v1.Finished(usage=v1.Usage(output_tokens=4))
    gateway.on_outcome = fake.give(v1.GetOutcomeResponse(state=v1.OUTCOME_STATE_WORKER_LOST, finished=used))
    lost = await ask(lambda client: client.outcome("r"))
    assert isinstance(lost.error, trunkline.Unavailable)
    assert (lost.error.reason, lost.error.partial.usage.output_tokens) == ("WORKER_LOST", 4)


@pytest.mark.parametrize("names", [{}, {"request_id": "r", "idempotency_key": "k"}])
async def test_a_call_has_one_name(gateway, ask, names):
    """Neither or both names of a call are refused."""
    with pytest.raises(TypeError, match="request_id or idempotency_key"):
        await ask(lambda client: client.outcome(**names))


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.embed("m", "x"),
        lambda client: client.outcome("r"),
        lambda client: client.count_tokens("m", "x"),
    ],
    ids=["embed", "outcome", "count_tokens"],
)
async def test_their_failures_are_told_as_those_of_complete(gateway, ask, call):
    """Reason, delay, fields and partial result of a status reach the caller of every method."""
    refuse = fake.fail(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "later",
        reason="QUOTA_EXCEEDED",
        retry_after_s=3,
        fields={"inputs[0]": "too long"},
        partial=v1.PartialResult(usage=v1.Usage(input_tokens=2)),
    )
    gateway.on_embed = gateway.on_outcome = gateway.on_count = refuse
    with pytest.raises(trunkline.RateLimited, match="later") as caught:
        await ask(call)
    failure = caught.value
    assert (failure.reason, failure.domain, failure.retry_after.seconds) == ("QUOTA_EXCEEDED", "trunkline.dev", 3)
    assert failure.violations == (trunkline.FieldViolation(field="inputs[0]", description="too long"),)
    assert failure.partial.usage.input_tokens == 2
    assert failure.request_id == gateway.last.metadata["trunkline-request-id"]
