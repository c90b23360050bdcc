"""Azure OpenAI: its addresses, its header, and how its content filter says no."""

import json
from dataclasses import replace
from typing import Any

import pytest

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import (
    UpstreamAuthFailed,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS

KEY = "not-a-real-key"
ASKED = v1.CompleteRequest(
    model="small", messages=[v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Hi."))])]
)


def deployment(dialect: str, *, path: str = "", model: str = "chat", **settings: Any) -> Deployment:
    provider = Provider(
        name="azure",
        dialect=dialect,
        endpoint=Endpoint(scheme="https", host="nimbus.openai.azure.com", port=443),
        base_path=path,
        credential=Secret(KEY),
        settings=settings,
    )
    return Deployment(name=f"azure/{model}", provider=provider, upstream_model=model)


def asked(where: Deployment, *, stream: bool = False) -> HttpRequest:
    return DIALECTS[where.provider.dialect].encode(ASKED, where, stream=stream)


@pytest.mark.parametrize("path", ["", "/openai", "/openai/v1"])
@pytest.mark.parametrize(
    ("dialect", "version", "target"),
    [
        ("azure", "v1", "/openai/v1/chat/completions"),
        ("azure", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("azure", "2024-10-21", "/openai/deployments/chat/chat/completions?api-version=2024-10-21"),
        ("azure-responses", "v1", "/openai/v1/responses"),
        ("azure-responses", "preview", "/openai/v1/responses?api-version=preview"),
        ("azure-responses", "2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview"),
    ],
)
def test_targets(dialect: str, version: str, path: str, target: str) -> None:
    """Each version is asked where it is, whether base_url ends at the resource or as the portal shows it."""
    assert asked(deployment(dialect, path=path, api_version=version)).target == target


@pytest.mark.parametrize("dialect", ["azure", "azure-responses"])
def test_the_current_api_is_the_default(dialect: str) -> None:
    """Without a setting the API without versions is asked, behind whatever path a gateway in front of it has."""
    assert asked(deployment(dialect, path="/apim/openai/v1")).target.startswith("/apim/openai/v1/")


def test_names_of_deployments_are_quoted() -> None:
    """A name can't leave its place in the path."""
    where = deployment("azure", model="../a b?c#d", api_version="2024-10-21")
    assert asked(where).target.startswith("/openai/deployments/..%2Fa%20b%3Fc%23d/chat/completions?")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["azure", "azure-responses"])
def test_key(dialect: str, stream: bool) -> None:
    """A key goes into Azure's own header alone; without one there is no header, since a token is presented later."""
    where = deployment(dialect)
    headers = dict(asked(where, stream=stream).headers)
    assert headers["api-key"] == KEY
    assert "authorization" not in headers
    assert headers["accept"] == ("text/event-stream" if stream else "application/json")
    keyless = replace(where, provider=replace(where.provider, credential=None))
    assert not {"api-key", "authorization"} & dict(asked(keyless).headers).keys()


@pytest.mark.parametrize("dialect", ["azure", "azure-responses"])
def test_headers_of_the_operator(dialect: str) -> None:
    """What the operator writes stands in place of ours."""
    where = deployment(dialect)
    where = replace(where, provider=replace(where.provider, headers=(("api-key", "another"),)))
    assert dict(asked(where).headers)["api-key"] == "another"


@pytest.mark.parametrize(
    ("version", "target"),
    [
        ("v1", "/openai/v1/embeddings"),
        ("2024-10-21", "/openai/deployments/vectors/embeddings?api-version=2024-10-21"),
    ],
)
def test_vectors(version: str, target: str) -> None:
    """Vectors are asked for where answers are, with the same header."""
    embeddings = DIALECTS["azure"].embeddings
    assert embeddings is not None
    request = v1.EmbedRequest(model="small", inputs=[v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text="Hi."))])])
    made = embeddings.encode(request, deployment("azure", model="vectors", api_version=version))
    assert made.target == target
    headers = dict(made.headers)
    assert headers["api-key"] == KEY
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("version", "capability", "taken"),
    [
        ("v1", None, True),
        ("v1", Capability(prompt_cache=("automatic", "key")), True),
        ("v1", Capability(prompt_cache=("automatic",)), False),
        ("2024-10-21", None, False),
    ],
)
def test_cache_keys(version: str, capability: Capability | None, taken: bool) -> None:
    """A cache key is left out where it would be refused: by dated versions, and by models that know none."""
    where = replace(deployment("azure", api_version=version), capability=capability)
    request = v1.CompleteRequest(model="small", messages=ASKED.messages, cache=v1.CacheConfig(key="us"))
    made = DIALECTS["azure"].encode(request, where, stream=False)
    assert json.loads(made.body).get("prompt_cache_key") == ("us" if taken else None)
    assert made.left_out == (() if taken else ("cache.key",))


def test_azure_does_not_count() -> None:
    """Nobody is asked for a count unless the operator says that it is answered."""
    counting = DIALECTS["azure-responses"].counting
    assert counting is not None
    with pytest.raises(CountingMissing):
        counting.encode(ASKED, deployment("azure-responses", native_count=False))
    made = counting.encode(ASKED, deployment("azure-responses", native_count=True))
    assert made.target == "/openai/v1/responses/input_tokens"


FILTER = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}


@pytest.mark.parametrize("dialect", ["azure", "azure-responses"])
@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "content_filter", "message": "m", "innererror": FILTER}, UpstreamContentPolicy),
        (400, {"code": "BadRequest", "message": "m", "innererror": FILTER}, UpstreamContentPolicy),
        (400, {"code": None, "message": "m", "innererror": FILTER}, UpstreamContentPolicy),
        (400, {"code": "ResponsibleAIPolicyViolation", "message": "m"}, UpstreamContentPolicy),
        (400, {"code": "BadRequest", "message": "ResponsibleAIPolicyViolation"}, UpstreamRejected),
        (400, {"code": "BadRequest", "message": "m", "innererror": ["ResponsibleAIPolicyViolation"]}, UpstreamRejected),
        (401, {"code": "401", "message": "m"}, UpstreamAuthFailed),
        (404, {"code": "DeploymentNotFound", "message": "m"}, UpstreamModelNotFound),
        (429, {"code": "429", "message": "m"}, UpstreamRateLimited),
    ],
)
def test_failures(dialect: str, status: int, error: Any, kind: type[UpstreamError]) -> None:
    """The filter is known by its own code, wherever that stands, and by nothing that a message says."""
    made = DIALECTS[dialect].decode_error(status, {}, json.dumps({"error": error}).encode())
    assert type(made) is kind
    assert made.http_status == status


@pytest.mark.parametrize("headers", [{"retry-after-ms": "1500"}, {"retry-after": "1.5"}])
def test_when_to_come_back(headers: dict[str, str]) -> None:
    """Azure says in seconds or in milliseconds when its limit is whole again."""
    body = b'{"error": {"code": "429", "message": "m"}}'
    assert DIALECTS["azure"].decode_error(429, headers, body).retry_after_s == 1.5
