"""Nothing of a request vanishes silently: each of its fields is sent, named as left out, refused, or excused here.

It holds for every dialect that has golden folders, with the deployment of these. Where something is refused, it is
taken out of the request, and the rest is asked for again.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import CapabilityMissing, InvalidRequest
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.services.validation import validate

EXCUSED: Final = {
    "CompleteRequest.model": "chooses the route; the deployment's own name of the model is sent",
    "CompleteRequest.labels": "the gateway's own: for records, routing and reports",
    "CompleteRequest.routing": "the gateway's own: chooses deployments",
    "CompleteRequest.timeouts": "the gateway's own: it ends the call",
    "CompleteRequest.idempotency_key": "the gateway's own; refused while it keeps none",
    "RoutingPreferences.allowed_providers": "as routing",
    "RoutingPreferences.denied_providers": "as routing",
    "RoutingPreferences.allowed_regions": "as routing",
    "RoutingPreferences.denied_regions": "as routing",
    "RoutingPreferences.fallback_models": "as routing",
    "RoutingPreferences.max_cost_nano_usd": "as routing; refused while no prices are known",
    "CallTimeouts.first_token": "as timeouts",
    "CallTimeouts.idle": "as timeouts",
    "Block.origin": "says where a block was made, and not what it is; a file of another provider is refused by it",
    "Origin.provider": "as origin",
    "Origin.model": "as origin",
    "Origin.format": "as origin",
    "ToolCall.arguments_valid": "the contract says that requests may hold it and that it is ignored",
    "ResponseFormat.text": "what providers answer with unless they are asked for something else",
}
"""Fields that change nothing at the provider, and why that is no loss."""


def text(words: str = "So.", **more: Any) -> v1.Block:
    """A text with what may hang on it."""
    return v1.Block(text=v1.Text(text=words), **more)


def logprobs() -> list[v1.TokenLogprob]:
    """Log probabilities, as an answer that is replayed has them."""
    top = v1.TopLogprob(token="a", token_bytes=b"a", logprob=-1)
    return [v1.TokenLogprob(token="a", token_bytes=b"a", logprob=-1, top=[top])]


def mark() -> v1.CacheMark:
    """A cache mark with a time that is not the provider's default."""
    made = v1.CacheMark()
    made.ttl.seconds = 86_400
    return made


def citation() -> v1.Citation:
    """A source with all that can be said of one."""
    return v1.Citation(
        uri="https://host.example", title="t", cited_text="c", start_offset=0, end_offset=1, source_id="s", opaque=b"o"
    )


def origin(format_: str = "openai") -> v1.Origin:
    """Where a block was made: by default, and until `made_by` says otherwise, at openai."""
    return v1.Origin(provider="openai", model="m", format=format_)


def conversation() -> v1.CompleteRequest:
    """Turns of every role, with blocks of every kind but media in a user's turn."""
    thought = v1.Reasoning(text="t", summary="s", opaque=b"o", redacted=True, id="i")
    call = v1.ToolCall(id="1", name="look", arguments_json=b'{"a": 1}', arguments_valid=True)
    answered = v1.ToolResult(tool_call_id="1", blocks=[text("r", logprobs=logprobs())], is_error=True, name="look")
    declined = v1.Text(text="No.", is_refusal=True, citations=[citation()])
    opaque = v1.ProviderOpaque(type="search", data=b"{}")
    blocks = [
        v1.Block(reasoning=thought, signature=b"s", origin=origin()),
        text("Well.", signature=b"s", logprobs=logprobs(), origin=origin()),
        v1.Block(text=declined, logprobs=logprobs(), cache_mark=mark()),
        v1.Block(citation=citation(), logprobs=logprobs()),
        v1.Block(provider_opaque=opaque),
        v1.Block(media=v1.Media(mime_type="audio/wav", data=b"RIFF", name="n"), logprobs=logprobs()),
        v1.Block(tool_call=call, signature=b"s", logprobs=logprobs(), cache_mark=mark()),
    ]
    user = [text(cache_mark=mark()), v1.Block(text=declined), v1.Block(provider_opaque=opaque)]
    return v1.CompleteRequest(
        model="small",
        messages=[
            v1.Message(role=v1.ROLE_SYSTEM, blocks=[text(signature=b"s")], name="n"),
            v1.Message(role=v1.ROLE_DEVELOPER, blocks=[v1.Block(text=declined)], name="n"),
            v1.Message(role=v1.ROLE_USER, blocks=user, name="n"),
            v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks, name="n"),
            v1.Message(role=v1.ROLE_TOOL, blocks=[v1.Block(tool_result=answered, signature=b"s")], name="n"),
        ],
    )


