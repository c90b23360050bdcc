"""What the dialect sends, what it leaves out and what it refuses."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.golden.folders import DEPLOYMENT, DIALECT
from tests.golden.judges.openai import judge_chat
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Dialect
from trunkline_server.core.errors import CapabilityMissing, GatewayError, ProviderOptionRefused
from trunkline_server.core.http import HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.openai.dialect import OpenAI
from trunkline_server.providers.openai.quirks import Quirks

OPEN = replace(DEPLOYMENT, provider=replace(DEPLOYMENT.provider, allow_provider_options=True))
NEWER = replace(
    DEPLOYMENT,
    upstream_model="gpt-5.6-mini",
    capability=Capability(prompt_cache=("automatic", "breakpoints", "key")),
)
LOCAL = replace(DEPLOYMENT, provider=replace(DEPLOYMENT.provider, name="local", dialect="local"), upstream_model="smol")
LOCAL_DIALECT = DIALECTS["local"]
OPEN_LOCAL = replace(LOCAL, provider=replace(LOCAL.provider, allow_provider_options=True))


def text(words: str, **more: Any) -> v1.Block:
    """A text block."""
    return v1.Block(text=v1.Text(text=words), **more)


def turn(role: "v1.Role.ValueType", *blocks: v1.Block, name: str = "") -> v1.Message:
    """A message."""
    return v1.Message(role=role, blocks=blocks, name=name)


def asking(*messages: v1.Message, **more: Any) -> v1.CompleteRequest:
    """A request with a user's turn at its end."""
    return v1.CompleteRequest(model="small", messages=[*messages, turn(v1.ROLE_USER, text("Hi"))], **more)


