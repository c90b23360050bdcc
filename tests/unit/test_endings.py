"""What every dialect tells of an answer's end beside words and tokens: details of the reason, and runs of tools."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.exchange import feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline_server.providers.details import MAX_DETAIL_BYTES, detail_of
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.toolcalls import MAX_TOOLS, add_tool_calls
from trunkline_server.routing.usage import add_usage

DEPLOYMENTS = {each.dialect.name: each.deployment for each in find().exchanges}
MAX_INT64 = (1 << 63) - 1

CHAT = {"choices": [{"message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}]}
RESPONSES = {
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "So."}]}],
}
MESSAGES = {"type": "message", "content": [{"type": "text", "text": "So."}], "stop_reason": "end_turn"}


def whole(name: str, body: dict[str, Any]) -> v1.Finished:
    """How an answer of this dialect ends."""
    return DIALECTS[name].decode(json.dumps(body).encode(), DEPLOYMENTS[name]).finished


def runs(usage: v1.Usage) -> dict[str, int]:
    """How often each tool ran."""
    return {each.tool: each.calls for each in usage.provider_tool_calls}


TOLD: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    (
        "anthropic",
        {**MESSAGES, "usage": {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}},
        {"web_search": 2},
    ),
    (
        "openai-responses",
        {**RESPONSES, "usage": {"input_tokens": 1}, "tool_usage": {"web_search": {"num_requests": 2}}},
        {"web_search": 2},
    ),
    (
        "openai-responses",
        {
            **RESPONSES,
            "usage": {"num_sources_used": 0, "server_side_tool_usage_details": {"x_search_calls": 3, "mcp_calls": 0}},
        },
        {"x_search": 3},
    ),
    (
        "openai-responses",
        {
            **RESPONSES,
            "usage": {"tool_calls_details": {"search_web": {"invocation": 1}, "fetch_url": {"invocation": 2}}},
        },
        {"web_fetch": 2, "web_search": 1},
    ),
    (
        "openai-responses",
        {**RESPONSES, "usage": {"x_tools": {"web_extractor": {"count": 1}}}},
        {"web_extractor": 1},
    ),
    ("xai", {**CHAT, "usage": {"prompt_tokens": 1, "num_sources_used": 4}}, {"search_source": 4}),
    ("perplexity", {**CHAT, "usage": {"num_search_queries": 3}}, {"web_search": 3}),
    (
        "openrouter",
        {**CHAT, "usage": {"server_tool_use": {"web_search_requests": 1, "tool_calls_executed": 1}}},
        {"web_search": 1},
    ),
]


@pytest.mark.parametrize(("name", "body", "wanted"), TOLD, ids=[f"{name}-{[*runs]}" for name, _, runs in TOLD])
def test_runs_of_tools_are_told(name: str, body: dict[str, Any], wanted: dict[str, int]) -> None:
    """A tool that ran is told by its usual name with what the provider counts; one that did not run is not."""
    assert runs(whole(name, body).usage) == wanted


def test_queries_of_google_are_counted_once() -> None:
    """Of Google's queries those are counted that it bills: each once, whatever chunks tell of it, and no empty one."""
    grounding = {"webSearchQueries": ["", "euro 2024", "euro 2024"], "retrievalQueries": ["rent"], "x": None}
    chunks: list[dict[str, Any]] = [
        {"content": {"parts": [{"text": "So."}]}, "groundingMetadata": grounding},
        {"groundingMetadata": {"webSearchQueries": ["euro 2024", "winner", None]}, "finishReason": "STOP"},
    ]
    stream = b"".join(
        b"data: " + json.dumps({"candidates": [chunk], "usageMetadata": {"promptTokenCount": 1}}).encode() + b"\r\n\r\n"
        for chunk in chunks
    )
    events, error = feed_all(DIALECTS["gemini"].stream_decoder(DEPLOYMENTS["gemini"]), [stream])
    assert error is None
    assert runs(events[-1].finished.usage) == {"retrieval": 1, "web_search": 2}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=80), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ("server_tool_use", "server_side_tool_usage_details", "tool_usage", "x_tools", "num_search_queries")
NAMES = st.sampled_from(["a_requests", "a_calls", "_requests", "é_calls", "x" * 70]) | st.text(max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.dictionaries(NAMES, JSON | st.integers()), max_size=4))
def test_whatever_is_told_of_tools_is_bounded(wire: dict[str, Any]) -> None:
    """Of any JSON only named tools with counts are taken, within the contract's bounds; nothing fails."""
    usage = v1.Usage()
    add_tool_calls(usage, wire)
    for each in usage.provider_tool_calls:
        assert 0 < each.calls <= MAX_INT64
        assert 0 < len(each.tool.encode()) <= 64


