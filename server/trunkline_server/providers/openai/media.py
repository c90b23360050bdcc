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
_NAMES: Final = frozenset({"document_name", "file_name"})
"""Members of a part that hold the name of what it brings."""


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
    if media.name and not _is_named(part):
        left_out.append(f"{path}.name")
    if media.detail and "image_url" not in part:
        left_out.append(f"{path}.detail")
    leave_out_citing(media, path, left_out)
    return part


def _is_named(part: dict[str, Any]) -> bool:
    return not _NAMES.isdisjoint(part) or "filename" in part.get("file", ())


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
    if "sound" in takes and (part := _sound(media, mime, quirks)):
        return part
    if "documents" in takes and mime == _PDF:
        return _document(media, mime, quirks)
    taken = " and ".join(_words(kind, quirks) for kind in _DATA_OF if kind in takes)
    raise missing(f"{path}.mime_type", f"this provider takes {taken}")


def _words(kind: str, quirks: Quirks) -> str:
    return "sound" if kind == "sound" and quirks.sound_as_text else _DATA_OF[kind]


def _sound(media: v1.Media, mime: str, quirks: Quirks) -> dict[str, Any] | None:
    """Sound by its data; None for a type that is none, or that is not taken."""
    if quirks.sound_as_text:
        text = b64encode(media.data).decode()
        return {"type": "input_audio", "input_audio": text} if mime.startswith("audio/") else None
    audio = _AUDIO_FORMATS.get(mime)
    if audio is None:
        return None
    return {"type": "input_audio", "input_audio": {"data": b64encode(media.data).decode(), "format": audio}}


def _document(media: v1.Media, mime: str, quirks: Quirks) -> dict[str, Any]:
    """A document by its data."""
    match quirks.documents:
        case "file":
            # The provider refuses file data without a name.
            file = {"file_data": _data_url(media, mime), "filename": media.name or "document.pdf"}
            return {"type": "file", "file": file}
        case "document_url":
            return _document_url(media, _data_url(media, mime))
        case "file_url":
            # Data stands there bare, without "data:" before it.
            return _file_url(media, b64encode(media.data).decode())


def _from_uri(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    takes = quirks.media
    by_address = [kind for kind in _DATA_OF if kind in takes and _by_address(kind, quirks)]
    if not by_address:
        raise missing(f"{path}.uri", "this provider takes nothing by address; send the data")
    kind = _kind_of(mime)
    if kind not in by_address:
        raise missing(f"{path}.uri", f"only {' and '.join(by_address)} can be given by address here; send the data")
    if kind == "documents":
        return _document_url(media, media.uri) if quirks.documents == "document_url" else _file_url(media, media.uri)
    if kind == "sound":
        return {"type": "input_audio", "input_audio": media.uri}
    return _film(media.uri) if kind == "films" else _image(media, media.uri)


def _by_address(kind: str, quirks: Quirks) -> bool:
    if not quirks.media_uris:
        return False
    if kind == "documents":
        return quirks.documents != "file"
    return quirks.sound_as_text if kind == "sound" else True


def _kind_of(mime: str) -> str:
    """Of what is given by address; where no type is told, it is a picture."""
    if not mime or mime.startswith("image/"):
        return "pictures"
    if mime.startswith("video/"):
        return "films"
    return "sound" if mime.startswith("audio/") else "documents"


def _from_file(media: v1.Media, mime: str, path: str, quirks: Quirks) -> dict[str, Any]:
    if "documents" not in quirks.media or quirks.documents == "file_url" or mime not in ("", _PDF):
        raise missing(f"{path}.file_id", "no file of this kind can be named by its id here; send the data")
    if quirks.documents == "document_url":
        return {"type": "file", "file_id": media.file_id}
    return {"type": "file", "file": {"file_id": media.file_id}}


def _document_url(media: v1.Media, url: str) -> dict[str, Any]:
    named = {"document_name": media.name} if media.name else {}
    return {"type": "document_url", "document_url": url, **named}


def _file_url(media: v1.Media, url: str) -> dict[str, Any]:
    named = {"file_name": media.name} if media.name else {}
    return {"type": "file_url", "file_url": {"url": url}, **named}


def _image(media: v1.Media, url: str) -> dict[str, Any]:
    image = {"url": url}
    if detail := _DETAILS.get(media.detail):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _film(url: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


def _data_url(media: v1.Media, mime: str) -> str:
    return f"data:{mime};base64,{b64encode(media.data).decode()}"
