"""OpenAI's chat completions, and the providers that speak them in their own ways."""

from trunkline_server.providers.openai.table import ROWS

__all__ = ["ROWS"]