def asking(*blocks: v1.Block, **more: Any) -> v1.CompleteRequest:
    """A user's turn with these blocks."""
    return v1.CompleteRequest(model="small", messages=[v1.Message(role=v1.ROLE_USER, blocks=[text(), *blocks])], **more)


def media() -> v1.CompleteRequest:
    """Every form of media, each with all that can be said of it and parameters of its type where it has one."""
    more: dict[str, Any] = {"name": "n", "detail": v1.MEDIA_DETAIL_LOW, "citations": True, "context": "c"}
    made = [
        v1.Media(mime_type="image/png; a=b", data=b"1", **more),
        v1.Media(uri="https://host.example/a.png", **more),
        v1.Media(mime_type="audio/wav; a=b", data=b"1", **more),
        v1.Media(mime_type="application/pdf; a=b", data=b"1", **more),
        v1.Media(mime_type="text/plain; a=b", data=b"1", **more),
        v1.Media(mime_type="application/json; a=b", data=b"{}", **more),
        v1.Media(file_id="f", **more),
    ]
    return asking(*(v1.Block(media=each, logprobs=logprobs()) for each in made))


def tuned() -> v1.CompleteRequest:
    """Everything beside messages and tools."""
    schema = v1.JsonSchemaFormat(name="s", description="d", schema=b"{}", strict=True)
    request = asking(
        response_format=v1.ResponseFormat(json_schema=schema),
        sampling=v1.Sampling(temperature=1, top_p=1, frequency_penalty=0, presence_penalty=0),
        reasoning=v1.ReasoningConfig(
            effort=v1.REASONING_EFFORT_LOW, budget_tokens=1, summary=v1.REASONING_SUMMARY_AUTO
        ),
        max_output_tokens=1,
        stop=["a"],
        seed=1,
        logprobs=v1.LogprobsConfig(top=1),
        cache=v1.CacheConfig(key="k"),
        labels={"a": "b"},
        idempotency_key="once",
        routing=v1.RoutingPreferences(
            allowed_providers=["a"],
            denied_providers=["b"],
            allowed_regions=["a"],
            denied_regions=["b"],
            fallback_models=["m"],
            max_cost_nano_usd=1,
        ),
        provider_options=dict.fromkeys(("anthropic", "openai"), b'{"user": "u"}'),
    )
    request.cache.ttl.seconds = request.timeouts.first_token.seconds = request.timeouts.idle.seconds = 60
    return request


def tools() -> v1.CompleteRequest:
    """Tools of both kinds, and rules for them."""
    function = v1.FunctionTool(name="look", description="d", parameters_json_schema=b"{}", strict=True)
    own = v1.ProviderTool(dialect="openai", type="custom", config_json=b'{"custom": {"name": "sql"}}')
    return asking(
        tools=[v1.Tool(function=function, cache_mark=mark()), v1.Tool(provider=own, cache_mark=mark())],
        tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["look"], parallel=True),
    )


EXAMPLES: Final = {
    "conversation": conversation(),
    "media": media(),
    "tuned": tuned(),
    "tools": tools(),
    "top_k": asking(sampling=v1.Sampling(top_k=1)),
    "min_p": asking(sampling=v1.Sampling(min_p=0)),
    "json": asking(response_format=v1.ResponseFormat(json=v1.JsonFormat())),
}


