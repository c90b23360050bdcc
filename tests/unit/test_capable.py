"""What a request may not ask of a model whose abilities are known."""

import pytest

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.errors import CapabilityMissing
from trunkline_server.routing.capable import refuse_incapable, refuse_unembeddable

TEXT_ONLY = frozenset({"text"})
FUNCTION = v1.Tool(function=v1.FunctionTool(name="f"))
SEARCH = v1.Tool(provider=v1.ProviderTool(dialect="openai", type="web_search"))
SCHEMA = v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="s", schema=b"{}"))
NONE, LOW = v1.REASONING_EFFORT_NONE, v1.REASONING_EFFORT_LOW


def media(mime="", **source):
    return v1.Block(media=v1.Media(mime_type=mime, **(source or {"data": b"x"})))


def ask(*blocks, **fields):
    first = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi"))])
    return v1.CompleteRequest(messages=[first, v1.Message(role=v1.ROLE_USER, blocks=blocks)], **fields)


def result(*blocks):
    return v1.Block(tool_result=v1.ToolResult(tool_call_id="1", blocks=blocks))


def sampled(**fields):
    return ask(sampling=v1.Sampling(**fields))


def thinking(**fields):
    return v1.ReasoningConfig(**fields)


FORCED = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)
ROLES = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER, v1.ROLE_USER)
FIRST = v1.CompleteRequest(messages=[v1.Message(role=role) for role in ROLES])
LATER = v1.CompleteRequest(messages=[*FIRST.messages, v1.Message(role=v1.ROLE_DEVELOPER)])

