"""What of a request is refused before anything is done for it, and how it is told."""

import time
from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration

from trunkline import v1
from trunkline_server.core.errors import InvalidRequest, ProviderOptionRefused
from trunkline_server.services.validation import validate

Spoil = Callable[[v1.CompleteRequest], object]


def text(words: str = "hello") -> v1.Block:
    return v1.Block(text=v1.Text(text=words))


def turn(role: "v1.Role.ValueType", *blocks: v1.Block) -> v1.Message:
    return v1.Message(role=role, blocks=blocks)


def call(call_id: str = "c1", name: str = "look") -> v1.Block:
    return v1.Block(tool_call=v1.ToolCall(id=call_id, name=name, arguments_json=b"{not json"))


def result(call_id: str = "c1", *blocks: v1.Block) -> v1.Block:
    return v1.Block(tool_result=v1.ToolResult(tool_call_id=call_id, blocks=blocks))


def media(**fields: object) -> v1.Block:
    return v1.Block(media=v1.Media(**fields))


def function(name: str = "look", schema: bytes = b"") -> v1.Tool:
    return v1.Tool(function=v1.FunctionTool(name=name, parameters_json_schema=schema))


def whole() -> v1.CompleteRequest:
    """A request that uses every field, at its bounds where it has some."""
    return v1.CompleteRequest(
        model="m" * 256,
        messages=[
            turn(v1.ROLE_SYSTEM, text()),
            turn(v1.ROLE_DEVELOPER, text(""), v1.Block(text=v1.Text(text="x"), cache_mark=v1.CacheMark())),
            v1.Message(
                role=v1.ROLE_USER,
                name="n" * 64,
                blocks=[
                    text(),
                    media(mime_type="image/svg+xml; charset=utf-8", data=b"<", detail=v1.MEDIA_DETAIL_HIGH),
                    media(uri="https://host.example/cat.png"),
                    media(file_id="file-1", citations=False, context="c" * 4096),
                    v1.Block(provider_opaque=v1.ProviderOpaque(type="t", data=b"\xff")),
                ],
            ),
            turn(
                v1.ROLE_ASSISTANT,
                v1.Block(reasoning=v1.Reasoning(opaque=b"\xff", redacted=True), signature=b"\x00"),
                text(),
                v1.Block(citation=v1.Citation(uri="u")),
                call("c1"),
                call("c2", "a name that a model made up"),
                media(mime_type="audio/wav", data=b"x"),
            ),
            turn(v1.ROLE_TOOL, result("c2", text(), media(uri="https://u.example")), result("c1")),
            turn(v1.ROLE_ASSISTANT),
            turn(v1.ROLE_USER, text()),
        ],
        tools=[
            function("look", b'{"type": "object"}'),
            function("n" * 64),
            v1.Tool(provider=v1.ProviderTool(dialect="openai", type="web_search", config_json=b"{}")),
        ],
        tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["look", "web_search"]),
        response_format=v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="n", schema=b" {} ")),
        sampling=v1.Sampling(temperature=2, top_p=0, top_k=1, min_p=1, frequency_penalty=-2, presence_penalty=2),
        reasoning=v1.ReasoningConfig(
            effort=v1.REASONING_EFFORT_MAX, budget_tokens=0, summary=v1.REASONING_SUMMARY_NONE
        ),
        max_output_tokens=1,
        stop=["\u20ac" * 85] * 16,
        seed=-1,
        logprobs=v1.LogprobsConfig(top=20),
        cache=v1.CacheConfig(key="k" * 64, ttl=Duration(nanos=1)),
        labels={f"team.a-b_{i}": "v" * 256 for i in range(32)},
        routing=v1.RoutingPreferences(fallback_models=["m"] * 8, max_cost_nano_usd=0, allowed_regions=["eu"]),
        timeouts=v1.CallTimeouts(first_token=Duration(seconds=1), idle=Duration(seconds=1)),
        idempotency_key="i" * 128,
        provider_options={"openai": b'{"a": "' + b"x" * (64 * 1024 - 9) + b'"}'},
    )


def violations_of(request: v1.CompleteRequest) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        validate(request)
    return [(violation.field, violation.description) for violation in caught.value.violations]


def test_whole_request() -> None:
    """A request that uses every field up to its bounds is taken, as it is after a trip over the wire."""
    validate(v1.CompleteRequest.FromString(whole().SerializeToString()))


