"""Finds the golden exchanges: DIALECT/CASE is one, DIALECT a name in providers/registry.py.

deployment.json, in the case or else in the folder of the dialect, says who is asked:

    provider         its name, as in the configuration
    base_url         "https://api.openai.com/v1"; the dialect's own if left out
    upstream_model   the model's name there
    api_key          optional; never a real one
    settings         optional: the dialect's own keys of the configuration: {"max_tokens_key": "max_tokens"}

What is wrong with a folder is told by `problems`, not by an exception: the other exchanges still run.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from tests.golden import eventstream
from tests.golden.exchange import Exchange, Verb, parse_http, sse_data
from trunkline import v1
from trunkline_server.config.base_url import split_base_url
from trunkline_server.core.account import Settings
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.registry import ROWS

HERE: Final = Path(__file__).parent
_WHO: Final = "deployment.json"
_SSE: Final = "upstream_response.sse"
_FRAMES: Final = "upstream_response.eventstream.json"
_ONE_OF: Final[dict[Verb, tuple[tuple[str, ...], ...]]] = {
    "complete": (
        ("source.md",),
        ("request.json",),
        ("upstream_request.json", "upstream_request.stream.json"),
        ("upstream_response.json", _SSE, _FRAMES),
        ("response.json", "events.json", "error.json"),
    ),
    "embed": (
        ("source.md",),
        ("embed_request.json",),
        ("upstream_request.json",),
        ("upstream_response.json",),
        ("embed_response.json", "error.json"),
    ),
    "count": (
        ("source.md",),
        ("count_request.json",),
        ("upstream_request.json",),
        ("upstream_response.json",),
        ("count_response.json", "error.json"),
    ),
}
"""Files of a case: at least one of each row. Others are mistakes, deployment.json aside."""
_NEEDED: Final = {"provider", "upstream_model"}
_OPTIONAL: Final = {"base_url", "api_key", "settings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies in the folders."""

    exchanges: tuple[Exchange, ...]
    """By name."""
    problems: tuple[str, ...]
    """What is wrong with the others: the folder, and the mend."""


class _Faulty(Exception):
    """A folder that can't be read."""


def find(root: Path = HERE) -> Found:
    """All exchanges below this folder."""
    exchanges, problems = [], []
    for folder in _folders(root):
        if folder.name not in DIALECTS:
            known = ", ".join(sorted(DIALECTS))
            problems.append(f"{folder.name}: no dialect of this name in providers/registry.py; it has {known}")
            continue
        for case in _folders(folder):
            try:
                exchanges.append(_read(case))
            except (_Faulty, json_format.Error, ValueError, TypeError) as error:
                problems.append(f"{folder.name}/{case.name}: {error}")
    return Found(exchanges=tuple(exchanges), problems=tuple(problems))


def _folders(root: Path) -> Iterator[Path]:
    found = (path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] not in "._")
    return (path for path in found if path != HERE / "judges")


def _read(case: Path) -> Exchange:
    verb = _check_files({path.name for path in case.iterdir()})
    own = case / _WHO
    prefix = "" if verb == "complete" else f"{verb}_"
    kind = v1.EmbedRequest if verb == "embed" else v1.CompleteRequest
    stream, streamed = _stream(case)
    return Exchange(
        name=f"{case.parent.name}/{case.name}",
        verb=verb,
        source=(case / "source.md").read_text(),
        deployment=_deployment(own if own.exists() else case.parent / _WHO, case.parent.name),
        request=json_format.ParseDict(_json(case / f"{prefix}request.json"), kind()),
        upstream_request=_json(case / "upstream_request.json"),
        upstream_stream_request=_json(case / "upstream_request.stream.json"),
        upstream_response=_json(case / "upstream_response.json"),
        stream=stream,
        streamed=streamed,
        response=_json(case / f"{prefix}response.json"),
        events=_json(case / "events.json"),
        error=_json(case / "error.json"),
    )


def _stream(case: Path) -> tuple[bytes | None, tuple[Any, ...]]:
    if (sse := case / _SSE).exists():
        body = parse_http(sse.read_bytes())
        return body, sse_data(body)
    if frames := _json(case / _FRAMES):
        return eventstream.encode(frames), tuple(frames)
    return None, ()


def _check_files(names: set[str]) -> Verb:
    verb: Verb = "embed" if "embed_request.json" in names else "count" if "count_request.json" in names else "complete"
    rows = _ONE_OF[verb]
    lacking = [" or ".join(row) for row in rows if names.isdisjoint(row)]
    if lacking:
        raise _Faulty(f"there is no {'; no '.join(lacking)}")
    known = {_WHO, *(name for row in rows for name in row)}
    if strange := names - known:
        raise _Faulty(f"{', '.join(sorted(strange))}: not a file of an exchange; it has {', '.join(sorted(known))}")
    return verb


def _deployment(path: Path, speaking: str) -> Deployment:
    if not path.exists():
        raise _Faulty(f"there is no {_WHO}, neither here nor in {speaking}/")
    who = _json(path)
    if not _NEEDED <= who.keys() <= _NEEDED | _OPTIONAL:
        raise _Faulty(f"{_WHO} has {sorted(who)}; it needs {sorted(_NEEDED)} and may have {sorted(_OPTIONAL)}")
    account, settings = ROWS[speaking].account, who.get("settings", {})
    defaults = {each.name: each.default for each in account.settings if each.default is not None}
    endpoint, base_path = split_base_url(who.get("base_url") or _own_address(account.base_url, defaults | settings))
    provider = Provider(
        name=who["provider"],
        dialect=speaking,
        endpoint=endpoint,
        base_path=base_path,
        credential=Secret(who["api_key"]) if "api_key" in who else None,
        presents="" if "api_key" in who else account.presents,
        settings=defaults | settings,
    )
    return Deployment(
        name=f"{provider.name}/{who['upstream_model']}", provider=provider, upstream_model=who["upstream_model"]
    )


def _own_address(own: Any, settings: Settings) -> str:
    address = own(settings) if callable(own) else own
    if not address:
        raise _Faulty(f"{_WHO} needs a base_url: the dialect has none of its own")
    return str(address)


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise _Faulty(f"{path.name} is not JSON: {error}") from error


DIALECT: Final = DIALECTS["openai"]
DEPLOYMENT: Final = _deployment(HERE / "openai" / _WHO, "openai")
"""Whom most tests of the dialect ask."""
