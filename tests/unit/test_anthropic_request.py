"""What the dialect sends, what it leaves out and what it refuses."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.golden.judges.anthropic import judge_body
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.errors import CapabilityMissing, GatewayError, ProviderOptionRefused
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.providers.anthropic.dialect import Anthropic
from trunkline_server.providers.anthropic.flavour import Flavour

ANTHROPIC: Final = Anthropic()
PROVIDER: Final = Provider(
    name="anthropic",
    dialect="anthropic",
    endpoint=Endpoint(scheme="https", host="api.anthropic.com", port=443),
    base_path="/v1",
    credential=Secret("sk-ant-not-a-real-key"),
)
NEWEST: Final = Deployment(name="anthropic/claude", provider=PROVIDER, upstream_model="claude-opus-5")
OPEN: Final = replace(NEWEST, provider=replace(PROVIDER, allow_provider_options=True))
HOME: Final = v1.Origin(provider="anthropic", model="claude-opus-5", format="anthropic")
EFFORTS: Final = ("low", "medium", "high", "max")


def knowing(deployment: Deployment = NEWEST, **facts: Any) -> Deployment:
    """A deployment of which these facts are known."""
    return replace(deployment, capability=Capability(**facts))


BUDGETS: Final = knowing(
    reasoning=True,
    reasoning_always=False,
    reasoning_off="disabled",
    reasoning_controls=("budget",),
    sampling_limits=("temperature_or_top_p", "not_while_reasoning"),
    max_output_tokens=64_000,
)
BUDGETS_AND_EFFORTS: Final = knowing(reasoning=True, reasoning_controls=("budget", "effort"), efforts=EFFORTS[:3])
ADAPTIVE: Final = knowing(
    reasoning=True, reasoning_controls=("adaptive", "effort"), efforts=EFFORTS, sampling_limits=("refused",)
)
BETWEEN_TOOLS: Final = knowing(
    reasoning=True, reasoning_off="between_tools", reasoning_controls=("adaptive", "effort"), efforts=EFFORTS
)
ALWAYS: Final = knowing(
    reasoning=True, reasoning_always=True, reasoning_controls=("adaptive", "effort"), efforts=EFFORTS, json_schema=True
)
NEVER: Final = knowing(reasoning=False, json_schema=False, input=frozenset({"text", "document"}), prompt_cache=())


def text(words: str = "Hi.", **more: Any) -> v1.Block:
    """A text block."""
    return v1.Block(text=v1.Text(text=words), **more)


def turn(role: "v1.Role.ValueType", *blocks: v1.Block) -> v1.Message:
    """A message."""
    return v1.Message(role=role, blocks=blocks)


def asking(*blocks: v1.Block, **more: Any) -> v1.CompleteRequest:
    """A request with one user's turn."""
    return v1.CompleteRequest(model="small", messages=[turn(v1.ROLE_USER, text(), *blocks)], **more)


def replaying(*blocks: v1.Block, **more: Any) -> v1.CompleteRequest:
    """A request with a turn of the model's."""
    turns = [turn(v1.ROLE_USER, text()), turn(v1.ROLE_ASSISTANT, *blocks), turn(v1.ROLE_USER, text())]
    return v1.CompleteRequest(model="small", messages=turns, **more)


def answering(**result: Any) -> v1.CompleteRequest:
    """A request with a call and its result."""
    answer = v1.Block(tool_result=v1.ToolResult(tool_call_id="toolu_1", **result))
    turns = [turn(v1.ROLE_USER, text()), turn(v1.ROLE_ASSISTANT, call()), turn(v1.ROLE_TOOL, answer)]
    return v1.CompleteRequest(model="small", messages=turns)


def sent(request: v1.CompleteRequest, deployment: Deployment = NEWEST) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and paths left out; the body fits the vendor's specification and types."""
    made = ANTHROPIC.encode(request, deployment, stream=False)
    body = json.loads(made.body)
    judge_body(body)
    return body, made.left_out


def refusal(request: v1.CompleteRequest, deployment: Deployment = NEWEST) -> str:
    """The field that is refused."""
    with pytest.raises(CapabilityMissing) as caught:
        ANTHROPIC.encode(request, deployment, stream=False)
    return caught.value.violations[0].field


