"""Names that Converse has for formats of media, and media types.

Source: the enumerations of the service model in botocore 1.44. Of several media types for one format the first is the
one that answers get.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["FORMATS", "format_of", "mime_type_of"]

FORMATS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "image": (
        ("image/png", "png"),
        ("image/jpeg", "jpeg"),
        ("image/jpg", "jpeg"),
        ("image/gif", "gif"),
        ("image/webp", "webp"),
    ),
    "document": (
        ("application/pdf", "pdf"),
        ("text/csv", "csv"),
        ("application/msword", "doc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        ("application/vnd.ms-excel", "xls"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        ("text/html", "html"),
        ("text/plain", "txt"),
        ("text/markdown", "md"),
    ),
    "video": (
        ("video/x-matroska", "mkv"),
        ("video/quicktime", "mov"),
        ("video/mp4", "mp4"),
        ("video/webm", "webm"),
        ("video/x-flv", "flv"),
        ("video/mpeg", "mpeg"),
        ("video/x-ms-wmv", "wmv"),
        ("video/3gpp", "three_gp"),
    ),
    "audio": (
        ("audio/mpeg", "mp3"),
        ("audio/mp3", "mp3"),
        ("audio/wav", "wav"),
        ("audio/wave", "wav"),
        ("audio/x-wav", "wav"),
        ("audio/vnd.wave", "wav"),
        ("audio/opus", "opus"),
        ("audio/aac", "aac"),
        ("audio/flac", "flac"),
        ("audio/x-flac", "flac"),
        ("audio/mp4", "mp4"),
        ("audio/x-m4a", "m4a"),
        ("audio/ogg", "ogg"),
        ("audio/x-matroska", "mka"),
        ("audio/webm", "webm"),
        ("audio/pcm", "pcm"),
        ("audio/l16", "pcm"),
    ),
}
"""By the member of the content block."""

_BY_TYPE: Final = {mime: (kind, name) for kind, formats in FORMATS.items() for mime, name in formats}
_BY_FORMAT: Final = {(kind, name): mime for kind, formats in FORMATS.items() for mime, name in reversed(formats)}


def format_of(mime_type: str) -> tuple[str, str] | None:
    """The member of the content block and the format; None for a type that Converse has no name for."""
    return _BY_TYPE.get(mime_type)


def mime_type_of(kind: str, name: str) -> str:
    """The media type; one that says the kind alone for a format that is new."""
    if kind == "document":
        return _BY_FORMAT.get((kind, name), "application/octet-stream")
    return _BY_FORMAT.get((kind, name), f"{kind}/{name}" if name.isalnum() else f"{kind}/*")
