"""What near-twins of OpenAI are sent, and what their answers mean: what golden folders can't say."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.capability import Capability
from trunkline_server.core.errors import (
    CapabilityMissing,
    GatewayError,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.openai import ROWS

DEPLOYMENTS = {each.dialect.name: each.deployment for each in find().exchanges}


def asking(*turns: v1.Message, **more: Any) -> v1.CompleteRequest:
    """A question, after these turns."""
    question = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi"))])
    return v1.CompleteRequest(model="m", messages=[*turns, question], **more)


def sent(
    name: str, request: v1.CompleteRequest, capability: Capability | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and paths left out."""
    deployment = replace(DEPLOYMENTS[name], capability=capability)
    made = DIALECTS[name].encode(request, deployment, stream=False)
    return json.loads(made.body), made.left_out


def refused(name: str, request: v1.CompleteRequest) -> str:
    """The field that is refused."""
    with pytest.raises(CapabilityMissing) as caught:
        sent(name, request)
    return caught.value.violations[0].field


def thinking(effort: "v1.ReasoningEffort.ValueType" = v1.REASONING_EFFORT_UNSPECIFIED, **more: Any) -> Any:
    """A request that says how much to reason."""
    return asking(reasoning=v1.ReasoningConfig(effort=effort, **more))


NONE, MINIMAL, LOW, MEDIUM, HIGH, MAX = (
    v1.REASONING_EFFORT_NONE,
    v1.REASONING_EFFORT_MINIMAL,
    v1.REASONING_EFFORT_LOW,
    v1.REASONING_EFFORT_MEDIUM,
    v1.REASONING_EFFORT_HIGH,
    v1.REASONING_EFFORT_MAX,
)


@pytest.mark.parametrize(
    ("name", "effort", "members", "left_out"),
    [
        ("openai", MAX, {"reasoning_effort": "max"}, ()),
        ("groq", MINIMAL, {"reasoning_effort": "none"}, ("reasoning.effort",)),
        ("groq", MAX, {"reasoning_effort": "high"}, ("reasoning.effort",)),
        ("deepseek", NONE, {"thinking": {"type": "disabled"}}, ()),
        ("deepseek", MEDIUM, {"reasoning_effort": "medium"}, ()),
        ("moonshot", MEDIUM, {"reasoning_effort": "low"}, ("reasoning.effort",)),
        ("together", NONE, {"reasoning": {"enabled": False}}, ()),
        ("together", HIGH, {"reasoning": {"enabled": True}, "reasoning_effort": "high"}, ()),
        ("openrouter", NONE, {"reasoning": {"effort": "none"}}, ()),
        ("moonshot", NONE, {"thinking": {"type": "disabled"}}, ()),
        ("zai", LOW, {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, ()),
        ("alibaba", NONE, {"enable_thinking": False}, ()),
        ("alibaba", HIGH, {"enable_thinking": True}, ("reasoning.effort",)),
        ("minimax", HIGH, {"thinking": {"type": "adaptive"}}, ("reasoning.effort",)),
        ("minimax", NONE, {"thinking": {"type": "disabled"}}, ()),
        ("vllm", NONE, {"reasoning_effort": "low"}, ("reasoning.effort",)),
        ("llamacpp", HIGH, {}, ("reasoning.effort",)),
    ],
)
def test_effort(name: str, effort: Any, members: dict[str, Any], left_out: tuple[str, ...]) -> None:
    """How much to reason is said in each provider's words; what they can't say is named."""
    body, left = sent(name, thinking(effort))
    plain, _ = sent(name, asking())
    assert {key: value for key, value in body.items() if key not in plain} == members
    assert left == left_out


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("fireworks", {"thinking": {"type": "enabled", "budget_tokens": 99}}),
        ("databricks", {"thinking": {"type": "enabled", "budget_tokens": 99}}),
        ("litellm", {"thinking": {"type": "enabled", "budget_tokens": 99}}),
        ("openrouter", {"reasoning": {"max_tokens": 99}}),
        ("alibaba", {"enable_thinking": True, "thinking_budget": 99}),
    ],
)
def test_budget(name: str, members: dict[str, Any]) -> None:
    """A budget goes where it can, without the word beside it that servers refuse together with it."""
    body, left_out = sent(name, thinking(HIGH, budget_tokens=99))
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == members
    assert left_out == ("reasoning.effort",)


