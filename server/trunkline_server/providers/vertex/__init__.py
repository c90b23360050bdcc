"""Google's Vertex AI: Gemini, Claude and the open models that it serves."""

from trunkline_server.providers.vertex.table import ROWS

__all__ = ["ROWS"]
