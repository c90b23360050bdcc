"""Reads YAML into plain data that knows its lines.

1. Nothing is built but mappings, lists and scalars; tags of other kinds are refused.
2. A key twice in a mapping is a problem, not a choice.
3. Bounds: 1 MiB of file, 32 levels, 100,000 values after aliases have unfolded. Beyond them the file is refused.
4. No text of the file gets into a problem.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from trunkline_server.config.interpolate import FillingFailed, Interpolator
from trunkline_server.config.problems import ConfigError, Problem, Where, key_text

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000

_ENDLESS: Final = "aliases that unfold without end"

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
_TEXTS: Final = {f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"}
_SCALARS: Final = {f"{_TAG}{kind}" for kind in ("int", "float", "bool", "null")}

# What the parser says begins like this. Its own words may quote the file, so ours stand for them.
_SYNTAX: Final = (
    ("found character '\\t'", "a tab where YAML wants spaces", "Indent with spaces"),
    ("found undefined alias", "an alias (*name) without its anchor", "Put quotes around a value that begins with *"),
    ("found duplicate anchor", "an anchor (&name) twice", "Give each its own name"),
    ("expected a single document", "more than one document", "Take out the line ---"),
    ("found undefined tag handle", "a tag that is not known", "Put quotes around a value that begins with !"),
    ("found character '%'", "a value that begins with %", "Put quotes around it"),
    ("found character '@'", "a value that begins with @", "Put quotes around it"),
    ("found character '`'", "a value that begins with a backquote", "Put quotes around it"),
    ("expected ',' or '}'", "braces that do not close here", 'Inside braces, put quotes around "${...}"'),
    ("expected ',' or ']'", "brackets that do not close here", "Close them, or put commas between the entries"),
    ("mapping values are not allowed", "a colon too many", "Put quotes around a value with a colon in it"),
    ("could not find expected ':'", "a key without its colon", "Write `key: value`"),
    ("found unexpected end of stream", "a quote that does not close", "Close it"),
    ("expected <block end>", "an indentation that fits no level", "Line it up with its neighbours"),
)


@dataclass(slots=True, kw_only=True)
class Tree:
    """Plain data, and where it stood."""

    file: str
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    lines: dict[Where, int] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Where] = field(default_factory=set)
    """Values that have a problem already; what is below them is not judged again."""

    def line(self, where: Where) -> int:
        """The line of the value, or of the nearest one above it that has one."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def report(self, where: Where, message: str, mend: str = "") -> None:
        """Adds a problem, unless the value or one above it has one already."""
        if any(where[:length] in self.broken for length in range(len(where) + 1)):
            return
        self.broken.add(where)
        self.report_key(where, message, mend)

    def report_key(self, where: Where, message: str, mend: str = "") -> None:
        """Adds a problem of the key itself: what is below it is judged all the same."""
        self.problems.append(
            Problem(file=self.file, line=self.line(where), key=key_text(where), message=message, mend=mend)
        )


def read(path: Path, named_by: str = "") -> str:
    """The text of a configuration file. `named_by`: what names another one. Raises ConfigError."""
    data, why = _bytes_of(path)
    if why:
        raise _refusal(str(path), 0, why, f"Make it, or name another{f' with {named_by}' if named_by else ''}")
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(str(path), 0, f"more than {MAX_FILE_BYTES} bytes", "Split the models among gateways")
    text = data.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        raise _refusal(str(path), text[: text.index("\ufffd")].count("\n") + 1, "not text in UTF-8", "Save it as UTF-8")
    return text


def parse(text: str, file: str, interpolator: Interpolator) -> Tree:
    """The text as a tree with its `${...}` filled. Raises ConfigError where it isn't YAML or not a mapping."""
    node, problem = _compose(text, file)
    if problem:
        raise ConfigError([problem])
    if not isinstance(node, yaml.MappingNode):
        raise _refusal(file, 1, "not a mapping", "Begin with `providers:` and `models:`")
    tree = Tree(file=file)
    tree.data = _Grower(tree=tree, interpolator=interpolator).mapping(node, ())
    return tree


def _bytes_of(path: Path) -> tuple[bytes, str]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1), ""
    except FileNotFoundError:
        return b"", "no such file"
    except OSError as error:
        return b"", f"can't be read: {error.strerror or 'it failed'}"


def _refusal(file: str, line: int, message: str, mend: str) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, message=message, mend=mend)])