def sent(
    request: v1.CompleteRequest, deployment: Deployment = DEPLOYMENT, speaking: Dialect = DIALECT
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and paths left out; the body fits the vendor's types."""
    made = speaking.encode(request, deployment, stream=False)
    body = json.loads(made.body)
    if speaking is DIALECT and deployment is not OPEN:
        judge_chat(body)
    return body, made.left_out


def refused(
    request: v1.CompleteRequest, deployment: Deployment = DEPLOYMENT, speaking: Dialect = DIALECT
) -> GatewayError:
    """The refusal of a request."""
    with pytest.raises(GatewayError) as caught:
        speaking.encode(request, deployment, stream=False)
    assert caught.value.violations
    return caught.value


def field_of(error: GatewayError) -> str:
    """The field that a refusal names."""
    return error.violations[0].field


def media(**fields: Any) -> v1.Block:
    """A media block."""
    return v1.Block(media=v1.Media(**fields))


MARK = v1.CacheMark()


def test_registry_names() -> None:
    """Each dialect is found under its own name."""
    assert set(DIALECTS) >= {"openai", "local"}
    assert all(each.name == name for name, each in DIALECTS.items())


def test_least_request() -> None:
    """Nothing that the caller left unset is sent."""
    body, left_out = sent(asking())
    assert body == {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
    assert left_out == ()


def test_zero_is_sent() -> None:
    """A scalar that is set to zero is sent as zero."""
    sampling = v1.Sampling(temperature=0, top_p=0, frequency_penalty=0, presence_penalty=0)
    body, _ = sent(asking(sampling=sampling, seed=0, logprobs=v1.LogprobsConfig(top=0)))
    keys = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "top_logprobs")
    assert [body[key] for key in keys] == [0] * 6
    assert body["logprobs"] is True


def test_gateway_fields_stay_home() -> None:
    """Labels, routing, limits in time and the idempotency key are not sent, and not named as left out."""
    request = asking(
        labels={"team": "blue"}, idempotency_key="once", routing=v1.RoutingPreferences(denied_regions=["x"])
    )
    request.timeouts.idle.seconds = 5
    assert sent(request) == sent(asking())


def headers_of(made: HttpRequest) -> dict[str, str]:
    """Headers by name; a doubled name would lose one."""
    assert len(dict(made.headers)) == len(made.headers)
    return dict(made.headers)


def test_operator_headers() -> None:
    """The operator's headers come along, and stand in place of ours where the names meet."""
    provider = replace(DEPLOYMENT.provider, headers=(("user-agent", "acme"), ("openai-organization", "org-1")))
    headers = headers_of(DIALECT.encode(asking(), replace(DEPLOYMENT, provider=provider), stream=True))
    assert headers["user-agent"] == "acme"
    assert headers["openai-organization"] == "org-1"
    assert headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("credential", [None, Secret("")])
def test_no_credential(credential: Secret | None) -> None:
    """Without a credential none is presented."""
    provider = replace(DEPLOYMENT.provider, credential=credential)
    made = DIALECT.encode(asking(), replace(DEPLOYMENT, provider=provider), stream=False)
    assert "authorization" not in headers_of(made)


def test_secrets_are_not_shown() -> None:
    """Neither the credential nor the prompt is in the request's repr."""
    shown = repr(DIALECT.encode(asking(), DEPLOYMENT, stream=False))
    assert "real-key" not in shown
    assert "Hi" not in shown


def test_max_tokens_key() -> None:
    """The output bound goes under the name that the provider knows."""
    older = replace(DEPLOYMENT, provider=replace(DEPLOYMENT.provider, settings={"max_tokens_key": "max_tokens"}))
    assert sent(asking(max_output_tokens=9))[0]["max_completion_tokens"] == 9
    assert sent(asking(max_output_tokens=9), older)[0]["max_tokens"] == 9


def test_stop_sequences_have_a_bound() -> None:
    """Four stop sequences are sent, five refused."""
    assert sent(asking(stop=list("abcd")))[0]["stop"] == list("abcd")
    assert field_of(refused(asking(stop=list("abcde")))) == "stop"


def test_only_a_makers_own_can_be_left_out() -> None:
    """What only its maker reads is left out of a turn and named; the turn's text travels."""
    blocks = [
        v1.Block(reasoning=v1.Reasoning(text="hm", opaque=b"1", redacted=True)),
        v1.Block(provider_opaque=v1.ProviderOpaque(type="search", data=b"{}")),
        v1.Block(citation=v1.Citation(uri="https://example.org")),
        v1.Block(text=v1.Text(text="So.", citations=[v1.Citation(uri="https://example.org")]), signature=b"s"),
        media(mime_type="audio/wav", data=b"RIFF"),
    ]
    body, left_out = sent(asking(turn(v1.ROLE_ASSISTANT, *blocks)))
    assert body["messages"][0] == {"role": "assistant", "content": "So."}
    ends = ["[0].reasoning", "[1].provider_opaque", "[2].citation", "[3].text.citations", "[3].signature", "[4].media"]
    assert left_out == tuple(f"messages[0].blocks{end}" for end in ends)


def test_a_tools_failure_is_left_out() -> None:
    """is_error has no place on the wire and is named; each result is a message of its own."""
    results = [v1.ToolResult(tool_call_id=id_, blocks=[text("no")], is_error=id_ == "b") for id_ in "ab"]
    body, left_out = sent(asking(turn(v1.ROLE_TOOL, *(v1.Block(tool_result=each) for each in results), name="t")))
    assert [each.get("tool_call_id") for each in body["messages"]] == ["a", "b", None]
    assert left_out == ("messages[0].name", "messages[0].blocks[1].tool_result.is_error")


def test_arguments_travel_as_they_are() -> None:
    """Arguments in the history are sent byte for byte, also where they are no JSON; none at all become an object."""
    calls = [
        v1.ToolCall(id=str(at), name="f", arguments_json=each) for at, each in enumerate([b'{ "a":1.0}', b"{oops", b""])
    ]
    body, _ = sent(asking(turn(v1.ROLE_ASSISTANT, *(v1.Block(tool_call=each) for each in calls))))
    assert body["messages"][0]["content"] is None
    assert [each["function"]["arguments"] for each in body["messages"][0]["tool_calls"]] == [
        '{ "a":1.0}',
        "{oops",
        "{}",
    ]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (turn(v1.ROLE_USER, media(mime_type="video/mp4", data=b"1")), "blocks[0].media.mime_type"),
        (turn(v1.ROLE_USER, media(mime_type="audio/flac", data=b"1")), "blocks[0].media.mime_type"),
        (
            turn(v1.ROLE_USER, media(mime_type="application/pdf", uri="https://example.org/a.pdf")),
            "blocks[0].media.uri",
        ),
        (turn(v1.ROLE_USER, media(mime_type="image/png", file_id="f")), "blocks[0].media.file_id"),
        (
            turn(v1.ROLE_ASSISTANT, v1.Block(tool_call=v1.ToolCall(name="f", arguments_json=b"\xff"))),
            "blocks[0].tool_call.arguments_json",
        ),
        (
            turn(v1.ROLE_TOOL, v1.Block(tool_result=v1.ToolResult(blocks=[media(mime_type="image/png", data=b"1")]))),
            "blocks[0].tool_result.blocks[0].media",
        ),
    ],
)
def test_what_has_no_form_is_refused(message: v1.Message, field: str) -> None:
    """A block that the provider can't be given is refused before a socket opens, naming its field."""
    error = refused(asking(message))
    assert isinstance(error, CapabilityMissing)
    assert field_of(error) == f"messages[0].{field}"