def test_every_field_is_thought_of() -> None:
    """The request above uses every field of the contract, so that a new field makes somebody extend it."""
    assert {field.name for field, _ in whole().ListFields()} == set(v1.CompleteRequest.DESCRIPTOR.fields_by_name)


def blocks_of(index: int, *blocks: v1.Block) -> Spoil:
    """Puts these blocks into a message of the whole request."""

    def spoil(request: v1.CompleteRequest) -> None:
        del request.messages[index].blocks[:]
        request.messages[index].blocks.extend(blocks)

    return spoil


SYSTEM, USER, ASSISTANT, LAST = 0, 2, 5, 6

SPOILED: list[tuple[Spoil, str]] = [
    (lambda r: r.ClearField("model"), "model"),
    (lambda r: setattr(r, "model", "m" * 257), "model"),
    (lambda r: setattr(r, "model", "\u20ac" * 86), "model"),
    (lambda r: r.messages[LAST].ClearField("role"), "messages[6].role"),
    (lambda r: setattr(r.messages[LAST], "role", 77), "messages[6].role"),
    (lambda r: setattr(r.messages[LAST], "name", "n" * 65), "messages[6].name"),
    (lambda r: r.messages[LAST].ClearField("blocks"), "messages[6].blocks"),
    (blocks_of(USER, v1.Block()), "messages[2].blocks[0]"),
    (blocks_of(SYSTEM, text(), media(uri="https://u.example")), "messages[0].blocks[1]"),
    (blocks_of(USER, call()), "messages[2].blocks[0]"),
    (blocks_of(USER, v1.Block(reasoning=v1.Reasoning(text="x"))), "messages[2].blocks[0]"),
    (blocks_of(USER, result()), "messages[2].blocks[0]"),
    (blocks_of(ASSISTANT, result()), "messages[5].blocks[0]"),
    (lambda r: r.messages[4].blocks.append(text()), "messages[4].blocks[2]"),
    (lambda r: r.messages[3].blocks[3].tool_call.ClearField("name"), "messages[3].blocks[3].tool_call.name"),
    (blocks_of(ASSISTANT, call("", "look"), text()), "messages[5].blocks[0].tool_call.id"),
    (blocks_of(ASSISTANT, call("c1")), "messages[5].blocks[0].tool_call.id"),
    (
        lambda r: r.messages[4].blocks[0].tool_result.ClearField("tool_call_id"),
        "messages[4].blocks[0].tool_result.tool_call_id",
    ),
    (
        lambda r: setattr(r.messages[4].blocks[0].tool_result, "tool_call_id", "c9"),
        "messages[4].blocks[0].tool_result.tool_call_id",
    ),
    (
        lambda r: r.messages[4].blocks[0].tool_result.blocks.append(result("c1")),
        "messages[4].blocks[0].tool_result.blocks[2]",
    ),
    (
        lambda r: r.messages[4].blocks[0].tool_result.blocks[1].media.ClearField("uri"),
        "messages[4].blocks[0].tool_result.blocks[1].media.source",
    ),
    (blocks_of(USER, media(mime_type="image/png")), "messages[2].blocks[0].media.source"),
    (blocks_of(USER, media(mime_type="image/png", data=b"")), "messages[2].blocks[0].media.data"),
    (blocks_of(USER, media(data=b"x")), "messages[2].blocks[0].media.mime_type"),
    (blocks_of(USER, media(data=b"x", mime_type="png")), "messages[2].blocks[0].media.mime_type"),
    (blocks_of(USER, media(data=b"x", mime_type="image/")), "messages[2].blocks[0].media.mime_type"),
    (blocks_of(USER, media(data=b"x", mime_type="image/p\nng")), "messages[2].blocks[0].media.mime_type"),
    (blocks_of(USER, media(uri="https://u.example", mime_type="a/b/c")), "messages[2].blocks[0].media.mime_type"),
    (blocks_of(USER, media(uri="https://u.example", detail=9)), "messages[2].blocks[0].media.detail"),
    (blocks_of(USER, media(uri="https://u.example", context="ä" * 2049)), "messages[2].blocks[0].media.context"),
    (
        blocks_of(USER, v1.Block(text=v1.Text(), cache_mark=v1.CacheMark(ttl=Duration()))),
        "messages[2].blocks[0].cache_mark.ttl",
    ),
    (lambda r: r.messages.append(turn(v1.ROLE_ASSISTANT, call("c3"))), "messages[7].blocks[0].tool_call"),
    (lambda r: r.messages[4].blocks.pop(), "messages[3].blocks[3].tool_call"),
    (lambda r: r.messages[4].blocks.pop(0), "messages[3].blocks[4].tool_call"),
    (lambda r: (r.messages[4].blocks.pop(), r.messages.pop(), r.messages.pop()), "messages[3].blocks[3].tool_call"),
    (
        lambda r: r.messages[4].CopyFrom(turn(v1.ROLE_TOOL, result("c1"), result("c1"))),
        "messages[3].blocks[4].tool_call",
    ),
    (lambda r: r.tools.append(v1.Tool()), "tools[3]"),
    (lambda r: r.tools.append(function("")), "tools[3].function.name"),
    (lambda r: r.tools.append(function("n" * 65)), "tools[3].function.name"),
    (lambda r: r.tools.append(function("a.b")), "tools[3].function.name"),
    (lambda r: r.tools.append(function("n\u00e9")), "tools[3].function.name"),
    (lambda r: r.tools.append(function("look")), "tools[3].function.name"),
    (lambda r: r.tools.append(function("f", b"[]")), "tools[3].function.parameters_json_schema"),
    (lambda r: r.tools.append(function("f", b'{"a": "\xff"}')), "tools[3].function.parameters_json_schema"),
    (lambda r: r.tools.append(function("f", b'{"a": NaN}')), "tools[3].function.parameters_json_schema"),
    (lambda r: r.tools.append(function("f", b'{"a":' + b"[" * 10_000)), "tools[3].function.parameters_json_schema"),
    (
        lambda r: r.tools.append(function("f", b"{" + b" " * 1024 * 1024 + b"}")),
        "tools[3].function.parameters_json_schema",
    ),
    (lambda r: r.tools[2].provider.ClearField("dialect"), "tools[2].provider.dialect"),
    (lambda r: r.tools.append(v1.Tool(provider=v1.ProviderTool(dialect="openai"))), "tools[3].provider.type"),
    (lambda r: setattr(r.tools[2].provider, "config_json", b"1"), "tools[2].provider.config_json"),
    (lambda r: r.tools[2].cache_mark.ttl.FromSeconds(-1), "tools[2].cache_mark.ttl"),
    (lambda r: setattr(r.tool_choice, "mode", 9), "tool_choice.mode"),
    (lambda r: r.tool_choice.allowed_tools.append("listen"), "tool_choice.allowed_tools[2]"),
    (lambda r: r.ClearField("tools"), "tool_choice"),
    (lambda r: r.response_format.json_schema.ClearField("schema"), "response_format.json_schema.schema"),
    (lambda r: r.response_format.json_schema.ClearField("name"), "response_format.json_schema.name"),
    (lambda r: setattr(r.response_format.json_schema, "name", "a b"), "response_format.json_schema.name"),
    (lambda r: setattr(r.sampling, "temperature", 2.1), "sampling.temperature"),
    (lambda r: setattr(r.sampling, "temperature", float("nan")), "sampling.temperature"),
    (lambda r: setattr(r.sampling, "top_p", -0.1), "sampling.top_p"),
    (lambda r: setattr(r.sampling, "top_k", 0), "sampling.top_k"),
    (lambda r: setattr(r.sampling, "min_p", float("inf")), "sampling.min_p"),
    (lambda r: setattr(r.sampling, "frequency_penalty", -2.1), "sampling.frequency_penalty"),
    (lambda r: setattr(r.sampling, "presence_penalty", 2.1), "sampling.presence_penalty"),
    (lambda r: setattr(r.reasoning, "effort", 9), "reasoning.effort"),
    (lambda r: setattr(r.reasoning, "budget_tokens", -1), "reasoning.budget_tokens"),
    (lambda r: setattr(r.reasoning, "summary", 9), "reasoning.summary"),
    (lambda r: setattr(r, "max_output_tokens", 0), "max_output_tokens"),
    (lambda r: r.stop.append("x"), "stop"),
    (lambda r: r.stop.__setitem__(3, ""), "stop[3]"),
    (lambda r: r.stop.__setitem__(3, "\u20ac" * 86), "stop[3]"),
    (lambda r: setattr(r.logprobs, "top", 21), "logprobs.top"),
    (lambda r: setattr(r.logprobs, "top", -1), "logprobs.top"),
    (lambda r: setattr(r.cache, "key", "k" * 65), "cache.key"),
    (lambda r: r.cache.ttl.Clear(), "cache.ttl"),
    (lambda r: r.labels.update({"one": "more"}), "labels"),
    (lambda r: (r.labels.clear(), r.labels.update({"Team": "x"})), "labels"),
    (lambda r: (r.labels.clear(), r.labels.update({"k" * 65: "x"})), "labels"),
    (lambda r: r.labels.update({"team.a-b_1": "v" * 257}), 'labels["team.a-b_1"]'),
    (lambda r: r.routing.fallback_models.append("m"), "routing.fallback_models"),
    (lambda r: r.routing.fallback_models.__setitem__(0, ""), "routing.fallback_models[0]"),
    (lambda r: r.routing.denied_providers.extend(["p"] * 257), "routing.denied_providers"),
    (lambda r: setattr(r.routing, "max_cost_nano_usd", -1), "routing.max_cost_nano_usd"),
    (lambda r: setattr(r.timeouts.first_token, "seconds", -1), "timeouts.first_token"),
    (lambda r: r.timeouts.idle.CopyFrom(Duration(seconds=1, nanos=-1)), "timeouts.idle"),
    (lambda r: r.timeouts.idle.CopyFrom(Duration(seconds=1, nanos=10**9)), "timeouts.idle"),
    (lambda r: r.timeouts.idle.CopyFrom(Duration(seconds=2**62)), "timeouts.idle"),
    (lambda r: setattr(r, "idempotency_key", "i" * 129), "idempotency_key"),
    (lambda r: r.provider_options.update({"a": b"{"}), 'provider_options["a"]'),
    (lambda r: r.provider_options.update({"a": b'{"a": "' + b"x" * (64 * 1024) + b'"}'}), 'provider_options["a"]'),
    (lambda r: r.provider_options.update({str(i): b"{}" for i in range(8)}), "provider_options"),
    (lambda r: r.provider_options.update({'"]\n': b"{}"}), "provider_options"),
]


