"""Each judge takes what is right and refuses what is wrong, whatever our dialects make of it."""

import copy
from typing import Any

import pytest

from tests.golden.judges.judge import Refused
from tests.golden.judges.table import JUDGES

HI = [{"role": "user", "content": "Hi"}]
PIXEL = "iVBORw0KGgo="
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
VERTEX = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash"
BEDROCK = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/amazon.nova-2-lite-v1%3A0"
OPENAI = "https://api.openai.com/v1"
AZURE = "https://nimbus.openai.azure.com/openai"
GOOGLE_BODY = {
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"name": "f", "args": {"city": "Ulm"}}, "thoughtSignature": "YQ=="}],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"sky": "blue"}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "generationConfig": {"temperature": 0.5, "stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": 128}},
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": TOOL}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
}
CLAUDE_BODY = {
    "max_tokens": 64,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"city": "Ulm"}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": "blue", "is_error": False}],
        },
    ],
    "tools": [{"name": "f", "input_schema": TOOL}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
CONVERSE_BODY = {
    "messages": [
        {"role": "user", "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {"city": "Ulm"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "blue"}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 64},
    "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": TOOL}}}]},
}
CHAT_BODY = {
    "model": "gpt-5-mini",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "blue"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL}}],
}
RESPONSES_BODY = {
    "model": "gpt-5-mini",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "YQ=="},
        {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t", "output": "blue"},
    ],
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "tools": [{"type": "function", "name": "f", "parameters": TOOL, "strict": False}],
}
COHERE_BODY = {
    "model": "command-a-03-2025",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "blue"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL}}],
    "stream": True,
}

RIGHT = [
    # dialect, URL, body, path of an object deep inside, a member there that may not be what it is not
    ("openai", f"{OPENAI}/chat/completions", CHAT_BODY, "messages.1.content.0", "text"),
    ("openai", f"{OPENAI}/embeddings", {"model": "e", "input": ["Hi"], "dimensions": 256}, "", "dimensions"),
    ("openai-responses", f"{OPENAI}/responses", RESPONSES_BODY, "input.0.content.0", "text"),
    ("openai-responses", f"{OPENAI}/responses/input_tokens", {"model": "m", "input": HI}, "input.0", "role"),
    (
        "azure",
        f"{AZURE}/deployments/d/chat/completions?api-version=2024-10-21",
        CHAT_BODY,
        "messages.1.content.0",
        "text",
    ),
    ("azure", f"{AZURE}/v1/chat/completions", CHAT_BODY, "messages.1.content.0", "text"),
    ("azure", f"{AZURE}/v1/responses", RESPONSES_BODY, "input.0.content.0", "text"),
    (
        "anthropic",
        "https://api.anthropic.com/v1/messages",
        {"model": "m", **CLAUDE_BODY},
        "messages.2.content.0",
        "content",
    ),
    (
        "anthropic",
        "https://api.anthropic.com/v1/messages/count_tokens",
        {"model": "m", "messages": HI, "tools": CLAUDE_BODY["tools"]},
        "tools.0",
        "name",
    ),
    ("gemini", f"{GEMINI}:generateContent", GOOGLE_BODY, "contents.1.parts.0.functionCall", "name"),
    (
        "gemini",
        f"{GEMINI}:streamGenerateContent?alt=sse",
        GOOGLE_BODY,
        "generationConfig.thinkingConfig",
        "thinkingBudget",
    ),
    ("gemini", f"{GEMINI}:countTokens", {"contents": GOOGLE_BODY["contents"]}, "contents.0.parts.1.inlineData", "data"),
    (
        "gemini",
        f"{GEMINI}:batchEmbedContents",
        {"requests": [{"model": "models/e", "content": {"parts": [{"text": "Hi"}]}, "outputDimensionality": 8}]},
        "requests.0",
        "outputDimensionality",
    ),
    ("vertex", f"{VERTEX}/google/models/gemini-3-flash:generateContent", GOOGLE_BODY, "contents.2.parts.0", "text"),
    (
        "vertex",
        f"{VERTEX}/google/models/gemini-3-flash:countTokens",
        {"contents": GOOGLE_BODY["contents"]},
        "contents.0",
        "role",
    ),
    (
        "vertex",
        f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        {"anthropic_version": "vertex-2023-10-16", **CLAUDE_BODY},
        "messages.2.content.0",
        "content",
    ),
    ("cohere", "https://api.cohere.com/v2/chat", COHERE_BODY, "messages.0.content.0", "text"),
    (
        "cohere",
        "https://api.cohere.com/v2/embed",
        {"model": "embed-v4.0", "input_type": "search_query", "texts": ["Hi"], "embedding_types": ["float"]},
        "",
        "texts",
    ),
    ("bedrock", f"{BEDROCK}/converse", CONVERSE_BODY, "messages.0.content.1.image.source", "bytes"),
    ("bedrock", f"{BEDROCK}/converse-stream", CONVERSE_BODY, "toolConfig.tools.0.toolSpec", "name"),
    (
        "bedrock",
        f"{BEDROCK}/count-tokens",
        {"input": {"converse": {"messages": CONVERSE_BODY["messages"]}}},
        "input",
        "converse",
    ),
    (
        "bedrock",
        f"{BEDROCK}/invoke",
        {"anthropic_version": "bedrock-2023-05-31", **CLAUDE_BODY},
        "messages.2.content.0",
        "content",
    ),
]


