"""Pictures and documents, for chat and for embed.

A document is what the model may cite: JSON objects and texts are. The provider takes no files of other kinds.
"""

from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.jsontext import embedded, is_object
from trunkline_server.providers.refusal import missing

__all__ = ["Documents", "is_document", "mime_of", "object_of", "picture_url", "unsaid"]

_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain"


def mime_of(media: v1.Media) -> str:
    """The media type without its parameters."""
    return media.mime_type.partition(";")[0].strip().lower()


def is_document(media: v1.Media) -> bool:
    """Whether it is something to cite."""
    mime = mime_of(media)
    return mime == _JSON or mime.startswith("text/")


def unsaid(media: v1.Media, path: str, *names: str) -> list[str]:
    """The paths of these fields, where they say something. `path` is the medium's own."""
    return [f"{path}.{field.name}" for field, _ in media.ListFields() if field.name in names]


def picture_url(media: v1.Media, path: str, *, fetched: bool, taken: str) -> str:
    """The address of a picture, or a picture as one. `taken` tells what is taken. Raises CapabilityMissing."""
    mime = mime_of(media)
    source = media.WhichOneof("source")
    if source == "file_id":
        raise missing(f"{path}.file_id", "this provider keeps no files; send the data")
    if mime not in _PICTURES and (mime or source == "data"):
        raise missing(f"{path}.mime_type", taken)
    if source == "data":
        return f"data:{mime};base64,{b64encode(media.data).decode()}"
    if not fetched and not media.uri.startswith("data:"):
        raise missing(f"{path}.uri", "this provider fetches nothing here; send the data")
    return media.uri


def object_of(data: bytes, path: str) -> Any:
    """A JSON object, to be embedded as it is: anything else could write members of its own into the request."""
    if not is_object(data):
        raise missing(path, "this provider takes one JSON object in UTF-8 here")
    return embedded(data)


class Documents:
    """Makes the documents of one request. A document's name is its id, which citations name, where no other has it."""

    __slots__ = ("_names", "left_out")

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.left_out: list[str] = []

    def document(self, media: v1.Media, path: str) -> dict[str, Any]:
        """The document that a medium is. `path` is the medium's own. Raises CapabilityMissing."""
        source = media.WhichOneof("source")
        if source != "data":
            raise missing(f"{path}.{source}", "this provider fetches no documents and keeps no files; send the data")
        mime = mime_of(media)
        data = object_of(media.data, f"{path}.data") if mime == _JSON else self._text(media, path)
        if media.mime_type.lower() not in (_JSON, _PLAIN):
            self.left_out.append(f"{path}.mime_type")
        # Citations are switched for all documents at once: citation_options, in provider_options.
        self.left_out += unsaid(media, path, "detail", "citations", *(["context"] if mime == _JSON else []))
        document: dict[str, Any] = {"data": data}
        if media.name and media.name not in self._names:
            self._names.add(media.name)
            document["id"] = media.name
        elif media.name and mime == _JSON:
            self.left_out.append(f"{path}.name")
        return document

    def _text(self, media: v1.Media, path: str) -> dict[str, Any]:
        try:
            text = media.data.decode()
        except UnicodeDecodeError as error:
            raise missing(f"{path}.data", "this provider takes texts in UTF-8 only") from error
        members = {"title": media.name, "context": media.context, "text": text}
        return {name: value for name, value in members.items() if value or name == "text"}
