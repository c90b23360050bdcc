"""What Bedrock's models take only within limits, and what they have to be told beside it."""

import pytest

from tests.unit.test_bedrock_request import OPEN, asking, refused, sent
from trunkline import v1
from trunkline_server.core.errors import ProviderOptionRefused
from trunkline_server.providers.dialects import DIALECTS

COMPUTER = v1.Tool(
    provider=v1.ProviderTool(dialect="bedrock", type="computer_20250124", config_json=b'{"name": "computer"}')
)


def options(betas: str) -> dict[str, bytes]:
    """Options that switch these betas on."""
    return {"bedrock": b'{"additionalModelRequestFields": {"anthropic_beta": %s}}' % betas.encode()}


def test_betas_are_joined() -> None:
    """The beta that a tool needs stands beside those of the caller, each once; what is no list of texts is refused."""
    body, _ = sent(asking(tools=[COMPUTER]))
    assert body["additionalModelRequestFields"]["anthropic_beta"] == ["computer-use-2025-01-24"]
    wanted = options('["a-1", "computer-use-2025-01-24"]')
    body, _ = sent(asking(tools=[COMPUTER], provider_options=wanted), OPEN)
    assert body["additionalModelRequestFields"]["anthropic_beta"] == ["computer-use-2025-01-24", "a-1"]
    body, _ = sent(asking(provider_options=options('["a-1"]')), OPEN)
    assert body["additionalModelRequestFields"]["anthropic_beta"] == ["a-1"]


@pytest.mark.parametrize("betas", ['"a-1"', "[1]", "null"])
def test_betas_that_are_none(betas: str) -> None:
    """What is no list of texts is refused, naming the member."""
    with pytest.raises(ProviderOptionRefused) as caught:
        DIALECTS["bedrock"].encode(asking(tools=[COMPUTER], provider_options=options(betas)), OPEN, stream=False)
    assert caught.value.violations[0].field == 'provider_options["bedrock"].additionalModelRequestFields.anthropic_beta'


def test_temperature_has_a_bound() -> None:
    """A temperature above 1, which Bedrock's service model does not have, is refused; 1 is sent."""
    assert refused(asking(sampling=v1.Sampling(temperature=1.5))) == "sampling.temperature"
    body, _ = sent(asking(sampling=v1.Sampling(temperature=1)))
    assert body["inferenceConfig"] == {"temperature": 1}
