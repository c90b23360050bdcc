"""Tools of Anthropic's messages: calls and their ids, which may be called, and JSON by one of them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.test_anthropic_request import (
    ALWAYS,
    ANTHROPIC,
    HOME,
    JSON,
    NEVER,
    NEWEST,
    REQUIRED,
    SCHEMA,
    asking,
    call,
    function,
    knowing,
    mark,
    refusal,
    replaying,
    sent,
    text,
    turn,
)
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.errors import CapabilityMissing


@pytest.mark.parametrize("arguments", [b'{"a": ', b"[1]", b"no JSON"])
def test_arguments_that_are_no_object(arguments: bytes) -> None:
    """Arguments that are no JSON object, as a model cut short leaves them, are wrapped in one and named."""
    body, left_out = sent(replaying(call(arguments=arguments)))
    assert body["messages"][1]["content"][0]["input"] == {"INVALID_JSON": arguments.decode()}
    assert left_out == ("messages[1].blocks[0].tool_call.arguments_json",)


def test_call_ids_fit() -> None:
    """An id that the provider does not take is renamed for the call and its result alike; others stay."""
    ids = ["functions.look:0", "functions.look:1", "é" * 128, "toolu_1"]
    results = [v1.Block(tool_result=v1.ToolResult(tool_call_id=id_)) for id_ in ids]
    turns = [
        turn(v1.ROLE_USER, text()),
        turn(v1.ROLE_ASSISTANT, *(call(id_) for id_ in ids)),
        turn(v1.ROLE_TOOL, *results),
    ]
    body, _ = sent(v1.CompleteRequest(model="small", messages=turns))
    called = [part["id"] for part in body["messages"][1]["content"]]
    assert called == [part["tool_use_id"] for part in body["messages"][2]["content"]]
    assert len(set(called)) == len(ids)
    assert called[-1] == "toolu_1"


def test_sets_of_tools_are_named_with_results() -> None:
    """What came with a call goes back with it, and the name of a set of tools goes with the result too."""
    members = b'{"toolset_name":"browser"}'
    turns = [
        turn(v1.ROLE_USER, text()),
        turn(v1.ROLE_ASSISTANT, call(signature=members, origin=HOME)),
        turn(v1.ROLE_TOOL, v1.Block(tool_result=v1.ToolResult(tool_call_id="toolu_1"))),
    ]
    made = ANTHROPIC.encode(v1.CompleteRequest(model="small", messages=turns), NEWEST, stream=False)
    made_call, result = (turn["content"][0] for turn in json.loads(made.body)["messages"][1:])
    assert made_call["toolset_name"] == result["toolset_name"] == "browser"


def test_marks_in_settings_of_tools_count() -> None:
    """A mark that stands in a provider's tool is one of the four."""
    config = b'{"name": "web_search", "cache_control": {"type": "ephemeral"}}'
    tool = v1.Tool(provider=v1.ProviderTool(dialect="anthropic", type="web_search_20250305", config_json=config))
    left_out = sent(asking(*(text("a", cache_mark=mark()) for _ in range(4)), tools=[tool]))[1]
    assert left_out == ("messages[0].blocks[1].cache_mark",)


def test_json_by_a_tool() -> None:
    """JSON of any shape is asked for by a tool that has to be called; so is a schema that a model can't be held to."""
    body, left_out = sent(asking(response_format=JSON))
    assert body["tools"][0]["input_schema"] == {"type": "object"}
    assert body["tool_choice"]["name"] == body["tools"][0]["name"] == "trunkline_answer"
    assert left_out == ()
    body, left_out = sent(asking(response_format=SCHEMA), NEVER)
    assert body["tools"][0]["description"] == "d"
    assert "output_config" not in body
    assert left_out == ("response_format.json_schema.name",)


def test_tool_choice() -> None:
    """Modes, one forced tool, some allowed tools and calls side by side become the wire's own rules."""

    def choice(**more: Any) -> tuple[list[str], Any, tuple[str, ...]]:
        tools = [function("a"), function("b"), function("c")]
        body, left_out = sent(asking(tools=tools, tool_choice=v1.ToolChoice(**more)))
        return [tool["name"] for tool in body.get("tools", ())], body.get("tool_choice"), left_out

    some = ["a", "c"]
    assert choice(allowed_tools=some) == (some, None, ())
    assert choice(mode=v1.TOOL_CHOICE_MODE_AUTO, allowed_tools=["b"]) == (["b"], {"type": "auto"}, ())
    assert choice(mode=v1.TOOL_CHOICE_MODE_REQUIRED) == (["a", "b", "c"], {"type": "any"}, ())
    assert choice(parallel=False)[1] == {"type": "auto", "disable_parallel_tool_use": True}
    assert choice(parallel=True)[1] == {"type": "auto", "disable_parallel_tool_use": False}
    assert choice(mode=v1.TOOL_CHOICE_MODE_NONE, allowed_tools=some, parallel=True) == (
        ["a", "b", "c"],
        {"type": "none"},
        ("tool_choice.parallel", "tool_choice.allowed_tools"),
    )


def test_known_ability_to_be_forced_counts() -> None:
    """Whether a model can be made to call a tool is guessed of its thinking only where it is not known."""
    request = asking(tools=[function()], tool_choice=REQUIRED)
    known = replace(ALWAYS.capability or Capability(), forced_tools=True)
    assert sent(request, replace(ALWAYS, capability=known))[0]["tool_choice"] == {"type": "any"}
    with pytest.raises(CapabilityMissing) as caught:
        sent(request, knowing(forced_tools=False))
    assert caught.value.violations[0].field == "tool_choice.mode"


def test_provider_tool_is_forced_by_its_name() -> None:
    """A provider's tool is forced by the name in its settings; without one it can't be."""

    def request(config: bytes) -> v1.CompleteRequest:
        tool = v1.ProviderTool(dialect="anthropic", type="web_search_20250305", config_json=config)
        choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["web_search_20250305"])
        return asking(tools=[v1.Tool(provider=tool)], tool_choice=choice)

    assert sent(request(b'{"name": "web_search"}'))[0]["tool_choice"] == {"type": "tool", "name": "web_search"}
    assert refusal(request(b"")) == "tool_choice.allowed_tools[0]"
