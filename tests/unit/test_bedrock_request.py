"""What the dialect sends to Bedrock, what it leaves out and what it refuses."""

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.folders import find
from tests.golden.judges.bedrock import Bedrock as Judge
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import GatewayError, ProviderOptionRefused
from trunkline_server.core.secret import Secret
from trunkline_server.providers.bedrock import ROWS
from trunkline_server.providers.dialects import DIALECTS

BEDROCK = DIALECTS["bedrock"]
CLAUDE = next(each.deployment for each in find().exchanges if each.name == "bedrock/text")
OPEN = replace(CLAUDE, provider=replace(CLAUDE.provider, allow_provider_options=True))
NOVA = replace(CLAUDE, upstream_model="us.amazon.nova-2-lite-v1:0")
LLAMA = replace(CLAUDE, upstream_model="us.meta.llama4-scout-17b-instruct-v1:0")
OPEN_NOVA = replace(OPEN, upstream_model="us.amazon.nova-2-lite-v1:0")
OWN = v1.Origin(provider="aws", model="m", format="bedrock")
LOOK = v1.Tool(function=v1.FunctionTool(name="look"))
TIME = v1.Tool(function=v1.FunctionTool(name="time"))
NONE = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_NONE)
FORCED = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED)


def text(words: str, **more: Any) -> v1.Block:
    """A text block."""
    return v1.Block(text=v1.Text(text=words), **more)


def turn(role: "v1.Role.ValueType", *blocks: v1.Block, **more: Any) -> v1.Message:
    """A message."""
    return v1.Message(role=role, blocks=blocks, **more)


def asking(*messages: v1.Message, **more: Any) -> v1.CompleteRequest:
    """A request with a user's turn at its end."""
    return v1.CompleteRequest(model="small", messages=[*messages, turn(v1.ROLE_USER, text("Hi"))], **more)


def called(id_: str = "1", arguments: bytes = b"{}", name: str = "look") -> tuple[v1.Message, ...]:
    """A question, a call and its result."""
    call = v1.ToolCall(id=id_, name=name, arguments_json=arguments)
    result = v1.ToolResult(tool_call_id=id_, blocks=[text("r")])
    return (
        turn(v1.ROLE_USER, text("Look.")),
        turn(v1.ROLE_ASSISTANT, v1.Block(tool_call=call)),
        turn(v1.ROLE_TOOL, v1.Block(tool_result=result)),
    )


def said(*blocks: v1.Block) -> v1.CompleteRequest:
    """A request in which the model has said this."""
    return asking(turn(v1.ROLE_USER, text("Hi")), turn(v1.ROLE_ASSISTANT, *blocks))


def sent(request: v1.CompleteRequest, deployment: Deployment = CLAUDE) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and paths left out; the body fits the service model."""
    made = BEDROCK.encode(request, deployment, stream=False)
    body = json.loads(made.body)
    Judge().request({"method": "POST", "url": f"https://h{made.target}", "headers": {}, "body": body})
    return body, made.left_out


def refused(request: v1.CompleteRequest, deployment: Deployment = CLAUDE) -> str:
    """The field that a refusal names."""
    with pytest.raises(GatewayError) as caught:
        BEDROCK.encode(request, deployment, stream=False)
    return caught.value.violations[0].field


def knowing(deployment: Deployment = CLAUDE, **facts: Any) -> Deployment:
    """The same where this is known of the model."""
    return replace(deployment, capability=Capability(**facts))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("us-isob-east-1", "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_address_of_region(region: str, host: str) -> None:
    """The address of a region has the domain of the partition that it is in, as AWS's own client knows it."""
    base_url = ROWS[0].account.base_url
    assert callable(base_url)
    assert base_url({"region": region}) == f"https://{host}"
    session = botocore.session.Session()
    partition = session.get_partition_for_region(region)
    assert host.endswith(
        session.get_data("partitions")["partitions"][_place(session, partition)]["outputs"]["dnsSuffix"]
    )


def _place(session: botocore.session.Session, partition: str) -> int:
    return [each["id"] for each in session.get_data("partitions")["partitions"]].index(partition)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-opus-5-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0",
    ],
)
def test_path_is_as_aws_writes_it(model: str) -> None:
    """The id of a model stands in the path as AWS's own client writes it, ARNs included."""
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    operation = service.operation_model("Converse")
    theirs = create_serializer("rest-json").serialize_to_request({"modelId": model, "messages": []}, operation)
    prepare_request_dict(theirs, "https://host.example")
    ours = BEDROCK.encode(asking(), replace(CLAUDE, upstream_model=model), stream=False)
    assert f"https://host.example{ours.target}" == theirs["url"]