def _deployments() -> Iterator[tuple[str, Deployment]]:
    """One of each dialect, all of them open to provider options."""
    for exchange in find().exchanges:
        deployment = exchange.deployment
        provider = replace(deployment.provider, allow_provider_options=True)
        yield exchange.dialect.name, replace(deployment, provider=provider)


DEPLOYMENTS: Final = dict(_deployments())
DEPLOYMENTS["newer openai"] = replace(DEPLOYMENTS["openai"], capability=Capability(prompt_cache=("breakpoints",)))


def made_by(deployment: Deployment, request: v1.CompleteRequest) -> v1.CompleteRequest:
    """The request with blocks that this deployment made, and with tools and options of its dialect."""
    copy = v1.CompleteRequest()
    copy.CopyFrom(request)
    dialect = DIALECTS[deployment.provider.dialect]
    if copy.provider_options:
        copy.provider_options[dialect.name] = b'{"user": "u"}'
    for message in copy.messages:
        for block in message.blocks:
            if block.HasField("origin"):
                block.origin.provider, block.origin.format = deployment.provider.name, dialect.format
    for tool in copy.tools:
        if tool.HasField("provider"):
            tool.provider.dialect = dialect.name
    return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A field that is set somewhere in a request."""

    field: str
    """"Media.detail"."""
    path: str
    """"messages[0].blocks[1].media.detail"."""
    steps: tuple[str | int, ...]

    def cleared(self, request: v1.CompleteRequest) -> v1.CompleteRequest:
        """The request without it."""
        copy = v1.CompleteRequest()
        copy.CopyFrom(request)
        holder: Any = copy
        for step in self.steps[:-1]:
            holder = holder[step] if isinstance(step, int) else getattr(holder, step)
        holder.ClearField(self.steps[-1])
        return copy


def places(message: Message, path: str = "", steps: tuple[str | int, ...] = ()) -> Iterator[Place]:
    """Every field that is set in a message of the contract, and in those below it."""
    for field, value in message.ListFields():
        here, at = f"{path}{field.name}", (*steps, field.name)
        yield Place(field=f"{message.DESCRIPTOR.name}.{field.name}", path=here, steps=at)
        if not is_ours(field):
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                yield from places(item, f"{here}[{index}].", (*at, index))
        else:
            yield from places(value, f"{here}.", at)


def is_ours(field: FieldDescriptor) -> bool:
    """Whether a field holds messages of the contract: not maps, and not Google's."""
    kind = field.message_type
    return kind is not None and kind.file.package == "trunkline.v1" and not kind.GetOptions().map_entry


