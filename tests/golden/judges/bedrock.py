"""The service model that AWS publishes in botocore, as judge of Bedrock's requests and answers.

botocore's own validator leaves enumerations and base64 alone; both stand in the model, so they are judged here.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.golden.judges import anthropic
from tests.golden.judges.judge import Refused, Request

SERVICE: Final = botocore.session.Session().get_service_model("bedrock-runtime")
_USED: Final = ("Converse", "ConverseStream", "CountTokens", "InvokeModel", "InvokeModelWithResponseStream")
_CLAUDE: Final = "bedrock-2023-05-31"


def operation(request: Request) -> OperationModel:
    """The one that this is a request for. Raises Refused."""
    path = urlsplit(request["url"]).path
    for name in _USED:
        model = SERVICE.operation_model(name)
        before, _, after = model.http["requestUri"].partition("{modelId}")
        if request["method"] == model.http["method"] and re.search(f"{before}[^/]+{after}$", path):
            return model
    raise Refused(f"there is no {request['method']} {path}")


class Bedrock:
    """Bedrock's runtime."""

    def request(self, request: Request) -> None:
        model = operation(request)
        shape = model.input_shape
        model_id = unquote(urlsplit(request["url"]).path.split("/model/")[1].rpartition("/")[0])
        if shape.serialization.get("payload") == "body":
            _judge_payload(request["body"])
        else:
            if "modelId" in request["body"]:
                raise Refused("$.modelId stands in the URL")
            _judge(shape, {"modelId": model_id, **request["body"]})

    def answer(self, request: Request, body: Any) -> None:
        model = operation(request)
        if model.output_shape.serialization.get("payload") != "body":
            _judge(model.output_shape, body)
        elif "anthropic_version" in request["body"]:
            anthropic.judge_answer(body, betas=anthropic.has_betas(request))

    def event(self, request: Request, data: Any) -> None:
        """`data` is {headers, payload} of one frame, as upstream_response.eventstream.json has it."""
        stream = operation(request).get_event_stream_output()
        headers, payload = data["headers"], data["payload"]
        name = headers.get(":event-type") or headers.get(":exception-type", "")
        member = stream.members.get(name)
        if member is None:
            raise Refused(f"{stream.name} has no {name or 'event without a type'}")
        if (headers[":message-type"] == "exception") != bool(member.metadata.get("exception")):
            raise Refused(f"{name} with :message-type {headers[':message-type']}")
        # "p" is padding, which AWS adds so that the length of a frame tells nothing of its text.
        _judge(member, {key: value for key, value in payload.items() if key != "p"})
        if name == "chunk" and "anthropic_version" in request["body"]:
            inner = json.loads(base64.b64decode(payload["bytes"]))
            anthropic.judge_event(inner, betas=anthropic.has_betas(request))

    def failure(self, status: int, body: Any) -> None:
        if not isinstance(body.get("message", body.get("Message")), str):
            raise Refused("AWS's errors have a message")


def _judge_payload(body: Any) -> None:
    """The body of InvokeModel, which is the business of each model's vendor."""
    if "anthropic_version" not in body:
        return
    given = {key: value for key, value in body.items() if key != "anthropic_beta"}
    if given.pop("anthropic_version") != _CLAUDE or given.keys() & {"model", "stream"}:
        raise Refused("a message to Claude on Bedrock names its version, and neither model nor stream")
    anthropic.judge_body({"model": "in-the-url", **given}, betas="anthropic_beta" in body)


def _judge(shape: Shape, value: Any) -> None:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        raise Refused(report.generate_report())
    _judge_values(shape, value, "$")


def _judge_values(shape: Shape, value: Any, at: str) -> None:
    """What the validator leaves alone."""
    if shape.type_name == "blob":
        _judge_base64(value, at)
    elif (allowed := shape.metadata.get("enum")) and value not in allowed:
        raise Refused(f"{at}: {value!r} is none of {allowed}")
    else:
        for below, each, name in _within(shape, value):
            _judge_values(below, each, f"{at}{name}")


def _judge_base64(value: Any, at: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except ValueError as error:
        raise Refused(f"{at} is not base64") from error


def _within(shape: Shape, value: Any) -> Iterator[tuple[Shape, Any, str]]:
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        yield from ((shape.members[name], each, f".{name}") for name, each in value.items())
    elif isinstance(shape, ListShape):
        yield from ((shape.member, each, f"[{index}]") for index, each in enumerate(value))
    elif isinstance(shape, MapShape):
        yield from ((shape.value, each, f".{name}") for name, each in value.items())
