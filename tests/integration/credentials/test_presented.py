"""Issued credentials through the whole gateway: presented, renewed, and never told."""

import asyncio
import threading
from functools import partial

import grpc
import pytest

from tests.fakes.provider import FakeProvider, chat, rate_limited, sequence, status
from tests.integration.credentials.issuing import rightly_signed
from tests.integration.credentials.presenting import bearer, presenting
from tests.running import ask, completion, one_provider, reason, running, snapshot_of
from trunkline import v1
from trunkline_server import app as app_module
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import NoGrant
from trunkline_server.credentials.kept import KeepLimits
from trunkline_server.credentials.kinds import Kind
from trunkline_server.credentials.store import Credentials

CANARY = "ya29.canary-0123456789-abcdef"
EXPIRED = status(401, {"error": {"message": f"token {CANARY}-1 has expired", "code": f"{CANARY}-1"}})
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def issued(monkeypatch):
    """Google issues what `issued.next` gives: numbered tokens unless a test says otherwise."""

    class Issued:
        count = 0
        failure = None

        def __init__(self):
            self.released = threading.Event()
            self.released.set()

        def fetch(self, settings, ca_file):
            self.released.wait(30)
            if self.failure is not None:
                raise self.failure
            self.count += 1
            return bearer(f"{CANARY}-{self.count}")

    script = Issued()
    monkeypatch.setattr(Kind, "fetch", script.fetch)
    return script


@pytest.fixture
def at_once(monkeypatch):
    """A refused token is dropped however young it is."""
    monkeypatch.setattr(app_module, "Credentials", partial(Credentials, limits=KeepLimits(quiet_s=0.0)))


async def test_a_token_is_presented_in_place_of_a_key(issued):
    """The provider gets the issued token, and the second call the same one."""
    async with FakeProvider() as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            for _ in range(2):
                await completion(channel).Complete(ask())
        assert [request.headers["authorization"] for request in provider.requests] == [f"Bearer {CANARY}-1"] * 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_token_is_replaced_and_the_call_repeated(issued, at_once, stream):
    """After 401 the same deployment is asked once more, with another token; the caller sees an answer."""
    async with FakeProvider(sequence(EXPIRED, chat())) as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            if stream:
                finished = [
                    event async for reply in completion(channel).StreamComplete(ask()) for event in reply.events
                ]
                tries = finished[-1].finished.attempts
            else:
                tries = (await completion(channel).Complete(ask())).finished.attempts
        assert [one.outcome for one in tries] == [v1.ATTEMPT_OUTCOME_FAILED, v1.ATTEMPT_OUTCOME_SERVED]
        tokens = [request.headers["authorization"] for request in provider.requests]
        assert tokens == [f"Bearer {CANARY}-1", f"Bearer {CANARY}-2"]


async def test_a_fresh_token_that_is_refused_is_not_repeated(issued, lines):
    """A token that came just now would be refused again; the failure is told without it."""
    async with FakeProvider(EXPIRED) as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await completion(channel).Complete(ask())
        assert reason(failed.value) == "UPSTREAM_AUTH_FAILED"
        assert len(provider.requests) == 1
    told = f"{failed.value!r}{failed.value.details()}{failed.value.trailing_metadata()}{''.join(lines)}"
    assert CANARY not in told


async def test_a_failed_fetch_is_the_calls_failure(issued, lines):
    """Where no token can be had the provider is not asked, and the trail of the call says so."""
    issued.failure = NoGrant("RefreshError", status=400)
    async with FakeProvider() as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await completion(channel).Complete(ask())
        assert reason(failed.value) == "UPSTREAM_AUTH_FAILED"
        assert failed.value.details().startswith("the gateway could not get a token from Google")
        assert provider.requests == []
    assert "fake: no token from Google (RefreshError, HTTP 400)\n" in lines


async def test_another_deployment_serves_where_no_token_can_be_had(issued):
    """A provider with a fixed key takes the call of one whose token can't be fetched."""
    issued.failure = NoGrant("TransportError", unreachable=True)
    async with FakeProvider() as provider:
        document = one_provider(provider.base_url)
        document["providers"]["spare"] = {"dialect": "openai", "base_url": f"{provider.base_url}/v1", "api_key": "k"}
        document["models"]["m"]["deployments"].append({"provider": "spare", "upstream_model": "s", "tier": 1})
        async with running(document) as gateway:
            gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
            async with gateway.channel() as channel:
                answer = await completion(channel).Complete(ask())
        assert [one.provider for one in answer.finished.attempts] == ["fake", "spare"]


async def test_a_reload_keeps_the_token(issued):
    """A new configuration with the same credential fetches nothing."""
    async with FakeProvider() as provider, running(one_provider(provider.base_url)) as gateway:
        use = gateway.app.configuration.use
        use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            await completion(channel).Complete(ask())
            use(presenting(snapshot_of(one_provider(provider.base_url, allow_provider_options=True)), "google"))
            await completion(channel).Complete(ask())
        assert issued.count == 1


async def test_signed_requests_are_taken_by_who_verifies_them():
    """A provider that signs again what arrived on the wire, with botocore, finds the same signature; no call fails."""

    async def script(request, send):
        await (chat() if rightly_signed(request, SECRET, "session") else status(403))(request, send)

    async with FakeProvider(script) as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(
            presenting(
                gateway.app.configuration.snapshot,
                "aws",
                region="eu-central-1",
                access_key_id=Secret("AKID"),
                secret_access_key=Secret(SECRET),
                session_token=Secret("session"),
            )
        )
        async with gateway.channel() as channel:
            await asyncio.gather(*(completion(channel).Complete(ask(f"Number {number}")) for number in range(5)))
        assert len(provider.requests) == 5


async def test_the_callers_limit_holds_while_a_token_is_fetched(issued):
    """A call that waits for a token ends at its limit for the first token; the next finds the token there."""
    issued.released.clear()
    async with FakeProvider() as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await completion(channel).Complete(ask(timeouts={"first_token": {"nanos": 50_000_000}}))
            assert reason(failed.value) == "FIRST_TOKEN_TIMEOUT"
            issued.released.set()
            await completion(channel).Complete(ask())
        assert [request.headers["authorization"] for request in provider.requests] == [f"Bearer {CANARY}-1"]


async def test_a_rate_limit_is_no_refusal_of_the_token(issued, at_once):
    """429 leaves the token as it is."""
    async with FakeProvider(rate_limited()) as provider, running(one_provider(provider.base_url)) as gateway:
        gateway.app.configuration.use(presenting(gateway.app.configuration.snapshot, "google"))
        async with gateway.channel() as channel:
            for _ in range(2):
                with pytest.raises(grpc.aio.AioRpcError):
                    await completion(channel).Complete(ask())
        assert issued.count == 1