def test_parameters_of_a_media_type_are_left_out() -> None:
    """The data of media travel under the plain type, and parameters of the type are named."""
    block = media(mime_type="image/png; q=1", data=b"1")
    body, left_out = sent(asking(turn(v1.ROLE_USER, block)))
    assert body["messages"][0]["content"][0]["image_url"] == {"url": "data:image/png;base64,MQ=="}
    assert left_out == ("messages[0].blocks[0].media.mime_type",)


def test_files_stay_at_their_provider() -> None:
    """A file id goes to the provider that holds the file, and to no other."""
    block = media(file_id="file-1")
    block.origin.provider = "openai"
    body, _ = sent(asking(turn(v1.ROLE_USER, block)))
    assert body["messages"][0]["content"] == [{"type": "file", "file": {"file_id": "file-1"}}]
    block.origin.provider = "elsewhere"
    assert field_of(refused(asking(turn(v1.ROLE_USER, block)))) == "messages[0].blocks[0].media.file_id"


def function(name: str, **more: Any) -> v1.Tool:
    """A function tool."""
    return v1.Tool(function=v1.FunctionTool(name=name, **more))


def provider_tool(dialect_name: str, type_: str, config: bytes = b"") -> v1.Tool:
    """A tool that a provider defines."""
    return v1.Tool(provider=v1.ProviderTool(dialect=dialect_name, type=type_, config_json=config))


A, B = function("a"), function("b")


@pytest.mark.parametrize(
    ("mode", "allowed", "wire"),
    [
        (v1.TOOL_CHOICE_MODE_UNSPECIFIED, [], None),
        (v1.TOOL_CHOICE_MODE_AUTO, [], "auto"),
        (v1.TOOL_CHOICE_MODE_NONE, ["a"], "none"),
        (v1.TOOL_CHOICE_MODE_REQUIRED, [], "required"),
        (v1.TOOL_CHOICE_MODE_REQUIRED, ["b"], {"type": "function", "function": {"name": "b"}}),
        (
            v1.TOOL_CHOICE_MODE_UNSPECIFIED,
            ["b"],
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "b"}}]},
            },
        ),
        (
            v1.TOOL_CHOICE_MODE_REQUIRED,
            ["a", "c"],
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "a"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
        ),
    ],
)
def test_tool_choice(mode: "v1.ToolChoiceMode.ValueType", allowed: list[str], wire: Any) -> None:
    """Each rule for the calling of tools has its form on the wire."""
    tools = [A, B, provider_tool("openai", "custom", b'{"custom": {"name": "c"}}')]
    body, _ = sent(asking(tools=tools, tool_choice=v1.ToolChoice(mode=mode, allowed_tools=allowed)))
    assert body.get("tool_choice") == wire
    assert len(body["tools"]) == 3


def test_choice_of_a_tool_without_a_name() -> None:
    """A provider's tool that has no name is chosen by its type, and never as a function of that name."""
    tools = [A, provider_tool("openai", "web_search")]
    for mode, wire in ((v1.TOOL_CHOICE_MODE_AUTO, "auto"), (v1.TOOL_CHOICE_MODE_REQUIRED, "required")):
        body, _ = sent(asking(tools=tools, tool_choice=v1.ToolChoice(mode=mode, allowed_tools=["web_search"])), OPEN)
        assert body["tool_choice"] == {
            "type": "allowed_tools",
            "allowed_tools": {"mode": wire, "tools": [{"type": "web_search"}]},
        }


