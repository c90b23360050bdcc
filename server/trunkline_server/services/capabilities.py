"""What models can do, as the contract says it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from trunkline import v1
from trunkline_server.core.capability import EFFORTS, Capability
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Dialect

__all__ = ["describe", "joined"]

_MODALITIES: Final = {
    "text": v1.MODALITY_TEXT,
    "image": v1.MODALITY_IMAGE,
    "audio": v1.MODALITY_AUDIO,
    "video": v1.MODALITY_VIDEO,
    "document": v1.MODALITY_DOCUMENT,
}
_CONTROLS: Final = {
    "effort": v1.REASONING_CONTROL_EFFORT,
    "budget": v1.REASONING_CONTROL_BUDGET,
    "adaptive": v1.REASONING_CONTROL_ADAPTIVE,
    "level": v1.REASONING_CONTROL_LEVEL,
    "switch": v1.REASONING_CONTROL_SWITCH,
}
_EFFORTS: Final = {word: v1.ReasoningEffort.Value(f"REASONING_EFFORT_{word.upper()}") for word in EFFORTS}
_UNSPECIFIED: Final = v1.REASONING_EFFORT_UNSPECIFIED
_LIMITS: Final = {
    "refused": v1.SAMPLING_LIMIT_REFUSED,
    "temperature_or_top_p": v1.SAMPLING_LIMIT_TEMPERATURE_OR_TOP_P,
    "not_while_reasoning": v1.SAMPLING_LIMIT_NOT_WHILE_REASONING,
}
_CACHES: Final = {
    "automatic": v1.PROMPT_CACHE_STYLE_AUTOMATIC,
    "marks": v1.PROMPT_CACHE_STYLE_MARKS,
    "breakpoints": v1.PROMPT_CACHE_STYLE_BREAKPOINTS,
    "key": v1.PROMPT_CACHE_STYLE_KEY,
}
_NUMBERS: Final = ("context_tokens", "max_output_tokens", "embedding_dimensions")
_LISTS: Final = (
    "features",
    "input_modalities",
    "output_modalities",
    "reasoning_controls",
    "reasoning_efforts",
    "prompt_cache_styles",
)


def describe(deployment: Deployment, dialect: Dialect) -> v1.Capabilities | None:
    """What the model can do there; None if nothing is known."""
    known = deployment.capability
    if known is None:
        return None
    told = v1.Capabilities(
        features=_features(known, dialect),
        context_tokens=known.context_tokens,
        max_output_tokens=known.max_output_tokens,
        input_modalities=sorted(_MODALITIES[word] for word in known.input or ()),
        output_modalities=sorted(_MODALITIES[word] for word in known.output or ()),
        price_version=known.price_version,
        reasoning_controls=[_CONTROLS[word] for word in known.reasoning_controls],
        reasoning_efforts=[_EFFORTS[word] for word in known.efforts],
        default_reasoning_effort=_EFFORTS[known.default_effort] if known.default_effort else _UNSPECIFIED,
        reasoning_always=known.reasoning_always,
        sampling_limits=[_LIMITS[word] for word in known.sampling_limits or ()],
        prompt_cache_styles=[_CACHES[word] for word in known.prompt_cache or ()],
        embedding_dimensions=known.dimensions,
        shortens_embeddings=known.shortens,
        source=known.source,
    )
    if known.checked:
        told.checked_at.FromDatetime(datetime.strptime(known.checked, "%Y-%m").replace(tzinfo=UTC))
    return told


def joined(known: Sequence[v1.Capabilities]) -> v1.Capabilities | None:
    """What at least one of them can do; None if there is none.

    Lists are joined and the largest of the numbers counts. Limits are those that all have; where deployments differ in
    a default, none is told. The oldest check is the one that counts.
    """
    if not known:
        return None
    first, others = known[0], known[1:]
    whole = v1.Capabilities()
    whole.CopyFrom(first)
    for other in others:
        _join(whole, other)
    return whole


def _join(whole: v1.Capabilities, other: v1.Capabilities) -> None:
    for name in _LISTS:
        merged = sorted({*getattr(whole, name), *getattr(other, name)})
        _replace(whole, name, merged)
    _replace(whole, "sampling_limits", [limit for limit in whole.sampling_limits if limit in other.sampling_limits])
    for name in _NUMBERS:
        if other.HasField(name):  # type: ignore[arg-type] # a plain str, where the stub lists the names
            setattr(whole, name, max(getattr(whole, name), getattr(other, name)))
    if whole.default_reasoning_effort != other.default_reasoning_effort:
        whole.ClearField("default_reasoning_effort")
    if whole.reasoning_always != other.reasoning_always or not other.HasField("reasoning_always"):
        whole.ClearField("reasoning_always")
    if other.HasField("shortens_embeddings"):
        whole.shortens_embeddings = whole.shortens_embeddings or other.shortens_embeddings
    if whole.price_version != other.price_version:
        whole.ClearField("price_version")
    if other.HasField("checked_at") and not 0 < whole.checked_at.seconds <= other.checked_at.seconds:
        whole.checked_at.CopyFrom(other.checked_at)
    if whole.source != other.source:
        whole.source = "; ".join(dict.fromkeys([*whole.source.split("; "), *other.source.split("; ")]))


def _replace(whole: v1.Capabilities, name: str, values: Iterable[int]) -> None:
    values = list(values)
    whole.ClearField(name)  # type: ignore[arg-type] # a plain str, where the stub lists the names
    getattr(whole, name).extend(values)


def _features(known: Capability, dialect: Dialect) -> "list[v1.Feature.ValueType]":
    chats, embeds = known.kind == "chat", known.kind == "embedding" and dialect.embeddings is not None
    by_tool = known.json_by_tool and known.tools and known.forced_tools is not False and not known.reasoning_always
    told = {
        v1.FEATURE_COMPLETE: chats,
        v1.FEATURE_STREAM: chats,
        v1.FEATURE_TOOLS: known.tools,
        v1.FEATURE_PARALLEL_TOOLS: known.tools is not False and known.parallel_tools,
        v1.FEATURE_JSON: known.json_object or by_tool,
        v1.FEATURE_JSON_SCHEMA: known.json_schema or by_tool,
        v1.FEATURE_REASONING: known.reasoning,
        v1.FEATURE_LOGPROBS: known.logprobs,
        v1.FEATURE_PROMPT_CACHE: bool(known.prompt_cache),
        v1.FEATURE_EMBED: embeds,
        v1.FEATURE_COUNT_TOKENS: chats and dialect.counting is not None and known.counts_tokens is not False,
    }
    return [feature for feature, has in told.items() if has]