def thinking(deployment: Deployment, *, most: int | None = None, **reasoning: Any) -> tuple[Any, Any, int, Any]:
    """What is said of thinking, the effort, the bound, and what is left out."""
    request = asking(reasoning=v1.ReasoningConfig(**reasoning), max_output_tokens=most)
    body, left_out = sent(request, deployment)
    return body.get("thinking"), body.get("output_config", {}).get("effort"), body["max_tokens"], left_out


def function(name: str = "look", **more: Any) -> v1.Tool:
    """A function."""
    return v1.Tool(function=v1.FunctionTool(name=name), **more)


def call(id_: str = "toolu_1", name: str = "look", arguments: bytes = b"{}", **more: Any) -> v1.Block:
    """A call of a tool."""
    return v1.Block(tool_call=v1.ToolCall(id=id_, name=name, arguments_json=arguments), **more)


def mark(seconds: int | None = None) -> v1.CacheMark:
    """A cache mark."""
    made = v1.CacheMark()
    if seconds is not None:
        made.ttl.seconds = seconds
    return made


def test_bound_is_always_sent() -> None:
    """max_tokens is the caller's, else the operator's, else the model's, else 8,192."""
    configured = replace(BUDGETS, provider=replace(PROVIDER, settings={"default_max_tokens": 3000}))
    assert sent(asking(max_output_tokens=7), configured)[0]["max_tokens"] == 7
    assert sent(asking(), configured)[0]["max_tokens"] == 3000
    assert sent(asking(), BUDGETS)[0]["max_tokens"] == 64_000
    assert sent(asking())[0]["max_tokens"] == 8192


@pytest.mark.parametrize(
    ("deployment", "asked", "wanted"),
    [
        (NEWEST, {"effort": v1.REASONING_EFFORT_XHIGH}, ({"type": "adaptive"}, "xhigh", 8192, ())),
        (NEWEST, {"effort": v1.REASONING_EFFORT_MINIMAL}, ({"type": "adaptive"}, "low", 8192, ("reasoning.effort",))),
        (NEWEST, {"effort": v1.REASONING_EFFORT_NONE}, ({"type": "disabled"}, None, 8192, ())),
        (NEWEST, {"budget_tokens": 0}, ({"type": "disabled"}, None, 8192, ())),
        (
            NEWEST,
            {"effort": v1.REASONING_EFFORT_LOW, "budget_tokens": 2000},
            ({"type": "adaptive"}, "low", 8192, ("reasoning.budget_tokens",)),
        ),
        (NEWEST, {"budget_tokens": 2000}, (None, None, 8192, ("reasoning.budget_tokens",))),
        (
            NEWEST,
            {"summary": v1.REASONING_SUMMARY_DETAILED},
            ({"type": "adaptive", "display": "summarized"}, None, 8192, ()),
        ),
        (NEWEST, {"summary": v1.REASONING_SUMMARY_NONE}, (None, None, 8192, ("reasoning.summary",))),
        (
            NEWEST,
            {"effort": v1.REASONING_EFFORT_LOW, "summary": v1.REASONING_SUMMARY_NONE},
            ({"type": "adaptive", "display": "omitted"}, "low", 8192, ()),
        ),
        (ADAPTIVE, {"effort": v1.REASONING_EFFORT_XHIGH}, ({"type": "adaptive"}, "high", 8192, ("reasoning.effort",))),
        (
            BUDGETS,
            {"effort": v1.REASONING_EFFORT_HIGH},
            ({"type": "enabled", "budget_tokens": 16_384}, None, 64_000, ()),
        ),
        (
            BUDGETS,
            {"effort": v1.REASONING_EFFORT_HIGH, "most": 5000},
            ({"type": "enabled", "budget_tokens": 4000}, None, 5000, ("reasoning.effort",)),
        ),
        (
            BUDGETS,
            {"budget_tokens": 2000, "most": 5000},
            ({"type": "enabled", "budget_tokens": 2000}, None, 5000, ()),
        ),
        (
            BUDGETS,
            {"summary": v1.REASONING_SUMMARY_AUTO},
            (None, None, 64_000, ("reasoning.summary",)),
        ),
        (
            BUDGETS_AND_EFFORTS,
            {"effort": v1.REASONING_EFFORT_MAX, "budget_tokens": 10_000},
            ({"type": "enabled", "budget_tokens": 10_000}, "high", 18_192, ("reasoning.effort",)),
        ),
        (BETWEEN_TOOLS, {"effort": v1.REASONING_EFFORT_NONE}, ({"type": "between_tools"}, None, 8192, ())),
        (ALWAYS, {"effort": v1.REASONING_EFFORT_NONE}, (None, "low", 8192, ("reasoning.effort",))),
        (
            NEVER,
            {"effort": v1.REASONING_EFFORT_LOW, "budget_tokens": 2000, "summary": v1.REASONING_SUMMARY_AUTO},
            (None, None, 8192, ("reasoning.effort", "reasoning.budget_tokens", "reasoning.summary")),
        ),
    ],
)
def test_thinking(deployment: Deployment, asked: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    """Effort, budget and summary become what the model takes, as far as that is known; the rest is left out."""
    if wanted[0] == {"type": "between_tools"}:  # younger than the published specification
        made = ANTHROPIC.encode(asking(reasoning=v1.ReasoningConfig(**asked)), deployment, stream=False)
        assert json.loads(made.body)["thinking"] == wanted[0]
    else:
        assert thinking(deployment, **asked) == wanted


REQUIRED: Final = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)
LOW: Final = v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW)
JSON: Final = v1.ResponseFormat(json=v1.JsonFormat())
SCHEMA: Final = v1.ResponseFormat(
    json_schema=v1.JsonSchemaFormat(name="s", description="d", schema=b'{"type":"object"}')
)
UPLOAD: Final = v1.Block(media=v1.Media(file_id="f"), origin=v1.Origin(provider="openai"))


