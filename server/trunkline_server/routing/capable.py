"""Whether a deployment's model can do what a request asks. Pure; asked before anything is encoded or opened.

1. Only what is known to be impossible is refused, naming the field and what would be taken. Hints (effort, summary,
   cache marks) are the dialect's to shape, and a prompt that may be too long is the provider's to refuse: lengths here
   are estimates.
2. A plain request costs a few tests; messages are gone through only where the model takes not all kinds of media.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from trunkline import v1
from trunkline_server.core.capability import MEDIA, Capability, Modality
from trunkline_server.core.errors import CapabilityMissing, FieldViolation

__all__ = ["refuse_incapable", "refuse_unembeddable"]

_ELSE: Final = "or ask for another model"
_WORDS: Final[dict[Modality, str]] = {
    "text": "text",
    "image": "pictures",
    "audio": "sound",
    "video": "film",
    "document": "documents",
}
_KINDS: Final[dict[str, Modality]] = {"image": "image", "audio": "audio", "video": "video"}
"""By the part of a media type before the slash."""
_DOCUMENTS: Final = ("application/pdf", "application/msword", "application/vnd.")
"""How media types of documents begin. Text in files is text, and what else there is the dialect knows."""
_INSTRUCTIONS: Final = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)
_NO_CHOICE: Final = {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
"""Ways of sampling at values that change nothing, which models that refuse to be steered take all the same."""


def refuse_incapable(request: v1.CompleteRequest, capability: Capability | None) -> None:
    """Nothing, or CapabilityMissing for the first field that asks what the model is known not to do."""
    if capability is None:
        return
    if capability.kind == "embedding":
        raise _missing("model", f"this model embeds, and does not answer; use Embedding.Embed, {_ELSE}")
    _check_instructions(request, capability)
    if request.tools:
        _check_tools(request, capability)
    if request.HasField("response_format"):
        _check_format(request.response_format, capability)
    if request.HasField("sampling"):
        _check_sampling(request, capability)
    if request.HasField("reasoning"):
        _check_reasoning(request.reasoning, capability)
    _check_output(request, capability)
    if refused := capability.refused_media:
        for index, message in enumerate(request.messages):
            if path := _refused_media(message.blocks, refused):
                raise _missing(f"messages[{index}].{path}", _takes(capability))


def refuse_unembeddable(request: v1.EmbedRequest, capability: Capability | None) -> None:
    """Nothing, or CapabilityMissing for the first field that asks what the model is known not to do."""
    if capability is None:
        return
    if capability.kind == "chat":
        raise _missing("model", f"this model answers, and does not embed; use Completion.Complete, {_ELSE}")
    if request.HasField("dimensions") and capability.shortens is False and request.dimensions != capability.dimensions:
        length = f" of {capability.dimensions}" if capability.dimensions else ""
        raise _missing("dimensions", f"this model gives vectors{length} only; leave it out, {_ELSE}")
    if refused := capability.refused_media:
        for index, one in enumerate(request.inputs):
            if path := _refused_media(one.blocks, refused):
                raise _missing(f"inputs[{index}].{path}", _takes(capability))


def _check_instructions(request: v1.CompleteRequest, capability: Capability) -> None:
    if capability.later_instructions is not False:
        return
    turned = False
    for index, message in enumerate(request.messages):
        turned = turned or message.role not in _INSTRUCTIONS
        if turned and message.role in _INSTRUCTIONS:
            text = f"this model's instructions stand before all turns; put it first, {_ELSE}"
            raise _missing(f"messages[{index}].role", text)


def _check_tools(request: v1.CompleteRequest, capability: Capability) -> None:
    """Of functions alone, but for the choice: which of a provider's own tools there are, its dialect knows."""
    if capability.forced_tools is False and request.tool_choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED:
        raise _missing("tool_choice.mode", f"this model can't be made to call a tool; let it decide, {_ELSE}")
    if not any(tool.WhichOneof("kind") == "function" for tool in request.tools):
        return
    if capability.tools is False:
        raise _missing("tools", f"this model calls no functions here; leave them out, {_ELSE}")
    if capability.tools_while_reasoning is False and _reasons(request.reasoning, capability):
        text = f"this model calls functions here only where reasoning.effort is NONE; set it, {_ELSE}"
        raise _missing("tools", text)