def fields_below(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """Every field that a request can hold: "Media.detail"."""
    if message.name in seen:
        return
    seen.add(message.name)
    for field in message.fields:
        yield f"{message.name}.{field.name}"
        if is_ours(field):
            yield from fields_below(field.message_type, seen)


def outcome(request: v1.CompleteRequest, deployment: Deployment) -> tuple[Any, ...]:
    """What is sent and what is named; or the field that is refused, be it because it is required."""
    try:
        validate(request)
    except InvalidRequest as error:
        return "refused", error.violations[0].field
    return encoded(request, deployment)


def encoded(request: v1.CompleteRequest, deployment: Deployment) -> tuple[Any, ...]:
    """The same of the dialect alone."""
    try:
        made = DIALECTS[deployment.provider.dialect].encode(request, deployment, stream=False)
    except CapabilityMissing as error:
        return "refused", error.violations[0].field
    return made.body, made.left_out, made.headers


def lost(request: v1.CompleteRequest, deployment: Deployment) -> tuple[list[str], set[str]]:
    """Paths that vanish without a trace, and the fields that don't."""
    gone: list[str] = []
    kept: set[str] = set()
    while (whole := outcome(request, deployment))[0] == "refused":
        kept |= _fields_at(request, whole[1])
        request = without(request, whole[1])
    for place in places(request):
        if _named(place, whole[1]) or place.field in EXCUSED or outcome(place.cleared(request), deployment) != whole:
            kept.add(place.field)
        else:
            gone.append(place.path)
    return gone, kept


def _fields_at(request: v1.CompleteRequest, path: str) -> set[str]:
    holder = path.rpartition(".")[0]
    found = {place.field for place in places(request) if _named(place, (path,)) or place.path == holder}
    assert found, f"{path} is refused, and is no field that is set"
    return found


def _named(place: Place, paths: Collection[str]) -> bool:
    return any(place.path == path or place.path.startswith((f"{path}.", f"{path}[")) for path in paths)


def without(request: v1.CompleteRequest, path: str) -> v1.CompleteRequest:
    """The request without what is at this path: the entry of a list that it is in, or else the field."""
    copy = v1.CompleteRequest()
    copy.CopyFrom(request)
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", path)]
    last = max((at for at, step in enumerate(steps) if isinstance(step, int)), default=None)
    holder: Any = copy
    for step in steps[: len(steps) - 1 if last is None else last]:
        holder = holder[step] if isinstance(step, int) else getattr(holder, step)
    if last is not None:
        del holder[steps[last]]
    elif path.startswith(("tool_choice", "response_format")):
        copy.ClearField(steps[0])
    else:
        holder.ClearField(steps[-1])
        if not holder.ListFields():
            copy.ClearField(steps[0])
    _mend(copy)
    return copy


def _mend(request: v1.CompleteRequest) -> None:
    """What has to go with what went: results without a call, choices of tools that are gone, turns that are empty."""
    calls = {block.tool_call.id for message in request.messages for block in message.blocks}
    for message in request.messages:
        for at in reversed(range(len(message.blocks))):
            block = message.blocks[at]
            if block.HasField("tool_result") and block.tool_result.tool_call_id not in calls:
                del message.blocks[at]
    for at in reversed(range(len(request.messages))):
        if not request.messages[at].blocks:
            del request.messages[at]
    if not request.tools:
        request.ClearField("tool_choice")


@pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
@pytest.mark.parametrize("request_", EXAMPLES.values(), ids=EXAMPLES)
def test_no_field_vanishes(request_: v1.CompleteRequest, deployment: Deployment) -> None:
    """Wherever a field is set, the request without it differs at the provider or in what is named."""
    validate(request_)
    assert lost(made_by(deployment, request_), deployment)[0] == []


def test_every_field_is_decided() -> None:
    """Every field of the contract's request stands in an example or is excused, so that a new one has to be decided."""
    kept = set(EXCUSED)
    for request in EXAMPLES.values():
        for deployment in DEPLOYMENTS.values():
            kept |= lost(made_by(deployment, request), deployment)[1]
    wanted = set(fields_below(v1.CompleteRequest.DESCRIPTOR, set()))
    assert wanted - kept == set()
    assert set(EXCUSED) <= wanted


def test_excuses_are_needed() -> None:
    """A field that is excused changes nothing at OpenAI: else the excuse hides what becomes of it."""
    deployment = DEPLOYMENTS["openai"]
    for request in EXAMPLES.values():
        whole = encoded(request, deployment)
        for place in places(request):
            if place.field in EXCUSED:
                assert encoded(place.cleared(request), deployment) == whole, place.path


KNOWN: Final = {
    "unknown": None,
    "few words": Capability(reasoning=True, reasoning_controls=("adaptive", "effort"), efforts=("low", "high")),
    "budgets": Capability(reasoning=True, reasoning_controls=("budget",), max_output_tokens=8192),
    "always": Capability(reasoning=True, reasoning_always=True, efforts=("medium", "high")),
}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_efforts_are_taken_or_named(deployment: Deployment, known: Capability | None) -> None:
    """Of the efforts that a model is asked for in the same way at most one is taken as asked; the others are named."""
    taken: dict[Any, list[str]] = {}
    for word, effort in v1.ReasoningEffort.items():
        if effort:
            made = encoded(asking(reasoning=v1.ReasoningConfig(effort=effort)), replace(deployment, capability=known))
            if made[0] != "refused" and "reasoning.effort" not in made[1]:
                taken.setdefault(made[0], []).append(word)
    assert [words for words in taken.values() if len(words) > 1] == []
