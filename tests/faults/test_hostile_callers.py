"""Callers and providers that mean harm, or might as well: each gets an ending, and nobody else notices."""

import asyncio
import base64
import gzip

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.fakes import provider as fake
from tests.http2 import RawClient
from tests.processes import resident, serving
from tests.running import KEY, ask, completion, detail, one_provider, reason, running
from trunkline import v1
from trunkline_server.engine import intake
from trunkline_server.engine.wire import has_more_fields

COMPLETE = "/trunkline.v1.Completion/Complete"
METHODS = (
    COMPLETE,
    "/trunkline.v1.Completion/StreamComplete",
    "/trunkline.v1.Models/ListModels",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
)
MIB = 1024 * 1024


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url)) as one:
        yield one


def reason_of(stream):
    """ErrorInfo's reason in the trailers of a raw call."""
    packed = (stream.trailers or stream.headers)["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4))).details[0].Unpack(info)
    return info.reason


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("body", [b"", b"\0\0\0\1\0only a part"], ids=["nothing", "a part"])
async def test_a_call_that_ends_before_its_request_has_a_status(gateway, path, body):
    """gRPC alone would never answer it, and hold its slot for as long as the connection lives."""
    async with await RawClient.connect(gateway.target) as client:
        stream = client.send(path, body)
        await asyncio.wait_for(stream.ended.wait(), 2)
        assert (stream.trailers or stream.headers)["grpc-status"] != "0"
        if not body:
            assert reason_of(stream) == "MALFORMED_MESSAGE"
    await asyncio.wait_for(gateway.app.calls.all_ended(), 1)


@pytest.mark.parametrize("path", METHODS)
async def test_a_request_that_never_comes_in_is_not_waited_for(gateway, path, monkeypatch):
    """Neither the admission nor the registry keeps a place for it."""
    monkeypatch.setattr(intake, "RECEIVE_S", 0.2)
    async with await RawClient.connect(gateway.target) as client:
        stream = client.send(path, b"\0\0\0\1\0only a part", end=False)
        await asyncio.wait_for(stream.ended.wait(), 2)
        assert reason_of(stream) == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(gateway.app.calls.all_ended(), 1)


async def test_half_open_calls_count_against_the_bound_with_details(provider):
    """A refusal says why also when the bound is full of calls that never send their request."""
    async with running(one_provider(provider.base_url), max_calls=5) as gateway, gateway.channel() as channel:
        async with await RawClient.connect(gateway.target) as client:
            for _ in range(5):
                client.send(COMPLETE, b"", end=False)
            async with asyncio.timeout(2):
                while len(gateway.app.calls) < 5:
                    await asyncio.sleep(0.01)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await completion(channel).Complete(ask())
            assert reason(caught.value) == "OVERLOADED"
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)
        assert (await completion(channel).Complete(ask())).finished


async def test_callers_that_do_not_read_are_counted_until_they_are_gone(provider):
    """Their calls have ended, but the endings can't leave: refusals still carry details, and drain knows of them."""
    provider.script = fake.stream_text("x" * 400_000, chunks=400)
    limits = {"max_calls": 3, "max_concurrent_rpcs": 6, "default_timeout_s": 0.5}
    async with running(one_provider(provider.base_url), **limits) as gateway, gateway.channel() as channel:
        clients = [await RawClient.connect(gateway.target, reads=False) for _ in range(3)]
        for client in clients:
            client.call("/trunkline.v1.Completion/StreamComplete", ask())
        for number in range(1, 4):
            await asyncio.wait_for((await provider.seen(number)).closed.wait(), 3)
        assert len(gateway.app.calls) == 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask())
        assert reason(caught.value) == "OVERLOADED"
        for client in clients:
            await client.__aexit__()
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


def many_tools():
    return (
        b"\x1a\x00" * (15 * MIB)
        + v1.CompleteRequest(model="m", tool_choice=v1.ToolChoice(allowed_tools=["x"])).SerializeToString()
    )


def many_blocks():
    blocks = b"\x12\x00" * (15 * MIB)
    message = b"\x08\x04" + blocks
    size, length = len(message), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return v1.CompleteRequest(model="m").SerializeToString() + b"\x12" + bytes(length) + message


