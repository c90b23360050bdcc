"""What Cohere's dialect sends, what it leaves out and what it refuses."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.errors import CapabilityMissing, GatewayError, ProviderOptionRefused
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.providers.cohere.dialect import Cohere

COHERE: Final = Cohere()
PROVIDER: Final = Provider(
    name="cohere",
    dialect="cohere",
    endpoint=Endpoint(scheme="https", host="api.cohere.com", port=443),
    credential=Secret("co-not-a-real-key"),
)
COMMAND: Final = Deployment(name="cohere/command", provider=PROVIDER, upstream_model="command-a-plus-05-2026")
OPEN: Final = replace(COMMAND, provider=replace(PROVIDER, allow_provider_options=True))
EMBED_V4: Final = replace(COMMAND, upstream_model="embed-v4.0")
EMBED_V3: Final = replace(COMMAND, upstream_model="embed-english-v3.0", capability=Capability(dimensions=1024))
HOME: Final = v1.Origin(provider="cohere", model="command-a-plus-05-2026", format="cohere")
NONE: Final = v1.REASONING_EFFORT_NONE


def text(words: str = "Hi.", **more: Any) -> v1.Block:
    """A text block."""
    return v1.Block(text=v1.Text(text=words), **more)


def media(mime: str, data: bytes = b"x", **more: Any) -> v1.Block:
    """A medium."""
    return v1.Block(media=v1.Media(mime_type=mime, data=data, **more))


def turn(role: "v1.Role.ValueType", *blocks: v1.Block) -> v1.Message:
    """A message."""
    return v1.Message(role=role, blocks=blocks)


def asking(*blocks: v1.Block, **more: Any) -> v1.CompleteRequest:
    """A request with one user's turn."""
    return v1.CompleteRequest(model="small", messages=[turn(v1.ROLE_USER, text(), *blocks)], **more)


def replaying(*blocks: v1.Block) -> v1.CompleteRequest:
    """A request with a turn of the model's."""
    turns = [turn(v1.ROLE_USER, text()), turn(v1.ROLE_ASSISTANT, *blocks), turn(v1.ROLE_USER, text())]
    return v1.CompleteRequest(model="small", messages=turns)


def giving_back(*blocks: v1.Block) -> v1.CompleteRequest:
    """A request with the result of a tool."""
    call = v1.Block(tool_call=v1.ToolCall(id="c", name="look", arguments_json=b"{}"))
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="c", blocks=blocks))
    turns = [turn(v1.ROLE_USER, text()), turn(v1.ROLE_ASSISTANT, call), turn(v1.ROLE_TOOL, result)]
    return v1.CompleteRequest(model="small", messages=turns)


def embedding(*inputs: v1.Block, **more: Any) -> v1.EmbedRequest:
    """A request for a vector of each block."""
    return v1.EmbedRequest(model="e", inputs=[v1.EmbedInput(blocks=[block]) for block in inputs], **more)


def function(name: str, strict: bool | None = None) -> v1.Tool:
    """A tool."""
    return v1.Tool(function=v1.FunctionTool(name=name, strict=strict))


def ask(request: v1.CompleteRequest | v1.EmbedRequest, deployment: Deployment = COMMAND) -> HttpRequest:
    """What is sent for a request of either kind."""
    if isinstance(request, v1.CompleteRequest):
        return COHERE.encode(request, deployment, stream=False)
    assert COHERE.embeddings is not None
    return COHERE.embeddings.encode(request, deployment)


