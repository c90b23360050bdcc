"""Limits counted in Redis or Valkey, shared by the workers of many machines.

1. One script does an ask as a whole or not at all (account.lua, which is account.py once more), by the server's clock.
2. A limit is one key, so a cluster may keep each wherever it likes. Keys hold a hash: nobody's name.
3. Everything ends within the bound given at the opening; whatever goes wrong is StoreDown and says nothing of the
   address, which may hold a password.
4. Accounts vanish by themselves once they tell nothing that a new one would not.
5. Exact as long as no lease or window has used more than 2**53 units in all; Lua counts in doubles.
6. An answer that is lost on its way may have been carried out. The next grant's total says so.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, Self

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooLate

from trunkline_server.core.limit import Limit, Window
from trunkline_server.quota import account
from trunkline_server.quota.store import MAX_LEASES, Ask, Grant, Report, Standing, StoreDown
from trunkline_server.quota.windows import MICROS, PARTS, SECOND, period_ns

LATE_MS: Final = 7_200_000
"""So much longer than it tells anything an account is kept."""
CONNECTIONS: Final = 4
"""Of one worker. One more exchange at once waits for one of them, within its bound."""
_NS_IN_US: Final = SECOND // MICROS

_CONSTANTS: Final = {
    "LEASE_US": account.LEASE_NS // _NS_IN_US,
    "ENDED_US": account.ENDED_NS // _NS_IN_US,
    "KEPT_US": account.KEPT_NS // _NS_IN_US,
    "SWEEP_US": account.SWEEP_NS // _NS_IN_US,
    "IDLE_US": account.IDLE_NS // _NS_IN_US,
    "IN_USE_RETRY_US": round(account.IN_USE_RETRY_S * MICROS),
    "SLICE_SHARE": account.SLICE_SHARE,
    "MAX_LEASES": MAX_LEASES,
    "PARTS": PARTS,
    "LATE_MS": LATE_MS,
}
SCRIPT: Final = (
    "".join(f"local {name} = {value}\n" for name, value in _CONSTANTS.items())
    + files(__package__).joinpath("account.lua").read_text()
)
_SHA: Final = hashlib.sha1(SCRIPT.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


class RedisStore:
    """A Store. Connects when it is first used."""

    def __init__(self, client: Redis, *, within_s: float, now: Callable[[], int] | None = None) -> None:
        self._client = client
        self._within_s = within_s
        self._now = now
        """Nanoseconds since 1970. None: by the server's clock."""

    def __repr__(self) -> str:
        return "RedisStore()"

    @classmethod
    def open(cls, url: str, *, within_s: float, now: Callable[[], int] | None = None) -> Self:
        """The store at redis://, rediss:// (TLS) or unix://. Each exchange ends within so many seconds."""
        # A connection that the server closed while it lay idle is replaced once; what was too late is not said again.
        retry = Retry(NoBackoff(), 1, supported_errors=(Unreachable,))
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=within_s,
                socket_timeout=within_s,
                socket_connect_timeout=within_s,
                retry=retry,
            )
        except ValueError as error:
            raise StoreDown("the address of the store is not one of Redis") from error
        return cls(Redis.from_pool(pool), within_s=within_s, now=now)

    async def exchange(self, asks: Sequence[Ask]) -> list[Grant]:
        """Take in reports and grant leases, each ask by itself, all in one round trip."""
        calls = [
            self._call("exchange", ask.limit, [ask.lease, ask.need, ask.want, *_flat(ask.reports)]) for ask in asks
        ]
        return [_grant(answer) for answer in await self._run(calls)]

    async def reap(self, reports: Sequence[tuple[Limit, Report]]) -> None:
        """Close leases of dead workers."""
        await self._run([self._call("reap", limit, _flat([report])) for limit, report in reports])

    async def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """Where limits stand."""
        return [_standing(answer) for answer in await self._run([self._call("standing", each, ()) for each in limits])]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _call(self, what: str, limit: Limit, more: Iterable[str | int]) -> list[str | int]:
        now = 0 if self._now is None else self._now() // _NS_IN_US
        return [_key(limit), what, now, str(limit.window), limit.capacity, _period(limit), *more]

    async def _run(self, calls: Sequence[list[str | int]]) -> list[Any]:
        """Run the script for each. Raises StoreDown."""
        if not calls:
            return []
        try:
            async with asyncio.timeout(self._within_s):
                answers = await self._send(calls)
                unknown = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
                if unknown:
                    # The server was started anew: those that found no script did nothing.
                    await self._client.script_load(SCRIPT)
                    again = await self._send([calls[at] for at in unknown])
                    for at, answer in zip(unknown, again, strict=True):
                        answers[at] = answer
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreDown(_why(error)) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise StoreDown(_why(answer)) from answer
        return answers

    async def _send(self, calls: Sequence[list[str | int]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.evalsha(_SHA, 1, *call)
            return list(await pipeline.execute(raise_on_error=False))


def _key(limit: Limit) -> str:
    return f"tl:{{{hashlib.sha256(limit.id.encode()).hexdigest()[:32]}}}"


def _period(limit: Limit) -> str | int:
    if limit.window is Window.CALENDAR:
        return str(limit.period)
    return period_ns(limit) // _NS_IN_US


def _flat(reports: Iterable[Report]) -> list[str | int]:
    return [each for report in reports for each in (report.lease, report.window, report.used, report.returned)]


def _grant(answer: list[Any]) -> Grant:
    window, amount, total, ends_us, retry_us, remaining, held_by_others = answer
    return Grant(
        window=window.decode(),
        amount=amount,
        total=total,
        ends_in_s=_seconds(ends_us),
        retry_after_s=_seconds(retry_us),
        remaining=remaining,
        held_by_others=held_by_others,
    )


def _standing(answer: list[int]) -> Standing:
    remaining, held, resets_us = answer
    return Standing(remaining=remaining, held=held, resets_in_s=_seconds(resets_us))


def _seconds(micros: int) -> float | None:
    return None if micros < 0 else micros / MICROS


_REFUSALS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TooLate, "Redis did not answer in time"),
    (TimeoutError, "Redis did not answer in time"),
    (AuthenticationError, "Redis does not let us in with this user and password"),
    (BusyLoadingError, "Redis is still loading its data"),
    (NoPermissionError, "Redis does not allow this user to run scripts on keys that begin with tl:"),
    (OutOfMemoryError, "Redis is out of memory"),
    (ReadOnlyError, "Redis is a replica, which takes no writes"),
    (MovedError, "Redis is a node of a cluster and does not hold every key"),
    (ResponseError, "Redis refused the script"),
)


def _why(error: BaseException) -> str:
    """What went wrong, in words of ours: the server's and the client's may hold its address."""
    for kind, text in _REFUSALS:
        if isinstance(error, kind) or isinstance(error.__cause__, kind):
            return text
    return "Redis can't be reached"
