"""trunkline.admin.v1.Keys: operators make, show and end virtual keys.

1. A token is in one answer and nowhere else: records hold the digest of its secret.
2. Every act leaves an audit record, refused ones too: who, what, when, and what changed. That of a change is in the
   store with it, or neither is; each is a line in the log too.
3. Changes are made one after the other, each on what the one before has left.
4. Keys of the file are shown like others, and changed by the file alone.
"""

import asyncio
import os
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
from loguru import logger

from trunkline.admin.v1 import keys_pb2
from trunkline_server.core.call import Call
from trunkline_server.core.errors import GatewayError, KeyNotFound, KeyUnchangeable
from trunkline_server.identity.audit import AuditRecord
from trunkline_server.identity.directory import Directory
from trunkline_server.identity.record import KeyRecord
from trunkline_server.services.key_messages import Kept, check, message_of, record_of, seconds_of, state_of
from trunkline_server.services.violations import Violations

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1000
MAX_ID_BYTES: Final = 64
MAX_SHOWN_ID: Final = 24
"""Longer ones are no ids of ours."""
MAX_TOKEN_BYTES: Final = 128
"""Of a page token."""
OVERLAP_S: Final = 86_400.0
MAX_OVERLAP_S: Final = 30 * 86_400.0
_SECRETS: Final = ("digest", "previous_digest")
STORE: Final = "store"
FILE: Final = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new secret of a key."""

    key_id: str
    digest: str
    """SHA-256 of the secret, in hex."""
    token: str = field(repr=False)
    """What callers send."""


Mint = Callable[[str], Minted]
"""Makes a secret for the key of this id, or for a new one if it is empty."""


class Store(Protocol):
    """What is asked of the store, in threads. All may raise StoreUnavailable."""

    def all(self) -> list[KeyRecord]:
        """Every key."""
        ...

    def get(self, key_id: str, /) -> KeyRecord | None:
        """One key, if there is one of this id."""
        ...

    def put(self, record: KeyRecord, audit: AuditRecord, /) -> None:
        """Keeps a key and what was done to it, or neither."""
        ...

    def note(self, audit: AuditRecord, /) -> None:
        """Keeps that an act was refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an operator is about to do."""

    who: str
    what: str
    key_id: str
    at: float
    request_id: str

    def entry(
        self, key_id: str, *, outcome: str, before: KeyRecord | None = None, after: KeyRecord | None = None
    ) -> AuditRecord:
        """Its audit record: of what was changed, the fields that differ."""
        was, now = _facts(before), _facts(after)
        changed = [name for name in now if was.get(name) != now[name]]
        return AuditRecord(
            at=self.at,
            who=self.who,
            what=self.what,
            key_id=key_id,
            outcome=outcome,
            request_id=self.request_id,
            before={name: was[name] for name in changed if name in was},
            after={name: now[name] for name in changed},
        )


class Keys:
    """The servicer."""

    def __init__(
        self, store: Store, directory: Callable[[], Directory], *, mint: Mint, wall_clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._mint = mint
        self._directory = directory
        self._now = wall_clock
        self._one_at_a_time = asyncio.Lock()

    async def create_key(self, request: keys_pb2.CreateKeyRequest, call: Call) -> keys_pb2.CreateKeyResponse:
        """A key of its own, and its token."""
        async with self._act(call, "create") as act:
            now = self._now()
            check(request.spec, self._directory(), now)
            made = self._mint("")
            record = record_of(request.spec, key_id=made.key_id, digest=made.digest, now=now)
            await self._put(act, None, record)
            return keys_pb2.CreateKeyResponse(key=self._message(record), token=made.token)

    async def list_keys(self, request: keys_pb2.ListKeysRequest, _call: Call) -> keys_pb2.ListKeysResponse:
        """A page of keys, newest first. A page token is the place where the page before ended."""
        violations = Violations()
        if request.page_size < 0:
            violations.add("page_size", f"below zero; set 0 to {MAX_PAGE}")
        violations.bound(request.page_token, "page_token", MAX_TOKEN_BYTES)
        violations.enforce()
        now = self._now()
        found = [kept for kept in await self._all() if _is_asked_for(kept.record, request, now)]
        found.sort(key=_sorted_by)
        start = bisect_right(found, _after(request.page_token), key=_sorted_by) if request.page_token else 0
        page = found[start : start + min(request.page_size or DEFAULT_PAGE, MAX_PAGE)]
        more = start + len(page) < len(found)
        return keys_pb2.ListKeysResponse(
            keys=[message_of(kept, now) for kept in page], next_page_token=_place(page[-1]) if more else ""
        )

    async def get_key(self, request: keys_pb2.GetKeyRequest, _call: Call) -> keys_pb2.GetKeyResponse:
        """One key."""
        return keys_pb2.GetKeyResponse(key=message_of(await self._find(request.id), self._now()))

    async def revoke_key(self, request: keys_pb2.RevokeKeyRequest, call: Call) -> keys_pb2.RevokeKeyResponse:
        """End a key. One that is revoked stays so from its first moment; its open calls may yet be ended."""
        async with self._act(call, "revoke", request.id) as act:
            record = await self._changeable(request.id)
            since = self._now() if record.revoked_at is None else record.revoked_at
            ended = msgspec.structs.replace(record, revoked_at=since, revoke_now=request.now or record.revoke_now)
            if ended != record:
                await self._put(act, record, ended)
            return keys_pb2.RevokeKeyResponse(key=self._message(ended))

    async def rotate_key(self, request: keys_pb2.RotateKeyRequest, call: Call) -> keys_pb2.RotateKeyResponse:
        """Another secret; that before is taken for the overlap. A secret before that one ends now."""
        async with self._act(call, "rotate", request.id) as act:
            overlap_s = _overlap(request)
            record = await self._changeable(request.id)
            now = self._now()
            if state_of(record, now) != keys_pb2.KEY_STATE_ACTIVE:
                raise KeyUnchangeable(f"key {record.id} has ended; make another with CreateKey")
            made = self._mint(record.id)
            rotated = msgspec.structs.replace(
                record,
                digest=made.digest,
                previous_digest=record.digest if overlap_s else "",
                previous_until=now + overlap_s if overlap_s else 0.0,
                rotated_at=now,
            )
            await self._put(act, record, rotated)
            return keys_pb2.RotateKeyResponse(key=self._message(rotated), token=made.token)

    async def _all(self) -> list[Kept]:
        of_store = await asyncio.to_thread(self._store.all)
        of_file = self._directory().keys
        kept = [Kept(record=record, source=STORE) for record in of_store if record.id not in of_file]
        return [*kept, *(Kept(record=record, source=FILE) for record in of_file.values())]

    async def _find(self, key_id: str) -> Kept:
        violations = Violations()
        violations.require(key_id, "id")
        violations.bound(key_id, "id", MAX_ID_BYTES)
        violations.enforce()
        of_file = self._directory().keys.get(key_id)
        if of_file is not None:
            return Kept(record=of_file, source=FILE)
        record = await asyncio.to_thread(self._store.get, key_id)
        if record is None:
            raise KeyNotFound("no key of this id; ListKeys tells those that there are")
        return Kept(record=record, source=STORE)

    async def _changeable(self, key_id: str) -> KeyRecord:
        kept = await self._find(key_id)
        if kept.source == FILE:
            raise KeyUnchangeable(f"key {key_id} stands in trunkline.yaml; change it there")
        return kept.record

    def _message(self, record: KeyRecord) -> keys_pb2.Key:
        return message_of(Kept(record=record, source=STORE), self._now())

    @asynccontextmanager
    async def _act(self, call: Call, what: str, key_id: str = "") -> AsyncIterator["Act"]:
        """Around an act that changes keys: alone, and told if it is refused."""
        act = Act(who=who(call), what=what, key_id=_shown(key_id), at=self._now(), request_id=call.request_id)
        async with self._one_at_a_time:
            try:
                yield act
            except GatewayError as refusal:
                await self._refused(act, refusal)
                raise

    async def _put(self, act: "Act", before: KeyRecord | None, after: KeyRecord) -> None:
        entry = act.entry(after.id, outcome="done", before=before, after=after)
        await asyncio.to_thread(self._store.put, after, entry)
        _log(entry)

    async def _refused(self, act: "Act", refusal: GatewayError) -> None:
        entry = act.entry(act.key_id, outcome=refusal.reason_name)
        _log(entry)
        try:
            await asyncio.to_thread(self._store.note, entry)
        except GatewayError as unavailable:
            logger.error("a refused act could not be kept: {}", unavailable.reason_name)


def who(call: Call) -> str:
    """Who acts. The socket's file lets in the gateway's own user alone, so that is who comes without a principal."""
    return call.principal.id if call.principal else f"uid {os.geteuid()}"


def _facts(record: KeyRecord | None) -> dict[str, Any]:
    """What may be told of a record: all but digests."""
    if record is None:
        return {}
    told: dict[str, Any] = msgspec.to_builtins(record)
    return {name: value for name, value in told.items() if name not in _SECRETS}


def _log(entry: AuditRecord) -> None:
    changed = f" ({', '.join(entry.after)})" if entry.before else ""
    logger.info(
        "{} by {}, key {}: {}{} (request {})",
        entry.what, entry.who, entry.key_id or "none", entry.outcome, changed, entry.request_id,
    )  # fmt: skip


def _shown(key_id: str) -> str:
    """An id that may be a secret pasted at the wrong place is not kept."""
    return key_id if key_id.isalnum() and len(key_id) <= MAX_SHOWN_ID else ""


def _overlap(request: keys_pb2.RotateKeyRequest) -> float:
    if not request.HasField("overlap"):
        return OVERLAP_S
    seconds = seconds_of(request.overlap)
    if not 0 <= seconds <= MAX_OVERLAP_S:
        violations = Violations()
        violations.add("overlap", "not from 0 to 30 days; set it so, or leave it out for 24 hours")
        violations.enforce()
    return seconds


def _is_asked_for(record: KeyRecord, request: keys_pb2.ListKeysRequest, now: float) -> bool:
    return (
        request.org in ("", record.org)
        and request.team in ("", record.team)
        and (request.all_states or state_of(record, now) == keys_pb2.KEY_STATE_ACTIVE)
    )


def _sorted_by(kept: Kept) -> tuple[int, str]:
    """Newest first, in microseconds, so that a page token says it exactly."""
    return -round(kept.record.created_at * 1e6), kept.record.id


def _place(kept: Kept) -> str:
    """Where a page ended: it tells where to go on even if that key has gone since."""
    return f"{round(kept.record.created_at * 1e6)}:{kept.record.id}"


def _after(page_token: str) -> tuple[int, str]:
    moment, colon, key_id = page_token.partition(":")
    if not colon or not moment.isascii() or not moment.isdigit():
        violations = Violations()
        violations.add("page_token", "not one of ours; send next_page_token of the page before, or leave it out")
        violations.enforce()
    return -int(moment), key_id
