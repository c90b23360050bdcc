"""Says whether a request for vectors is one. The bounds are those that the contract states."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trunkline import v1
from trunkline_server.services.bounds import (
    MAX_BLOCKS,
    MAX_DIMENSIONS,
    MAX_INPUT_BLOCKS,
    MAX_INPUTS,
    beyond,
)
from trunkline_server.services.media import check_media
from trunkline_server.services.validation import ROUTED, refuse_unknown_dialects
from trunkline_server.services.violations import Violations

_DTYPES: Final = frozenset(v1.EmbeddingDtype.values())
_TASKS: Final = frozenset(v1.EmbeddingTask.values())


def validate_embed(request: v1.EmbedRequest) -> None:
    """Returns if the request keeps the contract. Raises InvalidRequest or ProviderOptionRefused, as `validate` does."""
    violations = Violations()
    if not request.model:
        violations.add("model", "required; set it to a name that ListModels gives")
    if not request.inputs:
        violations.add("inputs", "required; send at least one input")
    for field, value in request.ListFields():
        check = _CHECKS.get(field.name)
        if check:
            check(violations, value)
    violations.enforce()
    refuse_unknown_dialects(request.provider_options)


def _inputs(violations: Violations, inputs: Sequence[v1.EmbedInput]) -> None:
    if not violations.count(len(inputs), "inputs", MAX_INPUTS):
        return
    blocks = sum(len(each.blocks) for each in inputs)
    if blocks > MAX_BLOCKS:
        violations.add("inputs", f"{blocks} blocks in all, at most {MAX_BLOCKS} are taken; send fewer at a time")
        return
    for index, each in enumerate(inputs):
        if not each.blocks:
            violations.add(f"inputs[{index}].blocks", "empty; add a text or a medium")
        elif violations.count(len(each.blocks), f"inputs[{index}].blocks", MAX_INPUT_BLOCKS):
            _blocks(violations, each.blocks, f"inputs[{index}].blocks")


def _blocks(violations: Violations, blocks: Sequence[v1.Block], where: str) -> None:
    for place, block in enumerate(blocks):
        kind = block.WhichOneof("kind")
        if kind == "media":
            check_media(violations, block.media, f"{where}[{place}].media")
        elif kind != "text":
            violations.add(f"{where}[{place}]", "an input holds text and media only; leave others out")
        elif not block.text.text:
            violations.add(f"{where}[{place}].text.text", "empty; write something, or leave the input out")
        for path, mend in beyond(block, kind if kind in ("text", "media") else None):
            violations.add(f"{where}[{place}]{path}", mend)
        if block.HasField("cache_mark") and block.cache_mark.HasField("ttl"):
            violations.duration(block.cache_mark.ttl, f"{where}[{place}].cache_mark.ttl")


def _dimensions(violations: Violations, number: int) -> None:
    if not 1 <= number <= MAX_DIMENSIONS:
        violations.add("dimensions", f"must be a number from 1 to {MAX_DIMENSIONS}")


def _dtype(violations: Violations, dtype: int) -> None:
    if dtype not in _DTYPES:
        violations.add("dtype", "not known; set one of EmbeddingDtype")


def _task(violations: Violations, task: int) -> None:
    if task not in _TASKS:
        violations.add("task", "not known; set one of EmbeddingTask")


_CHECKS: Final[dict[str, Callable[[Violations, Any], None]]] = {
    **ROUTED,
    "inputs": _inputs,
    "dimensions": _dimensions,
    "dtype": _dtype,
    "task": _task,
}
"""By field. What is not here needs no check."""