def test_api_key() -> None:
    """A key of Bedrock's own is presented as a bearer; without one, nothing is: a signature comes afterwards."""
    keyed = replace(CLAUDE, provider=replace(CLAUDE.provider, credential=Secret("not-a-real-key")))
    assert dict(BEDROCK.encode(asking(), keyed, stream=True).headers)["authorization"] == "Bearer not-a-real-key"
    headers = dict(BEDROCK.encode(asking(), CLAUDE, stream=True).headers)
    assert "authorization" not in headers
    assert headers["accept"] == "application/vnd.amazon.eventstream"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (asking(seed=1), "seed"),
        (asking(logprobs=v1.LogprobsConfig()), "logprobs"),
        (asking(sampling=v1.Sampling(min_p=0.1)), "sampling.min_p"),
        (asking(sampling=v1.Sampling(frequency_penalty=1)), "sampling.frequency_penalty"),
        (asking(sampling=v1.Sampling(presence_penalty=1)), "sampling.presence_penalty"),
        (
            asking(tools=[v1.Tool(function=v1.FunctionTool(name="trunkline_answer"))]),
            "tools[0].function.name",
        ),
        (
            asking(tools=[v1.Tool(provider=v1.ProviderTool(dialect="openai", type="web_search"))]),
            "tools[0].provider",
        ),
        (
            asking(tools=[LOOK], response_format=v1.ResponseFormat(json=v1.JsonFormat())),
            "response_format.json",
        ),
        (
            asking(
                response_format=v1.ResponseFormat(json=v1.JsonFormat()),
                reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW),
            ),
            "response_format.json",
        ),
        (
            asking(tools=[LOOK], tool_choice=FORCED, reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_LOW)),
            "tool_choice.mode",
        ),
        (asking(*called(name="a.b"), tools=[LOOK]), "messages[1].blocks[0].tool_call.name"),
        (asking(*called(arguments=b"\xff"), tools=[LOOK]), "messages[1].blocks[0].tool_call.arguments_json"),
        (
            asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(file_id="f", mime_type="image/png")))),
            "messages[0].blocks[0].media.file_id",
        ),
        (
            asking(
                turn(v1.ROLE_USER, v1.Block(media=v1.Media(uri="https://host.example/a.png", mime_type="image/png")))
            ),
            "messages[0].blocks[0].media.uri",
        ),
        (
            asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(uri="s3://a/b")))),
            "messages[0].blocks[0].media.mime_type",
        ),
        (
            asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(data=b"1", mime_type="image/tiff")))),
            "messages[0].blocks[0].media.mime_type",
        ),
        (
            said(v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"\xff", origin=OWN)),
            "messages[1].blocks[0].signature",
        ),
        (
            said(v1.Block(reasoning=v1.Reasoning(redacted=True, opaque=b"\xff"), origin=OWN)),
            "messages[1].blocks[0].reasoning.opaque",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(request_: v1.CompleteRequest, field: str) -> None:
    """What changes the answer and has no form is refused, naming the field."""
    assert refused(request_) == field


@pytest.mark.parametrize("data", [b"", b"[]", b'"a"', b"{", b'{"a":1},"b":2', b'{}}],"inferenceConfig":{}', b"\xff{}"])
def test_no_bytes_break_out(data: bytes) -> None:
    """Bytes that a caller gives for what only Bedrock reads are one JSON object, or are refused."""
    opaque = v1.Block(provider_opaque=v1.ProviderOpaque(type="toolUse", data=data), origin=OWN)
    assert refused(said(opaque)) == "messages[1].blocks[0].provider_opaque.data"
    cited = v1.Block(text=v1.Text(text="t", citations=[v1.Citation(opaque=data)]), origin=OWN)
    assert refused(said(cited)) == "messages[1].blocks[0].text.citations[0].opaque"


@given(st.binary(max_size=40))
@settings(max_examples=60)
def test_arguments_stay_inside(arguments: bytes) -> None:
    """Whatever the arguments of an earlier call are, they are its input and nothing else, or refused."""
    request = asking(*called(arguments=arguments), tools=[LOOK])
    if not _is_text(arguments):
        assert refused(request) == "messages[1].blocks[0].tool_call.arguments_json"
        return
    body, left_out = sent(request)
    assert body["messages"][1]["content"][0]["toolUse"].keys() == {"toolUseId", "name", "input"}
    wrapped = "messages[1].blocks[0].tool_call.arguments_json" in left_out
    given_ = body["messages"][1]["content"][0]["toolUse"]["input"]
    assert given_ == ({"INVALID_JSON": arguments.decode()} if wrapped else json.loads(arguments or b"{}"))


def _is_text(data: bytes) -> bool:
    return data.decode("utf-8", "replace").encode() == data


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=4, unique=True))
@settings(max_examples=40)
def test_any_id(ids: list[str]) -> None:
    """Ids of any text become ids that Bedrock takes: one for call and result, another for another."""
    calls = [v1.Block(tool_call=v1.ToolCall(id=each, name="look", arguments_json=b"{}")) for each in ids]
    results = [v1.Block(tool_result=v1.ToolResult(tool_call_id=each, blocks=[text("r")])) for each in ids]
    turns = [turn(v1.ROLE_USER, text("Look.")), turn(v1.ROLE_ASSISTANT, *calls), turn(v1.ROLE_TOOL, *results)]
    body, _ = sent(asking(*turns, tools=[LOOK]))
    asked = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
    given_ = [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"][: len(ids)]]
    assert asked == given_
    assert len(set(asked)) == len(ids)


def test_foreign_blocks_are_named() -> None:
    """What another provider made and only it can read is left out and named; its texts travel."""
    other = v1.Origin(provider="anthropic", model="claude", format="anthropic")
    thought = v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"s", origin=other)
    opaque = v1.Block(provider_opaque=v1.ProviderOpaque(type="search", data=b"{}"), origin=other)
    pieces = v1.Block(provider_opaque=v1.ProviderOpaque(type="stream.new", data=b"{}"), origin=OWN)
    body, left_out = sent(said(thought, opaque, pieces, text("Well.", signature=b"s", origin=other)))
    assert body["messages"][1]["content"] == [{"text": "Well."}]
    assert left_out == (
        "messages[1].blocks[0].reasoning",
        "messages[1].blocks[0].signature",
        "messages[1].blocks[1].provider_opaque",
        "messages[1].blocks[2].provider_opaque",
        "messages[1].blocks[3].signature",
    )