def test_capability_decides() -> None:
    """A model that always reasons is not told to stop, and one that has only a switch gets no word."""
    always = Capability(reasoning_always=True, efforts=("low", "high", "max"), reasoning_controls=("effort",))
    assert sent("moonshot", thinking(NONE), always)[0]["reasoning_effort"] == "low"
    assert "thinking" not in sent("moonshot", thinking(NONE), always)[0]
    body, left_out = sent("zai", thinking(HIGH), Capability(reasoning_controls=("switch",)))
    assert (body["thinking"], left_out) == ({"type": "enabled"}, ("reasoning.effort",))


def test_a_switch_is_used_where_there_is_no_word() -> None:
    """A model that can be switched off is, though none of its words says so."""
    body, left_out = sent("moonshot", thinking(NONE), Capability(efforts=("low", "high")))
    assert (body["thinking"], "reasoning_effort" in body, left_out) == ({"type": "disabled"}, False, ())


TOOL = v1.Tool(function=v1.FunctionTool(name="look"))
FORCED = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)


@pytest.mark.parametrize(
    ("name", "request_", "field"),
    [
        ("deepseek", asking(response_format=v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="s", schema=b"{}"))),
         "response_format.json_schema"),
        ("minimax", asking(response_format=v1.ResponseFormat(json=v1.JsonFormat())), "response_format.json"),
        ("deepseek", asking(seed=1), "seed"),
        ("groq", asking(logprobs=v1.LogprobsConfig()), "logprobs"),
        ("groq", asking(sampling=v1.Sampling(presence_penalty=1)), "sampling.presence_penalty"),
        ("zai", asking(stop=["a", "b"]), "stop"),
        ("local", asking(tools=[TOOL]), "tools"),
        ("moonshot", asking(tools=[TOOL], tool_choice=FORCED), "tool_choice.mode"),
        ("ollama", asking(tools=[TOOL], tool_choice=FORCED), "tool_choice.mode"),
        ("ollama", asking(tools=[TOOL], tool_choice=v1.ToolChoice(parallel=False)), "tool_choice.parallel"),
    ],
)  # fmt: skip
def test_refusals(name: str, request_: v1.CompleteRequest, field: str) -> None:
    """What would change the answer and can't be said there is refused, naming the field."""
    assert refused(name, request_) == field


def test_hints_are_left_out() -> None:
    """Allowing parallel calls, which is what happens anyway, is named where there is no form for it."""
    choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO, parallel=True)
    body, left_out = sent("ollama", asking(tools=[TOOL], tool_choice=choice))
    assert "tool_choice" not in body
    assert left_out == ("tool_choice.parallel",)
    body, left_out = sent("zai", asking(tools=[TOOL], tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_NONE)))
    assert "tools" not in body
    assert left_out == ("tools",)


@pytest.mark.parametrize("key", ["a\r\nx-evil: 1", "a\nb", "\x00", "\u00e9", " a", "a\t"])
def test_cache_key_in_a_header(key: str) -> None:
    """A cache key that goes into a header is one line of plain characters, or left out and named."""
    deployment = DEPLOYMENTS["xai"]
    made = DIALECTS["xai"].encode(asking(cache=v1.CacheConfig(key="chat-1")), deployment, stream=True)
    assert (dict(made.headers)["x-grok-conv-id"], made.left_out) == ("chat-1", ())
    made = DIALECTS["xai"].encode(asking(cache=v1.CacheConfig(key=key)), deployment, stream=True)
    assert "x-grok-conv-id" not in dict(made.headers)
    assert made.left_out == ("cache.key",)


def said(name: str, *blocks: v1.Block) -> v1.Message:
    """An assistant's turn that this provider made."""
    for block in blocks:
        block.origin.provider, block.origin.format = DEPLOYMENTS[name].provider.name, DIALECTS[name].format
    return v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks)


