"""The configuration file as one value: read, filled and checked.

1. A document is right: whatever could be wrong was told when it was loaded, and `build` can't fail.
2. As JSON it has at most 3 MiB, so that it fits into one line to a worker, also when each character is escaped there.
3. Its repr shows no values. `to_json` does: it is for the private pipe to a worker.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from trunkline_server.config import file, rules, schema
from trunkline_server.config.interpolate import Interpolator
from trunkline_server.config.listen import read_networks
from trunkline_server.config.problems import ConfigError, Problem, Where

DEFAULT_FILE: Final = Path("trunkline.yaml")
BUILT_IN: Final = "default.yaml (built in)"

MAX_JSON_CHARS: Final = 3 * 1024 * 1024
"""Of ASCII, of which a worker's line of 8 MiB holds two for each."""

_DEPTH: Final = 3
"""Of what lines are kept for: providers, their names, their keys."""

_BUILT_IN_FILE: Final = Path(__file__).with_name("default.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A checked configuration with all values filled in."""

    origin: str
    """The file as it was named."""
    sources: tuple[Path, ...]
    """Files to watch: the configuration file and each that was filled in."""
    variables: tuple[str, ...]
    """Names of the environment variables that were filled in, or would have been."""
    config: schema.ConfigFile = field(repr=False)
    version: str
    """Twelve hex digits that change with every value, secrets included, and tell nothing of them."""
    lines: Mapping[Where, int] = field(default_factory=dict, repr=False, compare=False)
    """Where in the file providers and their keys stand. Stays with whoever read the file."""

    def __repr__(self) -> str:
        providers, models = len(self.config.providers), len(self.config.models)
        return f"Document({self.origin!r}, version {self.version}, {providers} providers, {models} models)"

    def line(self, where: Where) -> int:
        """The line of a provider's key, or of the provider where the key is not written; 0 where none is known."""
        return self.lines.get(where) or self.lines.get(where[:2], 0)

    def to_json(self) -> str:
        """The whole of it, secrets included."""
        return json.dumps(
            {
                "origin": self.origin,
                "sources": [str(path) for path in self.sources],
                "variables": self.variables,
                "version": self.version,
                "config": self.config.model_dump(mode="json", context=schema.REVEAL),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave. For texts of our own only."""
        data = json.loads(text)
        return cls(
            origin=data["origin"],
            sources=tuple(map(Path, data["sources"])),
            variables=tuple(data["variables"]),
            version=data["version"],
            config=schema.ConfigFile.model_validate_json(json.dumps(data["config"])),
        )


def chosen(path: Path | None) -> Path | None:
    """The file to read: the one that is named, else ./trunkline.yaml if it is there; None is the one built in."""
    return path or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None, environ: Mapping[str, str], *, named_by: str = "") -> Document:
    """The document in the file that is `chosen`. Raises ConfigError with all that is wrong.

    `named_by`: the setting that names another file.
    """
    path = chosen(path)
    text = file.read(path, named_by) if path else _BUILT_IN_FILE.read_text("utf-8")
    origin = str(path) if path else BUILT_IN
    interpolator = Interpolator(environ=environ)
    tree = file.parse(text, origin, interpolator)
    # A list that can't be read allows nothing; Settings tells what is wrong with it.
    allowed = read_networks(environ.get("TRUNKLINE_ALLOWED_ADDRESSES", ""))
    folder = path.absolute().parent if path else Path.cwd()
    config = rules.check(tree, folder=folder, allowed=allowed or ())
    document = Document(
        origin=origin,
        sources=(*((path.absolute(),) if path else ()), *interpolator.files),
        variables=tuple(sorted(interpolator.variables)),
        config=config,
        version=_version(config),
        lines={
            where: line for where, line in tree.lines.items() if where[:1] == ("providers",) and len(where) <= _DEPTH
        },
    )
    if len(document.to_json()) > MAX_JSON_CHARS:
        message = f"more than {MAX_JSON_CHARS} characters once it is filled in and its aliases are unfolded"
        raise ConfigError([Problem(file=origin, message=message, mend="Split the models among gateways")])
    return document


def _version(config: schema.ConfigFile) -> str:
    public = config.model_dump_json()
    return hashlib.sha256(f"{public}\n{_digest_of_secrets(config)}".encode()).hexdigest()[:12]


def _digest_of_secrets(config: schema.ConfigFile) -> str:
    """A digest too costly to try guesses against: versions are logged, and a credential may be short."""
    everything = config.model_dump_json(context=schema.REVEAL)
    return hashlib.scrypt(everything.encode(), salt=b"trunkline.version", n=2**12, r=8, p=1, dklen=16).hex()
