"""What becomes of a request at Gemini, beyond what the golden exchanges show: refusals, what is left out, options."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import CapabilityMissing, ProviderOptionRefused
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.dialects import DIALECTS

GEMINI = next(each.deployment for each in find().exchanges if each.name == "gemini/text")
OWN = v1.Origin(provider="gemini", model="gemini-3.5-flash", format="gemini")
LEVELS = Capability(reasoning=True, reasoning_controls=("level", "budget"), efforts=("low", "high"))
BUDGET = Capability(reasoning=True, reasoning_controls=("budget",), reasoning_off="zero_budget")
ALWAYS = Capability(reasoning=True, reasoning_controls=("budget",), reasoning_always=True)


def said(text: str = "Hi", **more: Any) -> v1.Block:
    """A text."""
    return v1.Block(text=v1.Text(text=text), **more)


def turn(role: v1.Role.ValueType, *blocks: v1.Block) -> v1.Message:
    """A turn."""
    return v1.Message(role=role, blocks=blocks)


def asking(*messages: v1.Message, **more: Any) -> v1.CompleteRequest:
    """A request with these turns, or a plain one."""
    return v1.CompleteRequest(model="small", messages=messages or [turn(v1.ROLE_USER, said())], **more)


def calling(call: v1.ToolCall, **more: Any) -> v1.CompleteRequest:
    """A conversation with one call and its result."""
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id=call.id, blocks=[said("so")]))
    answer = turn(v1.ROLE_ASSISTANT, v1.Block(tool_call=call, **more))
    return asking(turn(v1.ROLE_USER, said()), answer, turn(v1.ROLE_TOOL, result))


def encoded(request: v1.CompleteRequest, deployment: Deployment = GEMINI) -> HttpRequest:
    """The HTTP request."""
    return DIALECTS[deployment.provider.dialect].encode(request, deployment, stream=False)


def body(request: v1.CompleteRequest, deployment: Deployment = GEMINI) -> Any:
    """Its body."""
    return json.loads(encoded(request, deployment).body)


def able(capability: Capability) -> Deployment:
    """The deployment with a model that can do so much."""
    return replace(GEMINI, capability=capability)


def optional(**options: Any) -> Any:
    """The body of a request with these options, where they are permitted."""
    provider = replace(GEMINI.provider, allow_provider_options=True)
    request = asking(provider_options={"gemini": json.dumps(options).encode()}, max_output_tokens=5)
    return body(request, replace(GEMINI, provider=provider))


def function(name: str = "look", **more: Any) -> v1.Tool:
    """A function."""
    return v1.Tool(function=v1.FunctionTool(name=name, **more))


def own_tool(kind: str, dialect: str = "gemini") -> v1.Tool:
    """A tool of the provider's own."""
    return v1.Tool(provider=v1.ProviderTool(dialect=dialect, type=kind))


def media(**fields: Any) -> v1.CompleteRequest:
    """A medium in a user's turn."""
    return asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(**fields))))