CASES = [
    # what is asked, what is known, the field that is refused
    (ask(media("image/png")), {"input": TEXT_ONLY}, "messages[1].blocks[0].media"),
    (ask(media("image/png")), {"input": TEXT_ONLY | {"image"}}, None),
    (ask(media("image/png")), {}, None),
    (ask(media("Audio/WAV")), {"input": TEXT_ONLY | {"image"}}, "messages[1].blocks[0].media"),
    (ask(media("video/mp4")), {"input": TEXT_ONLY | {"image"}}, "messages[1].blocks[0].media"),
    (ask(media("application/pdf")), {"input": TEXT_ONLY | {"image"}}, "messages[1].blocks[0].media"),
    (ask(media("application/pdf")), {"input": TEXT_ONLY, "host_reads_documents": True}, None),
    (ask(media("text/csv")), {"input": TEXT_ONLY}, None),
    (ask(media("application/json")), {"input": TEXT_ONLY}, None),
    (ask(media(uri="https://x.example/a")), {"input": TEXT_ONLY}, "messages[1].blocks[0].media"),
    (ask(media(uri="https://x.example/a")), {"input": TEXT_ONLY | {"image"}}, None),
    (ask(media(file_id="file-1")), {"input": TEXT_ONLY | {"document"}}, None),
    (ask(v1.Block(), result(media("text/plain"), media("image/gif"))), {"input": TEXT_ONLY},
     "messages[1].blocks[1].tool_result.blocks[1].media"),
    (ask(tools=[FUNCTION]), {"tools": False}, "tools"),
    (ask(tools=[FUNCTION]), {"tools": True}, None),
    (ask(tools=[FUNCTION]), {}, None),
    (ask(tools=[SEARCH]), {"tools": False}, None),
    (ask(tools=[FUNCTION]), {"tools_while_reasoning": False, "efforts": ("none", "low")}, None),
    (ask(tools=[FUNCTION]), {"tools_while_reasoning": False, "default_effort": "medium"}, "tools"),
    (ask(tools=[FUNCTION]), {"tools_while_reasoning": False, "default_effort": "none"}, None),
    (ask(tools=[FUNCTION], reasoning=thinking(effort=LOW)), {"tools_while_reasoning": False, "efforts": ("low",)},
     "tools"),
    (ask(tools=[FUNCTION], reasoning=thinking(effort=NONE)),
     {"tools_while_reasoning": False, "efforts": ("none", "low"), "default_effort": "low"}, None),
    (ask(tools=[SEARCH], reasoning=thinking(effort=LOW)), {"tools_while_reasoning": False, "efforts": ("low",)}, None),
    (ask(tools=[SEARCH], tool_choice=FORCED), {"forced_tools": False}, "tool_choice.mode"),
    (ask(tools=[SEARCH], tool_choice=v1.ToolChoice()), {"forced_tools": False}, None),
    (ask(tools=[SEARCH], tool_choice=FORCED), {"forced_tools": True}, None),
    (LATER, {"later_instructions": False}, "messages[3].role"),
    (LATER, {"later_instructions": True}, None),
    (LATER, {}, None),
    (FIRST, {"later_instructions": False}, None),
    (ask(response_format=SCHEMA), {"json_schema": False}, "response_format.json_schema"),
    (ask(response_format=SCHEMA), {"json_object": False, "json_schema": True}, None),
    (ask(response_format=SCHEMA), {"json_schema": False, "json_by_tool": True}, None),
    (ask(response_format=v1.ResponseFormat(json=v1.JsonFormat())), {"json_object": False}, "response_format.json"),
    (ask(response_format=v1.ResponseFormat(json=v1.JsonFormat())), {"json_schema": False}, None),
    (ask(response_format=v1.ResponseFormat(text=v1.TextFormat())), {"json_object": False, "json_schema": False}, None),
    (ask(logprobs=v1.LogprobsConfig()), {"logprobs": False}, "logprobs"),
    (ask(logprobs=v1.LogprobsConfig()), {"logprobs": True}, None),
    (ask(max_output_tokens=100), {"max_output_tokens": 99}, "max_output_tokens"),
    (ask(max_output_tokens=100), {"max_output_tokens": 100}, None),
    (ask(max_output_tokens=100), {"context_tokens": 50}, None),
    (ask(reasoning=thinking(budget_tokens=5)), {"reasoning": False}, "reasoning.budget_tokens"),
    (ask(reasoning=thinking(budget_tokens=0)), {"reasoning": False}, None),
    (ask(reasoning=thinking(effort=LOW)), {"reasoning": False}, None),
    (ask(reasoning=thinking(summary=v1.REASONING_SUMMARY_AUTO)), {"reasoning": False}, None),
    (ask(reasoning=thinking(budget_tokens=9)), {"reasoning": True, "max_output_tokens": 8}, "reasoning.budget_tokens"),
    (ask(reasoning=thinking(budget_tokens=8)), {"reasoning": True, "max_output_tokens": 8}, None),
    (sampled(temperature=0.0), {"sampling_limits": ("refused",)}, "sampling.temperature"),
    (sampled(temperature=1.0, top_p=1.0, presence_penalty=0.0), {"sampling_limits": ("refused",)}, None),
    (sampled(top_k=40), {"sampling_limits": ("refused",)}, "sampling.top_k"),
    (sampled(temperature=0.2), {"sampling_limits": ()}, None),
    (sampled(temperature=0.2), {}, None),
    (sampled(temperature=0.2, top_p=0.9), {"sampling_limits": ("temperature_or_top_p",)}, "sampling.top_p"),
    (sampled(temperature=0.2), {"sampling_limits": ("temperature_or_top_p",)}, None),
    (sampled(temperature=0.2), {"sampling_limits": ("not_while_reasoning",)}, None),
    (sampled(temperature=0.2), {"sampling_limits": ("not_while_reasoning",), "default_effort": "high"},
     "sampling.temperature"),
    (ask(sampling=v1.Sampling(temperature=0.2), reasoning=thinking(budget_tokens=9)),
     {"sampling_limits": ("not_while_reasoning",), "reasoning_controls": ("budget",)}, "sampling.temperature"),
    (ask(sampling=v1.Sampling(temperature=0.2), reasoning=thinking(effort=LOW)),
     {"sampling_limits": ("not_while_reasoning",), "reasoning_controls": ("budget",)}, None),
    (ask(), {"kind": "embedding"}, "model"),
    (ask(), {"kind": "chat"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "known", "field"), CASES)
def test_only_what_is_known_to_be_impossible_is_refused(request_, known, field):
    """The first field that asks it is named, with what would be taken; hints and the unknown pass."""
    capability = Capability(**known)
    if field is None:
        refuse_incapable(request_, capability)
        return
    with pytest.raises(CapabilityMissing) as caught:
        refuse_incapable(request_, capability)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert violation.description.endswith(", or ask for another model")


def test_nothing_known_excludes_nothing():
    """A deployment without an entry takes whatever its dialect can carry."""
    refuse_incapable(ask(media("image/png"), tools=[FUNCTION], max_output_tokens=10**9), None)
    refuse_unembeddable(v1.EmbedRequest(dimensions=7), None)


def embed(*blocks, **fields):
    return v1.EmbedRequest(inputs=[v1.EmbedInput(), v1.EmbedInput(blocks=blocks)], **fields)


@pytest.mark.parametrize(
    ("request_", "known", "field"),
    [
        (embed(), {"kind": "chat"}, "model"),
        (embed(), {"kind": "embedding"}, None),
        (embed(media("image/png")), {"input": TEXT_ONLY}, "inputs[1].blocks[0].media"),
        (embed(media("image/png")), {"input": TEXT_ONLY | {"image"}}, None),
        (embed(dimensions=256), {"shortens": False, "dimensions": 1536}, "dimensions"),
        (embed(dimensions=1536), {"shortens": False, "dimensions": 1536}, None),
        (embed(dimensions=256), {"shortens": True}, None),
        (embed(dimensions=256), {}, None),
    ],
)
def test_embeddings_are_held_to_what_is_known_too(request_, known, field):
    """A chat model does not embed, and a length that a model can't give is refused."""
    if field is None:
        refuse_unembeddable(request_, Capability(**known))
        return
    with pytest.raises(CapabilityMissing) as caught:
        refuse_unembeddable(request_, Capability(**known))
    assert [violation.field for violation in caught.value.violations] == [field]
