"""Limits as trunkline.yaml states them: as a line ("250 usd/month"), or as keys (resource, amount, per, ...)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from trunkline_server.config.entry import Entry, Line, Listed, Truth
from trunkline_server.config.file import Tree
from trunkline_server.config.problems import Where, wrong
from trunkline_server.core.limit import Limit, Scope
from trunkline_server.core.limit_notation import LimitRefused, LimitTerms, limit_of, read_notation

MAX_LIMITS: Final = 32
"""Of one org, team or key. A call passes all that match, so each costs every call."""
MAX_NAME_CHARS: Final = 128


def _amount(value: object) -> object:
    # The text of a number in YAML, and not its value in binary: amounts are exact.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong("must be a number", 'Write it like 600, 0.50, "2.5k" or "1M"')
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) and abs(value) < float("inf") else str(value)


def _terms(value: object) -> object:
    """The keys that a line stands for."""
    if not isinstance(value, str):
        return value
    try:
        terms = read_notation(value)
    except LimitRefused as refused:
        raise wrong(refused.message, refused.mend) from None
    said = {"resource": terms.resource, "amount": terms.amount, "per": terms.per, "window": terms.window}
    return {key: word for key, word in said.items() if word}


def _not_too_many(limits: tuple["LimitEntry", ...]) -> tuple["LimitEntry", ...]:
    if len(limits) > MAX_LIMITS:
        raise wrong(f"more than {MAX_LIMITS} limits", "Take some out")
    return limits


class LimitEntry(Entry):
    """How much of one resource may be used in one window."""

    resource: Line = Field(examples=["requests, tokens or usd"])
    amount: Annotated[str, BeforeValidator(_amount)]
    per: Line = ""
    window: Line = ""
    model: Annotated[Line, Field(max_length=256)] = ""
    """The model it is for. Empty: all together."""
    name: Annotated[Line, Field(max_length=MAX_NAME_CHARS)] = ""
    """As refusals name it. Empty: made of the rest."""
    shadow: Truth = False
    """Whether it only counts."""

    def limit(self, scope: Scope, scope_id: str, owner: str = "") -> Limit:
        """The limit of an org, team or key. Raises LimitRefused."""
        terms = LimitTerms(
            resource=self.resource.strip().lower(),
            amount=self.amount,
            per=self.per.strip().lower(),
            window=self.window.strip().lower(),
            model=self.model,
            name=self.name,
            shadow=self.shadow,
        )
        return limit_of(terms, scope=scope, scope_id=scope_id, owner=owner)


Limits = Annotated[
    Listed[Annotated[LimitEntry, BeforeValidator(_terms)]], AfterValidator(_not_too_many), Field(default=())
]


def check_limits(tree: Tree, where: Where, entries: Sequence[LimitEntry], known_models: Any, scope: Scope) -> None:
    """Reports limits that can't be meant, twice the same, or of one name."""
    ids: dict[str, int] = {}
    names: dict[str, int] = {}
    for index, entry in enumerate(entries):
        place: Where = (*where, index)
        try:
            limit = entry.limit(scope, "")
        except LimitRefused as refused:
            tree.report((*place, refused.term), refused.message, refused.mend)
            continue
        if entry.model and not known_models(entry.model):
            tree.report((*place, "model"), "no such model", "Write a name below `models:`, or provider/upstream_model")
        if limit.id in ids:
            mend = "Keep one of the two, or give them different models or windows"
            tree.report(place, f"the same limit as limits[{ids[limit.id]}] but for its amount", mend)
        elif limit.name in names:
            tree.report((*place, "name"), f"the name of limits[{names[limit.name]}] too", "Give it another")
        ids.setdefault(limit.id, index)
        names.setdefault(limit.name, index)
