"""Tools of Bedrock's Converse: which are sent, which may be called, and JSON by one of them."""

from typing import Any

import pytest

from tests.unit.test_bedrock_request import (
    COMPUTER,
    FORCED,
    GROUNDING,
    LLAMA,
    LOOK,
    NONE,
    NOVA,
    TIME,
    asking,
    called,
    knowing,
    refused,
    sent,
)
from trunkline import v1


@pytest.mark.parametrize(
    ("choice", "config", "fields"),
    [
        (v1.ToolChoice(), None, None),
        (v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO), {"auto": {}}, None),
        (FORCED, {"any": {}}, None),
        (NONE, None, {"type": "none"}),
        (v1.ToolChoice(parallel=False), None, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["time"], parallel=False),
            None,
            {"type": "tool", "name": "time", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices_of_claude(choice: v1.ToolChoice, config: Any, fields: Any) -> None:
    """What Converse has no word for is Claude's own tool_choice, which then stands alone."""
    body, _ = sent(asking(tools=[LOOK, TIME], tool_choice=choice))
    assert body["toolConfig"].get("toolChoice") == config
    assert body.get("additionalModelRequestFields") == ({"tool_choice": fields} if fields else None)


def test_choices_of_others() -> None:
    """Where there is no such word, tools that may not be called are not sent, and what can't be held to is refused."""
    body, left_out = sent(asking(tools=[LOOK], tool_choice=NONE), NOVA)
    assert "toolConfig" not in body
    assert left_out == ("tools",)
    assert refused(asking(*called(), tools=[LOOK], tool_choice=NONE), NOVA) == "tool_choice.mode"
    assert refused(asking(*called()), NOVA) == "messages[1].blocks[0].tool_call"
    assert refused(asking(tools=[LOOK], tool_choice=v1.ToolChoice(parallel=False)), NOVA) == "tool_choice.parallel"
    own = v1.Tool(provider=v1.ProviderTool(dialect="bedrock", type="computer_20250124"))
    assert refused(asking(tools=[own]), NOVA) == "tools[0].provider.type"
    assert refused(asking(sampling=v1.Sampling(top_k=5)), LLAMA) == "sampling.top_k"


def test_allowed_tools() -> None:
    """Tools that may not be called are not shown, and named."""
    body, left_out = sent(asking(tools=[LOOK, TIME], tool_choice=v1.ToolChoice(allowed_tools=["time"])))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["time"]
    assert left_out == ("tools[0]",)


def test_choice_of_own_tools() -> None:
    """A provider's tool is forced by the name that it has on the wire, wherever it stands there."""
    forced = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["nova_grounding"])
    body, left_out = sent(asking(tools=[GROUNDING, LOOK], tool_choice=forced), NOVA)
    assert body["toolConfig"] == {
        "tools": [{"systemTool": {"name": "nova_grounding"}}],
        "toolChoice": {"tool": {"name": "nova_grounding"}},
    }
    assert left_out == ("tools[1]",)
    forced = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["computer"])
    body, _ = sent(asking(tools=[COMPUTER], tool_choice=forced))
    assert "toolConfig" not in body
    assert body["additionalModelRequestFields"]["tool_choice"] == {"type": "tool", "name": "computer"}


def test_tools_of_earlier_turns() -> None:
    """Tools that were called are declared where the caller sends none, and none where it has to be another."""
    body, _ = sent(asking(*called(name="computer"), *called(id_="2", name="look"), tools=[COMPUTER]))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["look"]
    assert "tool_choice" not in body["additionalModelRequestFields"]
    body, _ = sent(asking(*called(name="computer"), tools=[COMPUTER]))
    assert "toolConfig" not in body
    body, _ = sent(asking(*called(), response_format=v1.ResponseFormat(json=v1.JsonFormat())))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["trunkline_answer"]
    assert "additionalModelRequestFields" not in body


def test_format_of_models_without_schemas() -> None:
    """Where the model has no schemas, a tool that has to be called stands in for the format."""
    wanted = v1.JsonSchemaFormat(name="author", description="An author.", schema=b'{"type": "object"}', strict=True)
    request = asking(response_format=v1.ResponseFormat(json_schema=wanted))
    body, left_out = sent(request, knowing(json_schema=False))
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"] == {
        "name": "trunkline_answer",
        "description": "An author.",
        "inputSchema": {"json": {"type": "object"}},
        "strict": True,
    }
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "trunkline_answer"}}
    assert left_out == ("response_format.json_schema.name",)
    wanted.schema = b'{"type": "array"}'
    request.response_format.json_schema.schema = wanted.schema
    assert refused(request, knowing(json_schema=False)) == "response_format.json_schema.schema"
