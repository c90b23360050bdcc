"""What a caller says of a document beside its content, where a provider has no place for it."""

from trunkline import v1

__all__ = ["leave_out_citing"]


def leave_out_citing(media: v1.Media, path: str, left_out: list[str]) -> None:
    """Names whether the medium may be cited, and what it is, if these are said. `path` is the medium's own."""
    if media.HasField("citations"):
        left_out.append(f"{path}.citations")
    if media.context:
        left_out.append(f"{path}.context")
