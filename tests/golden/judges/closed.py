"""Turns schemas of an OpenAPI document into JSON Schema that refuses what the document does not name.

1. An object that has declared properties takes no others, unless the document says that it may.
2. Branches of allOf are open and their whole is closed, so that parts that complete each other stay together.
3. `oneOf` becomes `anyOf`: published documents use the two words for the same.
4. What a caller may not send (readOnly) is not declared.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, by_relevance

from tests.golden.judges.judge import Refused

_KEPT: Final = frozenset(
    {
        *("type", "enum", "const", "required", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
"""Words that mean the same in both; others are prose, hints to generators, or handled below."""

_BY_RELEVANCE: Final = by_relevance()


def pointed(document: Mapping[str, Any], pointer: str) -> Any:
    """What a pointer within the document leads to: "#/components/schemas/Message"."""
    node: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


class Closed:
    """A validator of one schema of a document, and of all that it refers to."""

    def __init__(self, document: Mapping[str, Any], schema: Any) -> None:
        self._document = document
        self._definitions: dict[str, Any] = {}
        self._wanted: list[tuple[str, bool]] = []
        root = self._convert(schema, opened=False)
        while self._wanted:
            pointer, opened = self._wanted.pop()
            if (name := _name(pointer, opened)) not in self._definitions:
                self._definitions[name] = {}
                self._definitions[name] = self._convert(pointed(document, pointer), opened=opened)
        self._validator = Draft202012Validator({**root, "$defs": self._definitions})

    def check(self, body: Any) -> None:
        """Raises Refused with the deepest fault."""
        fault = max(self._validator.iter_errors(body), key=_relevance, default=None)
        if fault is not None:
            fault = _deepest(fault)
            raise Refused(f"{fault.json_path}: {fault.message[:500]}")

    def _convert(self, node: Any, *, opened: bool) -> Any:
        if not isinstance(node, Mapping):
            return node
        made = {key: value for key, value in node.items() if key in _KEPT} | dict(self._parts(node, opened))
        if "$ref" in node:
            self._wanted.append((node["$ref"], opened))
            made["$ref"] = f"#/$defs/{_name(node['$ref'], opened)}"
        if not opened:
            self._close(made)
        return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") else made

    def _parts(self, node: Mapping[str, Any], opened: bool) -> Iterator[tuple[str, Any]]:
        """The schemas within a schema."""
        whole = "properties" in node or "allOf" in node
        if "properties" in node:
            told = {name: part for name, part in node["properties"].items() if not _read_only(part)}
            yield "properties", {name: self._convert(part, opened=False) for name, part in told.items()}
        if "allOf" in node:
            yield "allOf", [self._convert(part, opened=True) for part in node["allOf"]]
        if branches := [*node.get("oneOf", ()), *node.get("anyOf", ())]:
            yield "anyOf", [self._convert(part, opened=opened or whole) for part in branches]
        if "items" in node:
            yield "items", self._convert(node["items"], opened=False)
        if "additionalProperties" in node and not opened:
            yield "additionalProperties", self._convert(node["additionalProperties"], opened=False)

    @staticmethod
    def _close(made: dict[str, Any]) -> None:
        if "additionalProperties" in made or not made.keys() & {"properties", "allOf"}:
            return
        simple = not made.keys() & {"allOf", "anyOf", "$ref"}
        made["additionalProperties" if simple else "unevaluatedProperties"] = False


def _relevance(fault: ValidationError) -> Any:
    """Members are unevaluated as soon as any of them is wrong, so that this is told last."""
    return fault.validator != "unevaluatedProperties", _BY_RELEVANCE(fault)


def _deepest(fault: ValidationError) -> ValidationError:
    """The fault that somebody who wrote the body would look for: within the one branch that it was meant for."""
    branches: dict[Any, list[ValidationError]] = defaultdict(list)
    for each in fault.context:
        branches[each.schema_path[0]].append(each)
    for faults in branches.values():
        if not any(_of_another_kind(each, fault) for each in faults):
            return _deepest(max(faults, key=_relevance))
    return fault


def _of_another_kind(fault: ValidationError, whole: ValidationError) -> bool:
    """Whether a branch is for other values: of another JSON type, or with another "type" or "role"."""
    below = list(fault.absolute_path)[len(whole.absolute_path) :]
    return (not below and fault.validator == "type") or (len(below) == 1 and fault.validator in ("const", "enum"))


def _name(pointer: str, opened: bool) -> str:
    return pointer.removeprefix("#/").replace("/", ".").replace("~1", ".") + (".open" if opened else "")


def _read_only(part: Any) -> bool:
    return isinstance(part, Mapping) and bool(part.get("readOnly"))