def test_provider_tools() -> None:
    """A tool of this dialect travels with its settings and keeps its type; one of another dialect is refused."""
    tools = [A, provider_tool("openai", "custom", b'{"type": "x", "custom": {"name": "c", "description": "d"}}')]
    call = v1.Block(tool_call=v1.ToolCall(id="1", name="c", arguments_json=b"free text"))
    body, _ = sent(asking(turn(v1.ROLE_ASSISTANT, call), tools=tools))
    assert body["tools"][1] == {"type": "custom", "custom": {"name": "c", "description": "d"}}
    assert body["messages"][0]["tool_calls"][0] == {
        "id": "1",
        "type": "custom",
        "custom": {"name": "c", "input": "free text"},
    }
    assert field_of(refused(asking(tools=[A, provider_tool("anthropic", "bash_1")]))) == "tools[1].provider"


def test_members_travel_as_they_were_written() -> None:
    """Numbers that no double holds reach the provider digit for digit, in a tool's settings and in options."""
    numbers = b"[1180591620717411303424,0.1000000000000000055511151231257827,1e400,1.0]"
    tool = provider_tool("openai", "custom", b'{"custom":{"name":"c","x":' + numbers + b"}}")
    assert numbers in DIALECT.encode(asking(tools=[tool]), DEPLOYMENT, stream=False).body
    request = asking(provider_options={"openai": b'{"x":' + numbers + b"}"})
    assert numbers in DIALECT.encode(request, OPEN, stream=False).body


def test_tools_of_a_shape_unknown() -> None:
    """Settings in which no name can be found travel, and the tool is called by its type."""
    for settings in (b"[]", b'{"name": 1}', b"7"):
        tool = provider_tool("openai", "custom", b'{"custom":' + settings + b"}")
        choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["custom"])
        made = DIALECT.encode(asking(tools=[tool], tool_choice=choice), DEPLOYMENT, stream=False)
        assert json.loads(made.body)["tools"] == [{"custom": json.loads(settings), "type": "custom"}]


def test_cache_hints_on_newer_models() -> None:
    """Where a model is known to take breakpoints, cache marks are those and the time to live an option."""
    half_an_hour, day = v1.CacheMark(), v1.CacheMark()
    half_an_hour.ttl.seconds, day.ttl.seconds = 1800, 86400
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="1", blocks=[text("t")]), cache_mark=half_an_hour)
    request = asking(
        turn(v1.ROLE_SYSTEM, text("s", cache_mark=MARK)),
        turn(v1.ROLE_USER, text("u"), text("v", cache_mark=day)),
        turn(v1.ROLE_ASSISTANT, v1.Block(tool_call=v1.ToolCall(id="1", name="a"), cache_mark=MARK)),
        turn(v1.ROLE_TOOL, result),
        tools=[v1.Tool(function=v1.FunctionTool(name="a"), cache_mark=MARK)],
    )
    request.cache.key = "k"
    request.cache.ttl.seconds = 3600
    made = DIALECT.encode(request, NEWER, stream=False)
    body = json.loads(made.body)
    parts = [part for message in body["messages"] for part in message["content"] or () if isinstance(part, dict)]
    marks = [part["prompt_cache_breakpoint"] for part in parts if "prompt_cache_breakpoint" in part]
    assert marks == [{"mode": "explicit", **more} for more in ({}, {"ttl": "12h"}, {"ttl": "30m"})]
    assert body["prompt_cache_options"] == {"ttl": "30m"}
    assert set(made.left_out) == {"messages[2].blocks[0].cache_mark", "tools[0].cache_mark"}


@pytest.mark.parametrize("capability", [None, Capability(), Capability(prompt_cache=("automatic", "key"))])
def test_cache_hints_on_older_models(capability: Capability | None) -> None:
    """Models that are not known to take breakpoints get none: a hint must not cost the call."""
    request = asking(turn(v1.ROLE_SYSTEM, text("s", cache_mark=MARK)))
    request.cache.ttl.seconds = 60
    body, left_out = sent(request, replace(DEPLOYMENT, capability=capability))
    assert body["messages"][0]["content"] == "s"
    assert left_out == ("cache.ttl", "messages[0].blocks[0].cache_mark")


def options(**members: Any) -> v1.CompleteRequest:
    """A request with provider options of this dialect."""
    return asking(provider_options={"openai": json.dumps(members).encode()})