def test_thoughts_of_another_vendor() -> None:
    """Thoughts of one vendor's model are not shown to another's, though Bedrock gave them: it would refuse the turn."""
    thought = v1.Block(reasoning=v1.Reasoning(text="t"), signature=b"s", origin=v1.Origin(format="bedrock"))
    for maker in (
        "eu.anthropic.claude-opus-4-6-v1",
        "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude-x",
    ):
        thought.origin.model = maker
        assert sent(said(thought))[1] == ()
        assert sent(said(thought), NOVA)[1] == ("messages[1].blocks[0].reasoning", "messages[1].blocks[0].signature")


def test_turns_that_are_empty() -> None:
    """A turn of which nothing can travel is not sent, and its neighbours are one turn."""
    thought = v1.Block(reasoning=v1.Reasoning(text="t"))
    body, left_out = sent(
        asking(turn(v1.ROLE_USER, text("A")), turn(v1.ROLE_ASSISTANT, thought), turn(v1.ROLE_ASSISTANT))
    )
    assert body["messages"] == [{"role": "user", "content": [{"text": "A"}, {"text": "Hi"}]}]
    assert left_out == ("messages[1].blocks[0].reasoning", "messages[2]")


def test_blank_texts_are_left_out() -> None:
    """Texts of nothing but white space, which Bedrock refuses, are left out and named."""
    blank = text("\n \t")
    question, call, result = called()
    question.blocks.append(blank)
    call.blocks.insert(0, blank)
    body, left_out = sent(asking(turn(v1.ROLE_SYSTEM, blank), question, call, result))
    assert "system" not in body
    assert body["messages"][0]["content"] == [{"text": "Look."}]
    assert [list(block) for block in body["messages"][1]["content"]] == [["toolUse"]]
    assert left_out == ("messages[0].blocks[0].text", "messages[1].blocks[1].text", "messages[2].blocks[0].text")


