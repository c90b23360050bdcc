"""Requests that break the contract: each is refused for the field that breaks it, and no provider hears of it."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest

from tests.fakes import provider as fake
from tests.http2 import RawClient, Stream
from tests.running import ask, one_provider, running
from trunkline import v1

COMPLETE = "/trunkline.v1.Completion/Complete"
COUNT = "/trunkline.v1.Completion/CountTokens"
EMBED = "/trunkline.v1.Embedding/Embed"
LIST = "/trunkline.v1.Models/ListModels"
HEALTH = "/grpc.health.v1.Health"
GET = "/trunkline.v1.Models/GetModel"
TRAILERS_BYTES = 8 * 1024
"""What peers take by default."""


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url, allow_provider_options=True)) as one:
        yield one


async def sent(gateway: Any, path: str, body: bytes) -> Stream:
    """A raw call with these bytes for a request, ended."""
    async with await RawClient.connect(gateway.target) as client:
        stream = client.send(path, b"\0" + len(body).to_bytes(4) + body)
        await asyncio.wait_for(stream.ended.wait(), 5)
    return stream


def failure(stream: Stream) -> tuple[str, str, list[str]]:
    """Status, reason and field paths."""
    trailers = stream.trailers or stream.headers
    packed = trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    for each in status.details[1:]:
        each.Unpack(bad)
    assert all(violation.description for violation in bad.field_violations)
    return trailers["grpc-status"], info.reason, [violation.field for violation in bad.field_violations]


def text(words: str = "x") -> v1.Block:
    return v1.Block(text=v1.Text(text=words))


def user(*blocks: v1.Block) -> dict[str, Any]:
    return {"messages": [v1.Message(role=v1.ROLE_USER, blocks=blocks)]}


def media(**fields: Any) -> dict[str, Any]:
    return user(v1.Block(media=v1.Media(**fields)))


def function(data: bytes) -> dict[str, Any]:
    return {"tools": [v1.Tool(function=v1.FunctionTool(name="f", parameters_json_schema=data))]}


def replayed(*blocks: v1.Block) -> dict[str, Any]:
    said = v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks)
    return {"messages": [said, v1.Message(role=v1.ROLE_USER, blocks=[text()])]}


def nested(depth: int) -> v1.Block:
    """Tool results within each other."""
    block = text()
    for _ in range(depth):
        block = v1.Block(tool_result=v1.ToolResult(tool_call_id="c", blocks=[block]))
    return block


def results(block: v1.Block) -> dict[str, Any]:
    call = v1.Block(tool_call=v1.ToolCall(id="c", name="f"))
    said = v1.Message(role=v1.ROLE_ASSISTANT, blocks=[call])
    return {"messages": [said, v1.Message(role=v1.ROLE_TOOL, blocks=[block])]}


URI = "messages[0].blocks[0].media.uri"
SCHEMA = "tools[0].function.parameters_json_schema"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a word too long": ({"model": "m" * 257}, "model"),
    "control characters in a name": ({"model": "m\x1b[2J"}, "model"),
    "a line break in a name": (
        {"routing": v1.RoutingPreferences(fallback_models=["m\r\nx: y"])},
        "routing.fallback_models[0]",
    ),
    "a list too long": ({"stop": ["s"] * 17}, "stop"),
    "a map too long": ({"labels": {f"k{n}": "v" for n in range(33)}}, "labels"),
    "a key too long": ({"cache": v1.CacheConfig(key="\u20ac" * 22)}, "cache.key"),
    "citations without end": (
        replayed(v1.Block(text=v1.Text(text="x", citations=[v1.Citation()] * 4097))),
        "messages[0].blocks[0].text.citations",
    ),
    "an unknown enum value": ({"reasoning": v1.ReasoningConfig(effort=99)}, "reasoning.effort"),
    "an unknown role": ({"messages": [v1.Message(role=-1, blocks=[text()])]}, "messages[0].role"),
    "not a number": ({"sampling": v1.Sampling(temperature=float("nan"))}, "sampling.temperature"),
    "more than any number": ({"sampling": v1.Sampling(top_p=float("inf"))}, "sampling.top_p"),
    "below zero": ({"max_output_tokens": -1}, "max_output_tokens"),
    "the least number": ({"reasoning": v1.ReasoningConfig(budget_tokens=-(2**63))}, "reasoning.budget_tokens"),
    "a time below zero": ({"timeouts": v1.CallTimeouts(idle=Duration(seconds=-1))}, "timeouts.idle"),
    "a time that is none": ({"timeouts": v1.CallTimeouts(idle=Duration(seconds=2**62))}, "timeouts.idle"),
    "results within results": (results(nested(3)), "messages[1].blocks[0].tool_result.blocks[0]"),
    "JSON too deep": (function(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), SCHEMA),
    "JSON that is no object": (function(b"[]"), SCHEMA),
    "JSON with more behind it": (function(b'{}},"model":"x",{'), SCHEMA),
    "JSON that is no UTF-8": (function(b'{"a":"\xff"}'), SCHEMA),
    "JSON with half a character": (function(rb'{"a":"\ud800"}'), SCHEMA),
    "JSON with NaN": (function(b'{"a":NaN}'), SCHEMA),
    "an address of a file": (media(uri="file:///etc/passwd"), URI),
    "an address that is a script": (media(uri="javascript:alert(1)"), URI),
    "an address that is data": (media(uri="data:image/png;base64,AAAA"), URI),
    "an address of another protocol": (media(uri="gopher://host.example/"), URI),
    "an address without a host": (media(uri="http:///169.254.169.254/"), URI),
    "an address of metadata": (media(uri="http://169.254.169.254/latest/meta-data/"), URI),
    "metadata in decimal": (media(uri="http://2852039166/"), URI),
    "metadata in other digits": (media(uri="http://\uff11\uff16\uff19.254.169.254/"), URI),
    "metadata behind percent signs": (media(uri="http://169%2e254%2e169%2e254/"), URI),
    "metadata before a NUL": (media(uri="http://169.254.169.254%00.example/"), URI),
    "a NUL behind a name": (media(uri="http://host.example%00/"), URI),
    "metadata behind a user": (media(uri="http://host.example@169.254.169.254/"), URI),
    "metadata in IPv6": (media(uri="http://[::ffff:169.254.169.254]/"), URI),
    "a backslash before the host": (media(uri="http://169.254.169.254\\@host.example/"), URI),
    "a line break in an address": (media(uri="https://host.example/\r\nx: y"), URI),
    "a media type that is none": (
        media(uri="https://host.example/a", mime_type="image/png\r\nx: y"),
        "messages[0].blocks[0].media.mime_type",
    ),
}


@pytest.mark.parametrize(("fields", "field"), REFUSED.values(), ids=REFUSED.keys())
async def test_the_field_is_named_and_nothing_is_sent(provider, gateway, fields, field):
    """INVALID_ARGUMENT, INVALID_REQUEST and the one path, in a count of tokens with what stands before it."""
    request = ask(**fields)
    assert failure(await sent(gateway, COMPLETE, request.SerializeToString())) == ("3", "INVALID_REQUEST", [field])
    counted = v1.CountTokensRequest(request=request).SerializeToString()
    assert failure(await sent(gateway, COUNT, counted)) == ("3", "INVALID_REQUEST", [f"request.{field}"])
    assert not provider.requests


@pytest.mark.parametrize(
    ("path", "request_", "field"),
    [
        (LIST, v1.ListModelsRequest(page_size=-1), "page_size"),
        (LIST, v1.ListModelsRequest(page_token="t" * 257), "page_token"),
        (GET, v1.GetModelRequest(), "name"),
        (GET, v1.GetModelRequest(name="n" * 257), "name"),
        (GET, v1.GetModelRequest(name="\x1b]0;x\x07"), "name"),
        (f"{HEALTH}/Check", HealthCheckRequest(service="s" * 257), "service"),
        (f"{HEALTH}/Watch", HealthCheckRequest(service="s" * 257), "service"),
        (EMBED, v1.EmbedRequest(model="m", inputs=[v1.EmbedInput()]), "inputs[0].blocks"),
        (EMBED, v1.EmbedRequest(model="m", inputs=[v1.EmbedInput(blocks=[text()] * 65)]), "inputs[0].blocks"),
        (EMBED, v1.EmbedRequest(model="m", inputs=[v1.EmbedInput(blocks=[text()])], dimensions=-1), "dimensions"),
        (EMBED, v1.EmbedRequest(model="m", inputs=[v1.EmbedInput(blocks=[text()])], dtype=99), "dtype"),
    ],
)
async def test_other_methods_name_the_field_as_well(gateway, path, request_, field):
    """A request of any method is held to its bounds."""
    assert failure(await sent(gateway, path, request_.SerializeToString())) == ("3", "INVALID_REQUEST", [field])


def field(number: int, content: bytes) -> bytes:
    """A field that holds a message, as bytes."""
    size = len(content)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + content


def with_depth(depth: int) -> bytes:
    """A request with results within results, deeper than a message can be built."""
    block = b""
    for _ in range(depth):
        block = field(4, field(2, block))
    return with_bytes(b"m") + field(2, b"\x08\x05" + field(2, block))


def with_bytes(name: bytes) -> bytes:
    return b"\x0a" + bytes([len(name)]) + name


@pytest.mark.parametrize(
    "body",
    [
        with_bytes(b"\xff\xfe"),
        with_bytes(b"\xed\xa0\x80"),
        with_bytes(b"\xc0\xaf"),
        b"\x0a\x7fshort",
        with_depth(200),
    ],
    ids=["no UTF-8", "half a character", "a slash too long", "a length that lies", "nested beyond the decoder"],
)
async def test_bytes_that_are_no_request(provider, gateway, body):
    """What can't be decoded is told as such: there is no field yet to name."""
    assert failure(await sent(gateway, COMPLETE, body)) == ("3", "MALFORMED_MESSAGE", [])
    assert not provider.requests


