"""Pictures, films, sounds and documents as content parts of a user's turn."""

from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.citing import leave_out_citing
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.refusal import missing

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

_DATA_OF: Final = {
    "pictures": "pictures",
    "films": "films",
    "sound": "WAV or MP3 sound",
    "documents": "PDF documents",
}
"""Kinds of media -> what of each is taken, in words."""
_BY_ADDRESS: Final = frozenset({"pictures", "films"})


def media_part(media: v1.Media, path: str, *, quirks: Quirks, left_out: list[str]) -> dict[str, Any]:
    """The content part for a media block.

    `path` is the media's own; the quirks say which kinds the provider takes. Fields that the part has no place for are
    named in `left_out`; the type of what is given by address or id only decides whether it is taken. Raises
    CapabilityMissing naming the field that has no form.
    """
    if not quirks.media:
        raise missing(path, "this provider takes text only; leave it out, or ask for another model")
    mime, _, parameters = media.mime_type.partition(";")
    mime = mime.strip().lower()
    if parameters:
        left_out.append(f"{path}.mime_type")
    part = _part(media, mime, path, quirks)
    if media.name and "filename" not in part.get("file", ()):
        left_out.append(f"{path}.name")
    if media.detail and "image_url" not in part:
        left_out.append(f"{path}.detail")
    leave_out_citing(media, path, left_out)
    return part


def _part(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    match media.WhichOneof("source"):
        case "data":
            return _from_data(media, mime, path, quirks)
        case "uri":
            return _from_uri(media, mime, path, quirks)
        case _:
            return _from_file(media, mime, path, quirks)


def _from_data(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    takes = quirks.media
    if "pictures" in takes and mime.startswith("image/"):
        return _image(media, _data_url(media, mime))
    if "films" in takes and mime.startswith("video/"):
        return _film(_data_url(media, mime))
    if "sound" in takes and (audio := _AUDIO_FORMATS.get(mime)):
        return {"type": "input_audio", "input_audio": {"data": b64encode(media.data).decode(), "format": audio}}
    if "documents" in takes and mime == _PDF:
        # The provider refuses file data without a name.
        return {"type": "file", "file": {"file_data": _data_url(media, mime), "filename": media.name or "document.pdf"}}
    taken = " and ".join(words for kind, words in _DATA_OF.items() if kind in takes)
    raise missing(f"{path}.mime_type", f"this provider takes {taken}")


def _from_uri(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    if not quirks.media_uris or quirks.media.isdisjoint(_BY_ADDRESS):
        raise missing(f"{path}.uri", "this provider takes nothing by address; send the data")
    if "films" in quirks.media and mime.startswith("video/"):
        return _film(media.uri)
    if "pictures" not in quirks.media or (mime and not mime.startswith("image/")):
        raise missing(f"{path}.uri", "only pictures can be given by address here; send the data")
    return _image(media, media.uri)


def _from_file(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    if "documents" not in quirks.media or mime not in ("", _PDF):
        raise missing(f"{path}.file_id", "no file of this kind can be named by its id here; send the data")
    return {"type": "file", "file": {"file_id": media.file_id}}


def _image(media: v1.Media, url: str) -> dict[str, Any]:
    image = {"url": url}
    if detail := _DETAILS.get(media.detail):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _film(url: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


def _data_url(media: v1.Media, mime: str) -> str:
    return f"data:{mime};base64,{b64encode(media.data).decode()}"
