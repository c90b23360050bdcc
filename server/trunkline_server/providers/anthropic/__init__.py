"""Anthropic's messages, and the endpoints that speak them."""

from trunkline_server.providers.anthropic.table import ROWS

__all__ = ["ROWS"]