REQUIRED = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)
SEARCH = own_tool("google_search")
LATER = [turn(v1.ROLE_USER, said()), turn(v1.ROLE_SYSTEM, said("Be brief."))]
REFUSED = [
    (asking(*LATER), "messages[1].role"),
    (asking(turn(v1.ROLE_SYSTEM, said())), "messages"),
    (asking(stop=list("abcdef")), "stop"),
    (asking(seed=1 << 31), "seed"),
    (asking(max_output_tokens=1 << 31), "max_output_tokens"),
    (asking(sampling=v1.Sampling(min_p=0.5)), "sampling.min_p"),
    (asking(tools=[function("9lives")]), "tools[0].function.name"),
    (asking(tools=[own_tool("web_search", "openai")]), "tools[0].provider"),
    (asking(tools=[own_tool("function_declarations")]), "tools[0].provider.type"),
    (asking(tools=[function()], tool_choice=v1.ToolChoice(parallel=False)), "tool_choice.parallel"),
    (asking(tools=[SEARCH], tool_choice=REQUIRED), "tool_choice.mode"),
    (
        asking(
            tools=[function(), SEARCH],
            tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["look", "google_search"]),
        ),
        "tool_choice.allowed_tools[1]",
    ),
    (
        calling(v1.ToolCall(id="a", name="look", arguments_json=b"[1]")),
        "messages[1].blocks[0].tool_call.arguments_json",
    ),
    (
        calling(v1.ToolCall(id="a", name="look", arguments_json=b'{"a":')),
        "messages[1].blocks[0].tool_call.arguments_json",
    ),
    (calling(v1.ToolCall(id="a", name="look at")), "messages[1].blocks[0].tool_call.name"),
    (
        calling(v1.ToolCall(id="a", name="look"), signature=b"\xff", origin=OWN),
        "messages[1].blocks[0].signature",
    ),
    (media(file_id="../models/x"), "messages[0].blocks[0].media.file_id"),
    (
        asking(
            turn(
                v1.ROLE_ASSISTANT,
                v1.Block(provider_opaque=v1.ProviderOpaque(data=b'{}, {"text": "x"}'), origin=OWN),
            )
        ),
        "messages[0].blocks[0].provider_opaque.data",
    ),
]


@pytest.mark.parametrize(("request_", "field"), REFUSED, ids=[field for _, field in REFUSED])
def test_refused(request_: v1.CompleteRequest, field: str) -> None:
    """What has no form at Gemini, or would break out of its place in the body, is refused by its own path."""
    with pytest.raises(CapabilityMissing) as refused:
        encoded(request_)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_file_of_another_provider() -> None:
    """A file goes to its own provider only."""
    block = v1.Block(media=v1.Media(file_id="files/a"), origin=v1.Origin(provider="other"))
    with pytest.raises(CapabilityMissing, match="another provider"):
        encoded(asking(turn(v1.ROLE_USER, block)))


@pytest.mark.parametrize(
    ("capability", "effort", "config", "as_asked"),
    [
        (None, v1.REASONING_EFFORT_MINIMAL, {"thinkingLevel": "MINIMAL"}, True),
        (None, v1.REASONING_EFFORT_MAX, {"thinkingLevel": "HIGH"}, False),
        (None, v1.REASONING_EFFORT_NONE, {"thinkingLevel": "LOW"}, False),
        (LEVELS, v1.REASONING_EFFORT_HIGH, {"thinkingLevel": "HIGH"}, True),
        (LEVELS, v1.REASONING_EFFORT_MEDIUM, {"thinkingLevel": "LOW"}, False),
        (LEVELS, v1.REASONING_EFFORT_NONE, {"thinkingLevel": "LOW"}, False),
        (BUDGET, v1.REASONING_EFFORT_NONE, {"thinkingBudget": 0}, True),
        (BUDGET, v1.REASONING_EFFORT_HIGH, {"thinkingBudget": 24_576}, True),
        (BUDGET, v1.REASONING_EFFORT_XHIGH, {"thinkingBudget": 24_576}, False),
        (ALWAYS, v1.REASONING_EFFORT_NONE, {"thinkingBudget": 128}, False),
    ],
)
def test_effort(
    capability: Capability | None, effort: v1.ReasoningEffort.ValueType, config: dict[str, Any], as_asked: bool
) -> None:
    """Effort is a level where the model has levels, and a budget where it has none; the nearest is named."""
    deployment = replace(GEMINI, capability=capability)
    request = asking(reasoning=v1.ReasoningConfig(effort=effort))
    assert body(request, deployment)["generationConfig"]["thinkingConfig"] == config
    assert encoded(request, deployment).left_out == (() if as_asked else ("reasoning.effort",))