def test_turns_that_bedrock_refuses() -> None:
    """A conversation begins with the user, each turn of whom says something, with words beside documents."""
    paper = v1.Block(media=v1.Media(mime_type="application/pdf", data=b"1"))
    assert refused(asking(turn(v1.ROLE_ASSISTANT, text("A")))) == "messages[0].role"
    assert refused(asking(turn(v1.ROLE_USER, text(" ")))) == "messages[0].blocks"
    assert refused(v1.CompleteRequest(messages=[turn(v1.ROLE_SYSTEM, text("A"))])) == "messages"
    well = turn(v1.ROLE_ASSISTANT, text("Well."))
    assert refused(asking(turn(v1.ROLE_USER, paper), well)) == "messages[0].blocks"
    body, _ = sent(asking(turn(v1.ROLE_USER, paper)))
    assert [list(block) for block in body["messages"][0]["content"]] == [["document"], ["text"]]


def test_later_instructions() -> None:
    """Later instructions stand behind a user's turn and before the model's; elsewhere, and at others, are refused."""
    hi, well = turn(v1.ROLE_USER, text("Hi")), turn(v1.ROLE_ASSISTANT, text("Well."))
    first, later = turn(v1.ROLE_DEVELOPER, text("A")), turn(v1.ROLE_SYSTEM, text("B"))
    body, _ = sent(asking(first, first, hi, later, later, well))
    assert body["system"] == [{"text": "A"}, {"text": "A"}]
    assert body["messages"][1] == {"role": "system", "content": [{"text": "B"}, {"text": "B"}]}
    assert refused(asking(hi, well, later)) == "messages[2].role"
    assert refused(asking(hi, later)) == "messages[1].role"
    assert refused(asking(hi, later, well), NOVA) == "messages[1].role"


def test_names_of_documents() -> None:
    """Each document has a name of its own, in characters that Bedrock takes."""
    names = ["a.pdf", "a.pdf", "", "", "ä" * 300]
    media = [v1.Block(media=v1.Media(mime_type="application/pdf", data=b"1", name=name)) for name in names]
    body, left_out = sent(asking(turn(v1.ROLE_USER, *media)))
    given_ = [block["document"]["name"] for block in body["messages"][0]["content"] if "document" in block]
    assert given_ == ["a-pdf", "a-pdf-2", "document", "document-2", "-" * 180]
    assert left_out == tuple(f"messages[0].blocks[{index}].media.name" for index in (0, 1, 4))


