"""From trunkline.yaml to the provider: what an operator writes is what is presented."""

import json

import pytest

from tests.fakes.provider import FakeProvider, status
from tests.integration.credentials.issuing import rightly_signed
from tests.integration.credentials.test_entra import CANARY, CLIENT, TENANT, entra, granted
from tests.running import ask, completion, running


def azure(base_url, **settings):
    """A configuration with the model "m" at Azure, without an api_key."""
    return {
        "providers": {"cloud": {"dialect": "azure", "base_url": base_url, **settings}},
        "models": {"m": {"deployments": [{"provider": "cloud", "upstream_model": "gpt-5-mini"}]}},
    }


@pytest.fixture
async def login(certificate):
    async with entra(certificate, granted(client_id=CLIENT, client_secret=CANARY)) as fake:
        yield fake


async def test_azure_is_asked_with_a_token_of_entra(login, certificate):
    """The client secret of the file buys a token, which comes in place of Azure's api-key."""
    async with FakeProvider() as provider:
        document = azure(
            f"{provider.base_url}/openai/v1",
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=CANARY,
            authority_host=login.base_url,
        )
        async with running(document, upstream_ca_file=certificate.file) as gateway, gateway.channel() as channel:
            await completion(channel).Complete(ask())
        headers = provider.requests[0].headers
        assert headers["authorization"] == "Bearer from-entra"
        assert "api-key" not in headers


async def test_a_key_in_the_file_is_presented_instead(login):
    """With an api_key nothing is fetched."""
    async with FakeProvider() as provider:
        document = azure(f"{provider.base_url}/openai/v1", api_key="fixed", authority_host=login.base_url)
        async with running(document) as gateway, gateway.channel() as channel:
            await completion(channel).Complete(ask())
        headers = provider.requests[0].headers
        assert headers["api-key"] == "fixed"
        assert "authorization" not in headers
    assert login.requests == []


@pytest.mark.parametrize(
    "model",
    [
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3",
    ],
)
async def test_bedrock_is_asked_with_a_signature(model, monkeypatch):
    """Keys of the environment sign what arrives, also where colons and slashes of a model's name are in the path."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }
    right = status(200, json.dumps(answer).encode(), {"content-type": "application/json"})

    async def script(request, send):
        await (right if rightly_signed(request, CANARY) else status(403))(request, send)

    async with FakeProvider(script) as provider:
        cloud = {"dialect": "bedrock", "base_url": provider.base_url, "region": "eu-central-1"}
        document = {
            "providers": {"cloud": cloud},
            "models": {"m": {"deployments": [{"provider": "cloud", "upstream_model": model}]}},
        }
        async with running(document) as gateway, gateway.channel() as channel:
            said = await completion(channel).Complete(ask())
    assert said.message.blocks[0].text.text == "Hello"
