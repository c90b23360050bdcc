"""Requests and answers of the client, as people write and read them."""

import json

import pytest

from trunkline import v1
from trunkline.completion import Completion
from trunkline.messages import build_request


def text(words):
    return v1.Block(text=v1.Text(text=words))


def picture(url, **fields):
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **fields}}]}


def build(messages="Hi", **options):
    return build_request("m", messages, None, options)


@pytest.mark.parametrize(
    ("messages", "built"),
    [
        ("Hi", [v1.Message(role=v1.ROLE_USER, blocks=[text("Hi")])]),
        (
            [{"role": "system", "content": "Be brief."}, {"role": "user", "name": "Ann", "content": ["a", text("b")]}],
            [
                v1.Message(role=v1.ROLE_SYSTEM, blocks=[text("Be brief.")]),
                v1.Message(role=v1.ROLE_USER, name="Ann", blocks=[text("a"), text("b")]),
            ],
        ),
        (
            v1.Message(role=v1.ROLE_ASSISTANT, blocks=[text("x")]),
            [v1.Message(role=v1.ROLE_ASSISTANT, blocks=[text("x")])],
        ),
        (
            {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "42", "is_error": True},
            [
                v1.Message(
                    role=v1.ROLE_TOOL,
                    blocks=[
                        v1.Block(
                            tool_result=v1.ToolResult(tool_call_id="c1", name="f", is_error=True, blocks=[text("42")])
                        )
                    ],
                )
            ],
        ),
    ],
)
def test_messages_may_be_written_short(messages, built):
    """Text, dicts and messages of the contract make the same conversation."""
    assert list(build(messages).messages) == built


def test_every_option_lands_in_its_field():
    """All options together make the request that one would write by hand."""
    schema = {"type": "object", "properties": {"ü": {"type": "string"}}}
    request = build(
        tools=[
            {"name": "f", "description": "does f", "parameters": schema, "strict": True},
            v1.FunctionTool(name="g"),
            v1.ProviderTool(dialect="openai", type="web_search"),
            v1.Tool(function=v1.FunctionTool(name="h")),
        ],
        tool_choice="required",
        response_format={"name": "answer", "schema": schema, "strict": False},
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        min_p=0.1,
        frequency_penalty=1.0,
        presence_penalty=-1.0,
        max_output_tokens=5,
        stop="END",
        seed=0,
        reasoning_effort="low",
        logprobs=2,
        labels={"team": "a"},
        idempotency_key="k",
        provider_options={"openai": {"user": "ü"}, "other": b"{}"},
        routing=v1.RoutingPreferences(fallback_models=["n"]),
        timeouts=v1.CallTimeouts(idle={"seconds": 3}),
        cache=v1.CacheConfig(key="c"),
    )
    schema_json = json.dumps(schema, ensure_ascii=False).encode()
    assert request == v1.CompleteRequest(
        model="m",
        messages=[v1.Message(role=v1.ROLE_USER, blocks=[text("Hi")])],
        tools=[
            v1.Tool(
                function=v1.FunctionTool(
                    name="f", description="does f", parameters_json_schema=schema_json, strict=True
                )
            ),
            v1.Tool(function=v1.FunctionTool(name="g")),
            v1.Tool(provider=v1.ProviderTool(dialect="openai", type="web_search")),
            v1.Tool(function=v1.FunctionTool(name="h")),
        ],
        tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED),
        response_format=v1.ResponseFormat(
            json_schema=v1.JsonSchemaFormat(name="answer", schema=schema_json, strict=False)
        ),
        sampling=v1.Sampling(
            temperature=0.0, top_p=0.5, top_k=3, min_p=0.1, frequency_penalty=1.0, presence_penalty=-1.0
        ),
        max_output_tokens=5,
        stop=["END"],
        seed=0,
        reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW),
        logprobs=v1.LogprobsConfig(top=2),
        labels={"team": "a"},
        idempotency_key="k",
        provider_options={"openai": '{"user": "ü"}'.encode(), "other": b"{}"},
        routing=v1.RoutingPreferences(fallback_models=["n"]),
        timeouts=v1.CallTimeouts(idle={"seconds": 3}),
        cache=v1.CacheConfig(key="c"),
    )
    assert request.sampling.HasField("temperature")
    assert request.HasField("seed")


def test_what_is_left_out_or_none_is_unset():
    """None is as good as nothing, and nothing is not zero."""
    assert build(temperature=None, stop=None, tools=None, seed=None, logprobs=False) == build()
    assert not build().HasField("sampling")
    assert build(logprobs=True).HasField("logprobs")
    assert not build(logprobs=True).logprobs.HasField("top")


