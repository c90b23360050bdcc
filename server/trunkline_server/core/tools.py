"""What a tool is called, by the callers that allow it, the models that call it and the wire alike.

A function is called by its name. A provider's tool is called by the name that its settings give it: under its own type,
as OpenAI's custom tools have one in chat completions ({"custom": {"name": "sql"}}), or beside it ({"name": "sql"}), as
most have; a remote server's tools by the server's label ({"server_label": "wiki"}). Else it is called by its type.
"""

from typing import Final

import msgspec

from trunkline import v1

__all__ = ["configured_name", "tool_name"]


class _Named(msgspec.Struct):
    """Settings of a tool, as far as they matter here."""

    name: str = ""
    server_label: str = ""


_SETTINGS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMED: Final = msgspec.json.Decoder(_Named)


def tool_name(tool: v1.Tool) -> str:
    """The name that tool_choice.allowed_tools knows it by. Never raises."""
    if tool.WhichOneof("kind") == "function":
        return tool.function.name
    return configured_name(tool.provider) or tool.provider.type


def configured_name(tool: v1.ProviderTool) -> str:
    """The name that a provider's tool has of its settings; empty if they give it none. Never raises."""
    if not tool.config_json:
        return ""
    try:
        settings = _SETTINGS.decode(tool.config_json)
        if own := settings.get(tool.type):
            return _NAMED.decode(own).name
        beside = _NAMED.decode(tool.config_json)
        return beside.name or beside.server_label
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""  # settings of another shape, which the provider knows
