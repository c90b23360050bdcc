"""Pictures, documents, sounds and films as content blocks of Converse.

Source: the shapes ImageBlock, DocumentBlock, AudioBlock and VideoBlock of the service model in botocore 1.44.
"""

import re
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.deployment import Provider
from trunkline_server.providers.bedrock.formats import format_of
from trunkline_server.providers.citing import leave_out_citing
from trunkline_server.providers.refusal import missing, refuse_storage

__all__ = ["DocumentNames", "check_address", "media_block"]

_ADDRESS: Final = "s3://"
_MAX_NAME: Final = 180
"""Characters of a document's name that are kept: of 200, with room to tell names apart."""
_REFUSED_CHARS: Final = re.compile(r"[^a-zA-Z0-9\s()\[\]-]")
_SPACES: Final = re.compile(r"\s+")


class DocumentNames:
    """Names of the documents of one request. Bedrock wants each to have one of its own, in few characters."""

    __slots__ = ("_given", "_last")

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._last: dict[str, int] = {}
        """The number given last, by the name before it: thousands of one name are not counted through each time."""

    def name(self, wanted: str) -> str:
        """The name that comes nearest to the one wanted."""
        fit = _SPACES.sub(" ", _REFUSED_CHARS.sub("-", wanted)).strip()[:_MAX_NAME].strip() or "document"
        name, number = fit, self._last.get(fit, 1)
        while name in self._given:
            number += 1
            name = f"{fit}-{number}"
        self._last[fit] = number
        self._given.add(name)
        return name


def check_address(media: v1.Media, path: str, provider: Provider) -> None:
    """Returns unless it stands in S3 and callers may not name what does. Raises CapabilityMissing."""
    if media.uri.startswith(_ADDRESS):
        refuse_storage(provider, f"{path}.uri")


def media_block(media: v1.Media, path: str, names: DocumentNames, left_out: list[str]) -> dict[str, Any]:
    """The content block for a medium. `path` is the medium's own. Raises CapabilityMissing."""
    mime, _, parameters = media.mime_type.partition(";")
    found = format_of(mime.strip().lower())
    source = _source(media, path)
    if found is None:
        taken = "PNG, JPEG, GIF, WebP, PDF, text, Word, Excel and the usual sounds and films"
        raise missing(f"{path}.mime_type", f"this provider has to be told what it is, and takes {taken}")
    kind, name = found
    if parameters:
        left_out.append(f"{path}.mime_type")
    if media.detail:
        left_out.append(f"{path}.detail")
    block: dict[str, Any] = {"format": name, "source": source}
    if kind == "document":
        block["name"] = names.name(media.name)
        if media.context:
            block["context"] = media.context
        if media.HasField("citations"):
            block["citations"] = {"enabled": media.citations}
    else:
        leave_out_citing(media, path, left_out)
    if media.name and block.get("name") != media.name:
        left_out.append(f"{path}.name")
    return {kind: block}


def _source(media: v1.Media, path: str) -> dict[str, Any]:
    match media.WhichOneof("source"):
        case "data":
            return {"bytes": media.data}
        case "uri" if media.uri.startswith(_ADDRESS):
            return {"s3Location": {"uri": media.uri}}
        case "uri":
            raise missing(f"{path}.uri", "this provider fetches from s3:// alone; send the data")
        case _:
            raise missing(f"{path}.file_id", "this provider keeps no files; send the data, or an s3:// address as uri")