@pytest.mark.parametrize(
    ("field", "request_", "deployment"),
    [
        ("seed", asking(seed=1), NEWEST),
        ("logprobs", asking(logprobs=v1.LogprobsConfig()), NEWEST),
        ("sampling.min_p", asking(sampling=v1.Sampling(min_p=0.1)), NEWEST),
        ("sampling.frequency_penalty", asking(sampling=v1.Sampling(frequency_penalty=0)), NEWEST),
        ("sampling.temperature", asking(sampling=v1.Sampling(temperature=1.1)), NEWEST),
        ("sampling.temperature", asking(sampling=v1.Sampling(temperature=0.5)), ADAPTIVE),
        ("sampling.top_k", asking(sampling=v1.Sampling(top_k=5)), ADAPTIVE),
        ("sampling.top_p", asking(sampling=v1.Sampling(temperature=1, top_p=0.5)), BUDGETS),
        ("sampling.top_k", asking(sampling=v1.Sampling(top_k=5), reasoning=LOW), BUDGETS),
        ("reasoning.budget_tokens", asking(reasoning=v1.ReasoningConfig(budget_tokens=1023)), BUDGETS),
        ("reasoning.budget_tokens", asking(reasoning=v1.ReasoningConfig(budget_tokens=64_000)), BUDGETS),
        (
            "reasoning.budget_tokens",
            asking(reasoning=v1.ReasoningConfig(budget_tokens=2000), max_output_tokens=2000),
            BUDGETS,
        ),
        ("max_output_tokens", asking(reasoning=LOW, max_output_tokens=1024), BUDGETS),
        ("tool_choice.mode", asking(tools=[function()], tool_choice=REQUIRED, reasoning=LOW), NEWEST),
        ("tool_choice.mode", asking(tools=[function()], tool_choice=REQUIRED), ALWAYS),
        ("tool_choice.mode", asking(tools=[function()], tool_choice=REQUIRED), BETWEEN_TOOLS),
        ("tools", asking(tools=[function()]), knowing(tools=False)),
        ("tools[0].function.name", asking(tools=[function("trunkline_answer")]), NEWEST),
        (
            "tools[1].provider",
            asking(tools=[function(), v1.Tool(provider=v1.ProviderTool(dialect="openai", type="custom"))]),
            NEWEST,
        ),
        ("response_format.json", asking(response_format=JSON, tools=[function()]), NEWEST),
        ("response_format.json", asking(response_format=JSON, reasoning=LOW), NEWEST),
        ("response_format.json", asking(response_format=JSON), ALWAYS),
        ("response_format.json_schema", asking(response_format=SCHEMA, tools=[function()]), NEVER),
        ("messages[0].blocks[1].media", asking(v1.Block(media=v1.Media(uri="https://a.example/b.png"))), NEVER),
        (
            "messages[0].blocks[1].media.mime_type",
            asking(v1.Block(media=v1.Media(mime_type="audio/wav", data=b"1"))),
            NEWEST,
        ),
        (
            "messages[0].blocks[1].media.data",
            asking(v1.Block(media=v1.Media(mime_type="text/plain", data=b"\xff"))),
            NEWEST,
        ),
        (
            "messages[0].blocks[1].media.uri",
            asking(v1.Block(media=v1.Media(mime_type="text/plain", uri="https://a.example"))),
            NEWEST,
        ),
        ("messages[0].blocks[1].media.file_id", asking(UPLOAD), NEWEST),
        ("messages[1].blocks[0].tool_call.name", replaying(call(name="functions.look")), NEWEST),
        ("messages[1].blocks[0].tool_call.arguments_json", replaying(call(arguments=b'{"a": "\xff')), NEWEST),
        ("messages[2].blocks[0].tool_result.blocks", answering(is_error=True), NEWEST),
        ("messages[2].blocks[0].tool_result.blocks", answering(is_error=True, blocks=[text("\n")]), NEWEST),
        ("messages[0].blocks", v1.CompleteRequest(messages=[turn(v1.ROLE_USER, text(" \n"))]), NEWEST),
        ("messages", v1.CompleteRequest(messages=[turn(v1.ROLE_SYSTEM, text())]), NEWEST),
        ("messages[1].blocks[0].signature", replaying(call(signature=b'{"input":{}}', origin=HOME)), NEWEST),
        (
            "messages[1].blocks[0].signature",
            replaying(v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"\xff", origin=HOME)),
            NEWEST,
        ),
        (
            "messages[1].blocks[0].reasoning.opaque",
            replaying(v1.Block(reasoning=v1.Reasoning(opaque=b"\xff", redacted=True), origin=HOME)),
            NEWEST,
        ),
        (
            "messages[1].blocks[0].text.citations[0].opaque",
            replaying(v1.Block(text=v1.Text(text="a", citations=[v1.Citation(opaque=b'{}],"x":[')]), origin=HOME)),
            NEWEST,
        ),
    ],
)
def test_refusals(field: str, request_: v1.CompleteRequest, deployment: Deployment) -> None:
    """What would change the answer and has no form is refused, naming the field."""
    assert refusal(request_, deployment) == field


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1",
        b'[{"type":"x"}]',
        b'{}]}],"model":"dear"',
        b"{} {}",
        b'{"a": "\xff"}',
        b'{"a": 1,}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_opaque_bytes_write_no_members(data: bytes) -> None:
    """Opaque bytes that are not one JSON object are refused: they could write members of their own into the body."""
    block = v1.Block(provider_opaque=v1.ProviderOpaque(type="x", data=data), origin=HOME)
    assert refusal(asking(block)) == "messages[0].blocks[1].provider_opaque.data"


