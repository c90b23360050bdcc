"""What callers get from the gateway, over real gRPC and against a provider that speaks real HTTP."""

import asyncio
import json
import re

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.fakes import provider as fake
from tests.running import KEY, ask, completion, detail, models, one_provider, reason, running, trailer
from trunkline import v1
from trunkline.fold import fold


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url)) as one:
        yield one


@pytest.fixture
async def channel(gateway):
    async with gateway.channel() as one:
        yield one


async def events_of(call):
    return [event async for message in call for event in message.events]


async def failure_of(awaitable):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value


async def test_a_unary_call_brings_the_answer(provider, channel):
    """Complete asks the provider once and returns its text, ending and usage."""
    provider.script = fake.chat(text="Hello there", usage=(9, 3))
    answer = await completion(channel).Complete(ask(max_output_tokens=5))
    assert answer.message.blocks[0].text.text == "Hello there"
    assert answer.finished.finish_reason == v1.FINISH_REASON_STOP
    assert (answer.finished.usage.input_tokens, answer.finished.usage.output_tokens) == (9, 3)
    assert (answer.started.model, answer.started.provider, answer.started.deployment) == ("m", "fake", "fake/fake-1")
    assert [one.outcome for one in answer.finished.attempts] == [v1.ATTEMPT_OUTCOME_SERVED]
    request = await provider.seen(1)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.json["model"], request.json["max_tokens"]) == ("fake-1", 5)


async def test_a_stream_folds_to_the_unary_answer(provider, channel):
    """Both methods say the same, but for ids and times."""
    provider.script = fake.chat(text="one two three four", usage=(9, 4))
    unary = await completion(channel).Complete(ask())
    folded = fold(await events_of(completion(channel).StreamComplete(ask())))
    for answer in (unary, folded):
        answer.started.ClearField("request_id")
        for tried in answer.finished.attempts:
            for field in ("started_after", "time_to_first_token", "duration"):
                tried.ClearField(field)
    assert folded == unary


async def test_events_are_numbered_and_end_with_finished(provider, channel):
    """Numbers count events from 0 on over all messages; Started is first, Finished last and once."""
    provider.script = fake.stream_text("a b c d e f", chunks=6, interval_s=0.005)
    expected, kinds = 0, []
    async for message in completion(channel).StreamComplete(ask()):
        assert message.first_seq == expected
        expected += len(message.events)
        kinds += [event.WhichOneof("kind") for event in message.events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert kinds.count("finished") == kinds.count("started") == 1


async def test_events_that_waited_leave_together(provider, channel):
    """A provider that sends a thousand chunks at once costs far fewer messages."""
    provider.script = fake.stream_text("x" * 1000, chunks=1000)
    messages = [message async for message in completion(channel).StreamComplete(ask())]
    assert sum(len(message.events) for message in messages) > 1000
    assert len(messages) < 200


async def test_the_callers_request_id_comes_back(channel):
    """On success and on failure, in trailers; a caller without one is given a UUIDv7."""
    call = completion(channel).Complete(ask(), metadata=(("trunkline-request-id", "mine-1"),))
    assert (await call).started.request_id == "mine-1"
    assert dict(await call.trailing_metadata())["trunkline-request-id"] == "mine-1"
    failed = await failure_of(completion(channel).Complete(ask(model="none")))
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", trailer(failed, "trunkline-request-id")
    )


async def test_an_unknown_model_is_not_found(provider, channel):
    """The reason says so, a repeat is discouraged, and no provider was asked."""
    failed = await failure_of(completion(channel).Complete(ask(model="gtp")))
    assert failed.code() == grpc.StatusCode.NOT_FOUND
    assert reason(failed) == "MODEL_NOT_FOUND"
    assert trailer(failed, "grpc-retry-pushback-ms") == "-1"
    assert provider.requests == []


async def test_a_wrong_request_names_every_wrong_field(provider, channel):
    """BadRequest has a path and a mend for each, and no provider was asked."""
    request = v1.CompleteRequest(messages=[v1.Message(role=v1.ROLE_USER, blocks=[v1.Block()])])
    request.sampling.top_p = 3
    failed = await failure_of(completion(channel).Complete(request))
    assert failed.code() == grpc.StatusCode.INVALID_ARGUMENT
    fields = {one.field for one in detail(failed, error_details_pb2.BadRequest).field_violations}
    assert {"model", "messages[0].blocks[0]", "sampling.top_p"} <= fields
    assert provider.requests == []


