"""Pictures, sounds, documents and texts, from files and from the parts that OpenAI writes.

1. A file has at most 32 MiB less 64 KiB, so that a request with it fits the gateway; of a longer one no more is read.
2. What is in a file is told by its first bytes where they are certain, then by its name; else it is text in UTF-8,
   which every model takes, or refused. Beside other parts a text is preceded by the file's name in a line of its own,
   so that a model can tell several apart; alone it is all that is said.
3. Nothing is fetched: an address goes to the provider as it is.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from trunkline import v1
from trunkline.notation import checked, checked_text, enum_value, placed, unknown_keys

__all__ = ["MAX_FILE_BYTES", "file_block", "openai_audio", "openai_file", "openai_picture"]

MAX_FILE_BYTES: Final = 32 * 1024 * 1024 - 64 * 1024

_CERTAIN: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
"""First bytes that are believed more than the name: providers refuse a picture that is called by another's type."""
_LIKELY: Final = (
    (b"fLaC\0", "audio/flac"),
    (b"ID3\2", "audio/mpeg"),
    (b"ID3\3", "audio/mpeg"),
    (b"ID3\4", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS\0", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
"""First bytes for names that say nothing. Several of these containers hold sound or film; the name tells which."""
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Final = {
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
}
"""What an ISO base media file says of itself after "ftyp"; others are films."""
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_BY_NAME: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".pdf": "application/pdf",
    ".doc": "application/msword",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
}
"""Suffixes of files that are no text."""


def file_block(path: Path, place: str, *, named: bool) -> v1.Block:
    """What a file holds: a medium, or a text, after its name if `named`.

    Raises ValueError, or OSError as reading did, both naming the place.
    """
    data = _read(path, place)
    mime_type = _media_type(path, data)
    if not mime_type:
        head = f"{_printable(path.name)}:\n" if named else ""
        return v1.Block(text=v1.Text(text=head + _text(path, data, place)))
    # Documents are shown to models by their names; pictures and sounds have no place for one at most providers.
    name = path.name if mime_type.startswith("application/") else ""
    with placed(place):
        return v1.Block(media=v1.Media(mime_type=mime_type, data=data, name=name))


def _printable(name: str) -> str:
    """A file's name in one line. It may hold bytes that are no text."""
    told = name.encode(errors="backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in told)


def _read(path: Path, place: str) -> bytes:
    try:
        with placed(place), path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as failure:  # the class follows the number: FileNotFoundError stays one
        raise OSError(failure.errno, f"{place}: {failure.strerror}", str(path)) from None
    if not data:
        raise ValueError(f"{place}: the file is empty: {path}")
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"{place}: a file has at most {MAX_FILE_BYTES:,} bytes; send the address of this one: {path}")
    return data


def _media_type(path: Path, data: bytes) -> str:
    """The media type; empty for what looks like text."""
    return _first(_CERTAIN, data) or _riff(data) or _BY_NAME.get(path.suffix.lower()) or _likely(data)


def _first(signatures: tuple[tuple[bytes, str], ...], data: bytes) -> str:
    return next((mime_type for start, mime_type in signatures if data.startswith(start)), "")


def _riff(data: bytes) -> str:
    return _RIFF.get(data[8:12], "") if data.startswith(b"RIFF") else ""


def _likely(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return _first(_LIKELY, data)


def _text(path: Path, data: bytes, place: str) -> str:
    """A text in UTF-8; a byte order mark before it says nothing."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no text has it, and most binary files do
        raise ValueError(
            f"{place}: neither a known kind of file nor text in UTF-8; "
            f"write v1.Media(mime_type=..., data=path.read_bytes()): {path}"
        )
    return text


def openai_picture(image: Any, place: str) -> v1.Media:
    """A picture as OpenAI writes it: {"url", "detail"}."""
    image = {"url": image} if isinstance(image, str) else checked(image, Mapping, "a dict with a url", place)
    unknown_keys(image, frozenset({"url", "detail"}), place)
    url = checked_text(image.get("url"), f"{place}.url")
    media = _of_data_url(url, f"{place}.url") if url.startswith("data:") else v1.Media(uri=url)
    if image.get("detail") is not None:
        media.detail = enum_value(v1.MediaDetail, "MEDIA_DETAIL_", image["detail"], f"{place}.detail")
    return media


def openai_audio(audio: Any, place: str) -> v1.Media:
    """Sound as OpenAI writes it: {"data": base64, "format": "wav" or "mp3"}."""
    checked(audio, Mapping, "a dict with data and format", place)
    unknown_keys(audio, frozenset({"data", "format"}), place)
    mime_type = {"wav": "audio/wav", "mp3": "audio/mpeg"}.get(checked_text(audio.get("format"), f"{place}.format"))
    if mime_type is None:
        raise ValueError(f"{place}.format: one of wav, mp3, not {audio['format']!r}")
    data = _of_base64(checked_text(audio.get("data"), f"{place}.data"), f"{place}.data", "this")
    return v1.Media(mime_type=mime_type, data=data)


def openai_file(file: Any, place: str) -> v1.Media:
    """A document as OpenAI writes it: {"file_data": a data URL, "filename"}, or {"file_id"}."""
    checked(file, Mapping, "a dict with file_data or file_id", place)
    unknown_keys(file, frozenset({"file_data", "filename", "file_id"}), place)
    if file.get("file_id"):
        media = v1.Media(file_id=checked_text(file["file_id"], f"{place}.file_id"))
    else:
        media = _of_data_url(checked_text(file.get("file_data"), f"{place}.file_data"), f"{place}.file_data")
    media.name = checked_text(file.get("filename") or "", f"{place}.filename")
    return media


def _of_data_url(url: str, place: str) -> v1.Media:
    """What a data URL (RFC 2397) holds."""
    head, _, body = url.removeprefix("data:").partition(",")
    mime_type, _, encoding = head.partition(";")
    if not url.startswith("data:") or not mime_type or encoding != "base64":
        raise ValueError(f"{place}: a data URL reads data:image/png;base64,...")
    return v1.Media(mime_type=mime_type, data=_of_base64(body, place, "what follows the comma"))


def _of_base64(text: str, place: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{place}: {what} is not base64") from None
