"""Pictures and documents as content parts, of a user's turn or of a tool's result."""

from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.citing import leave_out_citing
from trunkline_server.providers.refusal import missing

__all__ = ["media_part"]

_DETAILS: Final = {v1.MEDIA_DETAIL_AUTO: "auto", v1.MEDIA_DETAIL_LOW: "low", v1.MEDIA_DETAIL_HIGH: "high"}
_PDF: Final = "application/pdf"
_NO_DOCUMENTS: Final = ("audio/", "video/")


def media_part(media: v1.Media, path: str, left_out: list[str]) -> dict[str, Any]:
    """The content part for a medium; `path` is its own. Raises CapabilityMissing naming the field without a form."""
    mime, _, parameters = media.mime_type.partition(";")
    mime = mime.strip().lower()
    if mime.startswith(_NO_DOCUMENTS):
        raise missing(f"{path}.mime_type", "this provider takes pictures and documents")
    if parameters:
        left_out.append(f"{path}.mime_type")
    leave_out_citing(media, path, left_out)
    source = media.WhichOneof("source")
    if mime.startswith("image/") or (not mime and source == "uri"):
        return _image(media, mime, path, left_out)
    return _file(media, mime, path, left_out)


def _image(media: v1.Media, mime: str, path: str, left_out: list[str]) -> dict[str, Any]:
    # The provider wants to be told how closely to look; "auto" is what it takes for unset.
    part: dict[str, Any] = {"type": "input_image", "detail": _DETAILS.get(media.detail, "auto")}
    source = media.WhichOneof("source")
    if source == "file_id":
        part["file_id"] = media.file_id
    else:
        part["image_url"] = media.uri if source == "uri" else _data_url(media, mime)
    if media.name:
        left_out.append(f"{path}.name")
    return part


def _file(media: v1.Media, mime: str, path: str, left_out: list[str]) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "input_file"}
    source = media.WhichOneof("source")
    if source == "data":
        # The provider refuses file data without a name.
        part["filename"] = media.name or ("document.pdf" if mime == _PDF else "document")
        part["file_data"] = _data_url(media, mime)
    else:
        part["file_url" if source == "uri" else "file_id"] = media.uri if source == "uri" else media.file_id
        if media.name:
            left_out.append(f"{path}.name")
    if detail := _DETAILS.get(media.detail):
        part["detail"] = detail
    return part


def _data_url(media: v1.Media, mime: str) -> str:
    return f"data:{mime};base64,{b64encode(media.data).decode()}"
