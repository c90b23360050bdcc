"""Pictures and documents as blocks of a user's turn or of a tool's result."""

from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.providers.anthropic.flavour import Flavour
from trunkline_server.providers.citing import leave_out_citing
from trunkline_server.providers.refusal import missing

__all__ = ["media_part"]

_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"
_TAKEN: Final = "this provider takes JPEG, PNG, GIF and WebP pictures, PDF documents and texts"


def media_part(
    media: v1.Media, path: str, *, flavour: Flavour, capability: Capability | None, left_out: list[str]
) -> dict[str, Any]:
    """The block for a medium.

    `path` is the medium's own. Fields that the block has no place for are named in `left_out`. Raises CapabilityMissing
    naming the field that has no form.
    """
    mime, _, parameters = media.mime_type.partition(";")
    mime = mime.strip().lower()
    part = _part(media, mime, path, flavour)
    kind = part["type"]
    if capability is not None and kind in capability.refused_media:
        raise missing(path, f"this model does not take {kind}s; leave it out, or ask for another model")
    if parameters or (mime.startswith("text/") and mime != _PLAIN):
        left_out.append(f"{path}.mime_type")  # every text is sent as plain text
    if media.detail:
        left_out.append(f"{path}.detail")
    if kind == "document":
        _describe(part, media)
        return part
    if media.name:
        left_out.append(f"{path}.name")
    leave_out_citing(media, path, left_out)
    return part


def _describe(part: dict[str, Any], media: v1.Media) -> None:
    """What is said of a document beside its content."""
    if media.name:
        part["title"] = media.name
    if media.context:
        part["context"] = media.context
    if media.HasField("citations"):
        part["citations"] = {"enabled": media.citations}


def _part(media: v1.Media, mime: str, path: str, flavour: Flavour) -> dict[str, Any]:
    match media.WhichOneof("source"):
        case "data":
            return _from_data(media.data, mime, path)
        case "uri":
            return _from_uri(media.uri, mime, path, flavour)
        case _:
            return _from_file(media.file_id, mime, path, flavour)


def _from_data(data: bytes, mime: str, path: str) -> dict[str, Any]:
    if mime in _PICTURES:
        return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": b64encode(data).decode()}}
    if mime == _PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": mime, "data": b64encode(data).decode()}}
    if mime.startswith("text/"):
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise missing(f"{path}.data", "this provider takes texts in UTF-8 only") from error
        return {"type": "document", "source": {"type": "text", "media_type": _PLAIN, "data": text}}
    raise missing(f"{path}.mime_type", _TAKEN)


def _from_uri(uri: str, mime: str, path: str, flavour: Flavour) -> dict[str, Any]:
    if not flavour.addresses:
        raise missing(f"{path}.uri", "this provider takes nothing by address; send the data")
    if not mime or mime in _PICTURES:
        return {"type": "image", "source": {"type": "url", "url": uri}}
    if mime == _PDF:
        return {"type": "document", "source": {"type": "url", "url": uri}}
    raise missing(f"{path}.uri", "this provider takes pictures and PDF documents by address only; send the data")


def _from_file(file_id: str, mime: str, path: str, flavour: Flavour) -> dict[str, Any]:
    if not flavour.files:
        raise missing(f"{path}.file_id", "this provider keeps no files; send the data")
    if mime in _PICTURES:
        return {"type": "image", "source": {"type": "file", "file_id": file_id}}
    if mime in ("", _PDF) or mime.startswith("text/"):
        return {"type": "document", "source": {"type": "file", "file_id": file_id}}
    raise missing(f"{path}.mime_type", _TAKEN)