def sent(
    request: v1.CompleteRequest | v1.EmbedRequest, deployment: Deployment = COMMAND
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and what was left out."""
    made = ask(request, deployment)
    return json.loads(made.body), made.left_out


def refused(request: v1.CompleteRequest | v1.EmbedRequest, deployment: Deployment = COMMAND) -> str:
    """Path of the field that is refused."""
    with pytest.raises(GatewayError) as caught:
        ask(request, deployment)
    assert isinstance(caught.value, CapabilityMissing | ProviderOptionRefused)
    return caught.value.violations[0].field


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (asking(sampling=v1.Sampling(temperature=1.5)), "sampling.temperature"),
        (asking(sampling=v1.Sampling(top_p=1)), "sampling.top_p"),
        (asking(sampling=v1.Sampling(top_p=0)), "sampling.top_p"),
        (asking(sampling=v1.Sampling(top_k=501)), "sampling.top_k"),
        (asking(sampling=v1.Sampling(min_p=0.1)), "sampling.min_p"),
        (asking(sampling=v1.Sampling(frequency_penalty=-0.5)), "sampling.frequency_penalty"),
        (asking(sampling=v1.Sampling(presence_penalty=1.5)), "sampling.presence_penalty"),
        (asking(seed=-1), "seed"),
        (asking(stop=list("abcdef")), "stop"),
        (asking(logprobs=v1.LogprobsConfig(top=1)), "logprobs.top"),
        (asking(tools=[v1.Tool(provider=v1.ProviderTool(dialect="cohere", type="t"))]), "tools[0].provider"),
        (asking(tools=[function("a", True), function("b", False)]), "tools[1].function.strict"),
        (asking(tools=[function("a"), function("b", True)]), "tools[0].function.strict"),
        (asking(tools=[function("a")], tool_choice=v1.ToolChoice(parallel=False)), "tool_choice.parallel"),
        (
            asking(tools=[function("a")], response_format=v1.ResponseFormat(json=v1.JsonFormat())),
            "response_format.json",
        ),
        (
            asking(
                media("text/plain"),
                response_format=v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="n", schema=b"{}")),
            ),
            "response_format.json_schema",
        ),
        (asking(media("application/pdf")), "messages[0].blocks[1].media.mime_type"),
        (asking(media("audio/wav")), "messages[0].blocks[1].media.mime_type"),
        (asking(media("image/tiff")), "messages[0].blocks[1].media.mime_type"),
        (asking(v1.Block(media=v1.Media(file_id="f"))), "messages[0].blocks[1].media.file_id"),
        (asking(media("text/plain", b"\xff")), "messages[0].blocks[1].media.data"),
        (asking(media("application/json", b"[1]")), "messages[0].blocks[1].media.data"),
        (asking(media("application/json", b'{}, "priority": {}')), "messages[0].blocks[1].media.data"),
        (
            asking(v1.Block(media=v1.Media(mime_type="text/plain", uri="https://a.example/a.txt"))),
            "messages[0].blocks[1].media.uri",
        ),
        (
            v1.CompleteRequest(messages=[turn(v1.ROLE_USER, media("text/plain"))]),
            "messages[0].blocks",
        ),
        (
            giving_back(text(), media("image/png")),
            "messages[2].blocks[0].tool_result.blocks[1].media.mime_type",
        ),
        (
            replaying(v1.Block(tool_call=v1.ToolCall(id="c", name="n", arguments_json=b"\xff"))),
            "messages[1].blocks[0].tool_call.arguments_json",
        ),
    ],
)
def test_refused(request_: v1.CompleteRequest, path: str) -> None:
    """What changes the answer and has no form at Cohere is refused by its path."""
    assert refused(request_) == path


INJECTED: Final = b'{}], "priority": 0, "documents": [{}'


@pytest.mark.parametrize("data", [INJECTED, b"[]", b'"a"', b"{", b'{"a": "\xff"}', b""])
@pytest.mark.parametrize(
    ("block", "path"),
    [
        (lambda data: v1.Block(provider_opaque=v1.ProviderOpaque(data=data)), "provider_opaque.data"),
        (lambda data: v1.Block(citation=v1.Citation(opaque=data)), "citation.opaque"),
        (
            lambda data: v1.Block(text=v1.Text(text="a", citations=[v1.Citation(opaque=data)])),
            "text.citations[0].opaque",
        ),
    ],
)
def test_opaque_bytes_are_one_object(block: Any, path: str, data: bytes) -> None:
    """Bytes that a caller replays are one JSON object, or they are refused: they can't write into the request."""
    made: v1.Block = block(data)
    made.origin.CopyFrom(HOME)
    if not data and path != "provider_opaque.data":
        assert ask(replaying(made)).left_out == (f"messages[1].blocks[0].{path.removesuffix('.opaque')}",)
    else:
        assert refused(replaying(made)) == f"messages[1].blocks[0].{path}"


def test_opaque_bytes_travel_as_they_came() -> None:
    """Content of kinds that are not known, and citations, go back byte for byte and in order."""
    part, first, second = b'{"type": "table",  "n":1.50}', b'{"start":0, "end":1.0e0}', b'{"type":"PLAN"}'
    request = replaying(
        v1.Block(provider_opaque=v1.ProviderOpaque(type="table", data=part), origin=HOME),
        v1.Block(text=v1.Text(text="So.", citations=[v1.Citation(opaque=first)]), origin=HOME),
        v1.Block(citation=v1.Citation(opaque=second), origin=HOME),
    )
    made = ask(request)
    assert b'"content":[' + part + b',{"type":"text","text":"So."}]' in made.body
    assert b'"citations":[' + first + b"," + second + b"]" in made.body
    assert made.left_out == ()


def test_thoughts_and_plans() -> None:
    """A plan goes back as the plan, a thought as content; those of other formats are left out and named."""
    thought, plan = v1.Reasoning(text="hm"), v1.Reasoning(text="I will look.", id="tool_plan")
    body, left_out = sent(
        replaying(
            v1.Block(reasoning=thought, origin=HOME),
            v1.Block(reasoning=plan, origin=HOME),
            v1.Block(reasoning=plan, origin=v1.Origin(format="anthropic"), signature=b"s"),
            v1.Block(reasoning=v1.Reasoning(text="x", summary="s", opaque=b"o", id="i"), origin=HOME),
        )
    )
    assert body["messages"][1] == {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "thinking", "thinking": "x"}],
        "tool_plan": "I will look.",
    }
    path = "messages[1].blocks"
    assert left_out == (
        f"{path}[2].reasoning",
        f"{path}[2].signature",
        f"{path}[3].reasoning.summary",
        f"{path}[3].reasoning.opaque",
        f"{path}[3].reasoning.id",
    )


