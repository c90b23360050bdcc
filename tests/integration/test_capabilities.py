"""What the gateway makes of what it knows of models, over real gRPC and against a provider that speaks real HTTP."""

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.fakes import provider as fake
from tests.running import KEY, ask, completion, detail, models, reason, running
from trunkline import v1
from trunkline.v1.embedding_pb2_grpc import EmbeddingStub

PICTURE = v1.Block(media=v1.Media(mime_type="image/png", data=b"\x89PNG"))


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


def configured(provider, *deployments):
    return {
        "providers": {"fake": {"dialect": "openai", "base_url": f"{provider.base_url}/v1", "api_key": KEY}},
        "models": {"m": {"deployments": [{"provider": "fake", **one} for one in deployments]}},
    }


def pictured(**fields):
    request = ask(**fields)
    request.messages[0].blocks.append(PICTURE)
    return request


async def failure_of(awaitable):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value


async def test_what_a_model_can_not_do_is_refused_before_a_socket_opens(provider):
    """The refusal names the field and what the model takes, and the provider never hears of the call."""
    async with (
        running(configured(provider, {"upstream_model": "gpt-3.5-turbo"})) as gateway,
        gateway.channel() as channel,
    ):
        failed = await failure_of(completion(channel).Complete(pictured()))
    assert (failed.code(), reason(failed)) == (grpc.StatusCode.FAILED_PRECONDITION, "CAPABILITY_MISSING")
    (violation,) = detail(failed, error_details_pb2.BadRequest).field_violations
    assert violation.field == "messages[0].blocks[1].media"
    assert violation.description == "this model takes text; leave it out, or ask for another model"
    assert provider.connections.accepted == 0


async def test_a_deployment_that_can_not_is_passed_over_for_one_that_can(provider):
    """The next deployment answers, and the trail names the field for which the first was skipped."""
    provider.script = fake.chat(text="A cat.")
    both = configured(provider, {"upstream_model": "gpt-3.5-turbo"}, {"upstream_model": "gpt-4o", "tier": 1})
    async with running(both) as gateway, gateway.channel() as channel:
        answer = await completion(channel).Complete(pictured())
    skipped, served = answer.finished.attempts
    assert (skipped.deployment, skipped.outcome) == ("fake/gpt-3.5-turbo", v1.ATTEMPT_OUTCOME_SKIPPED)
    assert (skipped.reason, list(skipped.left_out)) == ("CAPABILITY_MISSING", ["messages[0].blocks[1].media"])
    assert (served.deployment, served.outcome) == ("fake/gpt-4o", v1.ATTEMPT_OUTCOME_SERVED)


async def test_an_operator_knows_better_than_the_table(provider):
    """What trunkline.yaml states of a deployment counts, both ways."""
    provider.script = fake.chat(text="A cat.")
    sees = {"upstream_model": "gpt-3.5-turbo", "capabilities": {"input": ["text", "image"]}}
    async with running(configured(provider, sees)) as gateway, gateway.channel() as channel:
        assert (await completion(channel).Complete(pictured())).message.blocks[0].text.text == "A cat."
        gateway.reload(configured(provider, {"upstream_model": "mine", "capabilities": {"max_output_tokens": 10}}))
        assert await completion(channel).Complete(ask(max_output_tokens=10))
        failed = await failure_of(completion(channel).Complete(ask(max_output_tokens=11)))
    assert detail(failed, error_details_pb2.BadRequest).field_violations[0].field == "max_output_tokens"


async def test_a_model_that_nobody_knows_is_asked_for_anything(provider):
    """Unknown is not refused."""
    provider.script = fake.chat(text="A cat.")
    async with running(configured(provider, {"upstream_model": "mine"})) as gateway, gateway.channel() as channel:
        assert await completion(channel).Complete(pictured(max_output_tokens=10**9))
        listed = await models(channel).ListModels(v1.ListModelsRequest())
    assert not listed.models[0].HasField("capabilities")
    assert not listed.models[0].deployments[0].HasField("capabilities")


async def test_what_embeds_does_not_answer_and_the_other_way_round(provider):
    """Each is refused by name of the RPC that would be right, before a socket opens."""
    document = configured(provider, {"upstream_model": "text-embedding-3-small"})
    document["models"]["chat"] = {"deployments": [{"provider": "fake", "upstream_model": "gpt-4o"}]}
    text = v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text="Hi"))])
    async with running(document) as gateway, gateway.channel() as channel:
        answers = await failure_of(completion(channel).Complete(ask()))
        embeds = await failure_of(EmbeddingStub(channel).Embed(v1.EmbedRequest(model="chat", inputs=[text])))
    for failed, rpc in ((answers, "Embedding.Embed"), (embeds, "Completion.Complete")):
        assert reason(failed) == "CAPABILITY_MISSING"
        assert rpc in failed.details()
    assert provider.connections.accepted == 0


async def test_models_say_what_is_known_of_them(provider):
    """A model has what at least one deployment can do; each deployment has its own."""
    both = configured(
        provider,
        {"upstream_model": "gpt-4o-mini"},
        {"upstream_model": "gpt-5-mini", "capabilities": {"prompt_cache": []}},
        {"upstream_model": "mine"},
    )
    async with running(both) as gateway, gateway.channel() as channel:
        model = (await models(channel).GetModel(v1.GetModelRequest(name="m"))).model
    first, second, third = (one.capabilities for one in model.deployments)
    joined = model.capabilities
    assert (first.context_tokens, second.context_tokens, joined.context_tokens) == (128_000, 400_000, 400_000)
    assert (first.max_output_tokens, second.max_output_tokens) == (16_384, 128_000)
    assert v1.FEATURE_REASONING not in first.features
    assert v1.FEATURE_LOGPROBS not in second.features
    assert {v1.FEATURE_REASONING, v1.FEATURE_LOGPROBS, v1.FEATURE_COMPLETE, v1.FEATURE_TOOLS} <= {*joined.features}
    assert v1.FEATURE_EMBED not in joined.features
    assert [*joined.reasoning_efforts] == [*second.reasoning_efforts]
    assert v1.ReasoningEffort.Name(second.default_reasoning_effort) == "REASONING_EFFORT_MEDIUM"
    assert joined.default_reasoning_effort == v1.REASONING_EFFORT_UNSPECIFIED
    assert ([*second.sampling_limits], [*joined.sampling_limits]) == ([v1.SAMPLING_LIMIT_REFUSED], [])
    assert second.reasoning_always
    assert not joined.HasField("reasoning_always")
    assert v1.MODALITY_IMAGE in joined.input_modalities
    assert [*second.prompt_cache_styles] == []
    assert v1.PROMPT_CACHE_STYLE_AUTOMATIC in joined.prompt_cache_styles
    assert first.checked_at.ToDatetime().day == 1
    assert "openai" in joined.source
    assert not third.ByteSize()


async def test_an_embedding_model_says_its_length(provider):
    """Of a model that embeds the dimensions are told, and that they can be fewer."""
    document = configured(provider, {"upstream_model": "text-embedding-3-large"})
    async with running(document) as gateway, gateway.channel() as channel:
        known = (await models(channel).GetModel(v1.GetModelRequest(name="m"))).model.capabilities
    assert (known.embedding_dimensions, known.shortens_embeddings) == (3072, True)
    assert v1.FEATURE_COMPLETE not in known.features
    assert not known.HasField("max_output_tokens")