@pytest.mark.parametrize(("spoil", "field"), SPOILED, ids=[f"{i}-{field}" for i, (_, field) in enumerate(SPOILED)])
def test_spoiled_request(spoil: Spoil, field: str) -> None:
    """A request that is right but for one field is refused for that field, with its path and a mend."""
    request = whole()
    spoil(request)
    [(found, description)] = violations_of(request)
    assert found == field
    assert len(description) > 10


def test_empty_request() -> None:
    """What is required is told at once."""
    assert [field for field, _ in violations_of(v1.CompleteRequest())] == ["model", "messages"]


def test_all_are_told() -> None:
    """All violations come in one refusal, whose message names the first and counts the others."""
    request = whole()
    request.max_output_tokens = 0
    request.seed = 7
    request.messages[0].role = v1.ROLE_UNSPECIFIED
    with pytest.raises(InvalidRequest, match=r"^messages\[0\]\.role: .* \(and 1 more\)$") as caught:
        validate(request)
    assert [each.field for each in caught.value.violations] == ["messages[0].role", "max_output_tokens"]


SMUGGLED = b'{}},"model":"gpt-5-pro","x":{"y":{}'


@pytest.mark.parametrize("data", [SMUGGLED, b"[]", b"{", b'{"a":"\xff"}', b"{} {}", b"[" * 100_000, b" "])
def test_json_texts_are_json_objects(data: bytes) -> None:
    """A text that is not one JSON object is refused wherever it stands: dialects embed what passes here unread."""
    schema = v1.JsonSchemaFormat(name="s", schema=data)
    for more, field in (
        ({"tools": [function("f", data)]}, "tools[0].function.parameters_json_schema"),
        ({"tools": [v1.Tool(provider=v1.ProviderTool(dialect="openai", type="t", config_json=data))]}, ""),
        ({"response_format": v1.ResponseFormat(json_schema=schema)}, "response_format.json_schema.schema"),
        ({"provider_options": {"openai": data}}, 'provider_options["openai"]'),
    ):
        request = v1.CompleteRequest(model="m", messages=[turn(v1.ROLE_USER, text())], **more)
        assert [found for found, _ in violations_of(request)] == [field or "tools[0].provider.config_json"]