@pytest.mark.parametrize("data", [b"{", b"[]", b"1", b'{}, "model": "other"', b'{"a": "\xff"}', b"{} {}", b'"{}"'])
@pytest.mark.parametrize("name", ["openrouter", "minimax", "litellm", "mistral", "databricks"])
def test_opaque_bytes_are_looked_at(name: str, data: bytes) -> None:
    """A caller's opaque bytes that are not one JSON object never get into the body."""
    block = v1.Block(reasoning=v1.Reasoning(text="t", opaque=data))
    assert refused(name, asking(said(name, block))) == "messages[0].blocks[0].reasoning.opaque"


@pytest.mark.parametrize("name", ["mistral", "databricks"])
def test_opaque_parts_are_looked_at(name: str) -> None:
    """So it is with a part that only the provider understands; a whole one goes back."""
    part = {"type": "reference", "reference_ids": [1]}
    block = v1.Block(provider_opaque=v1.ProviderOpaque(type="reference", data=json.dumps(part).encode()))
    assert sent(name, asking(said(name, block)))[0]["messages"][0]["content"] == [part]
    block.provider_opaque.data = b"nothing"
    assert refused(name, asking(said(name, block))) == "messages[0].blocks[0].provider_opaque.data"


@pytest.mark.parametrize("name", ["openrouter", "litellm", "mistral", "databricks"])
def test_signatures_are_text(name: str) -> None:
    """A signature that is no text is refused by its name."""
    block = v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"\xff")
    assert refused(name, asking(said(name, block))) == "messages[0].blocks[0].signature"


@pytest.mark.parametrize("name", [row.account.dialect for row in ROWS if row.arguments])
def test_thoughts_of_others_stay(name: str) -> None:
    """What another format thought is left out and named, wherever it goes."""
    block = v1.Block(reasoning=v1.Reasoning(text="t", opaque=b"x"), signature=b"s")
    turn = v1.Message(role=v1.ROLE_ASSISTANT, blocks=[block, v1.Block(text=v1.Text(text="So."))])
    block.origin.format = turn.blocks[0].origin.format = "other"
    _, left_out = sent(name, asking(turn))
    assert "messages[0].blocks[0].signature" in left_out
    assert any(path.startswith("messages[0].blocks[0].reasoning") for path in left_out)


def answer(name: str, message: dict[str, Any], finish: str = "stop", **more: Any) -> v1.CompleteResponse:
    """What a whole answer means."""
    body = {"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": finish}], **more}
    return DIALECTS[name].decode(json.dumps(body).encode(), DEPLOYMENTS[name])


