"""Where the provider runs the model's code: a container, which it names beside the content of an answer.

1. While code waits for a tool, or was paused, the provider refuses to go on without the container's id. So an answer
   that is to be gone on with has it as a last block of its own, of the type CONTAINER: the provider's JSON as it came.
2. Sent back, that block is the request's `container`, and no content. It is left out behind a new question: the id may
   have run out by then and would be refused, and without one the provider makes a new container.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/programmatic-tool-calling;
https://github.com/anthropics/anthropic-sdk-typescript/issues/1114
"""

from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.providers.jsontext import is_object

__all__ = ["CONTAINER", "container_data", "container_header", "container_id"]

CONTAINER: Final = "container"
_GOES_ON: Final = ("tool_use", "pause_turn")
"""Reasons for stopping behind which the same turn goes on."""


class _Container(msgspec.Struct, gc=False):
    id: str = ""


_CONTAINERS: Final = msgspec.json.Decoder(_Container)


def container_data(told: bytes, reason: str) -> bytes:
    """Data of the block; empty where the answer has no such block."""
    return told if reason in _GOES_ON and container_id(told) else b""


def container_header() -> v1.Block:
    """The block without its data."""
    return v1.Block(provider_opaque=v1.ProviderOpaque(type=CONTAINER))


def container_id(data: bytes) -> str:
    """The id; empty where this names no container. Never raises."""
    if not is_object(data):
        return ""
    try:
        return _CONTAINERS.decode(data).id
    except msgspec.DecodeError:
        return ""
