"""trunkline.admin.v1.Keys as operators meet it, over a store in memory."""

from typing import Any

import pytest
from loguru import logger

from trunkline.admin.v1 import keys_pb2
from trunkline_server.core.call import Call
from trunkline_server.core.errors import InvalidRequest, KeyNotFound, KeyUnchangeable
from trunkline_server.core.principal import Principal
from trunkline_server.identity.audit import AuditRecord
from trunkline_server.identity.directory import Directory, OrgEntry, TeamEntry
from trunkline_server.identity.record import KeyRecord
from trunkline_server.services.keys import Keys, Minted

NOW = 1_800_000_000.0
DIRECTORY = Directory(
    orgs={"acme": OrgEntry()},
    teams={"acme/search": TeamEntry()},
    keys={"infile": KeyRecord(id="infile", digest="d0", name="of the file", org="acme")},
)


class Memory:
    """A store and its audit records."""

    def __init__(self) -> None:
        self.records: dict[str, KeyRecord] = {}
        self.audit: list[AuditRecord] = []

    def all(self) -> list[KeyRecord]:
        return list(self.records.values())

    def get(self, key_id: str) -> KeyRecord | None:
        return self.records.get(key_id)

    def put(self, record: KeyRecord, audit: AuditRecord) -> None:
        self.records[record.id] = record
        self.note(audit)

    def note(self, audit: AuditRecord) -> None:
        self.audit.append(audit)


class Mint:
    """Tokens that can be told apart."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, key_id: str) -> Minted:
        self.made += 1
        key_id = key_id or f"key{self.made}"
        return Minted(key_id=key_id, digest=f"digest{self.made}", token=f"tl_{key_id}_secret{self.made}_crc")


class Bench:
    def __init__(self) -> None:
        self.now = NOW
        self.store = Memory()
        self.keys = Keys(self.store, lambda: DIRECTORY, mint=Mint(), wall_clock=lambda: self.now)

    async def create(self, **fields: Any) -> keys_pb2.CreateKeyResponse:
        spec = keys_pb2.KeySpec(**{"name": "search", "org": "acme", **fields})
        return await self.keys.create_key(keys_pb2.CreateKeyRequest(spec=spec), call())


def call(principal: Principal | None = None) -> Call:
    return Call(
        request_id="r1", method="/m", metadata={}, metadata_pairs=(), peer="unix:", started_at=0.0, principal=principal
    )


async def test_token_once() -> None:
    """A token is in the answer that makes it, and in no record, audit record, log line or later answer."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", level="TRACE")
    try:
        bench = Bench()
        made = await bench.create()
        shown = await bench.keys.get_key(keys_pb2.GetKeyRequest(id=made.key.id), call())
    finally:
        logger.remove(sink)
    assert made.token == "tl_key1_secret1_crc"
    told = f"{bench.store.records} {bench.store.audit} {shown} {lines}"
    assert "secret1" not in told
    assert "digest1" not in f"{bench.store.audit} {shown} {lines}"
    assert any("create by uid" in line and "key1" in line for line in lines)


async def test_unknown_org_and_team() -> None:
    """An org or team that trunkline.yaml does not have is refused by name, with the path of its field."""
    bench = Bench()
    with pytest.raises(InvalidRequest) as refused:
        await bench.create(org="acne", team="acne/search")
    assert [one.field for one in refused.value.violations] == ["spec.org", "spec.team"]
    assert '"acne"' in refused.value.violations[0].description
    assert bench.store.records == {}
    assert [(one.what, one.outcome) for one in bench.store.audit] == [("create", "INVALID_REQUEST")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "spec.name"),
        ({"name": "a\nb"}, "spec.name"),
        ({"labels": {"Ä": "x"}}, "spec.labels"),
        ({"priority": 9}, "spec.priority"),
        ({"role": 9}, "spec.role"),
        ({"content": 9}, "spec.content"),
        ({"expires_at": {"seconds": int(NOW) - 1}}, "spec.expires_at"),
        ({"permissions": {"models": {"names": ["a", ""]}}}, "spec.permissions.models.names[1]"),
        ({"permissions": {"max_output_tokens": 0}}, "spec.permissions.max_output_tokens"),
        ({"limits": [{"resource": 1, "window": 3, "calendar": "day", "capacity": 0}]}, "spec.limits[0].capacity"),
        ({"limits": [{"resource": 1, "window": 3, "calendar": "era", "capacity": 1}]}, "spec.limits[0].calendar"),
        ({"limits": [{"resource": 1, "window": 2, "capacity": 1}]}, "spec.limits[0].period"),
        ({"limits": [{"resource": 1, "window": 4, "capacity": 1}]}, "spec.limits[0].window"),
        ({"limits": [{"resource": 5, "window": 3, "calendar": "day", "capacity": 1}]}, "spec.limits[0].window"),
        ({"limits": [{"resource": 5, "window": 4, "capacity": 1}] * 2}, "spec.limits[1]"),
    ],
)
async def test_fields(fields: dict[str, Any], path: str) -> None:
    """What is wrong with a key is told by the path of its field."""
    with pytest.raises(InvalidRequest) as refused:
        await Bench().create(**fields)
    assert [one.field for one in refused.value.violations] == [path]


