"""TLS on the gateway's ports: who gets in, what is refused, and certificates that change while streams run."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import psutil
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.authority import DAY, NOW, Authority, Files, key_that_grpc_refuses, presenting
from tests.fakes import provider as fake
from tests.processes import serving
from tests.running import ask, completion, one_provider, running
from trunkline.fold import fold
from trunkline_server.engine.tls import TICKETS_S

OURS, OTHER = Authority("Ours"), Authority("Other")
GATEWAY = OURS.issue("localhost", "127.0.0.1")
CALLER = OURS.issue("caller.example", common_name="caller")
NOWHERE = one_provider("http://127.0.0.1:9")
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""HTTP/2's preface and empty SETTINGS."""
SETTINGS_FRAME = 4


async def speaks(target, context):
    """The connection's TLS object once the gateway has answered in HTTP/2; None if it refused in whatever way."""
    host, _, port = target.rpartition(":")
    writer = None
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(
                host, int(port), ssl=context, server_hostname="localhost" if context else None
            )
            writer.write(HELLO)
            frame = await reader.readexactly(9)
    except TimeoutError:
        raise  # it must be refused, and not be left waiting
    except (OSError, asyncio.IncompleteReadError):
        return None
    finally:
        if writer:
            writer.transport.abort()
    return writer.get_extra_info("ssl_object") if frame[3] == SETTINGS_FRAME else None


async def health(target, credentials):
    """How a health check of gRPC's own client ends."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    make = grpc.aio.secure_channel
    channel = make(target, credentials, options) if credentials else grpc.aio.insecure_channel(target, options)
    async with channel:
        try:
            answer = await HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return answer.status


SERVED, REFUSED = HealthCheckResponse.SERVING, grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("shows", "ending"),
    [
        (CALLER, SERVED),
        (None, REFUSED),
        (OTHER.issue("caller.example"), REFUSED),
        (OURS.issue("caller.example", begins=NOW - 2 * DAY, ends=NOW - DAY), REFUSED),
        (OURS.issue("caller.example", begins=NOW + DAY), REFUSED),
        (Authority("caller", is_ca=False).itself, REFUSED),
    ],
    ids=["right", "none", "of another CA", "expired", "not yet valid", "self-signed"],
)
async def test_who_shows_a_certificate_of_the_ca_gets_in(shows, ending):
    """With a client CA only callers whose certificate is of it, and valid now, are served."""
    async with running(NOWHERE, tls=presenting(GATEWAY, OURS)) as gateway:
        assert await health(gateway.target, OURS.credentials(shows)) == ending
        assert await health(gateway.target, OURS.credentials(CALLER)) == SERVED


@pytest.mark.parametrize(
    ("presents", "ending"),
    [
        (GATEWAY, SERVED),
        (OTHER.issue("127.0.0.1"), REFUSED),
        (OURS.issue("other.example"), REFUSED),
        (OURS.issue("127.0.0.1", begins=NOW - 2 * DAY, ends=NOW - DAY), REFUSED),
    ],
    ids=["right", "of another CA", "of another host", "expired"],
)
async def test_callers_know_the_gateway(presents, ending):
    """Callers are served only by a gateway whose certificate is of their CA, valid, and for the name they asked for."""
    async with running(NOWHERE, tls=presenting(presents)) as gateway:
        assert await health(gateway.target, OURS.credentials()) == ending


async def test_plaintext_and_tls_never_mix():
    """A plaintext caller is refused by a TLS port, a TLS caller by a plaintext port, each with a status."""
    async with running(NOWHERE, tls=presenting(GATEWAY)) as secure, running(NOWHERE) as plain:
        assert await health(secure.target, None) == REFUSED
        assert await speaks(secure.target, None) is None
        assert await health(plain.target, OURS.credentials()) == REFUSED
        assert await health(plain.target, None) == SERVED


@pytest.mark.parametrize(
    ("version", "served"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)], ids=["1.1", "1.2", "1.3"]
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_are_refused(version, served):
    """TLS 1.2 and 1.3 are spoken, and nothing older."""
    context = OURS.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    async with running(NOWHERE, tls=presenting(GATEWAY)) as gateway:
        spoken = await speaks(gateway.target, context)
        assert (spoken is not None) is served
        assert spoken is None or spoken.version() == version.replace("_", ".")


@pytest.mark.parametrize(
    ("ciphers", "served"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA", False),
        ("AES128-GCM-SHA256", False),
    ],
)
async def test_only_ciphers_with_forward_secrecy_and_authentication(ciphers, served):
    """In TLS 1.2 neither CBC nor a key exchange without forward secrecy is spoken."""
    context = OURS.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with running(NOWHERE, tls=presenting(GATEWAY)) as gateway:
        assert (await speaks(gateway.target, context) is not None) is served


@pytest.mark.parametrize("alpn", ["", "http/1.1"])
async def test_callers_ask_for_http2(alpn):
    """A caller that does not name h2 by ALPN is refused, so that no other protocol's bytes are taken for ours."""
    async with running(NOWHERE, tls=presenting(GATEWAY)) as gateway:
        assert await speaks(gateway.target, OURS.context(alpn=alpn)) is None
        assert await speaks(gateway.target, OURS.context()) is not None