@pytest.mark.parametrize(
    ("name", "usage", "told"),
    [
        # xAI: completion tokens leave those of reasoning out, and the total shows it
        ("xai", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45,
                 "completion_tokens_details": {"reasoning_tokens": 30}}, (10, 35, None, None, 30)),
        ("xai", {"prompt_tokens": 10, "completion_tokens": 35, "total_tokens": 45,
                 "completion_tokens_details": {"reasoning_tokens": 30}}, (10, 35, None, None, 30)),
        ("perplexity", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "reasoning_tokens": 30},
         (10, 35, None, None, 30)),
        ("openai", {"prompt_tokens": 10, "completion_tokens": 35, "total_tokens": 75,
                    "completion_tokens_details": {"reasoning_tokens": 30}}, (10, 35, None, None, 30)),
        ("deepseek", {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8},
         (10, 5, 8, None, None)),
        ("moonshot", {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 8}, (10, 5, 8, None, None)),
        ("alibaba", {"prompt_tokens": 10, "completion_tokens": 5,
                     "prompt_tokens_details": {"cached_tokens": 8, "cache_creation_input_tokens": 1}},
         (10, 5, 8, 1, None)),
        ("litellm", {"prompt_tokens": 10, "completion_tokens": 5, "cache_read_input_tokens": 8,
                     "cache_creation_input_tokens": 1}, (10, 5, 8, 1, None)),
        ("sglang", {"prompt_tokens": 10, "completion_tokens": 5, "reasoning_tokens": 3}, (10, 5, None, None, 3)),
        ("xai", {"prompt_tokens": 10, "completion_tokens": 2**63 - 1, "total_tokens": 11,
                 "completion_tokens_details": {"reasoning_tokens": 2**63 - 1}}, (10, 2**63 - 1, None, None, 2**63 - 1)),
    ],
)  # fmt: skip
def test_usage(name: str, usage: dict[str, Any], told: tuple[int | None, ...]) -> None:
    """Input has caches in it and output has reasoning in it, whatever the provider's own way to count."""
    made = answer(name, {"content": "x"}, usage=usage).finished.usage
    fields = (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
        "reasoning_output_tokens",
    )
    assert tuple(getattr(made, field) if made.HasField(field) else None for field in fields) == told


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("minimax", {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no"}}, UpstreamQuotaExhausted),
        ("minimax", {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "no"}}, UpstreamRateLimited),
        ("minimax", {"choices": None, "base_resp": {"status_code": 7777, "status_msg": "no"}}, UpstreamFailed),
        ("openrouter", {"choices": [{"message": {"content": "x"}, "finish_reason": "error", "error": {"code": 503}}]},
         UpstreamOverloaded),
        ("deepseek", {"choices": [{"message": {"content": "x"}, "finish_reason": "insufficient_system_resource"}]},
         UpstreamOverloaded),
        ("sglang", {"choices": [{"message": {"content": "x"}, "finish_reason": "abort"}]}, UpstreamFailed),
        ("mistral", {"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}, UpstreamFailed),
    ],
)  # fmt: skip
def test_failures_with_status_200(name: str, more: dict[str, Any], kind: type[UpstreamError]) -> None:
    """An answer that says that it failed is a failure, with a status of 200 too."""
    with pytest.raises(kind):
        answer(name, {}, **more)


def test_sources_have_a_bound() -> None:
    """Sources of the answer as a whole are blocks of their own, at most 256 of them."""
    made = answer("xai", {"content": "x"}, citations=[f"https://host.example/{number}" for number in range(300)])
    assert len([block for block in made.message.blocks if block.HasField("citation")]) == 256


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["The user", "The user asks", "The user asks for tea."], "The user asks for tea."),
        (["The user", " asks", " for tea."], "The user asks for tea."),
        (["The user", "", "The user asks"], "The user asks"),
        (["The user", " asks.", "The user", " is kind."], "The user asks.The user is kind."),
        (["a", "and", " so"], "aand so"),
        (["I", "I see", "I see it"], "II see it"),  # the letter too many
    ],
)
def test_thoughts_that_restart(pieces: list[str], text: str) -> None:
    """MiniMax's pieces of a thought may hold what is new, or all of it so far: it is the same thought."""
    chunks = [{"delta": {"reasoning_details": [{"type": "reasoning.text", "text": piece}]}} for piece in pieces]
    chunks += [{"delta": {"content": "So."}}, {"delta": {}, "finish_reason": "stop"}]
    frames = [json.dumps({"id": "1", "model": "m", "choices": [chunk]}) for chunk in chunks]
    data = "".join(f"data: {frame}\n\n" for frame in frames).encode()
    events, error = feed_all(DIALECTS["minimax"].stream_decoder(DEPLOYMENTS["minimax"]), [data])
    assert error is None
    assert fold(events).message.blocks[0].reasoning.text == text


@pytest.mark.parametrize(
    ("last", "member"),
    [
        ([v1.Block(text=v1.Text(text="It is"))], {"prefix": True}),
        ([v1.Block(tool_call=v1.ToolCall(id="abcdef123", name="look", arguments_json=b"{}"))], {}),
    ],
)
def test_answers_go_on_from_a_prefix(last: list[v1.Block], member: dict[str, bool]) -> None:
    """Mistral refuses an assistant's text at the end unless it is told that the answer goes on from there."""
    request = asking()
    request.messages.append(v1.Message(role=v1.ROLE_ASSISTANT, blocks=last))
    turn = sent("mistral", request)[0]["messages"][-1]
    assert {name: value for name, value in turn.items() if name == "prefix"} == member
    assert "prefix" not in sent("openai", request)[0]["messages"][-1]


