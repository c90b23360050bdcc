"""Vertex AI: whose model it is decides the path, the body and how answers and failures are read."""

import json
from typing import Any

import pytest

from trunkline import v1
from trunkline_server.core.account import Settings
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import (
    CapabilityMissing,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.core.http import Endpoint
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.registry import ROWS

VERTEX = DIALECTS["vertex"]
PROJECT = {"project": "my-project", "location": "europe-west4"}
OPEN = {**PROJECT, "storage_addresses": True}
HERE = "/v1/projects/my-project/locations/europe-west4"


def deployed(model: str, settings: Settings = PROJECT, credential: str = "") -> Deployment:
    """A deployment of this model."""
    provider = Provider(
        name="vertex",
        dialect="vertex",
        endpoint=Endpoint(scheme="https", host="aiplatform.googleapis.com", port=443),
        base_path="/v1",
        credential=Secret(credential) if credential else None,
        settings=settings,
    )
    return Deployment(name=f"vertex/{model}", provider=provider, upstream_model=model)


def asking(*blocks: v1.Block, **more: Any) -> v1.CompleteRequest:
    """A user's turn."""
    said = blocks or (v1.Block(text=v1.Text(text="Hi")),)
    return v1.CompleteRequest(model="small", messages=[v1.Message(role=v1.ROLE_USER, blocks=said)], **more)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("gemini-3.5-flash", "/publishers/google/models/gemini-3.5-flash:generateContent"),
        ("publishers/google/models/gemini-3.5-flash", "/publishers/google/models/gemini-3.5-flash:generateContent"),
        ("endpoints/123", "/endpoints/123:generateContent"),
        ("claude-opus-5", "/publishers/anthropic/models/claude-opus-5:rawPredict"),
        ("anthropic/claude-opus-5", "/publishers/anthropic/models/claude-opus-5:rawPredict"),
        ("meta/llama-4-maverick-17b-128e-instruct-maas", "/endpoints/openapi/chat/completions"),
        ("publishers/qwen/models/qwen3-maas", "/endpoints/openapi/chat/completions"),
        ("mistralai/mistral-medium-3", "/publishers/mistralai/models/mistral-medium-3:rawPredict"),
        ("codestral-2", "/publishers/mistralai/models/codestral-2:rawPredict"),
        ("a?b#c", "/publishers/google/models/a%3Fb%23c:generateContent"),
    ],
)
def test_paths(model: str, target: str) -> None:
    """The name of a model says whose it is, and no name leaves its place in the path."""
    assert VERTEX.encode(asking(), deployed(model), stream=False).target == HERE + target


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
    ],
)
def test_hosts(location: str, host: str) -> None:
    """A location has its own host, and so have those that are several regions."""
    base_url = ROWS["vertex"].account.base_url
    assert callable(base_url)
    assert base_url({"location": location}) == f"https://{host}/v1"


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "claude-opus-5", "meta/llama-4", "mistralai/codestral-2"])
def test_key(model: str) -> None:
    """A fixed key stands in Google's own header, and without one no credential is sent: it is presented later."""
    headers = dict(VERTEX.encode(asking(), deployed(model, credential="AQ.key"), stream=True).headers)
    assert headers["x-goog-api-key"] == "AQ.key"
    bare = dict(VERTEX.encode(asking(), deployed(model), stream=True).headers)
    assert not {"authorization", "x-goog-api-key", "x-api-key"} & (headers.keys() - {"x-goog-api-key"} | bare.keys())


def test_open_models_speak_chat() -> None:
    """A model of another publisher is asked in OpenAI's format, by its publisher's name and its own."""
    deployment = deployed("publishers/meta/models/llama-4")
    body = json.loads(VERTEX.encode(asking(max_output_tokens=9), deployment, stream=True).body)
    assert (body["model"], body["max_tokens"], body["stream"]) == ("meta/llama-4", 9, True)
    message = {"role": "assistant", "content": "Hi."}
    answer = {"id": "x", "model": "meta/llama-4", "choices": [{"message": message, "finish_reason": "stop"}]}
    response = VERTEX.decode(json.dumps(answer).encode(), deployment)
    assert response.message.blocks[0].text.text == "Hi."
    assert response.message.blocks[0].origin.format == "openai"


def test_mistral_is_asked_as_by_itself() -> None:
    """Mistral's models are asked as Mistral is, by their own names, with what they don't take here refused."""
    deployment = deployed("publishers/mistralai/models/mistral-medium-3")
    made = VERTEX.encode(asking(seed=7), deployment, stream=True)
    assert made.target == f"{HERE}/publishers/mistralai/models/mistral-medium-3:streamRawPredict"
    body = json.loads(made.body)
    assert (body["model"], body["random_seed"], body["stream"]) == ("mistral-medium-3", 7, True)
    assert "stream_options" not in body
    document = v1.Block(media=v1.Media(mime_type="application/pdf", data=b"%PDF"))
    with pytest.raises(CapabilityMissing):
        VERTEX.encode(asking(document), deployment, stream=False)
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}
    answer = {"id": "x", "model": "mistral-medium-3", "choices": [{"message": message, "finish_reason": "stop"}]}
    (block,) = VERTEX.decode(json.dumps(answer).encode(), deployment).message.blocks
    assert (block.reasoning.text, block.origin.format) == ("Hm.", "mistral")


