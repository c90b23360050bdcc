"""Requests of the Responses API: what is refused, what is left out, and what goes back as it came."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import CapabilityMissing, ProviderOptionRefused
from trunkline_server.core.http import Endpoint
from trunkline_server.providers.dialects import DIALECTS

DIALECT = DIALECTS["openai-responses"]
PROVIDER = Provider(
    name="openai",
    dialect="openai-responses",
    endpoint=Endpoint(scheme="https", host="api.openai.com", port=443),
    base_path="/v1",
    allow_provider_options=True,
)
DEPLOYMENT = Deployment(name="openai/gpt", provider=PROVIDER, upstream_model="gpt")
ORIGIN = v1.Origin(provider="openai", model="gpt", format="openai-responses")
ENVELOPE = b'{"id":"msg_1","type":"message","status":"completed","role":"assistant"}'
HI = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi."))])


def asking(*messages: v1.Message, **more: Any) -> v1.CompleteRequest:
    return v1.CompleteRequest(model="small", messages=[HI, *messages], **more)


def said(*blocks: v1.Block) -> v1.CompleteRequest:
    for block in blocks:
        if not block.HasField("origin"):
            block.origin.CopyFrom(ORIGIN)
    return asking(v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks))


def body(request: v1.CompleteRequest, deployment: Deployment = DEPLOYMENT) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(DIALECT.encode(request, deployment, stream=False).body)
    return made


def left_out(request: v1.CompleteRequest, deployment: Deployment = DEPLOYMENT) -> tuple[str, ...]:
    return DIALECT.encode(request, deployment, stream=False).left_out


def with_settings(**values: Any) -> Deployment:
    return replace(DEPLOYMENT, provider=replace(PROVIDER, settings=values))


def able(**facts: Any) -> Deployment:
    return replace(DEPLOYMENT, capability=Capability(**facts))


def options(text: str) -> v1.CompleteRequest:
    return asking(provider_options={"openai-responses": text.encode()})


def opaque(kind: str, data: bytes, **more: Any) -> v1.Block:
    return v1.Block(provider_opaque=v1.ProviderOpaque(type=kind, data=data), **more)


REFUSED = {
    "stop": asking(stop=["x"]),
    "seed": asking(seed=1),
    "sampling.top_k": asking(sampling=v1.Sampling(top_k=1)),
    "sampling.min_p": asking(sampling=v1.Sampling(min_p=0.1)),
    "sampling.frequency_penalty": asking(sampling=v1.Sampling(frequency_penalty=0)),
    "sampling.presence_penalty": asking(sampling=v1.Sampling(presence_penalty=0)),
    "max_output_tokens": asking(max_output_tokens=15),
    "tools[0].provider": asking(tools=[v1.Tool(provider=v1.ProviderTool(dialect="openai", type="web_search"))]),
    "messages[1].blocks[0].media.mime_type": asking(
        v1.Message(
            role=v1.ROLE_USER, blocks=[v1.Block(media=v1.Media(mime_type="audio/wav", data=b"RIFF"))]
        )
    ),
    "messages[1].blocks[0].media.file_id": asking(
        v1.Message(
            role=v1.ROLE_USER,
            blocks=[v1.Block(media=v1.Media(file_id="f"), origin=v1.Origin(provider="another"))],
        )
    ),
    "messages[1].blocks[0].tool_call.arguments_json": said(
        v1.Block(tool_call=v1.ToolCall(id="a", name="f", arguments_json=b"\xff"))
    ),
    "messages[1].blocks[0].reasoning.opaque": said(v1.Block(reasoning=v1.Reasoning(opaque=b'{"type":"message"}'))),
    "messages[1].blocks[0].signature": said(v1.Block(text=v1.Text(text="a"), signature=b'{"type":"reasoning"}')),
    "messages[1].blocks[0].provider_opaque.data": said(opaque("web_search_call", b'{}, {"type":"message"}')),
    "messages[1].blocks[0].provider_opaque.type": said(opaque("item_reference", b'{"type":"item_reference","id":"m"}')),
    "messages[1].blocks[0].text.citations[0].opaque": said(
        v1.Block(text=v1.Text(text="a", citations=[v1.Citation(opaque=b'"x"')]), signature=ENVELOPE)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("field", "request_"), REFUSED.items(), ids=REFUSED)
def test_refused(field: str, request_: v1.CompleteRequest) -> None:
    """What has no form is refused under the path of its field, and so is what no provider of this format sent."""
    with pytest.raises(CapabilityMissing) as caught:
        DIALECT.encode(request_, DEPLOYMENT, stream=False)
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":"\xff"}', b"{}{}", b"[" * 100_000])
@pytest.mark.parametrize("place", ["reasoning", "provider_opaque", "signature", "call"])
def test_no_injection(place: str, data: bytes) -> None:
    """Opaque bytes of a caller that are not one JSON object of their kind never reach the body."""
    blocks = {
        "reasoning": v1.Block(reasoning=v1.Reasoning(opaque=data)),
        "provider_opaque": opaque("x", data),
        "signature": v1.Block(text=v1.Text(text="a"), signature=data),
        "call": v1.Block(tool_call=v1.ToolCall(id="a", name="f"), signature=data),
    }
    try:
        made = body(said(blocks[place]))
    except CapabilityMissing:
        return
    assert data == b""  # nothing to embed: it is sent without, or left out
    assert place != "provider_opaque"
    assert len(made["input"]) == (1 if place == "reasoning" else 2)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"store": true}', ".store"),
        ('{"previous_response_id": "r"}', ".previous_response_id"),
        ('{"conversation": "c"}', ".conversation"),
        ('{"truncation": "auto"}', ".truncation"),
        ('{"service_tier": "priority"}', ".service_tier"),
        ('{"background": true}', ".background"),
        ('{"max_output_tokens": 1}', ".max_output_tokens"),
        ('{"text": {"format": {"type": "text"}}}', ".text.format"),
        ('{"reasoning": {"effort": "low"}}', ".reasoning.effort"),
        ('{"prompt_cache_options": {"ttl": "12h"}}', ".prompt_cache_options.ttl"),
        ('{"text": "low"}', ".text"),
        ('{"include": "all"}', ".include"),
        ('{"include": [1]}', ".include"),
    ],
)
def test_provider_options_refused(text: str, path: str) -> None:
    """Members that the gateway decides are refused with their path, also inside those that are shared."""
    with pytest.raises(ProviderOptionRefused) as caught:
        DIALECT.encode(options(text), DEPLOYMENT, stream=False)
    assert caught.value.violations[0].field == f'provider_options["openai-responses"]{path}'


def test_provider_options_merged() -> None:
    """Members that caller and gateway fill together hold what both say; others are added."""
    request = options(
        '{"text": {"verbosity": "low"}, "reasoning": {"context": "all_turns"}, "max_tool_calls": 2,'
        ' "include": ["web_search_call.action.sources", "reasoning.encrypted_content"]}'
    )
    request.response_format.json.SetInParent()
    request.reasoning.effort = v1.REASONING_EFFORT_LOW
    made = body(request)
    assert made["text"] == {"verbosity": "low", "format": {"type": "json_object"}}
    assert made["reasoning"] == {"context": "all_turns", "effort": "low"}
    assert made["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]
    assert made["max_tool_calls"] == 2


def test_nothing_is_stored() -> None:
    """No request is stored at the provider, so thoughts are asked for in the form that the next turn needs."""
    made = body(asking())
    assert made["store"] is False
    assert made["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize("deployment", [able(reasoning=False), with_settings(encrypted_reasoning=False)])
def test_no_encrypted_reasoning(deployment: Deployment) -> None:
    """A model that does not reason, or a server that the operator says has no such form, is not asked for it."""
    assert "include" not in body(asking(), deployment)


def test_reasoning_of_a_model_that_has_none() -> None:
    """How to reason is a hint: it is left out and named where the model would refuse the call for it."""
    request = asking(
        reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW, budget_tokens=9, summary=v1.REASONING_SUMMARY_AUTO)
    )
    assert "reasoning" not in body(request, able(reasoning=False))
    assert left_out(request, able(reasoning=False)) == (
        "reasoning.effort", "reasoning.summary", "reasoning.budget_tokens",
    )  # fmt: skip
    assert left_out(request) == ("reasoning.budget_tokens",)


def test_effort_that_the_model_has() -> None:
    """Of the words that the model takes the nearest is sent, and named."""
    request = asking(reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_MAX))
    assert body(request, able(efforts=("low", "high")))["reasoning"] == {"effort": "high"}
    assert left_out(request, able(efforts=("low", "high"))) == ("reasoning.effort",)
    assert body(request)["reasoning"] == {"effort": "max"}
    assert left_out(request) == ()


def test_cache_hints_of_a_model_without_breakpoints() -> None:
    """Cache marks and times are left out and named where the model is known not to take them; the key is sent."""
    marked = v1.Block(text=v1.Text(text="a"), cache_mark=v1.CacheMark())
    request = asking(v1.Message(role=v1.ROLE_USER, blocks=[marked]), cache=v1.CacheConfig(key="k"))
    request.cache.ttl.seconds = 60
    deployment = able(prompt_cache=("automatic",))
    assert left_out(request, deployment) == ("cache.ttl", "messages[1].blocks[0].cache_mark")
    made = body(request, deployment)
    assert (made["prompt_cache_key"], "prompt_cache_options" in made) == ("k", False)


def test_mark_on_text_of_the_model() -> None:
    """A mark on what the model said has no form, and is named."""
    plain = v1.Block(text=v1.Text(text="a"), cache_mark=v1.CacheMark(), origin=v1.Origin(format="anthropic"))
    signed = v1.Block(text=v1.Text(text="a"), cache_mark=v1.CacheMark(), signature=ENVELOPE)
    assert left_out(said(plain, signed)) == ("messages[1].blocks[0].cache_mark", "messages[1].blocks[1].cache_mark")


def test_provider_tools_are_chosen_by_name() -> None:
    """Tools of one type are told apart by the names in their settings, and chosen by what the wire calls them."""
    configs = [b'{"name": "sql"}', b'{"name": "shell"}']
    tools = [
        v1.Tool(provider=v1.ProviderTool(dialect="openai-responses", type="custom", config_json=config))
        for config in configs
    ]
    tools.append(
        v1.Tool(
            provider=v1.ProviderTool(dialect="openai-responses", type="mcp", config_json=b'{"server_label": "wiki"}')
        )
    )
    tools.append(v1.Tool(provider=v1.ProviderTool(dialect="openai-responses", type="file_search")))
    forced = {
        "sql": {"type": "custom", "name": "sql"},
        "wiki": {"type": "mcp", "server_label": "wiki"},
        "file_search": {"type": "file_search"},
    }
    for name, wire in forced.items():
        choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=[name])
        assert body(asking(tools=tools, tool_choice=choice))["tool_choice"] == wire


def test_parts_of_one_message_find_together() -> None:
    """Parts with equal signatures go back as one message, and any other block between them parts them."""
    text = v1.Block(text=v1.Text(text="a"), signature=ENVELOPE)
    unknown = opaque("output_picture", b'{"type":"output_picture","n":1.50}', signature=ENVELOPE)
    other = v1.Block(text=v1.Text(text="b"), signature=ENVELOPE.replace(b"msg_1", b"msg_2"))
    _, first, second = body(said(text, unknown, other))["input"]
    assert [part["type"] for part in first["content"]] == ["output_text", "output_picture"]
    assert (first["id"], second["id"]) == ("msg_1", "msg_2")
    raw = DIALECT.encode(said(text, unknown), DEPLOYMENT, stream=False).body
    assert b'{"type":"output_picture","n":1.50}' in raw


def test_signature_does_not_rename() -> None:
    """What a signature says of role, type, name or content gives way to the block itself."""
    envelope = b'{"type":"message","role":"system","content":"x","id":"msg_1"}'
    call = b'{"type":"function_call","name":"g","call_id":"z","arguments":"{}","id":"fc_1"}'
    blocks = (
        v1.Block(text=v1.Text(text="a"), signature=envelope),
        v1.Block(tool_call=v1.ToolCall(id="c", name="f", arguments_json=b'{"a":1}'), signature=call),
    )
    _, message, made = body(said(*blocks))["input"]
    assert (message["role"], message["content"][0]["text"]) == ("assistant", "a")
    assert (made["name"], made["call_id"], made["arguments"]) == ("f", "c", '{"a":1}')


def test_other_providers_signatures_stay_home() -> None:
    """Signatures and opaque bytes of another format are left out and named, whatever they hold."""
    origin = v1.Origin(provider="claude", format="anthropic")
    blocks = (
        v1.Block(text=v1.Text(text="a"), signature=b"\xff", origin=origin),
        v1.Block(reasoning=v1.Reasoning(opaque=b"\xff"), origin=origin),
        opaque("x", b"\xff", origin=origin),
        v1.Block(tool_call=v1.ToolCall(id="c", name="f"), signature=b"\xff", origin=origin),
    )
    assert left_out(said(*blocks)) == (
        "messages[1].blocks[0].signature",
        "messages[1].blocks[1].reasoning",
        "messages[1].blocks[2].provider_opaque",
        "messages[1].blocks[3].signature",
    )
    assert len(body(said(*blocks))["input"]) == 3


SEALED = b'{"id":"rs","type":"reasoning","summary":[],"encrypted_content":"gAAA"}'
COMPACTED = b'{"id":"cmp","type":"compaction","encrypted_content":"gAAA"}'
OPEN = b'{"id":"rs","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Hm."}]}'


def test_what_is_sealed_goes_to_the_account_that_sealed_it() -> None:
    """A thought that only its own account can open stays behind at others, which would refuse the call for it."""
    elsewhere = v1.Origin(provider="azure", model="gpt", format="openai-responses")
    for origin, taken in ((ORIGIN, 3), (elsewhere, 1)):
        request = said(
            v1.Block(reasoning=v1.Reasoning(opaque=SEALED), origin=origin),
            v1.Block(provider_opaque=v1.ProviderOpaque(type="compaction", data=COMPACTED), origin=origin),
            v1.Block(reasoning=v1.Reasoning(opaque=OPEN), origin=origin),
        )
        made = body(request)["input"][1:]
        assert made == [json.loads(each) for each in (SEALED, COMPACTED, OPEN)[-taken:]]
    assert left_out(request) == ("messages[1].blocks[0].reasoning", "messages[1].blocks[1].provider_opaque")


@pytest.mark.parametrize("more", [{}, {"encrypted_content": None}, {"encrypted_content": ""}, {"content": []}], ids=str)
def test_bare_names_of_thoughts_stay_behind(more: dict[str, Any]) -> None:
    """A thought without its sealed form is a name of what is stored nowhere, and would be looked for in vain."""
    bare = {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], **more}
    request = said(v1.Block(reasoning=v1.Reasoning(opaque=json.dumps(bare).encode())))
    assert body(request)["input"] == body(asking())["input"]
    assert left_out(request) == ("messages[1].blocks[0].reasoning",)


@settings(max_examples=40, deadline=None)
@given(
    identity=st.text(min_size=1, max_size=256),
    words=st.text(),
    thoughts=st.lists(st.text(), max_size=3),
    more=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.booleans())),
)
def test_items_survive(identity: str, words: str, thoughts: list[str], more: dict[str, Any]) -> None:
    """What the provider sent goes back as it was, whatever members it has; ids of calls fit the wire on both ends."""
    summary = [{"type": "summary_text", "text": text} for text in thoughts]
    items = [
        {**more, "id": "rs", "type": "reasoning", "summary": summary, "encrypted_content": "sealed"},
        {**more, "id": "msg", "type": "message", "role": "assistant", "content": [_text(words), _text("b")]},
        {**more, "id": "fc", "type": "function_call", "call_id": identity, "name": "f", "arguments": words or "{}"},
        {**more, "id": "ct", "type": "custom_tool_call", "call_id": identity + "2", "name": "g", "input": words},
        {**more, "id": "ws", "type": "web_search_call"},
    ]
    answer = {"id": "r", "model": "m", "status": "completed", "output": items}
    message = DIALECT.decode(json.dumps(answer).encode(), DEPLOYMENT).message
    results = [v1.Block(tool_result=v1.ToolResult(tool_call_id=each)) for each in (identity, identity + "2")]
    made = body(asking(message, v1.Message(role=v1.ROLE_TOOL, blocks=results)))["input"]
    calls = [item["call_id"] for item in made if "call_id" in item]
    assert calls[:2] == calls[2:]
    assert all(0 < len(call) <= 64 for call in calls)
    assert [item["type"] for item in made[-2:]] == ["function_call_output", "custom_tool_call_output"]
    sent = [{name: value for name, value in item.items() if name != "call_id"} for item in items]
    assert [{name: value for name, value in item.items() if name != "call_id"} for item in made[1:-2]] == sent


def _text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


def test_counting_is_a_setting() -> None:
    """A server that the settings say does not count is not asked."""
    counting = DIALECT.counting
    assert counting is not None
    with pytest.raises(CountingMissing):
        counting.encode(asking(), with_settings(native_count=False))
    assert counting.encode(asking(), DEPLOYMENT).target == "/v1/responses/input_tokens"
