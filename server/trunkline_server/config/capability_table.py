"""The table of what models can do: capabilities.yaml, read once by each process.

1. Every entry whose pattern fits a name has its say; where two state the same fact, the more specific one is believed:
   the one with more characters that are no star, then the one for certain dialects.
2. What no entry fits is not known, and excludes nothing.
3. A mistake in the table is told with its line and key, as one in trunkline.yaml is.
4. Facts that refuse requests rest on a vendor's word or on two others' (capability_sources.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import yaml
from pydantic import AfterValidator, Field, ValidationError

from trunkline_server.config import file
from trunkline_server.config.capabilities import CapabilityEntry, capability_from
from trunkline_server.config.capability_sources import Sources, refusals
from trunkline_server.config.interpolate import Interpolator
from trunkline_server.config.model_names import forms, spelled
from trunkline_server.config.problems import ConfigError, Where, did_you_mean, explain, wrong
from trunkline_server.core.capability import Capability

__all__ = ["CapabilityTable", "built_in", "read_table"]

MAX_RULES: Final = 2000
MAX_PATTERNS: Final = 64
"""Of one entry."""

_KEYS: Final = ("sources", "models")
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_FILE: Final = Path(__file__).with_name("capabilities.yaml")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML can be built without libyaml, and is slower then."""
_PATTERN: Final = re.compile(r"[a-z0-9*][a-z0-9.*_-]{0,127}")
_MONTH: Final = re.compile(r"20\d{2}-(?:0[1-9]|1[0-2])")


def _check_pattern(pattern: str) -> str:
    if not _PATTERN.fullmatch(pattern):
        raise wrong("not a pattern for names", "Small letters, digits, dots and dashes; * stands for any characters")
    if "." in spelled(pattern):
        raise wrong("holds a point that is not between two digits", "Names have none there: write a dash, or the star")
    return pattern


def _check_month(month: str) -> str:
    if not _MONTH.fullmatch(month):
        raise wrong("not a month", "Write it like 2026-11")
    return month


class Rule(CapabilityEntry):
    """An entry of the table: for whom it is, what it says, and who says so."""

    match: Annotated[
        tuple[Annotated[str, AfterValidator(_check_pattern)], ...], Field(min_length=1, max_length=MAX_PATTERNS)
    ]
    """Names as `model_names.canonical` gives them; points may be written as points."""
    dialects: tuple[str, ...] = ()
    """Only where one of these is spoken. Empty: everywhere."""
    hosts: tuple[str, ...] = ()
    """Only at these hosts. Empty: everywhere."""
    source: Annotated[str, Field(min_length=1, max_length=1024)]
    """Pages and packages that were read, with "; " between them."""
    checked: Annotated[str, AfterValidator(_check_month)]


_Pattern = tuple[str, re.Pattern[str], int, int]
"""What a name has to begin with, which is cheaper to ask than the whole; the whole; its weight; place of its rule."""


@dataclass(frozen=True, slots=True)
class CapabilityTable:
    """The rules, ready to be asked. repr: "CapabilityTable(180 entries)"."""

    rules: tuple[Rule, ...] = field(repr=False)
    _facts: tuple[Mapping[str, Any], ...] = field(repr=False)
    """Of each rule."""
    _patterns: tuple[_Pattern, ...] = field(repr=False)

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> "CapabilityTable":
        """The table with these rules."""
        patterns = tuple(_compiled(text, place) for place, rule in enumerate(rules) for text in rule.match)
        return cls(rules, tuple(rule.facts for rule in rules), patterns)

    def find(
        self, upstream_model: str, *, dialect: str, host: str, own: Mapping[str, Any] = _NONE
    ) -> Capability | None:
        """What is known of a model at that host, where that dialect is spoken; None if nothing is.

        `own` are the operator's facts, by the names of Capability's fields; they replace the table's.
        """
        found = self._found(forms(upstream_model), dialect, host)
        facts: dict[str, Any] = {}
        for place in found:
            facts.update(self._facts[place])
        facts.update(own)
        if not facts:
            return None
        named = [rule for place in found if (rule := self.rules[place]).match != ("*",)]
        checked, source = (named[-1].checked, named[-1].source) if named else ("", "")
        return capability_from(facts, checked=checked, source=source)

    def _found(self, names: tuple[str, ...], dialect: str, host: str) -> list[int]:
        """Places of the rules that fit, the most specific last."""
        weights: dict[int, int] = {}
        for start, whole, weight, place in self._patterns:
            for name in names:
                if name.startswith(start) and whole.fullmatch(name):
                    weights[place] = max(weight, weights.get(place, 0))
        fitting = [
            (weight, bool(rule.dialects) + bool(rule.hosts), place)
            for place, weight in weights.items()
            if _is_at(rule := self.rules[place], dialect, host)
        ]
        return [place for _, _, place in sorted(fitting)]

    def __repr__(self) -> str:
        return f"CapabilityTable({len(self.rules)} entries)"