def test_options_of_a_dialect_that_there_is_not() -> None:
    """A name that no dialect has is refused with its path and the name that it may have meant; that one is taken."""
    request = whole()
    request.provider_options.update({"opneai": b"{}", "local": b"{}"})
    with pytest.raises(ProviderOptionRefused, match='write "openai"') as caught:
        validate(request)
    assert [each.field for each in caught.value.violations] == ['provider_options["opneai"]']
    del request.provider_options["opneai"]
    validate(request)


def test_what_a_tool_is_called() -> None:
    """A tool whose settings name it is allowed by that name and not by its type, which would name nothing."""
    request = whole()
    config = b'{"custom": {"name": "sql"}}'
    request.tools.append(v1.Tool(provider=v1.ProviderTool(dialect="openai", type="custom", config_json=config)))
    request.tool_choice.allowed_tools[:] = ["look", "sql"]
    validate(request)
    request.tool_choice.allowed_tools.append("custom")
    assert [field for field, _ in violations_of(request)] == ["tool_choice.allowed_tools[2]"]


def test_names_of_tools_are_their_own() -> None:
    """A configured name that another tool has is refused: nobody could tell whose call it is."""
    request = whole()
    config = b'{"custom": {"name": "look"}}'
    request.tools.append(v1.Tool(provider=v1.ProviderTool(dialect="openai", type="custom", config_json=config)))
    assert [field for field, _ in violations_of(request)] == ["tools[3].provider.config_json"]


