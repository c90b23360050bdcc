"""Metadata and deadlines that nobody sends in earnest: one ending each, with a reason and the key that is wrong."""

import asyncio

import pytest
from google.rpc import error_details_pb2

from tests.fakes import provider as fake
from tests.frames import Wire, framed, reason, told
from tests.running import ask, one_provider, running
from trunkline_server.interceptors.metadata import MAX_PAIRS

ID = "trunkline-request-id"


@pytest.fixture
async def gateway():
    async with fake.FakeProvider() as provider, running(one_provider(provider.base_url)) as one:
        one.provider = provider
        yield one


@pytest.fixture
async def wire(gateway):
    async with await Wire.connect(gateway.target) as one:
        yield one


async def asked(wire, pairs=(), **head):
    wire.head(1, pairs, **head)
    wire.body(1, framed(ask()))
    return await wire.ending(1)


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([("authorization", "Bearer a"), ("authorization", "Bearer b")], 'metadata["authorization"]'),
        ([(ID, "a"), (ID, "a")], f'metadata["{ID}"]'),
        ([(ID, "a" * 129)], f'metadata["{ID}"]'),
        ([(ID, "")], f'metadata["{ID}"]'),
        ([(ID, "a\nb")], f'metadata["{ID}"]'),
        ([("x", "a\0b")], 'metadata["x"]'),
        ([("x", "\u00e9")], 'metadata["x"]'),
        ([(f"k{number}", "v") for number in range(MAX_PAIRS + 1)], "metadata"),
        ([("x", "v")] * (MAX_PAIRS + 1), "metadata"),
        ([("x", "a" * 17_000)], "metadata"),
        ([("x-bin", "YWFh" * 6000)], "metadata"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_metadata_out_of_bounds_is_named(gateway, wire, pairs, field):
    """Never to be repeated; nothing was asked of a provider, and the id that comes back is one that can travel."""
    ending = await asked(wire, pairs)
    assert (ending["grpc-status"], reason(ending)) == ("3", "INVALID_METADATA")
    assert told(ending, error_details_pb2.BadRequest).field_violations[0].field == field
    assert ending["grpc-retry-pushback-ms"] == "-1"
    assert 0 < len(ending[ID]) <= 128
    assert ending[ID].isprintable()
    assert not gateway.provider.requests


@pytest.mark.parametrize(
    "pairs",
    [
        [("x", "a"), ("x", "b")],
        [("x-bin", ""), ("x-bin", "AA==")],
        [("x-bin", "AAECAw")],
        [("x", "")],
        [(ID, "~" * 128)],
        [(f"k{number}", "v") for number in range(MAX_PAIRS - 5)],
        [("x", "a" * 15_000)],
    ],
    ids=str,
)
async def test_metadata_within_bounds_passes(wire, pairs):
    """Doubles too, where they leave nothing open."""
    assert (await asked(wire, pairs))["grpc-status"] == "0"


@pytest.mark.parametrize("content_type", ["application/grpc+json", "application/json", "text/plain", ""])
async def test_another_content_type_changes_nothing(wire, content_type):
    """A body is read as what it has to be."""
    assert (await asked(wire, content_type=content_type))["grpc-status"] == "0"


@pytest.mark.parametrize("path", ["/", "//", "*", "/a.B/C", "/trunkline.v1.Completion/complete", "/" + "a" * 9000])
async def test_a_method_that_is_not_there(wire, path):
    """As any other failure: a reason, and that a repeat can't help."""
    ending = await asked(wire, _path=path)
    assert (ending["grpc-status"], reason(ending)) == ("12", "METHOD_UNIMPLEMENTED")
    assert ending["grpc-retry-pushback-ms"] == "-1"


@pytest.mark.parametrize("timeout", ["1n", "1u", "1m"])
async def test_a_deadline_that_is_nearly_over(gateway, wire, timeout):
    """It ends with DEADLINE_EXCEEDED, whoever of gateway and transport is first to say so."""
    gateway.provider.script = fake.silent()
    ending = await asked(wire, grpc_timeout=timeout)
    assert ending["grpc-status"] == "4"
    if "grpc-status-details-bin" in ending:
        assert reason(ending) == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


@pytest.mark.parametrize("timeout", ["99999999H", "99999999S", "99999999n", "100000000S"])
async def test_a_deadline_beyond_all_reason(wire, timeout):
    """It is taken for what the gateway grants at most."""
    assert (await asked(wire, grpc_timeout=timeout))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\0\0\0\0\5ab", "MALFORMED_MESSAGE"),
        (b"\0\0\0\0\2\x0a\x7f", "MALFORMED_MESSAGE"),
        (b"\0\0\0\0\1\xff", "MALFORMED_MESSAGE"),
        (b"\0\0\0\0\0", "INVALID_REQUEST"),
        (b"", "MALFORMED_MESSAGE"),
        (b"\0", "MALFORMED_MESSAGE"),
    ],
    ids=str,
)
async def test_a_length_that_lies(wire, body, expected):
    """Longer than the body, shorter than its message, nothing at all: refused with a reason."""
    wire.head(1)
    wire.body(1, body)
    ending = await wire.ending(1)
    assert (ending["grpc-status"], reason(ending)) == ("3", expected)


async def test_a_trickled_body_is_served(wire):
    """A byte at a time is slow, and nothing worse."""
    wire.head(1)
    for byte in framed(ask()):
        wire.body(1, bytes([byte]), end=False)
    wire.body(1, b"")
    assert (await wire.ending(1))["grpc-status"] == "0"