def _check_output(request: v1.CompleteRequest, capability: Capability) -> None:
    if capability.logprobs is False and request.HasField("logprobs"):
        raise _missing("logprobs", f"this model gives no log probabilities; leave it out, {_ELSE}")
    bound = capability.max_output_tokens
    if bound is not None and request.max_output_tokens > bound:
        raise _missing("max_output_tokens", f"this model writes at most {bound} tokens; ask for no more, {_ELSE}")


def _check_format(form: v1.ResponseFormat, capability: Capability) -> None:
    if capability.json_by_tool:
        return  # whether it can here, with these tools and this reasoning, the dialect says
    kind = form.WhichOneof("kind")
    if kind == "json" and capability.json_object is False:
        instead = "ask for json_schema" if capability.json_schema else "ask for it in the instructions"
        raise _missing("response_format.json", f"this model can't be held to JSON; {instead}, {_ELSE}")
    if kind == "json_schema" and capability.json_schema is False:
        instead = "ask for json" if capability.json_object else "ask for it in the instructions"
        raise _missing("response_format.json_schema", f"this model can't be held to a schema; {instead}, {_ELSE}")


def _check_sampling(request: v1.CompleteRequest, capability: Capability) -> None:
    limits = capability.sampling_limits
    if not limits:
        return
    chosen = list(_chosen(request.sampling))
    if "refused" in limits and chosen:
        raise _missing(f"sampling.{chosen[0]}", f"this model's sampling can't be steered; leave it out, {_ELSE}")
    if "temperature_or_top_p" in limits and {"temperature", "top_p"} <= set(chosen):
        raise _missing("sampling.top_p", f"this model takes it or temperature, not both; leave one out, {_ELSE}")
    if "not_while_reasoning" in limits and chosen and _reasons(request.reasoning, capability):
        text = f"this model's sampling can't be steered while it reasons; leave it out, or reason not, {_ELSE}"
        raise _missing(f"sampling.{chosen[0]}", text)


def _chosen(sampling: v1.Sampling) -> Iterator[str]:
    """Ways of sampling that the caller chose, and not only wrote down as they are anyway."""
    return (field.name for field, value in sampling.ListFields() if _NO_CHOICE.get(field.name) != value)


def _check_reasoning(reasoning: v1.ReasoningConfig, capability: Capability) -> None:
    budget = reasoning.budget_tokens
    if not budget:
        return
    if capability.reasoning is False:
        raise _missing("reasoning.budget_tokens", f"this model does not reason; leave it out, {_ELSE}")
    bound = capability.max_output_tokens
    if bound is not None and budget > bound:
        text = f"this model writes at most {bound} tokens, its reasoning included; ask for fewer, {_ELSE}"
        raise _missing("reasoning.budget_tokens", text)


def _reasons(reasoning: v1.ReasoningConfig, capability: Capability) -> bool:
    """Whether the model is known to reason for this request. A word that is not its own may be left out or bent."""
    if reasoning.effort:
        word = v1.ReasoningEffort.Name(reasoning.effort).removeprefix("REASONING_EFFORT_").lower()
        return word != "none" and word in capability.efforts
    if reasoning.budget_tokens > 0 and "budget" in capability.reasoning_controls:
        return True
    return capability.default_effort not in (None, "none")


def _refused_media(blocks: Iterable[v1.Block], refused: frozenset[Modality]) -> str:
    """Path of the first media block that is refused, from the message on; empty if there is none."""
    for index, block in enumerate(blocks):
        if block.HasField("media"):
            if _is_refused(block.media, refused):
                return f"blocks[{index}].media"
        elif block.HasField("tool_result") and (path := _refused_media(block.tool_result.blocks, refused)):
            return f"blocks[{index}].tool_result.{path}"
    return ""


def _is_refused(media: v1.Media, refused: frozenset[Modality]) -> bool:
    """What is given by address or id may have no type: it is refused only by a model that takes no media at all."""
    mime = media.mime_type.strip().lower()
    if not mime:
        return refused == MEDIA
    modality = "document" if mime.startswith(_DOCUMENTS) else _KINDS.get(mime.partition("/")[0])
    return modality in refused


def _takes(capability: Capability) -> str:
    words = [word for kind, word in _WORDS.items() if kind in (capability.input or ())]
    return f"this model takes {' and '.join(words)}; leave it out, {_ELSE}"


def _missing(field: str, description: str) -> CapabilityMissing:
    return CapabilityMissing(FieldViolation(field=field, description=description))
