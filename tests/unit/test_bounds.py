"""Every field of every request has a bound: all of them in one table, which the contract itself is held against."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from trunkline import v1
from trunkline_server.config.snapshot import Snapshot
from trunkline_server.core.call import Call
from trunkline_server.core.errors import GatewayError, InvalidRequest, ModelNotFound, ProviderOptionRefused
from trunkline_server.engine.method import methods_of
from trunkline_server.routing.catalogue import Catalogue
from trunkline_server.services.embed_validation import validate_embed
from trunkline_server.services.models import Models
from trunkline_server.services.validation import validate

KIB: Final = 1024


def word(size: int) -> Any:
    return "x" * size


def data(size: int) -> Any:
    return b"x" * size


def an_object(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


def many(each: Callable[[int], Any]) -> Callable[[int], Any]:
    return lambda count: [each(index) for index in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much a field takes."""

    most: int
    make: Callable[[int], Any]
    """A value of that size."""
    where: str = ""
    """What the violation's path ends with, where it isn't the field's own name."""


def text_bytes(most: int, where: str = "") -> Bound:
    return Bound(most=most, make=word, where=where)


def json_bytes(most: int) -> Bound:
    return Bound(most=most, make=an_object)


def entries(most: int, each: Callable[[int], Any], where: str = "") -> Bound:
    return Bound(most=most, make=many(each), where=where)


def text(words: str = "hello") -> v1.Block:
    return v1.Block(text=v1.Text(text=words))


def turn(*blocks: v1.Block, role: "v1.Role.ValueType" = v1.ROLE_USER) -> v1.Message:
    return v1.Message(role=role, blocks=blocks or [text()])


WORD: Final = text_bytes(64 * KIB)
URI: Final = Bound(most=64 * KIB, make=lambda size: "https://" + "x" * (size - 8))
CONTENT: Final = "the message that it comes in"
"""Bounded by TRUNKLINE_MAX_RECEIVE_MESSAGE_BYTES, before it is decoded."""
UNREAD: Final = "the message that it comes in, and the number of its fields"
"""Bounded like content, and in number by engine/wire.py. Nobody looks at it."""
UNSERVED: Final = "a method that is not served"

LABELS: Final = entries(32, lambda index: (f"k{index}", "v"))
OPTIONS: Final = entries(8, lambda index: (f"dialect{index}", b"{}"))

