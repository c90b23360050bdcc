"""From trunkline.yaml to the provider: what an operator writes is what is presented."""

import pytest

from tests.fakes.provider import FakeProvider
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