async def test_what_is_not_served_is_refused_by_name(channel):
    """A caller that relies on a promise not kept yet is told, and not silently let down."""
    failed = await failure_of(completion(channel).Complete(ask(idempotency_key="k")))
    assert reason(failed) == "CAPABILITY_MISSING"
    assert detail(failed, error_details_pb2.BadRequest).field_violations[0].field == "idempotency_key"
    failed = await failure_of(completion(channel).GetOutcome(v1.GetOutcomeRequest(request_id="x")))
    assert failed.code() == grpc.StatusCode.UNIMPLEMENTED
    assert reason(failed) == "METHOD_UNIMPLEMENTED"


async def test_bytes_that_are_no_request_are_refused_with_a_reason(channel):
    """Neither the parser's words nor a bare UNKNOWN come back."""
    call = channel.unary_unary("/trunkline.v1.Completion/Complete")
    failed = await failure_of(call(b"\xff\xff\xff"))
    assert failed.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason(failed) == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("path", ["/trunkline.v1.Completion/Nothing", "/no.such.Service/Method"])
async def test_unknown_methods_have_a_reason_too(channel, path):
    """Whatever kind of call it is."""
    failed = await failure_of(channel.unary_unary(path)(b""))
    assert (failed.code(), reason(failed)) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNIMPLEMENTED")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in channel.unary_stream(path)(b""):
            pass
    assert reason(caught.value) == "METHOD_UNIMPLEMENTED"