@asynccontextmanager
async def seeing_calls(tls):
    """A gateway with that TLS, and the calls that its policies saw."""
    calls = []
    async with running(NOWHERE, tls=tls) as gateway:
        add = gateway.app.calls.add
        gateway.app.calls.add = lambda call: (calls.append(call), add(call))[1]
        yield gateway, calls


async def test_a_call_knows_the_certificate_of_its_caller():
    """Each call has its caller's names, as proven; without a client CA it has none."""
    names = ("spiffe://example.org/billing", "billing.example", "10.0.0.7", "ops@billing.example")
    caller = OURS.issue(*names, common_name="billing")
    async with seeing_calls(presenting(GATEWAY, OURS)) as (gateway, calls):
        assert await health(gateway.target, OURS.credentials(caller)) == SERVED
    [call] = calls
    shown = call.certificate
    assert (shown.spiffe_id, shown.uris, shown.dns_names) == (names[0], (names[0],), (names[1],))
    assert (shown.ip_addresses, shown.emails, shown.common_name) == ((names[2],), (names[3],), "billing")
    async with seeing_calls(presenting(GATEWAY)) as (gateway, calls):
        assert await health(gateway.target, OURS.credentials(caller)) == SERVED
    assert [call.certificate for call in calls] == [None]


async def test_a_slow_handshake_ends_and_leaves_nothing():
    """Callers that say nothing, or half a ClientHello, are closed at the handshake's limit, descriptors and all."""
    async with running(NOWHERE, tls=presenting(GATEWAY), handshake_timeout_s=1) as gateway:
        assert await health(gateway.target, OURS.credentials()) == SERVED
        host, _, port = gateway.target.rpartition(":")
        process = psutil.Process()
        before = process.num_fds()
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        for _, writer in slow[10:]:
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        assert await asyncio.wait_for(health(gateway.target, OURS.credentials()), 5) == SERVED
        async with asyncio.timeout(5):
            assert [await reader.read() for reader, _ in slow] == [b""] * 20
            for _, writer in slow:
                writer.close()
                await writer.wait_closed()
            while process.num_fds() > before:
                await asyncio.sleep(0.02)


async def whole(stub):
    """The text of a stream that came to its end."""
    events = [event async for message in stub.StreamComplete(ask(), timeout=60) for event in message.events]
    return fold(events).message.blocks[0].text.text


class Held:
    """A provider whose streams end when they are let go."""

    def __init__(self):
        self.go = asyncio.Event()

    async def __call__(self, request, send):
        frames = fake.Answer(text="to the very end").frames(4)
        await send.head(200, {"content-type": "text/event-stream"})
        for number, frame in enumerate(frames):
            if number == 2:
                await self.go.wait()
            await send.chunk(frame)
        await send.end()


def secured(gateway, credentials):
    """A connection of its own."""
    return grpc.aio.secure_channel(gateway.target, credentials, [("grpc.use_local_subchannel_pool", 1)])


async def within_a_second(is_so):
    """Asserts that it becomes so in a second, and stays so for several connections: both workers hold it."""
    async with asyncio.timeout(1):
        while not await is_so():
            await asyncio.sleep(0.02)
    for _ in range(8):
        assert await is_so()


async def serial(target, context):
    """The number of the certificate that a new connection is shown."""
    spoken = await speaks(target, context)
    return int(spoken.getpeercert()["serialNumber"], 16) if spoken else None


async def test_a_renewed_certificate_is_in_force_within_a_second_and_breaks_no_stream(tmp_path):
    """With two workers, streams go on over the change, and a second later every new connection sees the new one."""
    files = Files(tmp_path, GATEWAY)
    held = Held()
    async with fake.FakeProvider(held) as provider:
        document = one_provider(provider.base_url)
        async with serving(tmp_path, document, "--workers", "2", environ=files.environ) as gateway:
            channels = [secured(gateway, OURS.credentials()) for _ in range(6)]
            streams = [asyncio.create_task(whole(completion(channel))) for channel in channels]
            await provider.seen(len(streams))
            first = await serial(gateway.target, OURS.context())
            files.replace(OURS.issue("localhost", "127.0.0.1", common_name="renewed"))

            async def renewed():
                return await serial(gateway.target, OURS.context()) not in (first, None)

            await within_a_second(renewed)
            assert not any(stream.done() for stream in streams)
            held.go.set()
            assert await asyncio.gather(*streams) == ["to the very end"] * len(streams)
            for channel in channels:
                await channel.close()
        log = gateway.log.read_text()
    assert log.count("a new certificate is in force: the certificate of localhost, 127.0.0.1 until ") == 1
    assert "(TLS), 2 workers" in log