async def test_fields_of_a_newer_contract_are_left_unread(provider, gateway):
    """They are neither refused nor sent on; a kind of block that is not known is refused, since it would be missing."""
    newer = ask().SerializeToString() + b"\xc2\x3e\x05newer"
    assert (await sent(gateway, COMPLETE, newer)).trailers["grpc-status"] == "0"
    assert b"newer" not in provider.requests[0].body
    block = b"\xc2\x3e\x05newer"
    message = b"\x08\x03\x12" + bytes([len(block)]) + block
    body = b"\x0a\x01m\x12" + bytes([len(message)]) + message
    assert failure(await sent(gateway, COMPLETE, body)) == ("3", "INVALID_REQUEST", ["messages[0].blocks[0]"])


async def test_odd_numbers_and_doubled_members_are_json(provider, gateway):
    """What JSON allows is passed on as it was written: its meaning is for the provider to find."""
    schema = b'{"type":"object","a":1e999,"a":' + b"9" * 400 + b"}"
    stream = await sent(gateway, COMPLETE, ask(**function(schema)).SerializeToString())
    assert stream.trailers["grpc-status"] == "0"
    assert schema in provider.requests[0].body


def size(trailers: dict[str, str]) -> int:
    """As HTTP/2 counts it (RFC 9113, 6.5.2)."""
    return sum(len(name.encode()) + len(value.encode()) + 32 for name, value in trailers.items())


WORST: dict[str, Callable[[], v1.CompleteRequest]] = {
    "many long paths": lambda: ask(
        **results(
            v1.Block(
                tool_result=v1.ToolResult(
                    tool_call_id="c",
                    blocks=[v1.Block(media=v1.Media(detail=9, mime_type="x")) for _ in range(40)],
                )
            )
        )
    ),
    "many long labels": lambda: ask(labels={f"{n:064}": "v" * 257 for n in range(32)}),
    "a model of other letters": lambda: ask(model="\u20ac" * 85),
}


@pytest.mark.parametrize("make", WORST.values(), ids=WORST.keys())
async def test_the_longest_refusal_fits_trailers(gateway, make):
    """However much is wrong, peers that take 8 KiB of trailers get the status and its details."""
    stream = await sent(gateway, COMPLETE, make().SerializeToString())
    failure(stream)
    assert size(stream.trailers or stream.headers) < TRAILERS_BYTES