async def test_doubled_authorization_is_refused(channel):
    """Two of them would leave open which one counts."""
    doubled = (("authorization", "Bearer a"), ("authorization", "Bearer b"))
    failed = await failure_of(completion(channel).Complete(ask(), metadata=doubled))
    assert (failed.code(), reason(failed)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_METADATA")


@pytest.mark.parametrize(
    ("script", "code", "why"),
    [
        (
            fake.status(
                400, {"error": {"message": "CANARY", "type": "invalid_request_error", "code": "bad", "param": "x"}}
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "UPSTREAM_REJECTED",
        ),
        (
            fake.status(401, {"error": {"message": "CANARY", "code": "invalid_api_key"}}),
            grpc.StatusCode.INTERNAL,
            "UPSTREAM_AUTH_FAILED",
        ),
        (
            fake.status(404, {"error": {"message": "CANARY", "code": "model_not_found"}}),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UPSTREAM_MODEL_NOT_FOUND",
        ),
        (fake.rate_limited(retry_after="7"), grpc.StatusCode.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED"),
        (fake.status(302, b"", {"location": "http://127.0.0.1:1/"}), grpc.StatusCode.UNAVAILABLE, None),
        (fake.raw(b"SMTP ready\r\n\r\n", close=True), grpc.StatusCode.UNAVAILABLE, "UPSTREAM_MALFORMED"),
        (fake.status(200, b"<html>CANARY</html>"), grpc.StatusCode.UNAVAILABLE, None),
    ],
)
async def test_a_providers_failures_keep_their_meaning_and_lose_their_words(provider, channel, script, code, why):
    """Each has the code that a caller can act on, in unary and streamed calls; the provider's text stays home."""
    provider.script = script
    unary = await failure_of(completion(channel).Complete(ask()))
    streamed = await failure_of(events_of(completion(channel).StreamComplete(ask())))
    for failed in (unary, streamed):
        assert failed.code() == code
        assert why in (None, reason(failed))
        assert "CANARY" not in str(failed.trailing_metadata()) + str(failed.details())
        partial = detail(failed, v1.PartialResult)
        assert partial.attempts
        assert not partial.content_sent


async def test_retry_after_reaches_the_caller(provider, channel):
    """As RetryInfo and as pushback."""
    provider.script = fake.rate_limited(retry_after="7")
    failed = await failure_of(completion(channel).Complete(ask()))
    assert detail(failed, error_details_pb2.RetryInfo).retry_delay.ToSeconds() == 7
    assert trailer(failed, "grpc-retry-pushback-ms") == "7000"
    info = detail(failed, error_details_pb2.ErrorInfo)
    assert (info.domain, info.metadata["native_code"]) == ("fake", "rate_limit_exceeded")


async def test_a_passing_failure_is_tried_again_before_the_first_content(provider, channel):
    """The caller sees one answer, and both attempts in its trail."""
    provider.script = fake.sequence(fake.status(500), fake.chat(text="at last"))
    events = await events_of(completion(channel).StreamComplete(ask()))
    assert fold(events).message.blocks[0].text.text == "at last"
    tried = events[-1].finished.attempts
    assert [one.outcome for one in tried] == [v1.ATTEMPT_OUTCOME_FAILED, v1.ATTEMPT_OUTCOME_SERVED]
    assert (tried[0].reason, tried[0].http_status) == ("UPSTREAM_FAILED", 500)


@pytest.mark.parametrize(
    "script",
    [
        fake.cut(fake.stream_text("one two three four five", chunks=5, interval_s=0.01), at=800),
        fake.stream(fake.Answer(text="a b c d"), chunks=4, end_after=3),
        fake.stream(fake.Answer(text="a b c d"), chunks=4, error_after=3),
    ],
)
async def test_a_failure_after_content_ends_the_call_and_nothing_comes_twice(provider, channel, script):
    """The caller keeps what came, is told that it is not whole, and the provider was asked once."""
    provider.script = script
    text = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for message in completion(channel).StreamComplete(ask()):
            text += "".join(event.block_delta.text for event in message.events)
    assert text
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value).startswith("UPSTREAM_")
    assert detail(caught.value, v1.PartialResult).content_sent
    assert len(provider.requests) == 1


async def test_an_answer_beyond_the_bound_is_refused(provider):
    """Whether its length was stated or not. It is asked for once: it would be as long again, and billed again."""
    document = one_provider(provider.base_url)
    async with running(document, max_response_bytes=64 * 1024) as gateway, gateway.channel() as channel:
        for asked, script in enumerate((fake.status(200, b" " * 70_000), fake.stream_text("x" * 70_000, chunks=1))):
            provider.script = script
            failed = await failure_of(completion(channel).Complete(ask()))
            assert (failed.code(), reason(failed)) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_TOO_LONG")
            assert len(provider.requests) == asked + 1


async def test_an_error_inside_a_stream_is_told_at_once(provider, channel):
    """Also by a provider that sends it together with text and then keeps the connection open."""
    frames = b"".join(fake.Answer(text="a b c").frames(3)[:3]) + fake.sse({"error": {"code": "server_error"}})

    async def script(request, send):
        await send.head(200, {"content-type": "text/event-stream"})
        await send.chunk(frames)
        await send.stall()

    provider.script = script
    text = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for message in completion(channel).StreamComplete(ask(), timeout=5):
            text += "".join(event.block_delta.text for event in message.events)
    assert text
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_FAILED")


@pytest.mark.parametrize("how", ["silence", "cut"])
async def test_an_answer_whose_finish_reason_came_is_whole(provider, channel, how):
    """A provider that then says no more, or breaks off, owes nothing but usage: it is not known, and not invented."""
    frames = b"".join(fake.Answer(text="a b c").frames(3)[:-2])

    async def script(request, send):
        await send.head(200, {"content-type": "text/event-stream"})
        await send.chunk(frames)
        if how == "silence":
            await send.stall()
        send.close()

    provider.script = script
    request = ask()
    request.timeouts.idle.FromMilliseconds(100)
    answer = fold(await events_of(completion(channel).StreamComplete(request, timeout=5)))
    assert answer.message.blocks[0].text.text == "a b c"
    assert answer.finished.finish_reason == v1.FINISH_REASON_STOP
    assert not answer.finished.HasField("usage")
    assert len(provider.requests) == 1


async def test_an_idle_provider_ends_the_call(provider, channel):
    """After the first content silence is bounded by the caller's idle limit."""
    provider.script = fake.stream(fake.Answer(text="a b c d"), chunks=4, stall_after=2)
    request = ask()
    request.timeouts.idle.FromMilliseconds(80)
    failed = await failure_of(events_of(completion(channel).StreamComplete(request)))
    assert (failed.code(), reason(failed)) == (grpc.StatusCode.UNAVAILABLE, "IDLE_TIMEOUT")


async def test_a_late_first_token_ends_the_call(provider, channel):
    """The caller's limit for the first token is no limit for the whole."""
    provider.script = fake.silent()
    request = ask()
    request.timeouts.first_token.FromMilliseconds(80)
    for call in (completion(channel).Complete(request), events_of(completion(channel).StreamComplete(request))):
        failed = await failure_of(call)
        assert (failed.code(), reason(failed)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "FIRST_TOKEN_TIMEOUT")
    provider.script = fake.stream_text("slow but whole", chunks=10, interval_s=0.02)
    assert (
        fold(await events_of(completion(channel).StreamComplete(request))).message.blocks[0].text.text
        == "slow but whole"
    )


async def test_the_next_tier_answers_when_the_first_is_down(provider):
    """Failover happens before the first content, and the trail names both."""
    async with fake.FakeProvider() as second:
        provider.script = fake.hang_up()
        second.script = fake.chat(text="from the second")
        document = one_provider(provider.base_url)
        document["providers"]["other"] = {"dialect": "openai", "base_url": second.base_url + "/v1"}
        document["models"]["m"]["deployments"].append({"provider": "other", "upstream_model": "o", "tier": 1})
        async with running(document) as gateway, gateway.channel() as channel:
            answer = await completion(channel).Complete(ask())
            assert answer.message.blocks[0].text.text == "from the second"
            assert [one.provider for one in answer.finished.attempts] == ["fake", "other"]
            answer = await completion(channel).Complete(ask(routing=v1.RoutingPreferences(denied_providers=["fake"])))
            assert [one.provider for one in answer.finished.attempts] == ["other"]


async def test_the_operators_first_token_limit_moves_on_and_never_cuts_the_last(provider):
    """A slow deployment is left for another; a slow last one is waited for."""
    async with fake.FakeProvider() as second:
        provider.script = fake.silent()
        second.script = fake.stream_text("late", chunks=1, interval_s=0.15)
        document = one_provider(provider.base_url)
        document["providers"]["other"] = {"dialect": "openai", "base_url": second.base_url + "/v1"}
        document["models"]["m"]["deployments"].append({"provider": "other", "upstream_model": "o", "tier": 1})
        async with running(document, first_token_timeout_s=0.1) as gateway, gateway.channel() as channel:
            events = await events_of(completion(channel).StreamComplete(ask()))
            assert fold(events).message.blocks[0].text.text == "late"
            assert [one.reason for one in events[-1].finished.attempts] == ["FIRST_TOKEN_TIMEOUT", ""]


async def test_the_last_deployment_that_can_take_the_call_is_not_cut(provider):
    """Another that can't take it is no other: the operator's limit for the first token does not apply."""
    provider.script = fake.stream_text("late", chunks=1, interval_s=0.15)
    document = one_provider(provider.base_url, allow_provider_options=True)
    document["providers"]["other"] = {"dialect": "openai", "base_url": provider.base_url + "/v1"}
    document["models"]["m"]["deployments"].append({"provider": "other", "upstream_model": "o", "tier": 1})
    request = ask(provider_options={"openai": b'{"verbosity": "low"}'})
    async with running(document, first_token_timeout_s=0.1) as gateway, gateway.channel() as channel:
        events = await events_of(completion(channel).StreamComplete(request))
    assert fold(events).message.blocks[0].text.text == "late"
    assert (await provider.seen(1)).json["verbosity"] == "low"
    outcomes = {one.provider: one.outcome for one in events[-1].finished.attempts}
    assert outcomes == {"fake": v1.ATTEMPT_OUTCOME_SERVED, "other": v1.ATTEMPT_OUTCOME_SKIPPED}


async def test_the_operators_first_token_limit_is_none_for_whole_answers(provider):
    """A unary answer comes in one piece, however long it takes: to give it up would be to pay twice."""
    provider.script = fake.chat(text="late")

    async def slow(request, send):
        await asyncio.sleep(0.2)
        await fake.chat(text="late")(request, send)

    provider.script = slow
    document = one_provider(provider.base_url)
    document["models"]["m"]["deployments"].append({"provider": "fake", "upstream_model": "second", "tier": 1})
    async with running(document, first_token_timeout_s=0.1) as gateway, gateway.channel() as channel:
        answer = await completion(channel).Complete(ask())
    assert answer.message.blocks[0].text.text == "late"
    assert len(provider.requests) == 1


async def test_the_trail_names_what_a_provider_needs_to_find_the_call(provider, channel):
    """Status and id of its answer."""

    async def named(request, send):
        await send(200, fake.Answer().body(), {"content-type": "application/json", "x-request-id": "req_77"})

    provider.script = named
    (tried,) = (await completion(channel).Complete(ask())).finished.attempts
    assert (tried.http_status, tried.upstream_request_id) == (200, "req_77")


async def test_a_request_that_no_deployment_can_serve_opens_no_socket(provider, channel):
    """The field is named, and the provider hears nothing."""
    tool = v1.Tool(provider=v1.ProviderTool(dialect="anthropic", type="web_search_20250305"))
    failed = await failure_of(completion(channel).Complete(ask(tools=[tool])))
    assert (failed.code(), reason(failed)) == (grpc.StatusCode.FAILED_PRECONDITION, "CAPABILITY_MISSING")
    assert detail(failed, error_details_pb2.BadRequest).field_violations[0].field.startswith("tools[0]")
    assert provider.connections.accepted == 0


async def test_a_provider_without_its_credential_is_not_called():
    """The caller learns that the operator has something to do."""
    document = {
        "providers": {"openai": {"dialect": "openai"}},
        "models": {"m": {"deployments": [{"provider": "openai", "upstream_model": "x"}]}},
    }
    async with running(document) as gateway, gateway.channel() as channel:
        failed = await failure_of(completion(channel).Complete(ask()))
        assert (failed.code(), reason(failed)) == (grpc.StatusCode.FAILED_PRECONDITION, "CREDENTIAL_MISSING")


async def test_calls_beyond_the_bound_are_refused_with_a_delay(provider):
    """The bound is ours, below the transport's: the refusal has details."""
    provider.script = fake.silent()
    async with running(one_provider(provider.base_url), max_calls=3) as gateway, gateway.channel() as channel:
        open_calls = [completion(channel).Complete(ask()) for _ in range(3)]
        await provider.seen(3)
        failed = await failure_of(completion(channel).Complete(ask()))
        assert (failed.code(), reason(failed)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert 50 <= int(trailer(failed, "grpc-retry-pushback-ms")) <= 250
        for call in open_calls:
            call.cancel()


async def test_streams_one_after_another_share_a_connection(provider, channel):
    """The end of a body that comes after [DONE] costs neither time nor the connection."""

    async def script(request, send):
        await send.head(200, {"content-type": "text/event-stream"})
        await send.chunk(b"".join(fake.Answer().frames(3)))
        await asyncio.sleep(0.005)
        await send.end()

    provider.script = script
    for _ in range(10):
        await events_of(completion(channel).StreamComplete(ask()))
        await asyncio.sleep(0.02)
    assert provider.connections.accepted == 1


async def test_models_are_listed_and_described(channel):
    """Callers see what they can ask for, and where it is served."""
    listed = await models(channel).ListModels(v1.ListModelsRequest())
    assert [model.name for model in listed.models] == ["m"]
    model = (await models(channel).GetModel(v1.GetModelRequest(name="m"))).model
    assert (model.deployments[0].name, model.deployments[0].dialect) == ("fake/fake-1", "openai")
    failed = await failure_of(models(channel).GetModel(v1.GetModelRequest(name="none")))
    assert reason(failed) == "MODEL_NOT_FOUND"


async def test_a_reload_is_in_force_for_the_next_call_and_leaves_open_ones_alone(provider, gateway, channel):
    """A stream that runs goes on with what it started with."""
    provider.script = fake.stream_text("a b c d e", chunks=5, interval_s=0.03)
    stream = completion(channel).StreamComplete(ask())
    events = [*(await anext(aiter(stream))).events]
    gateway.reload(
        {"providers": {}, "models": {}}
        | one_provider(provider.base_url)
        | {"models": {"n": {"deployments": [{"provider": "fake", "upstream_model": "x"}]}}}
    )
    failed = await failure_of(completion(channel).Complete(ask()))
    assert reason(failed) == "MODEL_NOT_FOUND"
    events += [event async for message in stream for event in message.events]
    assert fold(events).message.blocks[0].text.text == "a b c d e"


async def test_no_secret_comes_back(provider, channel):
    """A provider that repeats the key and the prompt in every part of its error tells the caller neither."""
    canary = "prompt-canary-77"

    async def leak(request, send):
        text = f"{request.headers['authorization']} {canary}"
        error = {"message": text, "type": text, "param": text, "code": KEY}
        await send(400, json.dumps({"error": error}).encode(), {"x-request-id": "r"})

    provider.script = leak
    failed = await failure_of(completion(channel).Complete(ask(canary)))
    everything = str(failed.details()) + str(failed.trailing_metadata())
    assert KEY not in everything
    assert canary not in everything


async def test_many_calls_at_once_all_end(provider, channel):
    """Two hundred streams on one connection: all whole, none mixed up."""

    async def echo(request, send):
        await fake.stream_text(request.json["messages"][0]["content"], chunks=4)(request, send)

    provider.script = echo

    async def one(number):
        return (
            fold(await events_of(completion(channel).StreamComplete(ask(f"text {number}")))).message.blocks[0].text.text
        )

    texts = await asyncio.gather(*(one(number) for number in range(200)))
    assert texts == [f"text {number}" for number in range(200)]


@pytest.mark.parametrize("count", [32, 33, 400])
async def test_fields_that_are_left_out_are_named_or_counted(provider, channel, count):
    """The trail names 32 paths at most; where there are more, the last entry says how many are not named."""
    said = v1.Block(reasoning=v1.Reasoning(text="hm"), origin=v1.Origin(format="anthropic"))
    request = ask()
    for _ in range(count):
        request.messages.add(role=v1.ROLE_ASSISTANT, blocks=[said])
    answer = await completion(channel).Complete(request)
    left_out = answer.finished.attempts[0].left_out
    assert left_out[0] == "messages[1].blocks[0].reasoning"
    assert len(left_out) == 32
    assert left_out[-1] == ("messages[32].blocks[0].reasoning" if count == 32 else f"and {count - 31} more")


def json_instead(body, content_type="application/json"):
    async def handler(request, send):
        await send(200, body, {"content-type": content_type})

    return handler


async def test_a_whole_answer_in_place_of_a_stream_is_streamed(provider, channel):
    """A server that can't stream answers whole; the caller gets events that fold to the same."""
    said = fake.Answer(text="All at once.", tool_calls=(("c1", "look", "{}"),), finish_reason="tool_calls")
    provider.script = json_instead(said.body(), "application/json; charset=utf-8")
    streamed = fold(await events_of(completion(channel).StreamComplete(ask())))
    whole = await completion(channel).Complete(ask())
    assert streamed.message == whole.message
    assert streamed.finished.finish_reason == whole.finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS
    assert streamed.finished.usage == whole.finished.usage


async def test_a_failure_in_place_of_a_stream_is_told(provider, channel):
    """Its code is the provider's, although the status says that all is well."""
    provider.script = json_instead(b'{"error": {"code": "insufficient_quota", "message": "pay"}}')
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await events_of(completion(channel).StreamComplete(ask()))
    assert reason(caught.value) == "UPSTREAM_QUOTA_EXHAUSTED"


async def test_a_stream_under_another_name_is_one(provider, channel):
    """A proxy that calls events JSON does not break the answer."""
    said = fake.Answer(text="Piece by piece.")
    provider.script = json_instead(b"".join(said.frames(3)))
    events = await events_of(completion(channel).StreamComplete(ask()))
    assert fold(events).message.blocks[0].text.text == "Piece by piece."