async def test_a_ca_that_is_taken_out_is_out_within_a_second(tmp_path):
    """Callers of the CA before are refused, also with the tickets of sessions it let in; their open streams go on."""
    files = Files(tmp_path, GATEWAY, OURS.pem)
    held = Held()
    new_caller = OTHER.issue("caller.example")
    async with fake.FakeProvider(held) as provider:
        document = one_provider(provider.base_url)
        async with (
            serving(tmp_path, document, "--workers", "2", environ=files.environ) as gateway,
            secured(gateway, OURS.credentials(CALLER)) as channel,
        ):
            stream = asyncio.create_task(whole(completion(channel)))
            await provider.seen(1)
            port = int(gateway.target.rpartition(":")[2])
            resuming = Resuming(port, OURS.context(tmp_path, CALLER))
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(resuming.again):  # until it came to the worker of the ticket
                    pass
            files.client_ca.write_bytes(OTHER.pem)

            async def only_the_new():
                old = await health(gateway.target, OURS.credentials(CALLER))
                new = await health(gateway.target, OURS.credentials(new_caller))
                return (old, new) == (REFUSED, SERVED)

            await within_a_second(only_the_new)
            for _ in range(8):
                assert await asyncio.to_thread(resuming.again) is None
            held.go.set()
            assert await stream == "to the very end"


class Resuming:
    """A client of the standard library that shows the ticket of the session before."""

    def __init__(self, port, context):
        self._port, self._context, self._session = port, context, None

    def again(self):
        """Whether the session was resumed; None if the gateway refused."""
        with socket.create_connection(("127.0.0.1", self._port), 5) as plain:
            try:
                with self._context.wrap_socket(plain, server_hostname="localhost", session=self._session) as tls:
                    tls.sendall(HELLO)
                    if not tls.recv(9):
                        return None
                    self._session = self._session or tls.session
                    return tls.session_reused
            except OSError:
                return None


async def test_a_session_does_not_outlive_its_callers_certificate(tmp_path):
    """A ticket lets its caller in again, but not once the caller's certificate has ended and tickets were renewed."""
    now = [0.0]
    async with running(NOWHERE, tls=presenting(GATEWAY, OURS, lambda: now[0])) as gateway:
        ends = datetime.now(UTC) + timedelta(seconds=2)
        brief = OURS.issue("caller.example", ends=ends)
        resuming = Resuming(int(gateway.target.rpartition(":")[2]), OURS.context(tmp_path, brief))
        assert [await asyncio.to_thread(resuming.again) for _ in range(2)] == [False, True]
        await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 1)  # certificates know no other clock
        now[0] += TICKETS_S
        assert await asyncio.to_thread(resuming.again) is None


async def test_a_bad_pair_changes_nothing_and_is_told_once(tmp_path):
    """A key that is not the certificate's leaves the pair before in force, with one complaint for all workers."""
    files = Files(tmp_path, GATEWAY)
    async with serving(tmp_path, NOWHERE, "--workers", "2", environ=files.environ) as gateway:
        first = await serial(gateway.target, OURS.context())
        files.key.write_bytes(CALLER.key)
        async with asyncio.timeout(10):
            while "is not the key of the certificate" not in gateway.log.read_text():
                await asyncio.sleep(0.05)
        gateway.worker().kill()
        async with asyncio.timeout(15):
            while "is back" not in gateway.log.read_text():
                await asyncio.sleep(0.05)
        assert {await serial(gateway.target, OURS.context()) for _ in range(8)} == {first}
        assert gateway.log.read_text().count("the new certificate can't be used") == 1