def test_opaque_bytes_travel_as_they_are() -> None:
    """Opaque bytes of this format are in the body byte for byte, numbers and white space included."""
    data = b' {"type" :"x", "n": 1.50E+400, "s": "\\ud83d\\ude00"} '
    block = v1.Block(provider_opaque=v1.ProviderOpaque(type="x", data=data), origin=HOME)
    assert data in ANTHROPIC.encode(asking(block), NEWEST, stream=False).body


def test_foreign_thoughts_are_left_out() -> None:
    """Thoughts, signatures and citations of other formats are left out and named; texts and calls of theirs travel."""
    away = v1.Origin(provider="google", model="gemini", format="gemini")
    blocks = [
        v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"s", origin=away),
        v1.Block(text=v1.Text(text="a", citations=[v1.Citation(opaque=b"{}")]), signature=b"s", origin=away),
        v1.Block(provider_opaque=v1.ProviderOpaque(type="x", data=b"{}"), origin=away),
        v1.Block(media=v1.Media(mime_type="audio/wav", data=b"1"), origin=away),
    ]
    body, left_out = sent(replaying(*blocks))
    assert body["messages"][1] == {"role": "assistant", "content": "a"}
    assert left_out == (
        "messages[1].blocks[0].reasoning",
        "messages[1].blocks[0].signature",
        "messages[1].blocks[1].text.citations[0]",
        "messages[1].blocks[1].signature",
        "messages[1].blocks[2].provider_opaque",
        "messages[1].blocks[3].media",
    )