def test_budget_and_effort() -> None:
    """Of a budget and an effort the one that the model is steered by is sent, and the other named: both are refused."""
    both = asking(reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW, budget_tokens=99))
    assert body(both, able(BUDGET))["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 99}
    assert encoded(both, able(BUDGET)).left_out == ("reasoning.effort",)
    assert body(both)["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
    assert encoded(both).left_out == ("reasoning.budget_tokens",)


def test_model_without_reasoning() -> None:
    """A model that can't reason is not asked to: it would refuse the call."""
    request = asking(reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW, summary=v1.REASONING_SUMMARY_AUTO))
    made = encoded(request, able(Capability(reasoning=False)))
    assert "generationConfig" not in json.loads(made.body)
    assert made.left_out == ("reasoning.effort", "reasoning.summary")


def test_summary() -> None:
    """Asking for summaries includes thoughts, and asking for none leaves them out."""
    for summary, included in ((v1.REASONING_SUMMARY_CONCISE, True), (v1.REASONING_SUMMARY_NONE, False)):
        made = body(asking(reasoning=v1.ReasoningConfig(summary=summary)))
        assert made["generationConfig"]["thinkingConfig"] == {"includeThoughts": included}


def test_earlier_models_get_neither_ids_nor_stand_ins() -> None:
    """Models without levels know no ids of calls, and ask for no signatures."""
    request = calling(v1.ToolCall(id="a", name="look"))
    old = body(request, able(BUDGET))["contents"]
    assert old[1]["parts"] == [{"functionCall": {"name": "look", "args": {}}}]
    assert old[2]["parts"] == [{"functionResponse": {"name": "look", "response": {"output": "so"}}}]
    assert body(request)["contents"][1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"


def test_empty_texts_are_no_parts() -> None:
    """A text without words is not sent, since the provider refuses it, but one that carries a signature is."""
    signed = said("", signature=b"sig", origin=OWN)
    request = asking(
        turn(v1.ROLE_SYSTEM, said("")),
        turn(v1.ROLE_USER, said(), said("")),
        turn(v1.ROLE_ASSISTANT, said("")),
        turn(v1.ROLE_USER, said()),
        turn(v1.ROLE_ASSISTANT, signed),
    )
    user = {"role": "user", "parts": [{"text": "Hi"}]}
    model = {"role": "model", "parts": [{"text": "", "thoughtSignature": "sig"}]}
    assert body(request) == {"contents": [user, user, model]}


def test_earlier_models_read_no_media_in_results() -> None:
    """Media in the result of a tool are refused where the model is known not to see them."""
    request = calling(v1.ToolCall(id="a", name="look"))
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=b"1"))
    request.messages[2].blocks[0].tool_result.blocks.append(picture)
    assert "parts" in body(request, able(LEVELS))["contents"][2]["parts"][0]["functionResponse"]
    with pytest.raises(CapabilityMissing) as refused:
        encoded(request, able(BUDGET))
    assert refused.value.violations[0].field == "messages[2].blocks[0].tool_result.blocks[1].media"


@pytest.mark.parametrize("tool", [function(), SEARCH])
def test_earlier_models_take_tools_or_json(tool: v1.Tool) -> None:
    """JSON beside tools is refused where the model is known not to take both."""
    form = v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="x", schema=b"{}"))
    request = asking(tools=[tool], response_format=form)
    assert {"tools", "generationConfig"} <= body(request, able(LEVELS)).keys()
    assert "generationConfig" in body(asking(response_format=form), able(BUDGET))
    with pytest.raises(CapabilityMissing) as refused:
        encoded(request, able(BUDGET))
    assert refused.value.violations[0].field == "response_format.json_schema"


