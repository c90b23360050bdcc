"""The caller's trace goes along, and costs nothing where there is none."""

import subprocess
import sys

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

import trunkline
from tests.fakes import gateway as fake
from tests.fakes import provider
from tests.running import one_provider, running
from trunkline.tracing import trace_metadata

SPAN = SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=False,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("vendor", "value")]),
)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def current():
    """A span and baggage of the application's, current in this test."""
    with_span = trace.set_span_in_context(NonRecordingSpan(SPAN))
    token = context.attach(baggage.set_baggage("tenant", "a b", with_span))
    yield
    context.detach(token)


class Writes(TextMapPropagator):
    """A propagator of an application's own."""

    def __init__(self, fields):
        self._given = fields

    def inject(self, carrier, context=None, setter=None):
        if self._given is None:
            raise RuntimeError("a fault of the application's")
        carrier.update(self._given)

    def extract(self, carrier, context=None, getter=None):
        raise NotImplementedError

    @property
    def fields(self):
        return set()


@pytest.fixture
def writes():
    """Makes a propagator that writes these fields the application's."""
    had = propagate.get_global_textmap()
    yield lambda fields: propagate.set_global_textmap(Writes(fields))
    propagate.set_global_textmap(had)


async def test_the_current_span_goes_along_with_every_kind_of_call(current):
    """traceparent, tracestate and baggage are in the metadata of calls and streams."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=20) as client:
        await client.complete("m", "Hi")
        await client.stream("m", "Hi").collect()
        await client.embed("m", "Hi")
    assert len(gateway.calls) == 3
    for call in gateway.calls:
        assert call.metadata["traceparent"] == TRACEPARENT
        assert call.metadata["tracestate"] == "vendor=value"
        assert call.metadata["baggage"] == "tenant=a+b"


async def test_the_real_gateway_takes_the_trace(current):
    """The gateway's bounds on metadata leave room for a trace."""
    async with provider.FakeProvider() as upstream, running(one_provider(upstream.base_url)) as gateway:
        upstream.script = provider.chat(text="Hello")
        async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
            assert (await client.complete("m", "Hi")).text == "Hello"


@pytest.mark.parametrize(
    ("fields", "go"),
    [
        ({"X-Cloud-Trace": "abc"}, {"x-cloud-trace": "abc"}),
        ({"authorization": "Bearer stolen", "trunkline-request-id": "x", "grpc-timeout": "1S", "a-bin": "x"}, {}),
        ({"traceparent": "a\nb", "bad key": "x", "tracestate": "ü", "empty": "", "number": 7}, {}),
        ({"traceparent": "p", "baggage": "x" * 20_000, "tracestate": "s"}, {"traceparent": "p", "tracestate": "s"}),
    ],
    ids=["lower case", "reserved", "unsendable", "oversize"],
)
def test_only_what_can_travel_goes(writes, fields, go):
    """Names become lower case; ours are never overwritten, and what HTTP/2 can't carry or has no room is left out."""
    writes(fields)
    assert dict(trace_metadata()) == go


def test_all_fields_together_have_a_bound(writes):
    """However many fields there are, at most 9 KiB of them go."""
    writes({f"field-{number}": "x" * 500 for number in range(100)})
    size = sum(len(name) + len(value) + 32 for name, value in trace_metadata())
    assert 8 * 1024 < size <= 9 * 1024


def test_a_propagator_that_fails_costs_no_call(writes):
    """A fault of the application's propagator leaves the call without a trace."""
    writes(None)
    assert trace_metadata() == ()


def test_nothing_is_loaded_for_it():
    """A program without OpenTelemetry has none of it after making a call's metadata."""
    program = (
        "import sys, trunkline\n"
        "from trunkline.connection import Connection\n"
        "fields = dict(Connection.resolve('x:1', None, 1, None).start(None, None).metadata)\n"
        "sys.exit(list(fields) != ['trunkline-request-id'] or 'opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
