"""What callers may ask for, and who is refused first, over real gRPC. Whose call it is, a stand-in for Auth says."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest

from tests.fakes import provider as fake
from tests.running import Running, ask, completion, models, reason, snapshot_of
from trunkline import v1
from trunkline.v1.embedding_pb2_grpc import EmbeddingStub
from trunkline_server.app import open_app
from trunkline_server.config.settings import Settings
from trunkline_server.core.principal import Permissions, Principal, Priority
from trunkline_server.worker import bind, server_for


class Known:
    """A policy: the caller is who its metadata says."""

    def __init__(self, principals: dict[str, Principal]) -> None:
        self._principals = principals

    @asynccontextmanager
    async def around(self, call):
        call.principal = self._principals.get(call.metadata.get("who", ""))
        yield


@asynccontextmanager
async def gateway_of(document, principals: dict[str, Principal], **settings):
    """A gateway that knows these callers, where Auth would."""
    given = Settings(**settings)
    async with open_app(given, snapshot_of(document), {}) as app:
        policies = (*app.policies[:-1], Known(principals), app.policies[-1])
        server = server_for(replace(app, policies=policies), given, share_port=False)
        port = bind(server, "127.0.0.1:0", None)
        await server.start()
        try:
            yield Running(app, server, f"127.0.0.1:{port}")
        finally:
            await server.stop(0)
            await app.calls.all_ended()


def who(**permissions) -> Principal:
    return Principal(id="key:test", permissions=Permissions(**permissions))


def document_of(base_url: str):
    provider = {"dialect": "openai", "base_url": f"{base_url}/v1", "api_key": "k", "allow_provider_options": True}
    return {
        "providers": {"east": provider, "west": provider},
        "models": {
            "m": {
                "deployments": [
                    {"provider": "east", "upstream_model": "u-east", "region": "us", "capabilities": {
                        "max_output_tokens": 100}},
                    {"provider": "west", "upstream_model": "u-west", "region": "eu", "tier": 1},
                ]
            },
            "east-only": {"deployments": [{"provider": "east", "upstream_model": "u-2"}]},
        },
    }  # fmt: skip


PRINCIPALS = {
    "all": who(),
    "m": who(models=frozenset({"m"})),
    "west": who(providers=frozenset({"west"})),
    "eu": who(regions=frozenset({"eu"})),
    "nothing": who(models=frozenset()),
    "named": who(upstream_models=True, providers=frozenset({"west"})),
    "listed": who(upstream_models=True, models=frozenset({"m", "west/*", "east/u-9"})),
    "short": who(max_output_tokens=50),
    "long": who(max_output_tokens=5000),
    "options": who(provider_options=True),
}


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        one.script = fake.chat(text="Hello")
        yield one


@pytest.fixture
async def channel(provider):
    async with gateway_of(document_of(provider.base_url), PRINCIPALS) as gateway, gateway.channel() as one:
        yield one


async def failure(channel, name: str, request: v1.CompleteRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await completion(channel).Complete(request, metadata=(("who", name),))
    return caught.value


async def answer(channel, name: str, **fields) -> v1.CompleteResponse:
    return await completion(channel).Complete(ask(**fields), metadata=(("who", name),))


@pytest.mark.parametrize("name", ["m", "west", "eu", "nothing", "all", "named"])
async def test_what_may_not_be_used_does_not_exist(channel, provider, name):
    """A model beyond the permissions answers as one that there is not: same code, reason, text; nothing is asked."""
    model = "east-only" if name not in ("all", "nothing") else {"all": "east/u-2", "nothing": "m"}[name]
    refused = await failure(channel, name, ask(model=model))
    unknown = await failure(channel, name, ask(model="no-such"))
    assert (refused.code(), reason(refused)) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    assert refused.details().replace(f'"{model}"', '"no-such"') == unknown.details()
    assert provider.requests == []


async def test_fallbacks_are_held_to_permissions(channel):
    """A fallback that may not be used is refused as one that there is not, naming the field."""
    refused = await failure(channel, "m", ask(routing=v1.RoutingPreferences(fallback_models=["east-only"])))
    assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.details().startswith("routing.fallback_models[0]")


@pytest.mark.parametrize("name", ["west", "eu"])
async def test_calls_stay_within_permitted_providers_and_regions(channel, provider, name):
    """Deployments elsewhere are not there: the call goes to the second tier at once, also after a failure."""
    assert (await answer(channel, name)).started.provider == "west"
    assert [request.json["model"] for request in provider.requests] == ["u-west"]


async def test_embeddings_and_counts_are_held_to_permissions(channel):
    """Embed and CountTokens refuse a model that may not be used as Complete does."""
    as_m = (("who", "m"),)
    with pytest.raises(grpc.aio.AioRpcError) as embedding:
        await EmbeddingStub(channel).Embed(v1.EmbedRequest(model="east-only"), metadata=as_m)
    with pytest.raises(grpc.aio.AioRpcError) as counting:
        counted = v1.CountTokensRequest(request=ask(model="east-only"))
        await completion(channel).CountTokens(counted, metadata=as_m)
    assert reason(embedding.value) == reason(counting.value) == "MODEL_NOT_FOUND"


async def test_a_model_by_its_providers_name(channel, provider):
    """provider/upstream_model is served with the permission, at permitted providers alone."""
    served = await answer(channel, "named", model="west/any-model")
    assert (served.started.provider, served.started.model) == ("west", "west/any-model")
    assert provider.requests[-1].json["model"] == "any-model"
    assert reason(await failure(channel, "named", ask(model="east/any-model"))) == "MODEL_NOT_FOUND"
    assert reason(await failure(channel, "all", ask(model="west/any-model"))) == "MODEL_NOT_FOUND"
    assert reason(await failure(channel, "named", ask(model="west/"))) == "MODEL_NOT_FOUND"


async def test_stated_models_hold_models_by_name_too(channel):
    """Where permissions state models, one by name has to be among them, by its whole name or its provider's."""
    for model in ("west/x", "east/u-9", "m"):
        assert (await answer(channel, "listed", model=model)).started.model == model
    assert reason(await failure(channel, "listed", ask(model="east/u-2"))) == "MODEL_NOT_FOUND"