@pytest.mark.parametrize(
    ("choice", "tools", "config"),
    [
        (v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO), [function()], {"functionCallingConfig": {"mode": "AUTO"}}),
        (v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_NONE), [function()], {"functionCallingConfig": {"mode": "NONE"}}),
        (REQUIRED, [function()], {"functionCallingConfig": {"mode": "ANY"}}),
        (v1.ToolChoice(), [function(strict=True)], {"functionCallingConfig": {"mode": "VALIDATED"}}),
        (v1.ToolChoice(), [function()], None),
        (v1.ToolChoice(), [function(), SEARCH], {"includeServerSideToolInvocations": True}),
    ],
)
def test_modes(choice: v1.ToolChoice, tools: list[v1.Tool], config: dict[str, Any] | None) -> None:
    """Rules for calling are modes; strict functions need the one that holds to schemas."""
    assert body(asking(tools=tools, tool_choice=choice)).get("toolConfig") == config


def test_tools_that_may_not_be_called() -> None:
    """Tools outside of what is allowed are not sent where the mode has no place for names, and are named."""
    request = asking(tools=[function("a"), function("b"), SEARCH], tool_choice=v1.ToolChoice(allowed_tools=["b"]))
    assert body(request)["tools"] == [{"functionDeclarations": [{"name": "b"}]}]
    assert encoded(request).left_out == ("tools[0]", "tools[2]")


def test_none_silences_the_providers_own_tools() -> None:
    """Where no tool may be called, the provider's own are not sent: the mode is about functions only."""
    request = asking(tools=[function(), SEARCH], tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_NONE))
    assert body(request)["tools"] == [{"functionDeclarations": [{"name": "look"}]}]


@pytest.mark.parametrize(
    "options",
    [
        {"contents": []},
        {"system_instruction": {}},
        {"cachedContent": "cachedContents/x"},
        {"cached_content": "cachedContents/x"},
        {"service_tier": "priority"},
        {"store": True},
        {"generationConfig": {"candidateCount": 2}},
        {"generation_config": {"max_output_tokens": 2}},
        {"generationConfig": {"_responseJsonSchema": {}}},
        {"generationConfig": 1},
        {"toolConfig": {"function_calling_config": {}}},
        {"Model": "x"},
    ],
    ids=str,
)
def test_option_refused(options: dict[str, Any]) -> None:
    """Members that the gateway decides are refused, by either of their names and wherever they stand."""
    with pytest.raises(ProviderOptionRefused):
        optional(**options)


def test_options_join_what_is_written() -> None:
    """Other members of generationConfig and toolConfig join those that the gateway writes."""
    made = optional(generation_config={"responseModalities": ["AUDIO"]}, safetySettings=[], toolConfig={"a": 1})
    assert made["generationConfig"] == {"maxOutputTokens": 5, "responseModalities": ["AUDIO"]}
    assert (made["safetySettings"], made["toolConfig"]) == ([], {"a": 1})


def test_options_need_permission() -> None:
    """Without the operator's permission nothing of them is taken."""
    with pytest.raises(ProviderOptionRefused, match="not configured"):
        encoded(asking(provider_options={"gemini": b"{}"}))


@settings(max_examples=40, deadline=None, database=None)
@given(
    signature=st.text(min_size=1),
    id_=st.text(min_size=1, max_size=256),
    opaque=st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4),
)
def test_replay_is_exact(signature: str, id_: str, opaque: dict[str, Any]) -> None:
    """Signatures, ids and parts that only the provider reads go back as they came, each where it was."""
    raw = json.dumps({"executableCode": opaque})
    part = {"functionCall": {"id": id_, "name": "look", "args": {"a": 1.50}}, "thoughtSignature": signature}
    parts = [{"text": "", "thoughtSignature": signature}, part, {"text": "hm", "thought": True}]
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    whole = json.dumps(answer).replace('"parts": [', f'"parts": [{raw}, ')
    message = DIALECTS["gemini"].decode(whole.encode(), GEMINI).message
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id=id_))
    request = asking(turn(v1.ROLE_USER, said()), message, turn(v1.ROLE_TOOL, result))
    made = encoded(request)
    assert json.loads(made.body)["contents"][1]["parts"] == [json.loads(raw), *parts]
    assert raw.encode() in made.body
    assert made.left_out == ()
