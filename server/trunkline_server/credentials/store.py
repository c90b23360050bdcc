"""The credentials of a worker: one for each way to get one, whatever number of providers present it."""

import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from trunkline_server.core.account import SettingValue
from trunkline_server.core.credential import CREDENTIAL_SETTINGS, Presenter
from trunkline_server.core.deployment import Provider
from trunkline_server.core.faults import FaultLog
from trunkline_server.credentials.kept import KeepLimits, Kept
from trunkline_server.credentials.kinds import KINDS

_Key = tuple[str, tuple[SettingValue | None, ...]]
_LIMITS: Final = KeepLimits()
_NAMES: Final = {kind: tuple(setting.name for setting in each) for kind, each in CREDENTIAL_SETTINGS.items()}


class Credentials:
    """What app.py holds. Make it in the running loop; `ca_file` holds certificates to trust beside the system's.

    There are as many credentials as the providers of one configuration need: `keep` drops the others.
    """

    def __init__(
        self,
        faults: FaultLog,
        *,
        rng: random.Random,
        limits: KeepLimits = _LIMITS,
        wall: Callable[[], float] = time.time,
        ca_file: str | None = None,
    ) -> None:
        self._faults = faults
        self._rng = rng
        self._limits = limits
        self._wall = wall
        self._ca_file = ca_file
        self._kept: dict[_Key, Kept] = {}

    def presenter(self, provider: Provider) -> Presenter | None:
        """Who presents for this provider; None if it has a fixed key or nothing."""
        if not provider.presents:
            return None
        key = _key(provider)
        return self._kept.get(key) or self._open(key, provider)

    def keep(self, providers: Iterable[Provider]) -> None:
        """Hold what these providers need and nothing else. Same settings keep their token; new ones fetch one now."""
        wanted = {_key(provider): provider for provider in providers if provider.presents}
        for key in self._kept.keys() - wanted.keys():
            self._kept.pop(key).close()
        for key, provider in wanted.items():
            if key not in self._kept:
                self._open(key, provider).warm()

    def close(self) -> None:
        """Stop keeping anything fresh."""
        for kept in self._kept.values():
            kept.close()

    def __repr__(self) -> str:
        return f"Credentials({len(self._kept)} kept)"

    def _open(self, key: _Key, provider: Provider) -> Kept:
        kind = KINDS[provider.presents]
        kept = self._kept[key] = Kept(
            partial(kind.fetch, provider.settings, self._ca_file),
            self._faults,
            self._limits,
            issuer=kind.issuer,
            provider=provider.name,
            wall=self._wall,
            rng=self._rng,
        )
        return kept


def _key(provider: Provider) -> _Key:
    settings = provider.settings
    return provider.presents, tuple(settings.get(name) for name in _NAMES[provider.presents])