def test_only_so_many_tools_are_told() -> None:
    """Of an answer that names more tools than the contract's bound, so many are told as it allows."""
    usage = v1.Usage()
    add_tool_calls(usage, {"x_tools": {f"tool_{number}": {"count": 1} for number in range(MAX_TOOLS + 9)}})
    assert len(usage.provider_tool_calls) == MAX_TOOLS


def test_sums_of_tools() -> None:
    """The runs of several requests of one call are added by tool, those that only one tells of included."""
    total, more = v1.Usage(), v1.Usage()
    add_tool_calls(total, {"x_tools": {"a": {"count": 1}, "b": {"count": MAX_INT64}}})
    add_tool_calls(more, {"x_tools": {"a": {"count": 2}, "b": {"count": 1}, "c": {"count": 3}}})
    add_usage(total, more)
    assert runs(total) == {"a": 3, "b": MAX_INT64, "c": 3}


def test_details_have_a_bound() -> None:
    """What a provider says of an ending is cut at the contract's bound, between characters; what is no text is not."""
    assert detail_of("cyber", None, "  ", 7, "It could harm.") == "cyber: It could harm."
    assert detail_of(None, {}) == ""
    assert detail_of("ä" * 400) == "ä" * (MAX_DETAIL_BYTES // 2)
    assert len(detail_of("a" + "ä" * 400).encode()) == MAX_DETAIL_BYTES - 1
    assert detail_of("\ud800") == "?"


@pytest.mark.parametrize("details", [None, 7, {"category": 7}, {"category": None, "explanation": None}])
def test_refusals_without_details(details: Any) -> None:
    """A refusal of which the provider says no more has no detail, whatever stands in its place."""
    assert whole("anthropic", {**MESSAGES, "stop_reason": "refusal", "stop_details": details}).finish_detail == ""


def blocked(trace: Any) -> str:
    """What is told of an answer that a guardrail blocked."""
    message = {"role": "assistant", "content": [{"text": "Sorry."}]}
    body = {"output": {"message": message}, "stopReason": "guardrail_intervened", "trace": trace}
    return whole("bedrock", body).finish_detail


def test_guardrails_are_told_without_what_they_found() -> None:
    """Names and kinds of what blocked an answer are told, once each; what was found in it never is."""
    entry = {"action": "BLOCKED", "match": "secret words"}
    words = {"customWords": [entry, entry], "managedWordLists": [{**entry, "type": "PROFANITY"}]}
    private = {"regexes": [{**entry, "name": "case number", "regex": "secret"}], "piiEntities": []}
    masked = {"piiEntities": [{"action": "ANONYMIZED", "type": "NAME"}]}
    outputs = [{"wordPolicy": words}, {"sensitiveInformationPolicy": private}, {"sensitiveInformationPolicy": masked}]
    told = blocked({"guardrail": {"inputAssessment": {}, "outputAssessments": {"g1": outputs}}})
    assert told == "guardrail g1: words PROFANITY, a word of the operator's, pattern case number"


@pytest.mark.parametrize(
    ("trace", "detail"),
    [
        (None, ""),
        ({"guardrail": 7}, ""),
        ({"guardrail": {"inputAssessment": {"g": 7}, "outputAssessments": [7]}}, ""),
        ({"guardrail": {"inputAssessment": {"g": {"topicPolicy": {"topics": [7, {"action": "BLOCKED"}]}}}}}, None),
        ({"guardrail": {"actionReason": "Guardrail blocked."}}, "Guardrail blocked."),
    ],
)
def test_strange_traces(trace: Any, detail: str | None) -> None:
    """A trace that is not as AWS describes it tells less, and fails nothing."""
    assert blocked(trace) == ("guardrail g: topic" if detail is None else detail)


def test_harm_is_told_by_category() -> None:
    """Of an answer that Google blocked, the categories that blocked it are told before its own words."""
    ratings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "blocked": True},
        {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "LOW"},
        7,
    ]
    candidate = {"finishReason": "SAFETY", "finishMessage": "No.", "safetyRatings": ratings}
    assert whole("gemini", {"candidates": [candidate]}).finish_detail == "HARM_CATEGORY_HARASSMENT: No."


@pytest.mark.parametrize(
    ("choice", "detail"),
    [
        ({"finish_reason": "stop", "native_finish_reason": "STOP"}, ""),
        ({"finish_reason": "stop", "native_finish_reason": 7}, ""),
        ({"finish_reason": "stop", "native_finish_reason": "end_turn"}, "end_turn"),
        ({"finish_reason": "stop", "content_filter_results": {"hate": {"filtered": True}}}, ""),
        (
            {"finish_reason": "content_filter", "content_filter_results": {"hate": {"filtered": True}, "x": 7}},
            "hate",
        ),
    ],
)
def test_what_stands_behind_a_reason(choice: dict[str, Any], detail: str) -> None:
    """The word of the provider behind a router is told where it is another; a filter's categories where it filtered."""
    body = {"choices": [{"message": {"role": "assistant", "content": "So."}, **choice}]}
    assert whole("openrouter", body).finish_detail == detail