def test_thoughts_at_home() -> None:
    """A thought without its signature is left out; what a thought has no member for is named."""
    thought = v1.Reasoning(text="t", summary="s", id="i", opaque=b"o")
    unsigned = v1.Block(reasoning=v1.Reasoning(text="t"), origin=HOME)
    signed = v1.Block(reasoning=thought, signature=b"sig", origin=HOME, cache_mark=mark())
    body, left_out = sent(replaying(unsigned, signed, text("a")))
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "t", "signature": "sig"}
    assert left_out == (
        "messages[1].blocks[1].cache_mark",
        "messages[1].blocks[0].reasoning",
        "messages[1].blocks[1].reasoning.opaque",
        "messages[1].blocks[1].reasoning.summary",
        "messages[1].blocks[1].reasoning.id",
    )


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\t\r\n"])
def test_blank_texts_are_left_out(blank: str) -> None:
    """Texts of nothing but white space, which the provider refuses, are left out and named, instructions among them."""
    turns = [
        turn(v1.ROLE_SYSTEM, text(blank), text("Be brief.")),
        turn(v1.ROLE_USER, text("Hi."), text(blank)),
        turn(v1.ROLE_ASSISTANT, text(blank), call()),
        turn(v1.ROLE_TOOL, v1.Block(tool_result=v1.ToolResult(tool_call_id="toolu_1", blocks=[text(blank)]))),
    ]
    body, left_out = sent(v1.CompleteRequest(model="small", messages=turns))
    assert body["system"] == "Be brief."
    assert [turn_["content"] for turn_ in body["messages"]] == [
        "Hi.",
        [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
        [{"type": "tool_result", "tool_use_id": "toolu_1"}],
    ]
    assert left_out == (
        "messages[0].blocks[0].text",
        "messages[1].blocks[1].text",
        "messages[2].blocks[0].text",
        "messages[3].blocks[0].tool_result.blocks[0].text",
    )


def test_turn_of_another_model_goes_on_without_a_budget() -> None:
    """Thinking by a budget is not switched on within a turn that began without; the wish is named."""
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="toolu_1"))
    thought = v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"s", origin=HOME)

    def asked(*blocks: v1.Block) -> v1.CompleteRequest:
        turns = [turn(v1.ROLE_USER, text()), turn(v1.ROLE_ASSISTANT, *blocks), turn(v1.ROLE_TOOL, result)]
        return v1.CompleteRequest(model="small", messages=turns, reasoning=LOW)

    body, left_out = sent(asked(call()), BUDGETS)
    assert "thinking" not in body
    assert left_out == ("reasoning.effort",)
    assert sent(asked(thought, call()), BUDGETS)[0]["thinking"]["type"] == "enabled"
    assert sent(asked(call()))[0]["thinking"] == {"type": "adaptive"}
    assert sent(replaying(text(), reasoning=LOW), BUDGETS)[0]["thinking"]["type"] == "enabled"


