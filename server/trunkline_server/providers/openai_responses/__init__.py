"""OpenAI's Responses API, and the servers that speak it."""

from trunkline_server.providers.openai_responses.table import ROWS

__all__ = ["ROWS"]
