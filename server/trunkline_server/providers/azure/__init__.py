"""OpenAI's models at Azure: chat completions and the Responses API."""

from trunkline_server.providers.azure.table import ROWS

__all__ = ["ROWS"]
