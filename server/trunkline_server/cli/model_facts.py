"""What is known of a model, in words for people and as JSON for machines. What is not known is left out, or null."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from trunkline import v1
from trunkline_server.cli.output import word

__all__ = ["as_dict", "lines_about", "number", "places", "words"]

_QUIET: Final = (v1.DEPLOYMENT_STATE_HEALTHY, v1.DEPLOYMENT_STATE_UNSPECIFIED)


def words(enum: Any, values: Iterable[int]) -> list[str]:
    """Values of an enum as words in small letters."""
    return [word(enum, value).lower() for value in values]


def number(capabilities: v1.Capabilities, name: str) -> str:
    """A number as people read it; empty where it is not known."""
    known = _optional(capabilities, name)
    return "" if known is None else f"{known:,}"


def places(model: v1.Model) -> list[str]:
    """Deployments in the order in which they are tried; those that don't take calls say so."""
    return [place.name if place.state in _QUIET else f"{place.name} ({_state(place)})" for place in model.deployments]


def lines_about(model: v1.Model) -> Iterator[str]:
    """All that is known, a line each; of deployments what differs between them."""
    yield model.name
    if model.description:
        yield f"  {' '.join(model.description.split())}"
    yield from _facts(model.capabilities, "  ")
    for place, name in zip(model.deployments, places(model), strict=True):
        yield f"  served by {name}, tier {place.tier}, {place.dialect} {place.upstream_model}".rstrip(", ")
        if len(model.deployments) > 1:
            yield from _facts(place.capabilities, "    ")


def _facts(capabilities: v1.Capabilities, indent: str) -> Iterator[str]:
    told = {
        "can": _list(words(v1.Feature, capabilities.features)),
        "takes": _list(words(v1.Modality, capabilities.input_modalities)),
        "gives": _list(words(v1.Modality, capabilities.output_modalities)),
        "context": _tokens(capabilities, "context_tokens"),
        "output": _tokens(capabilities, "max_output_tokens"),
        "reasoning": _reasoning(capabilities),
        "sampling": _list(words(v1.SamplingLimit, capabilities.sampling_limits)),
        "prompt cache": _list(words(v1.PromptCacheStyle, capabilities.prompt_cache_styles)),
        "dimensions": number(capabilities, "embedding_dimensions"),
        "checked": _month(capabilities),
        "source": capabilities.source,
    }
    for name, text in told.items():
        if text:
            yield f"{indent}{name + ':':<14}{text}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names).replace("_", " ")


def _tokens(capabilities: v1.Capabilities, name: str) -> str:
    known = number(capabilities, name)
    return f"{known} tokens" if known else ""


def _reasoning(capabilities: v1.Capabilities) -> str:
    parts = [f"by {_list(words(v1.ReasoningControl, capabilities.reasoning_controls))}"]
    efforts = words(v1.ReasoningEffort, capabilities.reasoning_efforts)
    if efforts:
        parts.append(f"effort {' | '.join(efforts)}")
    if capabilities.default_reasoning_effort:
        parts.append(f"default {word(v1.ReasoningEffort, capabilities.default_reasoning_effort).lower()}")
    if capabilities.reasoning_always:
        parts.append("always on")
    return "; ".join(parts if capabilities.reasoning_controls else parts[1:])


def as_dict(model: v1.Model) -> dict[str, Any]:
    """A model for machines."""
    return {
        "name": model.name,
        "description": model.description,
        **_capabilities(model.capabilities),
        "deployments": [_deployment(place) for place in model.deployments],
    }


def _deployment(place: v1.Deployment) -> dict[str, Any]:
    return {
        "name": place.name,
        "provider": place.provider,
        "upstream_model": place.upstream_model,
        "region": place.region,
        "tier": place.tier,
        "weight": place.weight,
        "dialect": place.dialect,
        "state": _state(place),
        "capabilities": _capabilities(place.capabilities) if place.HasField("capabilities") else None,
    }


def _capabilities(known: v1.Capabilities) -> dict[str, Any]:
    default = known.default_reasoning_effort
    return {
        "features": words(v1.Feature, known.features),
        "context_tokens": _optional(known, "context_tokens"),
        "max_output_tokens": _optional(known, "max_output_tokens"),
        "input_modalities": words(v1.Modality, known.input_modalities),
        "output_modalities": words(v1.Modality, known.output_modalities),
        "reasoning_controls": words(v1.ReasoningControl, known.reasoning_controls),
        "reasoning_efforts": words(v1.ReasoningEffort, known.reasoning_efforts),
        "default_reasoning_effort": word(v1.ReasoningEffort, default).lower() if default else None,
        "reasoning_always": _optional(known, "reasoning_always"),
        "sampling_limits": words(v1.SamplingLimit, known.sampling_limits),
        "prompt_cache_styles": words(v1.PromptCacheStyle, known.prompt_cache_styles),
        "embedding_dimensions": _optional(known, "embedding_dimensions"),
        "shortens_embeddings": _optional(known, "shortens_embeddings"),
        "price_version": known.price_version,
        "checked": _month(known) or None,
        "source": known.source,
    }


def _optional(known: v1.Capabilities, name: str) -> Any:
    return getattr(known, name) if known.HasField(name) else None  # type: ignore[arg-type] # a plain str for names


def _month(known: v1.Capabilities) -> str:
    return known.checked_at.ToDatetime().strftime("%Y-%m") if known.HasField("checked_at") else ""


def _state(deployment: v1.Deployment) -> str:
    return word(v1.DeploymentState, deployment.state).lower()