def test_files_and_addresses() -> None:
    """Files and addresses become sources of pictures or documents; an endpoint that has none refuses them."""
    mine = v1.Origin(provider="anthropic")
    blocks = [
        v1.Block(media=v1.Media(file_id="file_1", mime_type="image/png"), origin=mine),
        v1.Block(media=v1.Media(file_id="file_2", name="Lease")),
        v1.Block(media=v1.Media(uri="https://a.example/b", mime_type="application/pdf")),
    ]
    body = json.loads(ANTHROPIC.encode(asking(*blocks), NEWEST, stream=False).body)
    assert body["messages"][0]["content"][1:] == [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_2"}, "title": "Lease"},
        {"type": "document", "source": {"type": "url", "url": "https://a.example/b"}},
    ]
    without = Anthropic(Flavour(files=False, addresses=False))
    for block, source in zip(blocks, ("file_id", "file_id", "uri"), strict=True):
        with pytest.raises(CapabilityMissing) as caught:
            without.encode(asking(block), NEWEST, stream=False)
        assert caught.value.violations[0].field == f"messages[0].blocks[1].media.{source}"


def test_later_instructions() -> None:
    """Instructions between a user's turn and the model's have a role of their own; elsewhere they are refused."""
    later = turn(v1.ROLE_SYSTEM, text("Now in French."))
    turns = [turn(v1.ROLE_USER, text()), later, turn(v1.ROLE_ASSISTANT, text("Oui.")), later]
    body, _ = sent(v1.CompleteRequest(model="small", messages=turns[:2]))
    assert body["messages"][1] == {"role": "system", "content": "Now in French."}
    assert refusal(v1.CompleteRequest(model="small", messages=turns)) == "messages[3].role"
    followed = v1.CompleteRequest(model="small", messages=[*turns[:2], turn(v1.ROLE_DEVELOPER, text("Yes.")), turns[0]])
    assert refusal(followed) == "messages[2].role"
    old = Anthropic(Flavour(later_instructions=False))
    with pytest.raises(CapabilityMissing) as caught:
        old.encode(v1.CompleteRequest(model="small", messages=turns[:2]), NEWEST, stream=False)
    assert caught.value.violations[0].field == "messages[1].role"


def test_at_most_four_marks() -> None:
    """Of more than four cache marks the last four are sent, and the others are named."""
    blocks = [text(str(number), cache_mark=mark()) for number in range(4)]
    body, left_out = sent(asking(*blocks, tools=[function(cache_mark=mark()), function("b", cache_mark=mark())]))
    assert "cache_control" not in body["tools"][1]
    assert [part.get("cache_control") for part in body["messages"][0]["content"]] == [
        None,
        *[{"type": "ephemeral"}] * 4,
    ]
    assert left_out == ("tools[0].cache_mark", "tools[1].cache_mark")


def test_times_of_marks() -> None:
    """Times are rounded up to five minutes or an hour, and behind a shorter one no longer one is sent."""
    times = [86_400, 301, 300, 3600]
    body, _ = sent(asking(*(text("a", cache_mark=mark(seconds)) for seconds in times)))
    assert [part["cache_control"]["ttl"] for part in body["messages"][0]["content"][1:]] == ["1h", "1h", "5m", "5m"]