def test_other_sources_of_a_span() -> None:
    """A citation without bytes goes back in those of the one before it if it is of the same span, else it is named."""
    first = v1.Citation(opaque=b"{}", start_offset=0, end_offset=1)
    same, other = v1.Citation(start_offset=0, end_offset=1), v1.Citation(start_offset=0, end_offset=2)
    block = v1.Block(text=v1.Text(text="ab", citations=[first, same, other]), origin=HOME)
    body, left_out = sent(replaying(block))
    assert body["messages"][1]["citations"] == [{}]
    assert left_out == ("messages[1].blocks[0].text.citations[2]",)


@pytest.mark.parametrize(
    ("config", "facts", "wire", "left_out"),
    [
        ({"effort": NONE}, {}, {"type": "disabled"}, ()),
        ({"effort": NONE, "budget_tokens": 9}, {}, {"type": "disabled"}, ("reasoning.budget_tokens",)),
        ({"budget_tokens": 0}, {}, {"type": "disabled"}, ()),
        ({"budget_tokens": 9}, {}, {"type": "enabled", "token_budget": 9}, ()),
        ({"effort": v1.REASONING_EFFORT_LOW}, {}, {"type": "enabled"}, ("reasoning.effort",)),
        (
            {"effort": v1.REASONING_EFFORT_LOW, "budget_tokens": 0},
            {},
            {"type": "enabled"},
            ("reasoning.effort", "reasoning.budget_tokens"),
        ),
        ({"summary": v1.REASONING_SUMMARY_AUTO}, {}, None, ("reasoning.summary",)),
        ({"effort": NONE}, {"reasoning_always": True}, None, ("reasoning.effort",)),
        ({"budget_tokens": 9}, {"reasoning": False}, None, ("reasoning.budget_tokens",)),
        ({"effort": v1.REASONING_EFFORT_HIGH}, {"reasoning": False}, None, ("reasoning.effort",)),
    ],
)
def test_thinking(config: Any, facts: Any, wire: Any, left_out: tuple[str, ...]) -> None:
    """Thinking is switched on, off, or bound, as far as the model can; what else is said of it is named."""
    deployment = replace(COMMAND, capability=Capability(**facts))
    body, named = sent(asking(reasoning=v1.ReasoningConfig(**config)), deployment)
    assert (body.get("thinking"), named) == (wire, left_out)


@pytest.mark.parametrize(
    ("stricts", "wire"), [((True, True), True), ((False, None), False), ((None, None), None), ((False, False), False)]
)
def test_strict_tools(stricts: tuple[bool | None, ...], wire: bool | None) -> None:
    """Whether arguments must fit the schemas is said once, where all tools say the same."""
    tools = [function(name, strict) for name, strict in zip("ab", stricts, strict=True)]
    body, _ = sent(asking(tools=tools))
    assert body.get("strict_tools") == wire


def test_strict_of_tools_that_are_not_sent() -> None:
    """Tools that may not be called are not sent, and what they say of strictness does not count."""
    choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["b"])
    body, left_out = sent(asking(tools=[function("a"), function("b", True)], tool_choice=choice))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["b"]
    assert (body["tool_choice"], body["strict_tools"], left_out) == ("REQUIRED", True, ())


