"""Media as parts of a turn, and of the result of a tool."""

import re
from base64 import b64encode
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.citing import leave_out_citing
from trunkline_server.providers.gemini.ways import Ways, takes_levels
from trunkline_server.providers.refusal import missing, refuse_storage

__all__ = ["MediaParts"]

_LEVELS: Final = {v1.MEDIA_DETAIL_LOW: "MEDIA_RESOLUTION_LOW", v1.MEDIA_DETAIL_HIGH: "MEDIA_RESOLUTION_HIGH"}
_STORAGE: Final = "gs://"
_FILE: Final = re.compile(r"(?:files/)?([a-z0-9][a-z0-9-]{0,63})")
"""https://ai.google.dev/api/files: up to 40 characters of lower case, digits and dashes."""


class MediaParts:
    """Writes media for one deployment. Paths of fields that have no place go to `left_out`."""

    __slots__ = ("_deployment", "_left_out", "_newest", "_ways")

    def __init__(self, deployment: Deployment, ways: Ways, left_out: list[str]) -> None:
        self._deployment = deployment
        self._ways = ways
        self._left_out = left_out
        self._newest = takes_levels(deployment.capability)
        """Whether a single part may have a resolution, and results of tools media: both came with thinking levels."""

    def part(self, block: v1.Block, path: str) -> dict[str, Any]:
        """A part of a turn. `path` is the media's own. Raises CapabilityMissing."""
        media = block.media
        part = self._source(block, path)
        if media.detail in _LEVELS and self._newest:
            part["mediaResolution"] = {"level": _LEVELS[media.detail]}
        elif media.detail in _LEVELS:
            self._left_out.append(f"{path}.detail")
        return part

    def of_result(self, block: v1.Block, path: str) -> dict[str, Any]:
        """A part of the result of a tool. Raises CapabilityMissing."""
        if not self._newest:  # it is refused within the result, and beside it where there are several
            raise missing(path, "this model takes text only in the result of a tool; describe it, or ask another model")
        if block.media.WhichOneof("source") != "data" and not self._ways.addresses_in_results:
            name = block.media.WhichOneof("source")
            raise missing(f"{path}.{name}", "this provider takes data only in the result of a tool; send the data")
        if block.media.detail in _LEVELS:
            self._left_out.append(f"{path}.detail")
        return self._source(block, path)

    def _source(self, block: v1.Block, path: str) -> dict[str, Any]:
        media = block.media
        if media.name:
            self._left_out.append(f"{path}.name")
        leave_out_citing(media, path, self._left_out)
        match media.WhichOneof("source"):
            case "data":
                return {"inlineData": {"mimeType": media.mime_type, "data": b64encode(media.data).decode()}}
            case "uri":
                if media.uri.startswith(_STORAGE):
                    refuse_storage(self._deployment.provider, f"{path}.uri")
                return {"fileData": self._address(media, media.uri, path)}
            case _:
                return {"fileData": self._address(media, self._file(block, path), path)}

    def _address(self, media: v1.Media, uri: str, path: str) -> dict[str, str]:
        if media.mime_type:
            return {"mimeType": media.mime_type, "fileUri": uri}
        if self._ways.typed_addresses:
            raise missing(f"{path}.mime_type", "this provider needs the type of what is given by address; set it")
        return {"fileUri": uri}

    def _file(self, block: v1.Block, path: str) -> str:
        provider, file_id = self._deployment.provider, block.media.file_id
        if not self._ways.files:
            raise missing(f"{path}.file_id", "this provider has no files; give the gs:// address as uri, or the data")
        if block.origin.provider and block.origin.provider != provider.name:
            raise missing(f"{path}.file_id", "the file is at another provider; send its data")
        name = _FILE.fullmatch(file_id)
        if name is None:
            raise missing(f"{path}.file_id", 'no name of a file here; it is like "files/abc-123"')
        return f"{provider.endpoint}{provider.base_path}/files/{name[1]}"