BOUNDS: Final[dict[str, Bound | str]] = {
    "CompleteRequest.model": text_bytes(256),
    "CompleteRequest.messages": entries(4096, lambda _: turn()),
    "CompleteRequest.tools": entries(512, lambda index: v1.Tool(function=v1.FunctionTool(name=f"f{index}"))),
    "CompleteRequest.stop": entries(16, lambda _: "s"),
    "CompleteRequest.stop[]": text_bytes(256),
    "CompleteRequest.labels": LABELS,
    "CompleteRequest.labels.key": text_bytes(64),
    "CompleteRequest.labels.value": text_bytes(256),
    "CompleteRequest.idempotency_key": text_bytes(128),
    "CompleteRequest.provider_options": OPTIONS,
    "CompleteRequest.provider_options.key": text_bytes(64),
    "CompleteRequest.provider_options.value": json_bytes(64 * KIB),
    "Message.blocks": entries(16_384, lambda _: text()),
    "Message.name": text_bytes(64),
    "Block.signature": CONTENT,
    "Block.logprobs": UNREAD,
    "Text.text": CONTENT,
    "Text.citations": entries(4096, lambda _: v1.Citation()),
    "Citation.uri": WORD,
    "Citation.title": WORD,
    "Citation.cited_text": CONTENT,
    "Citation.source_id": WORD,
    "Citation.opaque": CONTENT,
    "Reasoning.text": CONTENT,
    "Reasoning.summary": CONTENT,
    "Reasoning.opaque": CONTENT,
    "Reasoning.id": WORD,
    "ToolCall.id": WORD,
    "ToolCall.name": WORD,
    "ToolCall.arguments_json": CONTENT,
    "ToolResult.tool_call_id": WORD,
    "ToolResult.blocks": entries(16_382, lambda _: text(), "messages[1].blocks"),
    "ToolResult.name": WORD,
    "Media.mime_type": Bound(most=127, make=lambda size: "image/" + "x" * (size - 6)),
    "Media.data": CONTENT,
    "Media.uri": URI,
    "Media.file_id": WORD,
    "Media.name": WORD,
    "Media.context": text_bytes(4096),
    "ProviderOpaque.type": WORD,
    "ProviderOpaque.data": CONTENT,
    "Origin.provider": WORD,
    "Origin.model": WORD,
    "Origin.format": WORD,
    "TokenLogprob.token": UNREAD,
    "TokenLogprob.token_bytes": UNREAD,
    "TokenLogprob.top": UNREAD,
    "TopLogprob.token": UNREAD,
    "TopLogprob.token_bytes": UNREAD,
    "FunctionTool.name": text_bytes(64),
    "FunctionTool.description": text_bytes(64 * KIB),
    "FunctionTool.parameters_json_schema": json_bytes(1024 * KIB),
    "ProviderTool.dialect": text_bytes(64),
    "ProviderTool.type": text_bytes(256),
    "ProviderTool.config_json": json_bytes(1024 * KIB),
    "ToolChoice.allowed_tools": entries(512, lambda _: "look"),
    "ToolChoice.allowed_tools[]": Bound(most=4, make=lambda size: "looks"[:size]),
    "JsonSchemaFormat.name": text_bytes(64),
    "JsonSchemaFormat.description": text_bytes(64 * KIB),
    "JsonSchemaFormat.schema": json_bytes(1024 * KIB),
    "CacheConfig.key": text_bytes(64),
    "RoutingPreferences.allowed_providers": entries(256, lambda _: "p"),
    "RoutingPreferences.allowed_providers[]": text_bytes(64),
    "RoutingPreferences.denied_providers": entries(256, lambda _: "p"),
    "RoutingPreferences.denied_providers[]": text_bytes(64),
    "RoutingPreferences.allowed_regions": entries(256, lambda _: "r"),
    "RoutingPreferences.allowed_regions[]": text_bytes(256),
    "RoutingPreferences.denied_regions": entries(256, lambda _: "r"),
    "RoutingPreferences.denied_regions[]": text_bytes(256),
    "RoutingPreferences.fallback_models": entries(8, lambda _: "m"),
    "RoutingPreferences.fallback_models[]": text_bytes(256),
    "GetOutcomeRequest.request_id": UNSERVED,
    "GetOutcomeRequest.idempotency_key": UNSERVED,
    "EmbedRequest.model": text_bytes(256),
    "EmbedRequest.inputs": entries(2048, lambda _: v1.EmbedInput(blocks=[text()])),
    "EmbedRequest.labels": LABELS,
    "EmbedRequest.labels.key": text_bytes(64),
    "EmbedRequest.labels.value": text_bytes(256),
    "EmbedRequest.idempotency_key": text_bytes(128),
    "EmbedRequest.provider_options": OPTIONS,
    "EmbedRequest.provider_options.key": text_bytes(64),
    "EmbedRequest.provider_options.value": json_bytes(64 * KIB),
    "EmbedInput.blocks": entries(64, lambda _: text()),
    "ListModelsRequest.page_token": text_bytes(256),
    "GetModelRequest.name": text_bytes(256),
    "GetQuotaRequest.model": UNSERVED,
}
"""Message and field -> bound. `[]` is an entry of a list of texts; `.key` and `.value` are those of a map."""

REQUESTS: Final = tuple(
    getattr(v1, method.input_type.name).DESCRIPTOR
    for service in (
        *v1.CompleteRequest.DESCRIPTOR.file.services_by_name.values(),
        *v1.EmbedRequest.DESCRIPTOR.file.services_by_name.values(),
        *v1.GetModelRequest.DESCRIPTOR.file.services_by_name.values(),
        *v1.GetQuotaRequest.DESCRIPTOR.file.services_by_name.values(),
    )
    for method in service.methods
)


