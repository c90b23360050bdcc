"""Google's Gemini API: generateContent, as AI Studio's keys reach it."""

from trunkline_server.providers.gemini.table import ROWS

__all__ = ["ROWS"]