async def test_a_pair_that_grpc_refuses_is_told_and_the_one_before_stays(tmp_path):
    """Workers say that their TLS library refuses a pair; the one before stays in force until a better one is there."""
    files = Files(tmp_path, GATEWAY)
    refused, better = OURS.issue("localhost", key=key_that_grpc_refuses()), OURS.issue("localhost", "127.0.0.1")

    async with serving(tmp_path, NOWHERE, "--workers", "2", environ=files.environ) as gateway:

        async def said(words):
            async with asyncio.timeout(15):
                while words not in gateway.log.read_text():
                    await asyncio.sleep(0.05)

        first = await serial(gateway.target, OURS.context())
        files.replace(refused)
        await said("gRPC refuses it; the certificate of localhost, 127.0.0.1 until")
        gateway.worker().kill()
        await said("is back")
        assert {await serial(gateway.target, OURS.context()) for _ in range(8)} == {first}
        files.replace(better)
        async with asyncio.timeout(10):
            while await serial(gateway.target, OURS.context()) == first:
                await asyncio.sleep(0.05)
        assert gateway.log.read_text().count("gRPC refuses it") == 1


def test_a_gateway_that_starts_with_a_pair_that_grpc_refuses_says_so(tmp_path):
    """It is the certificate that is told of, and not the address."""
    files = Files(tmp_path, OURS.issue("localhost", key=key_that_grpc_refuses()))
    command = (sys.executable, "-m", "trunkline_server", "serve", "--listen", "127.0.0.1:0", "--probe-listen", "")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    ended = subprocess.run(
        command, cwd=tmp_path, env=clean | files.environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "gRPC can't use what is in TRUNKLINE_TLS_CERT_FILE" in ended.stderr
    assert "can't listen" not in ended.stderr


async def test_failed_handshakes_fill_no_disk(tmp_path):
    """A hundred connections that are no callers leave not one line in the log, and no descriptor open."""
    files = Files(tmp_path, GATEWAY, OURS.pem)
    async with serving(tmp_path, NOWHERE, environ=files.environ) as gateway:
        assert await health(gateway.target, OURS.credentials(CALLER)) == SERVED
        worker = gateway.worker()
        size, before = gateway.log.stat().st_size, worker.num_fds()
        strangers = (None, OURS.context(), OTHER.context(), OURS.context(tmp_path, OTHER.issue("x")))
        for number in range(100):
            assert await speaks(gateway.target, strangers[number % 4]) is None
        async with asyncio.timeout(10):
            while worker.num_fds() > before:
                await asyncio.sleep(0.05)
        assert gateway.log.stat().st_size == size


async def test_unix_sockets_and_probes_stay_as_they_are(tmp_path):
    """With TLS a Unix socket and the probes' port are still plaintext, and ask for no certificate."""
    files = Files(tmp_path, GATEWAY, OURS.pem)
    unix = f"unix:{tmp_path}/t.sock"
    async with serving(tmp_path, NOWHERE, "--listen", unix, environ=files.environ) as gateway:
        assert await health(unix, None) == SERVED
        assert await health(gateway.probe, None) == SERVED
        assert await health(gateway.target, None) == REFUSED
        ready = json.loads((tmp_path / "ready.json").read_text())
    assert ready["tls"] == "mTLS"
    assert f"{gateway.target} (mTLS), {unix}, 1 worker" in gateway.log.read_text()


def trunkline(*words, **environ):
    command = (sys.executable, "-m", "trunkline_server", *words)
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True, check=False
    )


def test_check_and_serve_tell_the_same(tmp_path):
    """What `check` says of a pair, `serve` refuses to start with: setting, file, what is wrong, mend; exit code 2."""
    (tmp_path / "trunkline.yaml").write_text(
        "providers: {v: {dialect: vllm, base_url: 'http://127.0.0.1:9/v1'}}\n"
        "models: {m: {deployments: [{provider: v, upstream_model: m}]}}\n"
    )
    ended = NOW - timedelta(hours=1)
    files = Files(tmp_path, OURS.issue("localhost", ends=ended), OURS.pem)
    environ = {**files.environ, "TRUNKLINE_CONFIG": str(tmp_path / "trunkline.yaml")}
    for command in ("check", "serve"):
        done = trunkline(command, **environ)
        assert done.returncode == 2
        assert done.stderr == (
            f"{files.cert}: TRUNKLINE_TLS_CERT_FILE: its certificate ended on {ended:%Y-%m-%d %H:%M UTC}."
            " Put a renewed one there; it is in force within a second\n"
        )
    files.replace(OURS.issue("localhost", ends=NOW + 10 * DAY))
    done = trunkline("check", **environ)
    assert done.returncode == 0
    assert "TLS          the certificate of localhost until " in done.stdout
    assert "for callers of Ours" in done.stdout
    assert f"TRUNKLINE_TLS_CERT_FILE: its certificate ends on {NOW + 10 * DAY:%Y-%m-%d %H:%M UTC}." in done.stderr
    facts = json.loads(trunkline("check", "--json", **environ).stdout)
    assert (facts["tls"]["names"], facts["tls"]["client_cas"]) == (["localhost"], ["Ours"])