def test_addresses_need_a_type() -> None:
    """What is given by address needs a media type here, and files have no ids."""
    for media, field in ((v1.Media(uri="gs://b/a.png"), "mime_type"), (v1.Media(file_id="files/a"), "file_id")):
        with pytest.raises(CapabilityMissing) as refused:
            VERTEX.encode(asking(v1.Block(media=media)), deployed("gemini-3.5-flash", OPEN), stream=False)
        assert refused.value.violations[0].field == f"messages[0].blocks[0].media.{field}"


def test_storage_is_read_for_nobody_by_default() -> None:
    """Google would read it with the gateway's own rights, so that the operator has to allow it."""
    picture = asking(v1.Block(media=v1.Media(mime_type="image/png", uri="gs://b/a.png")))
    with pytest.raises(CapabilityMissing) as refused:
        VERTEX.encode(picture, deployed("gemini-3.5-flash"), stream=False)
    assert refused.value.violations[0].field == "messages[0].blocks[0].media.uri"
    assert b"gs://b/a.png" in VERTEX.encode(picture, deployed("gemini-3.5-flash", OPEN), stream=False).body


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, UpstreamOverloaded),
        (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, UpstreamRejected),
        (429, [{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}], UpstreamRateLimited),
        (401, {"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}, UpstreamAuthFailed),
        (400, {"error": {"message": "no", "type": "invalid_request_error", "code": None}}, UpstreamRejected),
        (503, "<html>", UpstreamOverloaded),
    ],
)
def test_failures(status: int, body: Any, kind: type[UpstreamError]) -> None:
    """A failure is read by the shape that it has, since Google refuses before any model is asked."""
    assert type(VERTEX.decode_error(status, {}, json.dumps(body).encode())) is kind


def test_counting() -> None:
    """Claude is counted at a path of its own with the model in the body; open models can't be counted."""
    counting = VERTEX.counting
    assert counting is not None
    made = counting.encode(asking(), deployed("anthropic/claude-opus-5"))
    assert made.target == f"{HERE}/publishers/anthropic/models/count-tokens:rawPredict"
    assert json.loads(made.body)["model"] == "claude-opus-5"
    assert counting.decode(b'{"input_tokens": 5}', deployed("claude-opus-5")).input_tokens == 5
    with pytest.raises(CountingMissing):
        counting.encode(asking(), deployed("meta/llama-4"))


def test_embedding_by_content() -> None:
    """Gemini's embedding models take one input at a time, and may be told what it is for."""
    embeddings, deployment = VERTEX.embeddings, deployed("gemini-embedding-001")
    assert embeddings is not None
    assert embeddings.most_inputs(deployment) == 1
    request = v1.EmbedRequest(inputs=[v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text="a cat"))])], dimensions=2)
    request.task = v1.EMBEDDING_TASK_QUERY
    made = embeddings.encode(request, deployment)
    config = {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2}
    assert made.target.endswith("/publishers/google/models/gemini-embedding-001:embedContent")
    assert json.loads(made.body) == {"content": {"parts": [{"text": "a cat"}]}, "embedContentConfig": config}
    answer = b'{"embedding": {"values": [0.5, -1]}, "usageMetadata": {"promptTokenCount": 3}}'
    response = embeddings.decode(answer, request, deployment)
    assert response.vectors[0].data == b"\0\0\0?\0\0\x80\xbf"
    assert response.usage.input_tokens == 3


def test_text_models_embed_text_only() -> None:
    """The text models take one text for each input; others are refused by their path."""
    embeddings = VERTEX.embeddings
    assert embeddings is not None
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=b"1"))
    request = v1.EmbedRequest(inputs=[v1.EmbedInput(blocks=[picture])])
    with pytest.raises(CapabilityMissing) as refused:
        embeddings.encode(request, deployed("text-embedding-005"))
    assert refused.value.violations[0].field == "inputs[0].blocks"


def test_calls_have_no_ids() -> None:
    """Vertex AI knows no ids of calls, and refuses requests with them: results stand in the order of their calls."""
    calls = [v1.Block(tool_call=v1.ToolCall(id=each, name=f"look_{each}")) for each in "ab"]
    results = [v1.Block(tool_result=v1.ToolResult(tool_call_id=each)) for each in "ba"]
    request = asking()
    request.messages.add(role=v1.ROLE_ASSISTANT, blocks=calls)
    request.messages.add(role=v1.ROLE_TOOL, blocks=results)
    _, asked, told = json.loads(VERTEX.encode(request, deployed("gemini-3.5-flash"), stream=False).body)["contents"]
    assert [part["functionCall"] for part in asked["parts"]] == [{"name": f"look_{each}", "args": {}} for each in "ab"]
    assert [part["functionResponse"]["name"] for part in told["parts"]] == ["look_a", "look_b"]
    assert not any("id" in part["functionResponse"] for part in told["parts"])