def test_functions_have_parameters() -> None:
    """Mistral refuses a function without a schema, so one that has no parameters says so; others are sent none."""
    body, _ = sent("mistral", asking(tools=[TOOL]))
    assert body["tools"][0]["function"] == {"name": "look", "parameters": {"type": "object", "properties": {}}}
    body, _ = sent("openai", asking(tools=[TOOL]))
    assert body["tools"][0]["function"] == {"name": "look"}


def test_cache_keys_route() -> None:
    """A cache key goes where it keeps calls together, and never where it would keep caches apart."""
    for name in ("fireworks", "cerebras", "mistral", "openrouter"):
        body, left_out = sent(name, asking(cache=v1.CacheConfig(key="chat-1")))
        assert (body["prompt_cache_key"], left_out) == ("chat-1", ())


CALLED = v1.Message(
    role=v1.ROLE_ASSISTANT, blocks=[v1.Block(tool_call=v1.ToolCall(id="call_1", name="look", arguments_json=b"{}"))]
)
SAID = v1.Message(role=v1.ROLE_ASSISTANT, blocks=[v1.Block(text=v1.Text(text="So."))])


@pytest.mark.parametrize(
    ("name", "blanks"), [("deepseek", [" ", " "]), ("moonshot", [" ", None]), ("openai", [None] * 2)]
)
def test_turns_of_others_get_a_blank_thought(name: str, blanks: list[str | None]) -> None:
    """A conversation moves to a provider that wants thoughts in the model's turns; without reasoning it wants none."""
    turns = sent(name, asking(CALLED, SAID))[0]["messages"][:2]
    assert [turn.get("reasoning_content") for turn in turns] == blanks
    off = asking(CALLED, SAID, reasoning=v1.ReasoningConfig(effort=NONE))
    assert not any("reasoning_content" in turn for turn in sent(name, off)[0]["messages"])
    can_not = sent(name, asking(CALLED, SAID), Capability(reasoning=False))[0]
    assert not any("reasoning_content" in turn for turn in can_not["messages"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["reasoning.text", "reasoning.summary", "thinking", "reasoning", "redacted_thinking", "text"])
ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from(["text", "summary", "thinking", "signature", "index", "data"]), JSON, max_size=4
    ).flatmap(lambda item: TYPES.map(lambda type_: {"type": type_, **item}))
    | JSON,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(details=ITEMS, content=ITEMS)
def test_any_thoughts(details: list[Any], content: list[Any]) -> None:
    """Whatever stands where thoughts do: a stream folds to what the whole answer gives, or both fail."""
    message = {"reasoning_details": details, "content": content}
    whole: Any
    try:
        whole = list(answer("openrouter", message).message.blocks)
    except GatewayError:
        whole = None
    chunk = {"id": "1", "model": "m", "choices": [{"delta": message, "finish_reason": "stop"}]}
    data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    events, error = feed_all(DIALECTS["openrouter"].stream_decoder(DEPLOYMENTS["openrouter"]), [data])
    if whole is None:
        assert isinstance(error, UpstreamMalformed)
    else:
        assert error is None
        assert len([event for event in events if event.HasField("block_start")]) == len(whole)


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(max_size=40),
    signature=st.text(min_size=1, max_size=40),
    data=st.text(min_size=1, max_size=40),
    more=st.dictionaries(st.sampled_from(["id", "format", "index", "x"]), st.text(max_size=9) | st.integers(0, 9)),
)
def test_thoughts_survive(text: str, signature: str, data: str, more: dict[str, Any]) -> None:
    """What OpenRouter sends of a thought is what it gets back, value for value and in order."""
    details = [
        {"type": "reasoning.text", "text": text, "signature": signature, **more},
        {"type": "reasoning.encrypted", "data": data, **more},
    ]
    turn = answer("openrouter", {"content": "So.", "reasoning_details": details}).message
    assert sent("openrouter", asking(turn))[0]["messages"][0]["reasoning_details"] == details