def test_marks() -> None:
    """Marks are cache points behind their blocks; where a model takes none, or none can stand, they are named."""
    mark = v1.CacheMark()
    mark.ttl.seconds = 301
    thought = v1.Block(reasoning=v1.Reasoning(text="t"), origin=OWN, cache_mark=mark)
    request = said(thought, text("Well.", cache_mark=mark))
    body, left_out = sent(request)
    assert body["messages"][1]["content"][1:] == [{"text": "Well."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert left_out == ("messages[1].blocks[0].cache_mark",)
    _, left_out = sent(request, knowing(prompt_cache=()))
    assert left_out == ("messages[1].blocks[0].cache_mark", "messages[1].blocks[1].cache_mark")


EFFORT = {"effort": v1.REASONING_EFFORT_MEDIUM}
ADAPTIVE = {"thinking": {"type": "adaptive"}}


@pytest.mark.parametrize(
    ("wanted", "facts", "fields", "effort", "left_out"),
    [
        (EFFORT, {}, ADAPTIVE, "medium", ()),
        ({"effort": v1.REASONING_EFFORT_MINIMAL}, {}, ADAPTIVE, "low", ("reasoning.effort",)),
        ({"effort": v1.REASONING_EFFORT_NONE}, {}, {"thinking": {"type": "disabled"}}, None, ()),
        ({"budget_tokens": 0}, {}, {"thinking": {"type": "disabled"}}, None, ("reasoning.budget_tokens",)),
        (
            {"effort": v1.REASONING_EFFORT_NONE},
            {"reasoning_off": "between_tools"},
            {"thinking": {"type": "between_tools"}},
            None,
            (),
        ),
        (
            {"effort": v1.REASONING_EFFORT_NONE},
            {"reasoning_always": True, "reasoning_controls": ("adaptive", "effort"), "efforts": ("medium", "high")},
            ADAPTIVE,
            "medium",
            ("reasoning.effort",),
        ),
        ({"budget_tokens": 5000}, {}, ADAPTIVE, None, ("reasoning.budget_tokens",)),
        (
            {"budget_tokens": 5000},
            {"reasoning_controls": ("budget",)},
            {"thinking": {"type": "enabled", "budget_tokens": 5000}},
            None,
            (),
        ),
        (
            EFFORT,
            {"reasoning_controls": ("budget",)},
            {"thinking": {"type": "enabled", "budget_tokens": 8192}},
            None,
            (),
        ),
        (
            {**EFFORT, "budget_tokens": 2000},
            {"reasoning_controls": ("budget",)},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            None,
            ("reasoning.effort",),
        ),
        (
            {**EFFORT, "summary": v1.REASONING_SUMMARY_NONE},
            {"reasoning_controls": ("adaptive", "budget", "effort"), "efforts": ("low", "high")},
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            "low",
            ("reasoning.effort",),
        ),
        (EFFORT, {"reasoning": False}, None, None, ("reasoning.effort",)),
        ({"summary": v1.REASONING_SUMMARY_AUTO}, {}, None, None, ("reasoning.summary",)),
    ],
)
def test_thinking_of_claude(
    wanted: dict[str, Any], facts: dict[str, Any], fields: Any, effort: str | None, left_out: tuple[str, ...]
) -> None:
    """Claude is asked to think in the way that it is known to take; what is not known is asked as of the newest."""
    body, named = sent(asking(reasoning=v1.ReasoningConfig(**wanted)), knowing(**facts) if facts else CLAUDE)
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("outputConfig", {}).get("effort") == effort
    assert named == left_out


@pytest.mark.parametrize(
    ("bound", "wanted", "field"),
    [(1024, EFFORT, "max_output_tokens"), (9000, {"budget_tokens": 1000}, "reasoning.budget_tokens")],
)
def test_budgets_that_are_too_small(bound: int, wanted: dict[str, Any], field: str) -> None:
    """A budget below the provider's least is refused, as is an answer that can't hold it."""
    request = asking(max_output_tokens=bound, reasoning=v1.ReasoningConfig(**wanted))
    assert refused(request, knowing(reasoning_controls=("budget",))) == field


@pytest.mark.parametrize(
    ("model", "effort", "fields", "left_out"),
    [
        ("amazon.nova-2-lite-v1:0", "HIGH", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, ()),
        (
            "amazon.nova-2-lite-v1:0",
            "XHIGH",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ("reasoning.effort",),
        ),
        ("amazon.nova-2-lite-v1:0", "NONE", {"reasoningConfig": {"type": "disabled"}}, ()),
        ("openai.gpt-oss-120b-1:0", "MINIMAL", {"reasoning_effort": "low"}, ("reasoning.effort",)),
        ("openai.gpt-oss-120b-1:0", "NONE", {"reasoning_effort": "low"}, ("reasoning.effort",)),
        ("meta.llama4-scout-17b-instruct-v1:0", "HIGH", None, ("reasoning.effort",)),
    ],
)
def test_thinking_of_others(model: str, effort: str, fields: Any, left_out: tuple[str, ...]) -> None:
    """Other vendors' models are asked to reason in their vendor's words, if it has any; another word is named."""
    wanted = v1.ReasoningConfig(effort=v1.ReasoningEffort.Value(f"REASONING_EFFORT_{effort}"))
    body, named = sent(asking(reasoning=wanted), replace(CLAUDE, upstream_model=model))
    assert body.get("additionalModelRequestFields") == fields
    assert named == left_out


def test_effort_without_room() -> None:
    """An effort that gets a smaller budget than its own, because the bound on the answer is low, is named."""
    known = knowing(reasoning_controls=("budget",))
    body, named = sent(asking(reasoning=v1.ReasoningConfig(**EFFORT), max_output_tokens=4000), known)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 3999
    assert named == ("reasoning.effort",)


COMPUTER = v1.Tool(
    provider=v1.ProviderTool(dialect="bedrock", type="computer_20250124", config_json=b'{"name": "computer"}')
)
GROUNDING = v1.Tool(
    provider=v1.ProviderTool(dialect="bedrock", type="systemTool", config_json=b'{"name": "nova_grounding"}')
)


def options(**members: Any) -> dict[str, bytes]:
    """provider_options for this dialect."""
    return {"bedrock": json.dumps(members).encode()}


def test_options_are_added() -> None:
    """Members that the dialect does not own are added, those for the model beside ours."""
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    fields = {"anthropic_beta": ["context-1m-2025-08-07"]}
    request = asking(
        sampling=v1.Sampling(top_k=5),
        provider_options=options(guardrailConfig=guard, additionalModelRequestFields=fields),
    )
    body, _ = sent(request, OPEN)
    assert body["guardrailConfig"] == guard
    assert body["additionalModelRequestFields"] == {"top_k": 5, **fields}
    nested = options(additionalModelRequestFields={"inferenceConfig": {"topK": 5}})
    body, _ = sent(asking(provider_options=nested), OPEN_NOVA)
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}


@pytest.mark.parametrize(
    ("members", "at"),
    [
        ({"messages": []}, "messages"),
        ({"inferenceConfig": {}}, "inferenceConfig"),
        ({"serviceTier": {"type": "flex"}}, "serviceTier"),
        ({"performanceConfig": {"latency": "optimized"}}, "performanceConfig"),
        ({"promptVariables": {}}, "promptVariables"),
        ({"requestMetadata": {"team": "other"}}, "requestMetadata"),
        ({"additionalModelRequestFields": []}, "additionalModelRequestFields"),
        ({"additionalModelRequestFields": {"max_tokens": 1}}, "additionalModelRequestFields.max_tokens"),
        ({"additionalModelRequestFields": {"thinking": {}}}, "additionalModelRequestFields.thinking"),
        ({"additionalModelRequestFields": {"service_tier": "x"}}, "additionalModelRequestFields.service_tier"),
        ({"additionalModelRequestFields": {"inferenceConfig": 1}}, "additionalModelRequestFields.inferenceConfig"),
        (
            {"additionalModelRequestFields": {"inferenceConfig": {"maxTokens": 1}}},
            "additionalModelRequestFields.inferenceConfig.maxTokens",
        ),
    ],
)
def test_options_are_refused(members: dict[str, Any], at: str) -> None:
    """Members that choose the model, the bound, the tier or storage, or are written, are refused with their path."""
    with pytest.raises(ProviderOptionRefused) as caught:
        BEDROCK.encode(asking(provider_options=options(**members)), OPEN, stream=False)
    assert caught.value.violations[0].field == f'provider_options["bedrock"].{at}'


def test_top_k_twice() -> None:
    """The same member from the request and from the options is refused: one of the two would be lost."""
    nested = options(additionalModelRequestFields={"inferenceConfig": {"topK": 5}})
    request = asking(sampling=v1.Sampling(top_k=7), provider_options=nested)
    assert refused(request, OPEN_NOVA) == 'provider_options["bedrock"].additionalModelRequestFields.inferenceConfig'


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        ("anthropic.claude-opus-5-v1:0", "anthropic.claude-opus-5-v1%3A0"),
        ("global.anthropic.claude-opus-5-v1:0", "anthropic.claude-opus-5-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5-v1:0",
            "anthropic.claude-opus-5-v1%3A0",
        ),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", None),
        ("amazon.nova-2-lite-v1:0", None),
    ],
)
def test_counting(model: str, counted: str | None) -> None:
    """Counts are asked of the model itself, and not where the id does not tell it or nobody counts."""
    counting = BEDROCK.counting
    assert counting is not None
    deployment = replace(CLAUDE, upstream_model=model)
    if counted is None:
        with pytest.raises(CountingMissing):
            counting.encode(asking(), deployment)
    else:
        assert counting.encode(asking(), deployment).target == f"/model/{counted}/count-tokens"


def test_known_counting_counts() -> None:
    """Whether Bedrock counts for a model is guessed of its vendor only where it is not known."""
    counting = BEDROCK.counting
    assert counting is not None
    nova = replace(knowing(counts_tokens=True), upstream_model="amazon.nova-2-lite-v1:0")
    assert counting.encode(asking(), nova).target == "/model/amazon.nova-2-lite-v1%3A0/count-tokens"
    with pytest.raises(CountingMissing):
        counting.encode(asking(), knowing(counts_tokens=False))


def test_storage_is_read_for_nobody_by_default() -> None:
    """S3 would be read with the gateway's own rights, so that the operator has to allow it."""
    picture = asking(turn(v1.ROLE_USER, v1.Block(media=v1.Media(mime_type="image/png", uri="s3://a/b"))))
    shut = replace(CLAUDE, provider=replace(CLAUDE.provider, settings={"region": "eu-central-1"}))
    with pytest.raises(GatewayError) as refused:
        BEDROCK.encode(picture, shut, stream=False)
    assert refused.value.violations[0].field == "messages[0].blocks[0].media.uri"
    assert b"s3://a/b" in BEDROCK.encode(picture, CLAUDE, stream=False).body