def request(url: str, body: Any) -> dict[str, Any]:
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    return {"method": "POST", "url": url, "headers": headers, "body": body}


def changed(body: Any, path: str, key: str, value: Any) -> Any:
    """A copy with that member of an object deep inside set."""
    made = node = copy.deepcopy(body)
    for step in filter(None, path.split(".")):
        node = node[int(step) if isinstance(node, list) else step]
    node[key] = value
    return made


def _name(case: Any) -> str | None:
    return case.partition("//")[2] if isinstance(case, str) and case.startswith("http") else None


@pytest.mark.parametrize(("dialect", "url", "body", "path", "key"), RIGHT, ids=_name)
def test_a_judge_is_strict(dialect: str, url: str, body: Any, path: str, key: str) -> None:
    """Each judge takes a whole request, and refuses a member of another kind deep inside and one that nobody knows."""
    judge = JUDGES[dialect]
    judge.request(request(url, body))
    for wrong in (
        changed(body, path, key, {"no": "such"}),
        changed(body, path, "unheard_of", 1),
        changed(body, "", "tempratur", 1),
    ):
        with pytest.raises(Refused):
            judge.request(request(url, wrong))


CHAT_ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
CLAUDE_ANSWER = {
    "id": "x",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
CLAUDE_EVENT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
GOOGLE_ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
CONVERSE_ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 1},
}
COHERE_ANSWER = {
    "id": "x",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
}
FRAME = {
    "headers": {":message-type": "event", ":event-type": "contentBlockDelta"},
    "payload": {"contentBlockIndex": 0, "delta": {"text": "Hi"}},
}
ANSWERS = [
    # dialect, URL, body, path of an object deep inside, a member there that may not be a number in a list
    ("openai", f"{OPENAI}/chat/completions", CHAT_ANSWER, "choices.0.message", "content"),
    ("openai-responses", f"{OPENAI}/responses", RESPONSE, "output.0.content.0", "text"),
    ("azure", f"{AZURE}/v1/chat/completions", CHAT_ANSWER, "choices.0.message", "content"),
    ("anthropic", "https://api.anthropic.com/v1/messages", CLAUDE_ANSWER, "content.0", "text"),
    ("gemini", f"{GEMINI}:generateContent", GOOGLE_ANSWER, "candidates.0.content.parts.0", "text"),
    ("vertex", f"{VERTEX}/google/models/gemini:generateContent", GOOGLE_ANSWER, "candidates.0.content.parts.0", "text"),
    ("vertex", f"{VERTEX}/anthropic/models/claude:rawPredict", CLAUDE_ANSWER, "content.0", "text"),
    ("cohere", "https://api.cohere.com/v2/chat", COHERE_ANSWER, "message.content.0", "text"),
    ("bedrock", f"{BEDROCK}/converse", CONVERSE_ANSWER, "output.message.content.0", "text"),
]
EVENTS = [
    ("anthropic", "https://api.anthropic.com/v1/messages", CLAUDE_EVENT, "delta", "text"),
    ("vertex", f"{VERTEX}/anthropic/models/claude:streamRawPredict", CLAUDE_EVENT, "delta", "text"),
    ("gemini", f"{GEMINI}:streamGenerateContent?alt=sse", GOOGLE_ANSWER, "candidates.0.content.parts.0", "text"),
    ("bedrock", f"{BEDROCK}/converse-stream", FRAME, "payload.delta", "text"),
    ("bedrock", f"{BEDROCK}/converse-stream", FRAME, "headers", ":event-type"),
]


@pytest.mark.parametrize(("dialect", "url", "body", "path", "key"), ANSWERS, ids=_name)
def test_a_judge_reads_answers(dialect: str, url: str, body: Any, path: str, key: str) -> None:
    """Each judge takes an answer of its vendor, and refuses one with a member of another kind deep inside."""
    JUDGES[dialect].answer(request(url, {}), body)
    with pytest.raises(Refused):
        JUDGES[dialect].answer(request(url, {}), changed(body, path, key, [1]))


@pytest.mark.parametrize(("dialect", "url", "data", "path", "key"), EVENTS, ids=_name)
def test_a_judge_reads_events(dialect: str, url: str, data: Any, path: str, key: str) -> None:
    """Each judge takes an event of its vendor's streams, and refuses one with a member of another kind deep inside."""
    JUDGES[dialect].event(request(url, {}), data)
    with pytest.raises(Refused):
        JUDGES[dialect].event(request(url, {}), changed(data, path, key, "no such" if key[0] == ":" else [1]))


def test_betas() -> None:
    """What Anthropic has for betas alone is taken with their header, and refused without it."""
    body = {"model": "m", **CLAUDE_BODY, "mcp_servers": []}
    asked = request("https://api.anthropic.com/v1/messages", body)
    with pytest.raises(Refused):
        JUDGES["anthropic"].request(asked)
    JUDGES["anthropic"].request({**asked, "headers": {**asked["headers"], "anthropic-beta": "mcp-client-2025-11-20"}})


@pytest.mark.parametrize("dialect", JUDGES)
def test_a_judge_knows_the_operations(dialect: str) -> None:
    """A path that the vendor has not published is refused, and a method too."""
    for wrong in (
        {**request("https://api.example/v1/chat/complete", {})},
        {**request(f"{OPENAI}/responses", {}), "method": "GET"},
    ):
        with pytest.raises(Refused):
            JUDGES[dialect].request(wrong)
