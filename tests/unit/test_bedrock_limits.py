"""What Bedrock's models take only within limits, and what they have to be told beside it."""

from typing import Any

import pytest

from tests.unit.test_bedrock_request import LOOK, NOVA, OPEN, OWN, asking, called, knowing, refused, sent, text, turn
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


BUDGETS = knowing(reasoning=True, reasoning_controls=("budget",))


def test_budget_is_below_the_bound() -> None:
    """A budget that leaves nothing of the bound on the output for the answer is refused."""
    wanted = v1.ReasoningConfig(budget_tokens=2000)
    assert refused(asking(reasoning=wanted, max_output_tokens=2000), BUDGETS) == "reasoning.budget_tokens"
    body, _ = sent(asking(reasoning=wanted, max_output_tokens=2001), BUDGETS)
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 2000}


@pytest.mark.parametrize(("thought", "switched_on"), [(False, False), (True, True)])
def test_budget_within_a_turn(thought: bool, switched_on: bool) -> None:
    """A turn that began without a thought goes on without a budget, and the wish is named; the next turn has it."""
    wanted = v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW)
    question, call, result = called()
    if thought:
        call.blocks.insert(0, v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"s", origin=OWN))
    turns = [question, call, result]
    body, left_out = sent(v1.CompleteRequest(messages=turns, tools=[LOOK], reasoning=wanted), BUDGETS)
    assert ("additionalModelRequestFields" in body) is switched_on
    assert ("reasoning.effort" in left_out) is not switched_on
    turns += [turn(v1.ROLE_ASSISTANT, text("Well."))]
    body, _ = sent(asking(*turns, tools=[LOOK], reasoning=wanted), BUDGETS)
    assert body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    ("beside", "word", "left_out"),
    [
        ({}, "high", ()),
        ({"max_output_tokens": 500}, "medium", ("reasoning.effort",)),
        ({"sampling": v1.Sampling(temperature=0.5)}, "medium", ("reasoning.effort",)),
        ({"sampling": v1.Sampling(top_p=0.5)}, "medium", ("reasoning.effort",)),
        ({"sampling": v1.Sampling(top_k=5)}, "high", ()),
    ],
)
def test_highest_effort_of_nova(beside: dict[str, Any], word: str, left_out: tuple[str, ...]) -> None:
    """Beside a bound on the output, temperature or top_p, Nova gets the effort below its highest, and that is named."""
    body, named = sent(asking(reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_HIGH), **beside), NOVA)
    assert body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == word
    assert named == left_out
