"""Names of models as they stand in URLs."""

from urllib.parse import quote

__all__ = ["model_path"]


def model_path(model: str) -> str:
    """The resource of a model at the Gemini API: "models/gemini-3-flash"; "tunedModels/mine" is one already."""
    return quote(model, safe="/") if "/" in model else f"models/{quote(model, safe='')}"