def test_provider_options_are_added() -> None:
    """With permission, members that the dialect does not own are added as they are."""
    body, left_out = sent(options(user="u", web_search_options={"search_context_size": "low"}), OPEN)
    assert body["user"] == "u"
    assert body["web_search_options"] == {"search_context_size": "low"}
    assert left_out == ()


def test_other_dialects_options_are_left_out() -> None:
    """Options for other dialects are named and ignored, with or without permission."""
    request = asking(provider_options={"anthropic": b"whatever", "local": b"{}"})
    for deployment in (DEPLOYMENT, OPEN):
        assert sent(request, deployment)[1] == ('provider_options["anthropic"]', 'provider_options["local"]')


def test_permission_comes_first() -> None:
    """Without permission options are refused whatever they hold, and whatever else is wrong."""
    for request in (
        options(user="u"),
        options(model="m"),
        asking(provider_options={"openai": b"{"}, stop=list("abcde")),
    ):
        error = refused(request)
        assert isinstance(error, ProviderOptionRefused)
        assert field_of(error) == 'provider_options["openai"]'


@pytest.mark.parametrize(
    "member",
    [
        "model",
        "models",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "service_tier",
        "store",
        "messages",
        "tools",
        "functions",
        "function_call",
        "background",
        "temperature",
        "prompt_cache_options",
        # other words for these, of llama.cpp, vLLM and SGLang
        "n_cmpl",
        "n_predict",
        "t_max_predict_ms",
        "return_progress",
        "best_of",
        "use_beam_search",
        "max_new_tokens",
        "truncate_prompt_tokens",
        "input_ids",
        "lora_path",
        "bootstrap_host",
        "kv_transfer_params",
        "session_params",
        "rid",
    ],
)
def test_owned_members_are_refused(member: str) -> None:
    """Members that the dialect writes, or that choose model, shape, number, bound, tier or storage, are refused."""
    error = refused(options(user="u", **{member: None}), OPEN)
    assert isinstance(error, ProviderOptionRefused)
    assert field_of(error) == f'provider_options["openai"].{member}'


def test_members_can_not_be_spelt_around() -> None:
    """An escaped name is the same name."""
    request = asking(provider_options={"openai": b'{"\\u0073ervice_tier": "priority"}'})
    assert field_of(refused(request, OPEN)) == 'provider_options["openai"].service_tier'


def test_every_member_sent_is_owned() -> None:
    """No member of a full request can be set by provider options as well."""
    request = asking(
        tools=[A],
        tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO, parallel=True),
        response_format=v1.ResponseFormat(json=v1.JsonFormat()),
        sampling=v1.Sampling(temperature=1, top_p=1, frequency_penalty=0, presence_penalty=0),
        reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW),
        max_output_tokens=1,
        stop=["a"],
        seed=1,
        logprobs=v1.LogprobsConfig(top=1),
        cache=v1.CacheConfig(key="k"),
    )
    request.cache.ttl.seconds = 1
    members = json.loads(DIALECT.encode(request, NEWER, stream=True).body)
    assert len(members) > 19
    for member in members:
        assert field_of(refused(options(**{member: 1}), OPEN)).endswith(f".{member}")
    request.ClearField("tools")
    request.ClearField("tool_choice")
    request.sampling.MergeFrom(v1.Sampling(top_k=1, min_p=0))
    for member in json.loads(LOCAL_DIALECT.encode(request, LOCAL, stream=True).body):
        asked = asking(provider_options={"local": json.dumps({member: 1}).encode()})
        assert field_of(refused(asked, OPEN_LOCAL, LOCAL_DIALECT)).endswith(f".{member}")


@pytest.mark.parametrize("field", ["top_k", "min_p"])
def test_sampling_that_the_dialect_does_not_write(field: str) -> None:
    """What would change the answer and can't be sent is refused; options may carry it to a server that knows it."""
    error = refused(asking(sampling=v1.Sampling(**{field: 1})))
    assert isinstance(error, CapabilityMissing)
    assert field_of(error) == f"sampling.{field}"
    assert sent(options(**{field: 1}), OPEN)[0][field] == 1
    asked = asking(provider_options={"local": json.dumps({field: 1}).encode()})
    assert field_of(refused(asked, OPEN_LOCAL, LOCAL_DIALECT)) == f'provider_options["local"].{field}'


