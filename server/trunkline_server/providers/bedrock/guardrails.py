"""Which part of a guardrail blocked an answer, out of its trace.

Only the operator's own names and Bedrock's words for kinds are told, never what was found: a match is a piece of the
prompt or of the answer.

Source: the shape GuardrailTraceAssessment in botocore 1.44.
"""

from collections.abc import Iterator
from typing import Any, Final

from trunkline_server.providers.details import detail_of

__all__ = ["guardrail_detail"]

_BLOCKED: Final = "BLOCKED"
_MAX_ITEMS: Final = 64
"""So many entries of each list are read."""
_POLICIES: Final = (
    ("topicPolicy", "topics", "name", "topic"),
    ("contentPolicy", "filters", "type", "content"),
    ("wordPolicy", "managedWordLists", "type", "words"),
    ("wordPolicy", "customWords", "", "a word of the operator's"),
    ("sensitiveInformationPolicy", "piiEntities", "type", "personal data"),
    ("sensitiveInformationPolicy", "regexes", "name", "pattern"),
    ("contextualGroundingPolicy", "filters", "type", "grounding"),
)
"""Policy, its list, the member that names an entry, and what a person calls it."""


def guardrail_detail(trace: Any) -> str:
    """What blocked, for people: "guardrail 3o06191495ze: topic Weapons". Empty where none did. Never raises."""
    told = trace.get("guardrail") if isinstance(trace, dict) else None
    if not isinstance(told, dict):
        return ""
    found: dict[str, list[str]] = {}
    for guardrail, assessment in _assessments(told):
        for what in _blocked(assessment):
            if what not in found.setdefault(f"guardrail {guardrail}", []):
                found[f"guardrail {guardrail}"].append(what)
    blocked = "; ".join(f"{guardrail}: {', '.join(whats)}" for guardrail, whats in found.items())
    return detail_of(blocked or told.get("actionReason"))


def _assessments(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of the input, one for each guardrail; of the output, a list of them."""
    for member in ("inputAssessment", "outputAssessments"):
        by_guardrail = told.get(member)
        for guardrail, value in by_guardrail.items() if isinstance(by_guardrail, dict) else ():
            for assessment in value[:_MAX_ITEMS] if isinstance(value, list) else [value]:
                yield guardrail, assessment


def _blocked(assessment: Any) -> Iterator[str]:
    for policy, member, name, words in _POLICIES:
        told = assessment.get(policy) if isinstance(assessment, dict) else None
        entries = told.get(member) if isinstance(told, dict) else None
        for entry in entries[:_MAX_ITEMS] if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("action") == _BLOCKED:
                called = entry.get(name) if name else ""
                yield f"{words} {called}" if called and isinstance(called, str) else words