class _Composer(yaml.SafeLoader):
    """PyYAML's own, with a bound on depth. Only its nodes are used; it builds no objects."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _TooDeep(None, None, "nested too deep", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _TooDeep(yaml.MarkedYAMLError):
    """More levels than there may be."""


def _compose(text: str, file: str) -> tuple[yaml.Node | None, Problem | None]:
    # The parser's errors hold the whole text, so they end here, and the problem is raised outside of this `except`.
    try:
        return _Composer(text).get_single_node(), None
    except _TooDeep as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return None, Problem(file=file, line=line, message=f"more than {MAX_DEPTH} levels", mend="Flatten it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, mend = _syntax((error.problem or "", error.context or ""))
        return None, Problem(file=file, line=mark.line + 1 if mark else 0, message=message, mend=mend)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, Problem(file=file, line=line, message="a character that YAML forbids", mend="Take it out")
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets these out for a character escape beyond Unicode.
        return None, Problem(file=file, message="not valid YAML", mend="Look for escapes such as \\U that are wrong")


def _syntax(words: tuple[str, str]) -> tuple[str, str]:
    for start, message, mend in _SYNTAX:
        if any(each.startswith(start) for each in words):
            return message, mend
    return "not valid YAML", "Check quotes, colons and indentation near here"


@dataclass(slots=True, kw_only=True)
class _Grower:
    """Turns nodes into data. An alias is unfolded where it stands, which is why values are counted."""

    tree: Tree
    interpolator: Interpolator
    values: int = 0
    depth: int = 0
    scalars: dict[int, Any] = field(default_factory=dict)
    """Scalars by identity of their node: an alias of a long text costs its length once."""

    def mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        """The mapping with `<<` merged in; its own keys win over merged ones."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refusal(self.tree.file, node.start_mark.line + 1, _ENDLESS, "Write the values out")
        data: dict[str, Any] = {}
        own: set[str] = set()
        # Merges come first, so that lines of the mapping's own keys win as well.
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            if key_node.tag == _MERGE:
                for merged in self._merged(value_node, where, key_node):
                    data = self.mapping(merged, where) | data
                continue
            key = self._key(key_node, where, own)
            if key is not None:
                own.add(key)
                data[key] = self.value(value_node, (*where, key), key_node.start_mark.line + 1)
        self.depth -= 1
        return data

    def value(self, node: yaml.Node, where: Where, line: int) -> Any:
        self.tree.lines[where] = line
        self.values += 1
        if self.values > MAX_VALUES or len(where) > MAX_DEPTH:
            raise _refusal(self.tree.file, line, _ENDLESS, "Write the values out")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*where, i), each.start_mark.line + 1) for i, each in enumerate(node.value)]
        return self._scalar(node, where)

    def _merged(self, node: yaml.Node, where: Where, key_node: yaml.Node) -> Iterator[yaml.MappingNode]:
        self.values += 1
        if self.values > MAX_VALUES:
            line = key_node.start_mark.line + 1
            raise _refusal(self.tree.file, line, _ENDLESS, "Write the values out")
        for each in node.value if isinstance(node, yaml.SequenceNode) else (node,):
            if isinstance(each, yaml.MappingNode):
                yield each
            else:
                self.tree.lines.setdefault(where, key_node.start_mark.line + 1)
                self.tree.report(where, "<< merges something that is not a mapping", "Point it at a mapping's anchor")

    def _key(self, node: yaml.Node, where: Where, own: set[str]) -> str | None:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXTS:
            self._report_at(line, where, "a key that is not text", "Put quotes around it")
            return None
        key = str(node.value)
        if key in own:
            self._report_at(line, (*where, key), "given twice", "Keep one of the two")
            return None
        return key

    def _report_at(self, line: int, where: Where, message: str, mend: str) -> None:
        problem = Problem(file=self.tree.file, line=line, key=key_text(where), message=message, mend=mend)
        self.tree.problems.append(problem)

    def _scalar(self, node: yaml.Node, where: Where) -> Any:
        if id(node) in self.scalars:
            return self.scalars[id(node)]
        data = self._read_scalar(node, where)
        if where not in self.tree.broken:
            self.scalars[id(node)] = data
        return data

    def _read_scalar(self, node: yaml.Node, where: Where) -> Any:
        if node.tag in _TEXTS:
            return self._fill(node.value, where)
        if node.tag not in _SCALARS:
            self.tree.report(where, "a tag that is not known", "Put quotes around a value that begins with !")
            return None
        data, valid = _plain(node)
        if not valid:
            self.tree.report(where, "a number that can't be read", "Put quotes around it if it is text")
        return data

    def _fill(self, text: str, where: Where) -> str:
        try:
            return self.interpolator.fill(text)
        except FillingFailed as failure:
            self.tree.report(where, failure.message, failure.mend)
            return ""


def _plain(node: yaml.Node) -> tuple[Any, bool]:
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node), True
    except (yaml.YAMLError, ValueError, OverflowError):
        return None, False