def test_hints_that_the_dialect_does_not_write() -> None:
    """Hints that a near-twin leaves out may be given to it in options."""
    given = {"reasoning_effort": "low", "prompt_cache_key": "k", "prompt_cache_options": {}}
    asked = asking(provider_options={"local": json.dumps(given).encode()})
    body, _ = sent(asked, OPEN_LOCAL, LOCAL_DIALECT)
    assert {member: body[member] for member in given} == given


def test_local_model() -> None:
    """llama.cpp gets what it knows: one kind of instructions and the sampling it has."""
    refusal = v1.Block(text=v1.Text(text="No.", is_refusal=True))
    request = asking(
        turn(v1.ROLE_DEVELOPER, text("d")),
        turn(v1.ROLE_ASSISTANT, refusal),
        sampling=v1.Sampling(top_k=40, min_p=0.05),
        reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW),
        cache=v1.CacheConfig(key="k"),
        stop=list("abcdefgh"),
    )
    body, left_out = sent(request, LOCAL, LOCAL_DIALECT)
    assert [each["role"] for each in body["messages"]] == ["system", "assistant", "user"]
    assert body["messages"][1]["content"] == "No."
    assert (body["top_k"], body["min_p"], len(body["stop"])) == (40, 0.05, 8)
    assert left_out == ("reasoning.effort", "cache.key", "messages[1].blocks[0].text.is_refusal")


def test_local_model_hears_of_no_tools() -> None:
    """Calls of earlier turns are not sent where they would not reach the prompt; their results are, as texts."""
    call = v1.Block(tool_call=v1.ToolCall(id="1", name="a", arguments_json=b"{}"))
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="1", blocks=[text("rain")]))
    request = asking(turn(v1.ROLE_ASSISTANT, call), turn(v1.ROLE_TOOL, result))
    body, left_out = sent(request, LOCAL, LOCAL_DIALECT)
    assert body["messages"][:2] == [
        {"role": "assistant", "content": ""},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    ]
    assert left_out == ("messages[0].blocks[0].tool_call",)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (asking(tools=[A]), "tools"),
        (asking(tools=[A], tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)), "tools"),
        (asking(turn(v1.ROLE_USER, text("x"), media(data=b"x", mime_type="image/png"))), "messages[0].blocks[1].media"),
        (asking(turn(v1.ROLE_USER, media(data=b"x", mime_type="audio/wav"))), "messages[0].blocks[0].media"),
        (asking(turn(v1.ROLE_USER, media(data=b"x", mime_type="application/pdf"))), "messages[0].blocks[0].media"),
        (asking(turn(v1.ROLE_USER, media(uri="https://host.example/a.png"))), "messages[0].blocks[0].media"),
        (
            asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(file_id="f"), origin=v1.Origin(provider="openai")))),
            "messages[0].blocks[0].media",
        ),
    ],
)
def test_local_model_takes_text_only(request_: v1.CompleteRequest, field: str) -> None:
    """Tools, rules for them and media are refused for the local model: they can never work there."""
    assert field_of(refused(request_, LOCAL, LOCAL_DIALECT)) == field


MODES = OpenAI(Quirks(tool_choices=frozenset({"auto", "none", "required"}), media=frozenset({"pictures"})))
"""Servers that know the modes of tool_choice only, and pictures of all media."""


def test_modes_instead_of_objects() -> None:
    """A server that knows no objects for tool_choice gets the allowed tools alone."""
    choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["b"])
    body, _ = sent(asking(tools=[A, B], tool_choice=choice), speaking=MODES)
    assert (body["tool_choice"], [tool["function"]["name"] for tool in body["tools"]]) == ("required", ["b"])


def test_media_that_a_provider_does_not_take() -> None:
    """A provider that takes pictures only refuses sound and documents, and says what it takes."""
    sent(asking(turn(v1.ROLE_USER, media(data=b"x", mime_type="image/png"))), speaking=MODES)
    for more, field in (
        ({"data": b"x", "mime_type": "audio/wav"}, "mime_type"),
        ({"data": b"x", "mime_type": "application/pdf"}, "mime_type"),
        ({"file_id": "file-1"}, "file_id"),
    ):
        error = refused(asking(turn(v1.ROLE_USER, media(**more))), speaking=MODES)
        assert field_of(error) == f"messages[0].blocks[0].media.{field}"
        assert field == "file_id" or error.violations[0].description == "this provider takes pictures"