def test_automatic_mark_has_room() -> None:
    """cache.ttl asks for a mark at the end of the prompt, where there is room for one and none stands."""
    cache = v1.CacheConfig()
    cache.ttl.seconds = 3600
    assert sent(asking(cache=cache))[0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    marked = [text("a", cache_mark=mark(3600)), text("b")]
    assert sent(asking(*marked, cache=cache))[0]["cache_control"]["ttl"] == "1h"
    for blocks in ([text("a", cache_mark=mark())], [*(text("a", cache_mark=mark()) for _ in range(4)), text("b")]):
        body, left_out = sent(asking(*blocks, cache=cache))
        assert "cache_control" not in body
        assert left_out == ("cache.ttl",)
    assert sent(asking(*marked, cache=cache), NEVER)[1] == ("messages[0].blocks[1].cache_mark", "cache.ttl")


def headers(request: HttpRequest) -> dict[str, str]:
    """The headers of a request."""
    return dict(request.headers)


def test_betas_are_joined() -> None:
    """Betas of the operator's header, of the setting and of what a request uses are one header, each once."""
    servers = b'{"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]}'
    tool = v1.Tool(provider=v1.ProviderTool(dialect="anthropic", type="mcp_toolset"))
    provider = replace(
        OPEN.provider, headers=(("anthropic-beta", "a-1, b-2"),), settings={"betas": "b-2,context-1m-2025-08-07"}
    )
    request = asking(tools=[tool], provider_options={"anthropic": servers})
    made = ANTHROPIC.encode(request, replace(OPEN, provider=provider), stream=False)
    assert headers(made)["anthropic-beta"] == "a-1,b-2,context-1m-2025-08-07,mcp-client-2025-11-20"
    assert "anthropic-beta" not in headers(ANTHROPIC.encode(asking(), NEWEST, stream=True))
    edits = b'{"context_management": {"edits": [{"type": "compact_20260112"}]}}'
    made = ANTHROPIC.encode(asking(provider_options={"anthropic": edits}), OPEN, stream=False)
    assert headers(made)["anthropic-beta"] == "context-management-2025-06-27,compact-2026-01-12"


def test_credential_is_presented_as_a_key() -> None:
    """The key goes into x-api-key; without one no such header is sent, and the operator's own stand."""
    assert headers(ANTHROPIC.encode(asking(), NEWEST, stream=False))["x-api-key"] == "sk-ant-not-a-real-key"
    bearer = replace(PROVIDER, credential=None, headers=(("authorization", "Bearer t"),))
    made = headers(ANTHROPIC.encode(asking(), replace(NEWEST, provider=bearer), stream=False))
    assert "x-api-key" not in made
    assert made["authorization"] == "Bearer t"


def test_twins_say_it_elsewhere() -> None:
    """A flavour moves version, betas, model and stream out of their places, and switches counting off."""
    twin = Anthropic(
        Flavour(
            name="twin",
            path=":rawPredict",
            count_path="",
            model_in_body=False,
            stream_in_body=False,
            version_in_body="vertex-2023-10-16",
            betas_in_body=True,
        )
    )
    deployment = replace(NEWEST, provider=replace(PROVIDER, settings={"betas": "a-1"}, credential=None))
    made = twin.encode(asking(), deployment, stream=True)
    body = json.loads(made.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body["anthropic_beta"] == ["a-1"]
    assert {"model", "stream"}.isdisjoint(body)
    assert {"anthropic-version", "anthropic-beta", "x-api-key"}.isdisjoint(headers(made))
    assert made.target == "/v1:rawPredict"
    assert twin.counting is None
    assert (twin.name, twin.format) == ("twin", "anthropic")
    for dialect in ("twin", "anthropic"):
        tool = v1.Tool(provider=v1.ProviderTool(dialect=dialect, type="web_search_20250305"))
        assert b"web_search_20250305" in twin.encode(asking(tools=[tool]), deployment, stream=False).body


@pytest.mark.parametrize("member", ["model", "max_tokens", "service_tier", "container", "fallbacks", "thinking"])
def test_options_that_are_refused(member: str) -> None:
    """What records, prices and limits rely on can't be set by provider_options."""
    request = asking(provider_options={"anthropic": json.dumps({member: 1}).encode()})
    with pytest.raises(ProviderOptionRefused) as caught:
        ANTHROPIC.encode(request, OPEN, stream=False)
    assert caught.value.violations[0].field == f'provider_options["anthropic"].{member}'
    with pytest.raises(GatewayError):
        ANTHROPIC.encode(request, NEWEST, stream=False)


def test_options_travel() -> None:
    """Other members are added as they are; where tokens are counted, only those that counting takes."""
    options = {"anthropic": b'{"metadata": {"user_id": "u"}}', "openai": b"{}"}
    made = ANTHROPIC.encode(asking(provider_options=options), OPEN, stream=False)
    assert json.loads(made.body)["metadata"] == {"user_id": "u"}
    assert made.left_out == ('provider_options["openai"]',)
    assert ANTHROPIC.counting is not None
    counted = ANTHROPIC.counting.encode(asking(provider_options=options), OPEN)
    assert "metadata" not in json.loads(counted.body)
    assert 'provider_options["anthropic"].metadata' in counted.left_out
