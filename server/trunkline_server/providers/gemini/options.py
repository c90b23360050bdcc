"""Members that callers add to Gemini's request by provider_options, and those that none may set.

1. JSON of protocol buffers knows each member by two names, generationConfig and generation_config, so that names are
   compared without underscores and case.
2. generationConfig and toolConfig may be given: their members join those that the dialect writes, each checked by
   itself. So callers may ask for speech and pictures.
3. What chooses the model, the number of answers, the output bound, the tier, storage, the account's cached contents or
   where the answer is put is refused.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.options import extra_members, refused

__all__ = ["Options"]

_REFUSED: Final = frozenset(
    {
        "contents", "systeminstruction", "tools", "model", "cachedcontent", "servicetier", "store", "labels",
        "continuationtoken", "outputconfig", "generatecontentrequest", "instances", "parameters", "requests",
        "content", "embedcontentconfig", "tasktype", "outputdimensionality", "autotruncate", "title",
    }
)  # fmt: skip
_REFUSED_WITHIN: Final[Mapping[str, frozenset[str]]] = {
    "generationConfig": frozenset(
        {
            "candidatecount", "stopsequences", "maxoutputtokens", "temperature", "topp", "topk", "seed",
            "responsemimetype", "responseschema", "responsejsonschema", "responseformat", "presencepenalty",
            "frequencypenalty", "responselogprobs", "logprobs", "thinkingconfig", "routingconfig", "modelconfig",
            "continuationtoken",
        }
    ),
    "toolConfig": frozenset({"functioncallingconfig", "includeserversidetoolinvocations"}),
}  # fmt: skip
_NESTED: Final = {name.lower(): name for name in _REFUSED_WITHIN}

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Options:
    """What one caller adds."""

    __slots__ = ("_members", "_nested")

    def __init__(self, options: Mapping[str, bytes], ways: Ways, *, allowed: bool, left_out: list[str]) -> None:
        """Raises ProviderOptionRefused."""
        self._members = extra_members(options, ways.name, (), allowed=allowed, left_out=left_out)
        self._nested: dict[str, dict[str, msgspec.Raw]] = {}
        for name in [*self._members]:
            self._check(name, f'provider_options["{ways.name}"].{name}')

    def add_to(self, body: dict[str, Any]) -> None:
        """Add the members to a body."""
        body.update(self._members)
        for name, members in self._nested.items():
            body[name] = {**body.get(name, {}), **members}

    def _check(self, name: str, path: str) -> None:
        key = _plain(name)
        if key in _REFUSED:
            raise refused(path, "the gateway decides this member; use the field of the request")
        if key not in _NESTED:
            return
        members = _members_of(self._members.pop(name), path)
        for inner in members:
            if _plain(inner) in _REFUSED_WITHIN[_NESTED[key]]:
                raise refused(f"{path}.{inner}", "the gateway decides this member; use the field of the request")
        self._nested.setdefault(_NESTED[key], {}).update(members)


def _members_of(raw: msgspec.Raw, path: str) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(raw)
    except msgspec.DecodeError as error:
        raise refused(path, "this member is an object; write it as one") from error


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