@pytest.mark.parametrize(
    ("messages", "options", "words"),
    [
        ([{"role": "robot", "content": "x"}], {}, r"messages\[0\].role: one of system, developer, user"),
        (["a", "b"], {}, r"messages\[0\]: a dict, trunkline.User\(...\) and its like, .*, not str"),
        ([{"role": "user", "text": "x"}], {}, r"messages\[0\]: only .*content.*, not text"),
        ([{"role": "user", "content": 3}], {}, r"messages\[0\].content"),
        ([{"role": "tool", "content": "x"}], {}, r"messages\[0\].tool_call_id"),
        ([{"role": "user", "content": ["a", 3]}], {}, r"messages\[0\].content\[1\]: text, a pathlib.Path, .* not int"),
        (
            [{"role": "user", "content": b"a"}],
            {},
            r"messages\[0\].content: bytes do not say what .* v1.Media\(mime_type.* not bytes",
        ),
        ([{"role": "user", "content": "\ud800"}], {}, r"messages\[0\].content: text that is no Unicode"),
        ([{"role": "user", "content": [{"type": "video_url"}]}], {}, r'content\[0\]: .*{"type": "image_url"'),
        ([{"role": "user", "content": [{"type": "text"}]}], {}, r"content\[0\].text: text, not NoneType"),
        ([picture("data:,x")], {}, r"content\[0\].image_url.url: a data URL reads"),
        ([picture("data:image/png;base64,!")], {}, r"content\[0\].image_url.url: .* not base64"),
        ([picture("https://x/y", detail="huge")], {}, r"content\[0\].image_url.detail: one of auto, low, high"),
        ([{"role": "user", "content": "x", "name": 3}], {}, r"messages\[0\].name: text, not int"),
        ([{"role": "tool", "tool_call_id": 3, "content": "x"}], {}, r"messages\[0\].tool_call_id: text, not int"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], {}, r"messages\[0\].tool_calls\[0\]: a v1.ToolCall"),
        (3, {}, "messages: .*int"),
        ("Hi", {"temprature": 1}, "unknown options: temprature"),
        ("Hi", {"max_tokens": 1, "n": 2}, r"unknown options: max_tokens \(here max_output_tokens\), n"),
        ("Hi", {"temperature": "hot"}, "temperature: a number, not str"),
        ("Hi", {"temperature": True}, "temperature: a number, not bool"),
        ("Hi", {"seed": 1.5}, "seed: a whole number, not float"),
        ("Hi", {"seed": 2**64}, "seed: .*out of range"),
        ("Hi", {"stop": ["a", 3]}, r"stop\[1\]: text, not int"),
        ("Hi", {"stop": 3}, "stop: .*int"),
        ("Hi", {"labels": {"team": 3}}, r"labels\['team'\]: text, not int"),
        ("Hi", {"labels": "a"}, "labels: a dict, not str"),
        ("Hi", {"routing": {}}, "routing: a v1.RoutingPreferences, not dict"),
        ("Hi", {"logprobs": "many"}, "logprobs: True, False or a whole number, not str"),
        ("Hi", {"provider_options": {"openai": {"x": {1}}}}, r"provider_options\['openai'\]: .*set"),
        ("Hi", {"tools": {"name": "f"}}, "tools: a list of tools, not dict"),
        ("Hi", {"tools": [{"name": "f"}, {"nam": "g"}]}, r"tools\[1\].name: the function needs a name"),
        ("Hi", {"tools": [{"name": "f"}, "g"]}, r"tools\[1\]: a .*v1.Tool, .* not str"),
        ("Hi", {"tools": [{"name": "f", "params": {}}]}, r"tools\[0\]: only .*parameters.*, not params"),
        ("Hi", {"tools": [{"name": "f", "parameters": {1: {2}}}]}, r"tools\[0\].parameters: "),
        (
            "Hi",
            {"tool_choice": "f"},
            "tool_choice: one of auto, none, required, the name of a tool in tools, or a v1.To",
        ),
        (
            "Hi",
            {"tools": [{"name": "f"}], "tool_choice": "g"},
            r"name of a given tool \(f\), or a v1.ToolChoice; not 'g'",
        ),
        ("Hi", {"response_format": {"name": "a", "schema": {}, "x": 1}}, "response_format: only .*, not x"),
        ("Hi", {"response_format": "xml"}, "response_format: "),
        ("Hi", {"reasoning_effort": "huge"}, "reasoning_effort: one of none, minimal"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(messages, options, words):
    """The complaint names the place and what would be right there."""
    with pytest.raises((TypeError, ValueError), match=words):
        build(messages, **options)


def test_the_shapes_of_openai_are_taken():
    """Parts, calls, tools, choices and formats as chat completions write them make the request that ours make."""
    schema = {"type": "object"}
    theirs = build(
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        tool_choice={"type": "function", "function": {"name": "f"}},
        tools=[
            {"type": "function", "function": {"name": "f", "parameters": schema}},
            {"type": "function", "name": "g"},
        ],
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}},
    )
    ours = build(
        [
            {
                "role": "user",
                "content": [
                    "What is it?",
                    v1.Media(mime_type="image/png", data=b"\x89PNG", detail=v1.MEDIA_DETAIL_LOW),
                    v1.Media(uri="https://example.com/a.png"),
                ],
            },
            v1.Message(
                role=v1.ROLE_ASSISTANT,
                blocks=[v1.Block(tool_call=v1.ToolCall(id="c1", name="f", arguments_json=b'{"a": 1}'))],
            ),
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        tools=[{"name": "f", "parameters": schema}, {"name": "g"}],
        tool_choice="f",
        response_format={"name": "a", "schema": schema, "strict": True},
    )
    assert theirs == ours
    assert ours.tool_choice == v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["f"])
    assert build(response_format={"type": "json_object"}) == build(response_format="json")