async def test_round_trip() -> None:
    """A key is shown as it was asked for, with names for limits that had none."""
    asked = keys_pb2.KeySpec(
        name="frontend",
        org="acme",
        team="acme/search",
        labels={"env": "prod"},
        permissions=keys_pb2.Permissions(models=keys_pb2.Names(names=["fast", "smart"]), max_output_tokens=100),
        limits=[keys_pb2.KeyLimit(resource=6, window=3, calendar="month", capacity=250 * 10**9, model="smart")],
        priority=keys_pb2.PRIORITY_HIGH,
        content=keys_pb2.CONTENT_POLICY_HASHED,
        role=keys_pb2.ROLE_OPERATOR,
    )
    asked.expires_at.FromSeconds(int(NOW) + 60)
    bench = Bench()
    made = await bench.keys.create_key(keys_pb2.CreateKeyRequest(spec=asked), call())
    asked.limits[0].name = "smart-nano-usd-month"
    assert made.key.spec == asked
    assert (made.key.state, made.key.source) == (keys_pb2.KEY_STATE_ACTIVE, "store")
    bench.now += 60
    shown = await bench.keys.get_key(keys_pb2.GetKeyRequest(id=made.key.id), call())
    assert shown.key.state == keys_pb2.KEY_STATE_EXPIRED


async def test_keys_of_the_file() -> None:
    """Keys of the file are shown and listed; who would change one is told of the file."""
    bench = Bench()
    assert (await bench.keys.get_key(keys_pb2.GetKeyRequest(id="infile"), call())).key.source == "file"
    assert [key.id for key in (await bench.keys.list_keys(keys_pb2.ListKeysRequest(), call())).keys] == ["infile"]
    with pytest.raises(KeyUnchangeable, match=r"trunkline\.yaml"):
        await bench.keys.revoke_key(keys_pb2.RevokeKeyRequest(id="infile"), call())
    with pytest.raises(KeyUnchangeable, match=r"trunkline\.yaml"):
        await bench.keys.rotate_key(keys_pb2.RotateKeyRequest(id="infile"), call())
    assert [one.outcome for one in bench.store.audit] == ["KEY_UNCHANGEABLE"] * 2


async def test_revoke() -> None:
    """A revoked key stays revoked since its first moment, and --now may be added later."""
    bench = Bench()
    key_id = (await bench.create()).key.id
    first = await bench.keys.revoke_key(keys_pb2.RevokeKeyRequest(id=key_id), call())
    bench.now += 5
    again = await bench.keys.revoke_key(keys_pb2.RevokeKeyRequest(id=key_id, now=True), call())
    assert first.key.state == again.key.state == keys_pb2.KEY_STATE_REVOKED
    assert again.key.revoked_at == first.key.revoked_at
    assert bench.store.records[key_id].revoke_now
    assert bench.store.audit[-1].after == {"revoke_now": True}
    assert (await bench.keys.list_keys(keys_pb2.ListKeysRequest(org="acme"), call())).keys[0].id == "infile"
    with pytest.raises(KeyNotFound):
        await bench.keys.revoke_key(keys_pb2.RevokeKeyRequest(id="nobody"), call())


async def test_rotate() -> None:
    """The secret before is taken for the overlap, 24 hours unless it is said; a revoked key gets none."""
    bench = Bench()
    key_id = (await bench.create()).key.id
    rotated = await bench.keys.rotate_key(keys_pb2.RotateKeyRequest(id=key_id), call())
    record = bench.store.records[key_id]
    assert (record.digest, record.previous_digest, record.previous_until) == ("digest2", "digest1", NOW + 86_400)
    assert rotated.key.overlap_until.seconds == NOW + 86_400
    request = keys_pb2.RotateKeyRequest(id=key_id)
    request.overlap.FromSeconds(0)
    await bench.keys.rotate_key(request, call())
    assert bench.store.records[key_id].previous_digest == ""
    await bench.keys.revoke_key(keys_pb2.RevokeKeyRequest(id=key_id), call())
    with pytest.raises(KeyUnchangeable, match="has ended"):
        await bench.keys.rotate_key(request, call())
    request.overlap.FromSeconds(-1)
    with pytest.raises(InvalidRequest, match="overlap"):
        await bench.keys.rotate_key(request, call())


async def test_pages() -> None:
    """Pages go from the newest key to the oldest, none twice and none left out."""
    bench = Bench()
    for _ in range(5):
        bench.now += 1
        await bench.create()
    seen, token = [], ""
    while True:
        request = keys_pb2.ListKeysRequest(org="acme", page_size=2, page_token=token)
        page = await bench.keys.list_keys(request, call())
        seen += [key.id for key in page.keys]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["key5", "key4", "key3", "key2", "key1", "infile"]
    with pytest.raises(InvalidRequest, match="page_token"):
        await bench.keys.list_keys(keys_pb2.ListKeysRequest(page_token="x"), call())


async def test_who() -> None:
    """Over TCP the audit record names the operator's key."""
    bench = Bench()
    request = keys_pb2.CreateKeyRequest(spec=keys_pb2.KeySpec(name="n"))
    await bench.keys.create_key(request, call(Principal(id="key:op")))
    assert bench.store.audit[0].who == "key:op"
