"""Finds the golden exchanges: DIALECT/CASE is one, DIALECT a name in providers/registry.py.

deployment.json, in the case or else in the folder of the dialect, says who is asked:

    provider         its name, as in the configuration
    base_url         "https://api.openai.com/v1"
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

from tests.golden.exchange import Exchange, parse_http
from trunkline import v1
from trunkline_server.config.base_url import split_base_url
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS

HERE: Final = Path(__file__).parent
_WHO: Final = "deployment.json"
_ONE_OF: Final = (
    ("source.md",),
    ("request.json",),
    ("upstream_request.json", "upstream_request.stream.json"),
    ("upstream_response.json", "upstream_response.sse"),
    ("response.json", "events.json", "error.json"),
)
"""Files of a case: at least one of each row. Others are mistakes, deployment.json aside."""
_KNOWN: Final = {_WHO, *(name for names in _ONE_OF for name in names)}
_NEEDED: Final = {"provider", "base_url", "upstream_model"}
_OPTIONAL: Final = {"api_key", "settings"}


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
    return (path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] not in "._")


def _read(case: Path) -> Exchange:
    _check_files({path.name for path in case.iterdir()})
    own = case / _WHO
    stream = case / "upstream_response.sse"
    return Exchange(
        name=f"{case.parent.name}/{case.name}",
        source=(case / "source.md").read_text(),
        deployment=_deployment(own if own.exists() else case.parent / _WHO, case.parent.name),
        request=json_format.ParseDict(_json(case / "request.json"), v1.CompleteRequest()),
        upstream_request=_json(case / "upstream_request.json"),
        upstream_stream_request=_json(case / "upstream_request.stream.json"),
        upstream_response=_json(case / "upstream_response.json"),
        stream=parse_http(stream.read_bytes()) if stream.exists() else None,
        response=_json(case / "response.json"),
        events=_json(case / "events.json"),
        error=_json(case / "error.json"),
    )


def _check_files(names: set[str]) -> None:
    lacking = [" or ".join(row) for row in _ONE_OF if names.isdisjoint(row)]
    if lacking:
        raise _Faulty(f"there is no {'; no '.join(lacking)}")
    if strange := names - _KNOWN:
        raise _Faulty(f"{', '.join(sorted(strange))}: not a file of an exchange; it has {', '.join(sorted(_KNOWN))}")


def _deployment(path: Path, speaking: str) -> Deployment:
    if not path.exists():
        raise _Faulty(f"there is no {_WHO}, neither here nor in {speaking}/")
    who = _json(path)
    if not _NEEDED <= who.keys() <= _NEEDED | _OPTIONAL:
        raise _Faulty(f"{_WHO} has {sorted(who)}; it needs {sorted(_NEEDED)} and may have {sorted(_OPTIONAL)}")
    endpoint, base_path = split_base_url(who["base_url"])
    provider = Provider(
        name=who["provider"],
        dialect=speaking,
        endpoint=endpoint,
        base_path=base_path,
        credential=Secret(who["api_key"]) if "api_key" in who else None,
        settings=who.get("settings", {}),
    )
    return Deployment(
        name=f"{provider.name}/{who['upstream_model']}", provider=provider, upstream_model=who["upstream_model"]
    )


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