@pytest.mark.parametrize("kind", ["text", "media", "tool_call", "tool_result", "reasoning", "provider_opaque"])
def test_what_a_block_holds_is_wrapped(kind):
    """A message of the contract that a block can hold stands for that block, alone or among others."""
    held = type(getattr(v1.Block(), kind))()
    block = v1.Block(**{kind: held})
    (alone,) = build([{"role": "user", "content": held}]).messages
    (among,) = build([{"role": "user", "content": ["a", held]}]).messages
    assert list(alone.blocks) == [block]
    assert list(among.blocks) == [text("a"), block]


def test_a_request_is_given_whole_or_in_parts():
    """A whole request is sent as it is; beside it nothing else may be given, and without it both parts must be."""
    whole = v1.CompleteRequest(model="x")
    assert build_request(None, None, whole, {}) is whole
    with pytest.raises(TypeError, match="give it alone"):
        build_request("m", None, whole, {})
    with pytest.raises(TypeError, match="give it alone"):
        build_request(None, None, whole, {"seed": 1})
    with pytest.raises(TypeError, match="both are needed"):
        build_request("m", None, None, {})


def test_an_answer_is_read_by_kind():
    """text, reasoning and tool_calls gather the blocks of their kind; the repr holds no content."""
    call = v1.ToolCall(id="c", name="f", arguments_json=b"{}", arguments_valid=True)
    answer = Completion(
        v1.CompleteResponse(
            started=v1.Started(request_id="r"),
            message=v1.Message(
                role=v1.ROLE_ASSISTANT,
                blocks=[
                    v1.Block(reasoning=v1.Reasoning(text="hm", summary="short")),
                    v1.Block(reasoning=v1.Reasoning(summary="sum")),
                    text("Hel"),
                    v1.Block(tool_call=call),
                    text("lo"),
                ],
            ),
            finished=v1.Finished(finish_reason=v1.FINISH_REASON_TOOL_CALLS, model="m"),
        )
    )
    assert (answer.text, answer.reasoning, answer.tool_calls) == ("Hello", "hmsum", (call,))
    assert (answer.finish_reason, answer.request_id) == (v1.FINISH_REASON_TOOL_CALLS, "r")
    assert repr(answer) == "Completion(m, TOOL_CALLS, 5 blocks)"
    answer.response.finished.finish_reason = 99
    assert repr(answer) == "Completion(m, 99, 5 blocks)"


def test_what_was_left_out_is_that_of_the_deployment_that_answered():
    """left_out names the paths of the attempt that served, else of the last, and is empty where there is none."""
    finished = v1.Finished(attempts=[v1.Attempt(left_out=["a"]), v1.Attempt(left_out=["b", "c"])])
    assert Completion(v1.CompleteResponse(finished=finished)).left_out == ("b", "c")
    finished.attempts[0].outcome = v1.ATTEMPT_OUTCOME_SERVED
    assert Completion(v1.CompleteResponse(finished=finished)).left_out == ("a",)
    assert Completion(v1.CompleteResponse()).left_out == ()
