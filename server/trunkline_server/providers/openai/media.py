"""Pictures, sounds and documents as content parts of a user's turn."""

from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.openai.capability import missing

__all__ = ["media_part"]

_DETAILS: Final = {v1.MEDIA_DETAIL_AUTO: "auto", v1.MEDIA_DETAIL_LOW: "low", v1.MEDIA_DETAIL_HIGH: "high"}

_AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}

_PDF: Final = "application/pdf"


def media_part(media: v1.Media, path: str, *, files: bool) -> dict[str, Any]:
    """The content part for a media block.

    `path` is the media's own, for errors; `files` says whether the provider takes file parts. Raises
    CapabilityMissing naming the field that has no form.
    """
    mime = media.mime_type.partition(";")[0].strip().lower()
    match media.WhichOneof("source"):
        case "data":
            return _from_data(media, mime, path, files)
        case "uri":
            return _from_uri(media, mime, path)
        case "file_id" if files and mime in ("", _PDF):
            return {"type": "file", "file": {"file_id": media.file_id}}
        case "file_id":
            raise missing(f"{path}.file_id", "only documents can be named by a file id here; send the data")
        case _:
            raise missing(f"{path}.data", "the media has no source; set data, uri or file_id")


def _from_data(media: v1.Media, mime: str, path: str, files: bool) -> dict[str, Any]:
    if mime.startswith("image/"):
        return _image(media, _data_url(media, mime))
    if audio := _AUDIO_FORMATS.get(mime):
        return {"type": "input_audio", "input_audio": {"data": b64encode(media.data).decode(), "format": audio}}
    if files and mime == _PDF:
        # The provider refuses file data without a name.
        return {"type": "file", "file": {"file_data": _data_url(media, mime), "filename": media.name or "document.pdf"}}
    documents = ", PDF documents" if files else ""
    raise missing(f"{path}.mime_type", f"this provider takes pictures{documents} and WAV or MP3 sound")


def _from_uri(media: v1.Media, mime: str, path: str) -> dict[str, Any]:
    if mime and not mime.startswith("image/"):
        raise missing(f"{path}.uri", "only pictures can be given by address here; send the data")
    return _image(media, media.uri)


def _image(media: v1.Media, url: str) -> dict[str, Any]:
    image = {"url": url}
    if detail := _DETAILS.get(media.detail):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _data_url(media: v1.Media, mime: str) -> str:
    return f"data:{mime};base64,{b64encode(media.data).decode()}"