@pytest.mark.parametrize("body", [many_tools(), many_blocks()], ids=["tools", "blocks"])
async def test_thirty_kilobytes_do_not_become_a_gigabyte(provider, tmp_path, body):
    """A request of millions of empty entries, gzipped to nothing, is refused without being decoded."""
    async with serving(tmp_path, one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        await completion(channel).Complete(ask())
        before, worker = resident(gateway.worker()), gateway.worker()
        packed = gzip.compress(body)
        assert len(packed) < 64 * 1024
        async with await RawClient.connect(gateway.target) as client:
            frame = b"\1" + len(packed).to_bytes(4) + packed
            started = worker.cpu_times()
            stream = client.send(COMPLETE, frame, grpc_encoding="gzip")
            await asyncio.wait_for(stream.ended.wait(), 10)
            assert reason_of(stream) == "MALFORMED_MESSAGE"
            ended = worker.cpu_times()
        assert (await completion(channel).Complete(ask(), timeout=5)).finished
        assert ended.user + ended.system - started.user - started.system < 2
        assert resident(gateway.worker()) - before < 150 * MIB


def test_fields_are_counted_as_they_are_encoded():
    """Each field of each submessage counts once; bytes that are no message are left to the decoder."""
    request = ask("hello", stop=["a", "b"], labels={"k": "v"})
    data, kind = request.SerializeToString(), request.DESCRIPTOR
    # model, messages, role, blocks, text, text, stop, stop, labels, key, value
    assert has_more_fields(data, kind, 10)
    assert not has_more_fields(data, kind, 11)
    for cut in range(len(data)):
        assert not has_more_fields(data[:cut], kind, 11)
    assert not has_more_fields(b"\xff" * 100, kind, 100)


def test_nothing_hides_behind_a_group():
    """Decoders skip a group and go on; whoever counts can't be sure where it ends, so there may be none."""
    hidden = b"\x9b\x06\x9c\x06" + b"\x12\x00" * 1000
    assert len(v1.CompleteRequest.FromString(hidden).messages) == 1000
    assert has_more_fields(hidden, v1.CompleteRequest.DESCRIPTOR, 100)


async def test_a_large_picture_passes(provider, gateway):
    """What is large but plain is not what is refused: eight MiB of picture in one block."""
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=bytes(8 * MIB)))
    request = ask()
    request.messages[0].blocks.append(picture)
    async with gateway.channel(**{"grpc.max_send_message_length": -1}) as channel:
        assert (await completion(channel).Complete(request)).finished
    assert len((await provider.seen(1)).body) > 10 * MIB


async def test_a_failed_answer_without_end_does_not_keep_the_call_from_others(provider):
    """The status says enough: a body that never comes costs a second, not the deadline."""

    async def stalled(request, send):
        await send.raw(b"HTTP/1.1 503 No\r\ncontent-length: 500\r\n\r\nx")
        await send.stall()

    provider.script = stalled
    async with fake.FakeProvider(fake.chat(text="from the second")) as second:
        document = one_provider(provider.base_url)
        document["providers"]["other"] = {"dialect": "openai", "base_url": second.base_url + "/v1"}
        document["models"]["m"]["deployments"].append({"provider": "other", "upstream_model": "o", "tier": 1})
        async with running(document) as gateway, gateway.channel() as channel:
            answer = await completion(channel).Complete(ask(), timeout=5)
    assert answer.message.blocks[0].text.text == "from the second"


@pytest.mark.parametrize("said", [KEY, KEY[:14], KEY[6:], "tenant-secret-value"])
async def test_no_part_of_a_secret_comes_back_as_a_code(provider, said):
    """Nor the operator's own headers."""
    provider.script = fake.status(400, {"error": {"message": said, "code": said, "param": said}})
    document = one_provider(provider.base_url, headers={"x-tenant": "tenant-secret-value"})
    async with running(document) as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask())
    everything = f"{caught.value.details()} {caught.value.trailing_metadata()}"
    assert said not in everything
    assert detail(caught.value, error_details_pb2.ErrorInfo).metadata["http_status"] == "400"


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"HTTP/1.1 099 X\r\n\r\n"],
)
async def test_odd_statuses_are_an_upstream_error_and_no_noise(provider, gateway, head, capfd):
    """An upgrade that nobody asked for, or a status that does not exist."""
    provider.script = fake.raw(head)
    async with gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask(), timeout=5)
    assert reason(caught.value) == "UPSTREAM_MALFORMED"
    assert "Traceback" not in capfd.readouterr().err


async def test_silence_inside_a_unary_answer_is_bounded(provider):
    """Once the head is there, a provider that says no more is given up."""

    async def stalled(request, send):
        await send.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
        await send.stall()

    provider.script = stalled
    async with running(one_provider(provider.base_url), idle_timeout_s=0.2) as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask(), timeout=5)
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "IDLE_TIMEOUT")