async def test_more_output_than_permitted_is_refused(channel, provider):
    """The field is named; at the bound, and without a wish, the provider is asked for no more than that."""
    refused = await failure(channel, "short", ask(max_output_tokens=51))
    assert (refused.code(), refused.details()[:17]) == (grpc.StatusCode.INVALID_ARGUMENT, "max_output_tokens")
    await answer(channel, "short", max_output_tokens=50)
    await answer(channel, "short")
    assert [request.json["max_tokens"] for request in provider.requests] == [50, 50]


async def test_an_unsaid_bound_is_no_more_than_the_model_writes(channel, provider):
    """A bound above what the model can write does not get calls refused that ask for nothing."""
    await answer(channel, "long")
    assert provider.requests[-1].json["max_tokens"] == 100


async def test_provider_options_need_both_permissions(channel, provider):
    """The provider's switch alone is not enough, nor is anything sent; with the principal's it is."""
    asked = {"provider_options": {"openai": b'{"user":"u"}'}}
    assert reason(await failure(channel, "all", ask(**asked))) == "PROVIDER_OPTION_REFUSED"
    assert provider.requests == []
    await answer(channel, "options", **asked)
    assert provider.requests[-1].json["user"] == "u"


async def test_models_shows_what_may_be_used(channel):
    """ListModels and GetModel tell of permitted models and deployments, and of nothing else."""

    async def listed(name):
        found = await models(channel).ListModels(v1.ListModelsRequest(), metadata=(("who", name),))
        return {one.name: [each.provider for each in one.deployments] for one in found.models}

    everything = {"m": ["east", "west"], "east-only": ["east"]}
    assert await listed("all") == await listed("nobody") == everything
    assert await listed("m") == {"m": ["east", "west"]}
    assert await listed("eu") == await listed("west") == {"m": ["west"]}
    assert await listed("nothing") == {}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await models(channel).GetModel(v1.GetModelRequest(name="east-only"), metadata=(("who", "m"),))
    assert reason(caught.value) == "MODEL_NOT_FOUND"


async def test_a_reload_is_in_force_for_models_by_name(provider):
    """Routes that were made for a principal end with the configuration they were made of."""
    document = document_of(provider.base_url)
    async with gateway_of(document, PRINCIPALS) as gateway, gateway.channel() as channel:
        await answer(channel, "named", model="west/x")
        del document["providers"]["west"], document["models"]["m"]["deployments"][1]
        gateway.reload(document)
        assert reason(await failure(channel, "named", ask(model="west/x"))) == "MODEL_NOT_FOUND"


async def test_the_lowest_class_is_refused_first(provider):
    """Of ten places low calls fill eight, normal ones nine, high ones all; what is more is refused at once."""
    principals = {each.name: Principal(id="key:k", priority=each) for each in Priority}
    provider.script = fake.silent()
    full = gateway_of(document_of(provider.base_url), principals, max_calls=10)
    async with full as gateway, gateway.channel() as channel:
        running = []
        for name, places in (("LOW", 8), ("NORMAL", 9), ("HIGH", 10)):
            while len(running) < places:
                called = completion(channel).Complete(ask(), metadata=(("who", name),), timeout=30)
                running.append(asyncio.ensure_future(called))
            await provider.seen(places)
            assert reason(await failure(channel, name, ask())) == "OVERLOADED"
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