def growing(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """The fields that can grow, of a message and of all within it."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        name = f"{message.name}.{field.name}"
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            yield from (name, f"{name}.key", f"{name}.value")
            continue
        if field.is_repeated:
            yield name
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield f"{name}[]" if field.is_repeated else name
        if inner is not None:
            yield from growing(inner, seen)


def test_every_field_that_can_grow_is_in_the_table() -> None:
    """A field that the contract gets needs a bound here, and one that it loses leaves."""
    seen: set[str] = set()
    assert {name for request in REQUESTS for name in growing(request, seen)} == set(BOUNDS)


Place = tuple[Callable[[Message], Message], str]
"""Puts a message into a request, and where it then is."""


def complete(**fields: Any) -> v1.CompleteRequest:
    return v1.CompleteRequest(**{"model": "m", "messages": [turn()], **fields})


def embed(**fields: Any) -> v1.EmbedRequest:
    return v1.EmbedRequest(**{"model": "m", "inputs": [v1.EmbedInput(blocks=[text()])], **fields})


def said(role: "v1.Role.ValueType") -> Place:
    return lambda block: complete(messages=[turn(block, role=role)]), "messages[0].blocks[0]"


def in_result(block: Any) -> v1.CompleteRequest:
    return answered(v1.ToolResult(tool_call_id="c", blocks=[block]))


def answered(result: Any) -> v1.CompleteRequest:
    call = v1.ToolCall(id=result.tool_call_id or "c", name="look")
    replies = turn(v1.Block(tool_result=result), role=v1.ROLE_TOOL)
    return complete(messages=[turn(v1.Block(tool_call=call), role=v1.ROLE_ASSISTANT), replies])


def called(call: Any) -> v1.CompleteRequest:
    result = v1.ToolResult(tool_call_id=call.id)
    turns = [turn(v1.Block(tool_call=call), role=v1.ROLE_ASSISTANT)]
    return complete(messages=[*turns, turn(v1.Block(tool_result=result), role=v1.ROLE_TOOL)])


USER: Final = said(v1.ROLE_USER)
ASSISTANT: Final = said(v1.ROLE_ASSISTANT)
RESULT: Final[Place] = (in_result, "messages[1].blocks[0].tool_result.blocks[0]")
INPUT: Final[Place] = (lambda block: embed(inputs=[v1.EmbedInput(blocks=[block])]), "inputs[0].blocks[0]")


def inside(field: str, *places: Place) -> list[Place]:
    """Places of what a field of a block holds."""
    return [(lambda message, put=put: put(v1.Block(**{field: message})), f"{where}.{field}") for put, where in places]


def with_text(block: v1.Block) -> v1.Block:
    block.text.text = block.text.text or "x"
    return block


def cited(place: Place) -> Place:
    put, where = place
    return lambda citation: put(v1.Block(text=v1.Text(text="x", citations=[citation]))), f"{where}.text.citations[0]"


def made(place: Place) -> Place:
    put, where = place
    return lambda origin: put(v1.Block(text=v1.Text(text="x"), origin=origin)), f"{where}.origin"


LOOK: Final = v1.Tool(function=v1.FunctionTool(name="look"))
ANYWHERE: Final = (USER, ASSISTANT, RESULT, INPUT)
PLACES: Final[dict[str, list[Place]]] = {
    "CompleteRequest": [(lambda request: request, ""), (lambda r: v1.CountTokensRequest(request=r), "request.")],
    "Message": [(lambda message: complete(messages=[message]), "messages[0]")],
    "Text": inside("text", *ANYWHERE),
    "Citation": [*map(cited, ANYWHERE), *inside("citation", ASSISTANT)],
    "Reasoning": inside("reasoning", ASSISTANT),
    "ToolCall": [(called, "messages[0].blocks[0].tool_call")],
    "ToolResult": [(answered, "messages[1].blocks[0].tool_result")],
    "Media": inside("media", *ANYWHERE),
    "ProviderOpaque": inside("provider_opaque", USER, ASSISTANT),
    "Origin": [*map(made, ANYWHERE)],
    "FunctionTool": [(lambda tool: complete(tools=[v1.Tool(function=tool)]), "tools[0].function")],
    "ProviderTool": [(lambda tool: complete(tools=[v1.Tool(provider=tool)]), "tools[0].provider")],
    "ToolChoice": [(lambda choice: complete(tools=[LOOK], tool_choice=choice), "tool_choice")],
    "JsonSchemaFormat": [
        (
            lambda schema: complete(response_format=v1.ResponseFormat(json_schema=schema)),
            "response_format.json_schema",
        )
    ],
    "CacheConfig": [(lambda cache: complete(cache=cache), "cache")],
    "RoutingPreferences": [
        (lambda routing: complete(routing=routing), "routing"),
        (lambda routing: embed(routing=routing), "routing"),
    ],
    "EmbedRequest": [(lambda request: request, "")],
    "EmbedInput": [(lambda each: embed(inputs=[each]), "inputs[0]")],
    "ListModelsRequest": [(lambda request: request, "")],
    "GetModelRequest": [(lambda request: request, "")],
}
"""Where a message can stand in a request."""

REQUIRED: Final[dict[str, dict[str, Any]]] = {
    "CompleteRequest": {"model": "m", "messages": [turn()]},
    "EmbedRequest": {"model": "m", "inputs": [v1.EmbedInput(blocks=[text()])]},
    "Message": {"role": v1.ROLE_USER, "blocks": [text()]},
    "Text": {"text": "x"},
    "ToolCall": {"id": "c", "name": "look"},
    "ToolResult": {"tool_call_id": "c"},
    "Media": {"uri": "https://u.example"},
    "FunctionTool": {"name": "look"},
    "ProviderTool": {"dialect": "openai", "type": "t"},
    "JsonSchemaFormat": {"name": "s", "schema": b"{}"},
}
"""What a message has beside the field in question."""


def filled(name: str, value: Any) -> Message:
    """A message with this value in one of its fields, and what it must have."""
    message, _, field = name.partition(".")
    field, _, part = field.partition(".")
    kind = getattr(v1, message)
    if field.endswith("[]"):
        field, value = field.removesuffix("[]"), [value]
    elif part == "key":
        value = {value: b"{}" if field == "provider_options" else "v"}
    elif part == "value":
        value = {"k": value}
    elif isinstance(value, list) and value and isinstance(value[0], tuple):
        value = dict(value)
    given = dict(REQUIRED.get(message, {}))
    if name == "Media.file_id":
        del given["uri"]
    return kind(**{**given, field: value})


def path_of(name: str, bound: Bound, where: str) -> str:
    """The path that the violation has."""
    if bound.where:
        return bound.where
    field, _, part = name.partition(".")[2].partition(".")
    field = field.replace("[]", "[0]") + ('["k"]' if part == "value" else "")
    return f"{where}{'.' if where and not where.endswith('.') else ''}{field}"


async def check(request: Message) -> None:
    """Through the validation of its service."""
    match request:
        case v1.CompleteRequest():
            validate(request)
        case v1.CountTokensRequest():
            validate(request.request, "request.")
        case v1.EmbedRequest():
            validate_embed(request)
        case v1.ListModelsRequest():
            await Models(Catalogue(lambda: NO_MODELS), {}).list_models(request, CALL)
        case v1.GetModelRequest():
            await Models(Catalogue(lambda: NO_MODELS), {}).get_model(request, CALL)
        case _:
            raise AssertionError(request)


CALL: Final = Call(request_id="", method="", metadata={}, metadata_pairs=(), peer="", started_at=0.0)
NO_MODELS: Final = Snapshot(version="", providers={}, routes={})
"""No method here looks at it."""

SHARED: Final = ("ToolCall.id", "ToolResult.tool_call_id")
"""A call and its result have the same id, so both break the bound."""

CASES: Final = [
    pytest.param(name, bound, *place, id=f"{name} at {place[1] or 'the top'}")
    for name, bound in BOUNDS.items()
    if isinstance(bound, Bound)
    for place in PLACES[name.partition(".")[0]]
]


@pytest.mark.parametrize(("name", "bound", "put", "where"), CASES)
async def test_at_the_bound_and_beyond(name: str, bound: Bound, put: Callable[[Message], Message], where: str) -> None:
    """A request at the bound is taken; one byte or entry more is refused for that field, with its path and a mend."""
    with suppress(ModelNotFound, ProviderOptionRefused):  # of a name that nothing has: not for the bound
        await check(put(filled(name, bound.make(bound.most))))
    with pytest.raises(InvalidRequest) as caught:
        await check(put(filled(name, bound.make(bound.most + 1))))
    assert not isinstance(caught.value, ProviderOptionRefused)
    found = {violation.field: violation.description for violation in caught.value.violations}
    assert len(found) == (2 if name in SHARED else 1)
    assert len(found[path_of(name, bound, where)]) > 10


@pytest.mark.parametrize("name", [name for name, bound in BOUNDS.items() if bound == UNSERVED])
async def test_what_is_not_served_needs_no_bound_yet(name: str) -> None:
    """Whoever serves such a method has to bound its request here."""
    kind = getattr(v1, name.partition(".")[0])
    services = kind.DESCRIPTOR.file.services_by_name.values()
    [method] = [method for service in services for method in methods_of(service, object()) if method.request is kind]
    with pytest.raises(GatewayError, match="does not serve"):
        await method.serve(kind(), CALL)
