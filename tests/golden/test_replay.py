"""What only its provider can read comes back to it byte for byte, and goes to nobody else."""

import base64
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fuzz.frames import events_of, in_frames
from tests.golden.exchange import Exchange, feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.core.dialect import Dialect
from trunkline_server.core.errors import CapabilityMissing
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.registry import ROWS

ANSWERED = [each for each in find().exchanges if each.verb == "complete" and each.response]
STREAMED = [each for each in ANSWERED if each.streamed and each.events and not each.error]
SEALED = {"signature", "thoughtSignature", "encrypted_content", "redactedContent"}
"""Members that hold what only the provider reads, in the words of all dialects."""
CALL_IDS = {"toolUseId", "call_id"}
CALLS = {"function", "tool_use"}
"""Types of tool calls whose own id is what results name."""
LONG_ID = 64
SHORT_IDS = {"mistral": 9}
"""Hexadecimal digits of an id, where any longer one would be renamed upstream."""


def _name(exchange: Exchange) -> str:
    return exchange.name


def _is_sealed(key: str, holder: dict[str, Any]) -> bool:
    return key in SEALED or (key == "data" and holder.get("type") in ("redacted_thinking", "reasoning.encrypted"))


def _is_call_id(key: str, holder: dict[str, Any]) -> bool:
    return key in CALL_IDS or (key == "id" and holder.get("type") in CALLS)


class Shuffled:
    """Puts random text in place of what an answer holds sealed, and in place of the ids of its calls.

    Equal texts become equal ones, in whole answers and in streams. Ids are as long as the dialect takes them.
    """

    def __init__(self, seed: int, dialect: str = "") -> None:
        self._rng = random.Random(seed)
        self._id_digits = SHORT_IDS.get(dialect, LONG_ID)
        self.sealed: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self(item) for item in value]
        if isinstance(value, dict):
            return {key: self._member(key, item, value) for key, item in value.items()}
        return value

    def _member(self, key: str, item: Any, holder: dict[str, Any]) -> Any:
        if isinstance(item, str) and item and _is_sealed(key, holder):
            made = base64.b64encode(self._rng.randbytes(self._rng.randint(1, 400))).decode()
            return self.sealed.setdefault(item, made)
        if isinstance(item, str) and item and _is_call_id(key, holder):
            made = f"{self._rng.getrandbits(4 * self._id_digits):0{self._id_digits}x}"
            return self.ids.setdefault(item, made)
        return self(item)


def whole(exchange: Exchange, shuffled: Shuffled) -> v1.Message:
    """The message of the whole answer."""
    assert exchange.upstream_response is not None
    body = json.dumps(shuffled(exchange.upstream_response["body"])).encode()
    return exchange.dialect.decode(body, exchange.deployment).message


def streamed(exchange: Exchange, shuffled: Shuffled) -> v1.Message:
    """The message that the stream folds to."""
    events = [(head, shuffled(payload)) for head, payload in events_of(exchange)]
    made, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), [in_frames(exchange, events)])
    assert error is None
    return fold(made).message


def next_turn(exchange: Exchange, answer: v1.Message) -> v1.CompleteRequest:
    """The conversation with the answer in it, the results of its calls, and another question."""
    request = v1.CompleteRequest()
    assert isinstance(exchange.request, v1.CompleteRequest)
    request.model = exchange.request.model
    request.tools.extend(exchange.request.tools)
    question = v1.Block(text=v1.Text(text="Go on."))
    request.messages.add(role=v1.ROLE_USER, blocks=[question])
    request.messages.append(answer)
    calls = [block.tool_call for block in answer.blocks if block.HasField("tool_call")]
    results = [
        v1.Block(tool_result=v1.ToolResult(tool_call_id=call.id, name=call.name, blocks=[question])) for call in calls
    ]
    if results:
        request.messages.add(role=v1.ROLE_TOOL, blocks=results)
    request.messages.add(role=v1.ROLE_USER, blocks=[question])
    return request


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def in_order(wanted: Iterable[str], there: Iterable[str]) -> bool:
    """Whether all of `wanted` are `there`, in their order."""
    rest = iter(there)
    return all(any(one == text for text in rest) for one in wanted)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("exchange", [each for each in ANSWERED if each.upstream_response], ids=_name)
def test_whole_answer_is_replayed(exchange: Exchange, seed: int) -> None:
    """Random signatures, sealed thoughts and ids of calls come back to their provider, in their order."""
    shuffled = Shuffled(seed, exchange.dialect.name)
    answer = whole(exchange, shuffled)
    body = json.loads(exchange.dialect.encode(next_turn(exchange, answer), exchange.deployment, stream=False).body)
    assert in_order(shuffled.sealed.values(), strings(body))
    assert set(shuffled.ids.values()) <= set(strings(body))


@pytest.mark.parametrize("exchange", STREAMED, ids=_name)
def test_streamed_answer_is_replayed(exchange: Exchange) -> None:
    """The same of a stream, but for what it seals early and replaces later: that is not in the whole answer either."""
    shuffled = Shuffled(7, exchange.dialect.name)
    answer = streamed(exchange, shuffled)
    body = json.loads(exchange.dialect.encode(next_turn(exchange, answer), exchange.deployment, stream=True).body)
    last = set(strings(exchange.upstream_response["body"])) if exchange.upstream_response else set(shuffled.sealed)
    assert in_order((new for old, new in shuffled.sealed.items() if old in last), strings(body))
    assert set(shuffled.ids.values()) <= set(strings(body))


FIRST = {ROWS[each.dialect.name].speaker: each for each in reversed(ANSWERED)}
"""An exchange of each kind of dialect."""


def _secrets(answer: v1.Message) -> list[bytes]:
    found = []
    for block in answer.blocks:
        found += [block.signature, block.reasoning.opaque, block.provider_opaque.data]
        found += [citation.opaque for citation in (*block.text.citations, block.citation)]
    return [one for one in found if len(one) > len(b"{}")]


@pytest.mark.parametrize("other", FIRST.values(), ids=[each.dialect.name for each in FIRST.values()])
@pytest.mark.parametrize("exchange", [each for each in ANSWERED if each.upstream_response], ids=_name)
def test_others_are_sent_nothing_sealed(exchange: Exchange, other: Exchange) -> None:
    """What another's provider sealed is not sent, and each of its places is named."""
    if other.dialect.format == exchange.dialect.format:
        pytest.skip("they can read it")
    answer = whole(exchange, Shuffled(11))
    made = _asked(other, next_turn(exchange, answer))
    if made is None:
        return
    for secret in _secrets(answer):
        assert secret not in made.body
        assert json.dumps(secret.decode("utf-8", "replace")).encode() not in made.body
    for place, block in enumerate(answer.blocks):
        path = f"messages[1].blocks[{place}]"
        if block.signature:
            assert {path, f"{path}.signature", f"{path}.{block.WhichOneof('kind')}"} & set(made.left_out)
        if block.WhichOneof("kind") in ("provider_opaque", "reasoning"):
            assert any(left.startswith(path) for left in made.left_out)


def _asked(other: Exchange, request: v1.CompleteRequest) -> HttpRequest | None:
    """What another dialect makes of it; None if it refuses it by name."""
    request.ClearField("tools")
    for tool in {block.tool_call.name for block in request.messages[1].blocks if block.HasField("tool_call")}:
        request.tools.add(function=v1.FunctionTool(name=tool, parameters_json_schema=b'{"type":"object"}'))
    deployment = replace(other.deployment, capability=None)
    dialect: Dialect = other.dialect
    try:
        return dialect.encode(request, deployment, stream=False)
    except CapabilityMissing:
        return None