@cache
def built_in() -> CapabilityTable:
    """The table that comes with the gateway. It is known to be right: the tests read it with `read_table`.

    Each process starts with this, and without lines and checks it takes a fifth of the time.
    """
    data = yaml.load(_FILE.read_text("utf-8"), Loader=_LOADER)  # noqa: S506 - a safe one
    return CapabilityTable.of(tuple(Rule.model_validate(_listed(value)) for value in data["models"]))


def read_table(text: str, origin: str) -> CapabilityTable:
    """The table in this text. Raises ConfigError with all that is wrong; `origin` is what it calls the text."""
    tree = file.parse(text, origin, Interpolator(environ={}))
    for key in tree.data.keys() - set(_KEYS):
        tree.report((key,), "unknown key", did_you_mean(key, _KEYS))
    entries = tree.data.get("models")
    if not isinstance(entries, list) or not entries:
        tree.report(("models",), "must be a list of entries", "Begin each with `- match:`")
        entries = []
    if len(entries) > MAX_RULES:
        tree.report(("models",), f"more than {MAX_RULES} entries", "Join those that say the same")
        entries = []
    rules = tuple(rule for index, value in enumerate(entries) if (rule := _rule(tree, ("models", index), value)))
    sources = _sources(tree)
    if not tree.problems:
        _check_doubles(tree, rules)
        _check_sources(tree, rules, sources)
    if tree.problems:
        raise ConfigError(sorted(tree.problems, key=lambda problem: problem.line))
    return CapabilityTable.of(rules)


def _compiled(pattern: str, place: int) -> _Pattern:
    literals = spelled(pattern).split("*")
    return literals[0], re.compile(".*".join(map(re.escape, literals))), sum(map(len, literals)), place


def _is_at(rule: Rule, dialect: str, host: str) -> bool:
    return (not rule.dialects or dialect in rule.dialects) and (not rule.hosts or host in rule.hosts)


def _listed(value: Any) -> Any:
    # Strict models take a tuple for a tuple; YAML gives lists.
    if not isinstance(value, dict):
        return value
    lists = ("match", "dialects", "hosts")
    return value | {key: tuple(value[key]) for key in lists if isinstance(value.get(key), list)}


def _rule(tree: file.Tree, where: Where, value: Any) -> Rule | None:
    try:
        return Rule.model_validate(_listed(value))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            message, mend = explain(each)
            if each["type"] == "extra_forbidden":
                message, mend = "unknown key", did_you_mean(str(each["loc"][-1]), Rule.model_fields)
            tree.report((*where, *each["loc"]), message, mend)
        return None


def _sources(tree: file.Tree) -> Sources:
    try:
        return Sources.model_validate(tree.data.get("sources", {}))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            tree.report(("sources", *each["loc"]), *explain(each))
        return Sources()


def _check_sources(tree: file.Tree, rules: tuple[Rule, ...], sources: Sources) -> None:
    for index, rule in enumerate(rules):
        where = ("models", index)
        if name := sources.unlisted(rule.source):
            mend = "Write the address of a page, or list the package with its version under `sources`"
            tree.report((*where, "source"), f"names {name!r}, which is not known as a source", mend)
        refused = refusals(rule.facts)
        if refused and not sources.may_refuse(rule.source):
            mend = "Name the vendor's page or package, or a second source that says so; or take it out"
            tree.report((*where, refused[0]), "refuses requests on the word of one source", mend)


def _check_doubles(tree: file.Tree, rules: tuple[Rule, ...]) -> None:
    """Two entries as specific as each other for one name would make their order matter."""
    seen: set[tuple[str, str, str]] = set()
    for index, rule in enumerate(rules):
        for place, pattern in enumerate(rule.match):
            keys = set(product((spelled(pattern),), rule.dialects or ("",), rule.hosts or ("",)))
            if keys & seen:
                where = ("models", index, "match", place)
                tree.report(where, "a pattern that stands above already", "Join the entries, or make it more specific")
            seen |= keys
