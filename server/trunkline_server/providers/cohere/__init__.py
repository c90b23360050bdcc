"""Cohere's chat and embed, version 2."""

from trunkline_server.providers.cohere.table import ROWS

__all__ = ["ROWS"]