def test_documents() -> None:
    """A document's name is its id, which citations name; a second one of that name gets an id of the provider's."""
    named = {"name": "a"}
    body, left_out = sent(
        asking(
            media("text/plain; charset=utf-8", b"one", **named),
            media("application/json", b'{"n": 1.50}', **named),
            media("text/csv", b"x,y", context="Figures of May.", citations=False),
            media("application/json", b"{}", context="None."),
        )
    )
    assert body["documents"] == [
        {"data": {"title": "a", "text": "one"}, "id": "a"},
        {"data": {"n": 1.50}},
        {"data": {"context": "Figures of May.", "text": "x,y"}},
        {"data": {}},
    ]
    path = "messages[0].blocks"
    assert left_out == (
        f"{path}[1].media.mime_type",
        f"{path}[2].media.name",
        f"{path}[3].media.mime_type",
        f"{path}[3].media.citations",
        f"{path}[4].media.context",
    )


@pytest.mark.parametrize("member", ["documents", "messages", "model", "p", "priority", "stream", "conversation_id"])
def test_provider_options_refused(member: str) -> None:
    """A caller may not set what the dialect writes, nor what chooses the tier or what is stored."""
    options = {"cohere": json.dumps({member: 1}).encode()}
    assert refused(asking(provider_options=options), OPEN) == f'provider_options["cohere"].{member}'


def test_provider_options() -> None:
    """Other members are added where the operator permits it, and not elsewhere."""
    options = {"cohere": b'{"safety_mode": "STRICT", "citation_options": {"mode": "FAST"}}', "openai": b"{}"}
    body, left_out = sent(asking(provider_options=options), OPEN)
    assert (body["safety_mode"], body["citation_options"]) == ("STRICT", {"mode": "FAST"})
    assert left_out == ('provider_options["openai"]',)
    assert refused(asking(provider_options=options)) == 'provider_options["cohere"]'


def test_fetched_credential() -> None:
    """Where there is no fixed key, no header stands in its place."""
    headers = dict(ask(asking(), replace(COMMAND, provider=replace(PROVIDER, credential=None))).headers)
    assert "authorization" not in headers


PICTURE: Final = media("image/png")


@pytest.mark.parametrize(
    ("request_", "deployment", "path"),
    [
        (embedding(text(), dtype=v1.EMBEDDING_DTYPE_FLOAT16), EMBED_V4, "dtype"),
        (embedding(text(), task=v1.EMBEDDING_TASK_SIMILARITY), EMBED_V4, "task"),
        (embedding(media("application/pdf")), EMBED_V4, "inputs[0].blocks[0].media.mime_type"),
        (
            embedding(v1.Block(media=v1.Media(uri="https://a.example/a.png"))),
            EMBED_V4,
            "inputs[0].blocks[0].media.uri",
        ),
        (embedding(text(), PICTURE), EMBED_V3, "inputs"),
        (embedding(PICTURE, PICTURE), EMBED_V3, "inputs"),
        (embedding(text(), dimensions=256), EMBED_V3, "dimensions"),
        (
            embedding(text(), provider_options={"cohere": b'{"priority": 1}'}),
            OPEN,
            'provider_options["cohere"].priority',
        ),
    ],
)
def test_embedding_refused(request_: v1.EmbedRequest, deployment: Deployment, path: str) -> None:
    """What would make other vectors, and has no form, is refused by its path."""
    assert refused(request_, deployment) == path


def test_embedding_of_the_length_that_it_has() -> None:
    """A length that a model's vectors have anyway is left out and named."""
    body, left_out = sent(embedding(text(), dimensions=1024), EMBED_V3)
    assert "output_dimension" not in body
    assert left_out == ("dimensions",)


def test_empty_texts_are_left_out() -> None:
    """Empty texts of instructions and users are left out and named; a user's turn of nothing else is refused."""
    turns = [turn(v1.ROLE_SYSTEM, text("")), turn(v1.ROLE_USER, text(""), text("Hi."))]
    made = COHERE.encode(v1.CompleteRequest(model="small", messages=turns), COMMAND, stream=False)
    assert json.loads(made.body)["messages"] == [{"role": "user", "content": "Hi."}]
    assert made.left_out == ("messages[0].blocks[0].text", "messages[1].blocks[0].text")
    with pytest.raises(CapabilityMissing) as caught:
        COHERE.encode(v1.CompleteRequest(messages=[turn(v1.ROLE_USER, text(""))]), COMMAND, stream=False)
    assert caught.value.violations[0].field == "messages[0].blocks"
