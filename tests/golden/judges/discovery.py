"""Google's discovery documents, turned into the form of OpenAPI.

1. A member whose description begins with "Required." is required: the schema itself has no word for it.
2. Base64, and numbers of 64 bits, are strings, as in all JSON of protocol buffers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_BASE64: Final = {"type": "string", "pattern": "^[A-Za-z0-9+/_-]*={0,2}$"}


def openapi(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same methods and schemas; the version of the API stays in the paths."""
    query = [{"in": "query", "name": name} for name in document["parameters"]]
    return {
        "paths": {
            f"/{method['flatPath']}": {
                method["httpMethod"].lower(): {
                    "parameters": query + _query(method),
                    "requestBody": _body(method),
                }
            }
            for method in _methods(document)
        },
        "components": {"schemas": {name: _schema(each) for name, each in document["schemas"].items()}},
    }


def _methods(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for below in resource.get("resources", {}).values():
        yield from _methods(below)


def _query(method: Mapping[str, Any]) -> list[dict[str, str]]:
    parameters = method.get("parameters", {}).items()
    return [{"in": "query", "name": name} for name, each in parameters if each["location"] == "query"]


def _body(method: Mapping[str, Any]) -> Any:
    if "request" not in method:
        return None
    return {"content": {"application/json": {"schema": _schema(method["request"])}}}


def _schema(node: Mapping[str, Any]) -> dict[str, Any]:
    kind = node.get("type")
    if "$ref" in node:
        made: dict[str, Any] = {"$ref": _REF + node["$ref"]}
    elif kind == "any":
        made = {}
    elif kind == "string" and node.get("format") == "byte":
        made = dict(_BASE64)
    elif kind == "string" and node.get("format") in ("int64", "uint64"):
        made = {"type": ["string", "integer"]}
    else:
        made = {key: node[key] for key in ("type", "enum") if key in node}
    if "items" in node:
        made["items"] = _schema(node["items"])
    if "additionalProperties" in node:
        made["additionalProperties"] = _schema(node["additionalProperties"])
    if "properties" in node:
        made["properties"] = {name: _schema(each) for name, each in node["properties"].items()}
        made["required"] = [name for name, each in node["properties"].items() if _required(each)]
    return {**made, "readOnly": True} if node.get("readOnly") else made


def _required(node: Mapping[str, Any]) -> bool:
    return str(node.get("description", "")).startswith("Required.")