def test_results_may_come_one_by_one() -> None:
    """Results of one turn's calls may stand in several messages, in any order."""
    calls = turn(v1.ROLE_ASSISTANT, call("c1"), call("c2"))
    results = [turn(v1.ROLE_TOOL, result("c2")), turn(v1.ROLE_TOOL, result("c1"))]
    validate(v1.CompleteRequest(model="m", messages=[calls, *results]))
    validate(v1.CompleteRequest(model="m", messages=[calls, *results, turn(v1.ROLE_USER, text())]))


def test_every_open_call_is_told_once() -> None:
    """Calls that the next turn finds without a result are told each by its own path, and not again later."""
    calls = turn(v1.ROLE_ASSISTANT, text(), call("c1"), call("c2"), call("c3"))
    rest = [turn(v1.ROLE_TOOL, result("c2")), turn(v1.ROLE_USER, text()), turn(v1.ROLE_TOOL, result("c1"))]
    found = violations_of(v1.CompleteRequest(model="m", messages=[calls, *rest]))
    assert [field for field, _ in found] == [f"messages[0].blocks[{place}].tool_call" for place in (1, 3)]


def test_no_value_is_quoted() -> None:
    """A refusal doesn't quote prompts, schemas or ids: it may be logged by whoever gets it."""
    request = whole()
    request.messages[LAST].blocks[0].CopyFrom(result("canary", text("canary")))
    request.tools.append(function("canary!", b'["canary"]'))
    request.stop[0] = "canary" * 100
    assert "canary" not in str(violations_of(request))


def test_violations_are_bounded() -> None:
    """At sixteen the search ends."""
    request = whole()
    del request.messages[:]
    request.messages.extend([turn(v1.ROLE_USER)] * 4096)
    assert len(violations_of(request)) == 16


@pytest.mark.parametrize(
    ("grow", "field"),
    [
        (lambda r: r.messages.extend([turn(v1.ROLE_USER, text())] * 4097), "messages"),
        (lambda r: r.tools.extend([function()] * 513), "tools"),
        (lambda r: r.tool_choice.allowed_tools.extend(["look"] * 513), "tool_choice.allowed_tools"),
        (lambda r: r.messages[0].blocks.extend([text()] * 16_385), "messages[0].blocks"),
        (
            lambda r: r.messages[4].blocks[0].tool_result.blocks.extend([text()] * 16_385),
            "messages[4].blocks",
        ),
    ],
)
def test_long_lists(grow: Spoil, field: str) -> None:
    """A list beyond its bound is one violation, however long it is, and nothing in it is looked at."""
    request = whole()
    grow(request)
    assert [found for found, _ in violations_of(request)] == [field]


def test_cost_is_linear() -> None:
    """The longest conversation costs no more per message than a short one: nothing is looked at twice."""

    def seconds(messages: int) -> float:
        request = v1.CompleteRequest(model="m", messages=[turn(v1.ROLE_USER, text())] * messages)
        took = []
        for _ in range(5):
            start = time.thread_time()
            validate(request)
            took.append(time.thread_time() - start)
        return min(took)

    assert seconds(4096) < 8 * seconds(1024)
