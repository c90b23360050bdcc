"""What callers may not set by provider_options, and the betas that a request needs.

Members that the dialect writes itself, and those that choose the model, the stream's shape, the output bound, the tier
or the place of the computation, the account's containers, files and profiles, are refused: records, prices and limits
rely on them.

Source: the request types of the `anthropic` package, 2.12, beta ones included, and its list of betas.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

__all__ = ["COUNTED_EXTRAS", "REFUSED", "needed_betas"]

REFUSED: Final = frozenset(
    {
        # what the dialect writes
        "cache_control", "max_tokens", "messages", "model", "output_config", "output_format", "stop_sequences",
        "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
        # the version and what is switched on
        "anthropic_beta", "anthropic_version", "betas",
        # the model, and who pays
        "billing_policy", "fallback_credit_token", "fallbacks", "user_profile_id", "workspace_id",
        # the tier, the place
        "inference_geo", "service_tier", "speed",
        # the conversation that the provider keeps, and the account's containers
        "container", "thread",
        # older names for the same
        "max_tokens_to_sample", "prompt",
    }
)  # fmt: skip

COUNTED_EXTRAS: Final = frozenset({"context_management", "mcp_servers"})
"""Members that a question for a count may hold as well."""

_COMPACTION: Final = b'"compact_20260112"'
"""Type of the edit of the context that has a beta of its own."""
_BETAS_OF_MEMBERS: Final = {
    "compaction": "compact-2026-09-04",
    "context_management": "context-management-2025-06-27",
    "diagnostics": "cache-diagnosis-2026-04-07",
    "mcp_servers": "mcp-client-2025-11-20",
}
_BETAS_OF_TOOLS: Final = {
    "advisor_20260301": "advisor-tool-2026-03-01",
    "code_execution_20250522": "code-execution-2025-05-22",
    "computer_20241022": "computer-use-2024-10-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "mcp_toolset": "mcp-client-2025-11-20",
}
"""By the type of the tool. Others need none, or an operator's setting."""


def needed_betas(
    configured: str, operator: str, members: Mapping[str, msgspec.Raw], tools: Collection[str]
) -> list[str]:
    """The names for anthropic-beta, each once: the operator's, and those of what a request uses."""
    names = [name.strip() for text in (operator, configured) for name in text.split(",")]
    names += [_BETAS_OF_MEMBERS[member] for member in members if member in _BETAS_OF_MEMBERS]
    if _COMPACTION in bytes(members.get("context_management", b"")):
        names.append("compact-2026-01-12")
    names += [_BETAS_OF_TOOLS[tool] for tool in tools if tool in _BETAS_OF_TOOLS]
    return list(dict.fromkeys(name for name in names if name))
