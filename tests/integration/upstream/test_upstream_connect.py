"""Connections are made where they may be made, over TLS that is checked, through the proxy that is named."""

import asyncio
import socket

import psutil
import pytest

from tests.fakes.provider import FakeProvider, chat, cut, hang_up, sequence
from tests.integration.upstream.asking import fetch, listening, names_lead_to, post
from trunkline_server.core.errors import UpstreamBroken, UpstreamError, UpstreamMalformed, UpstreamUnreachable
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.upstream import Upstream, UpstreamLimits, addresses


def get(host, port, scheme="http"):
    return HttpRequest(method="GET", endpoint=Endpoint(scheme=scheme, host=host, port=port), target="/")


async def test_refused_connection_is_unreachable(upstream):
    """Nobody listens: that is told, without the address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(UpstreamUnreachable) as caught:
            await upstream.open(get("127.0.0.1", sock.getsockname()[1]))
    assert "127.0.0.1" not in str(caught.value)
    assert repr(upstream) == "Upstream(0 active, 0 waiting, 0 idle)"


async def test_unknown_name_is_unreachable(upstream, monkeypatch):
    """A name that can't be looked up is told, and looked up again the next time."""
    count = 0

    async def getaddrinfo(*_, **__):
        nonlocal count
        count += 1
        raise socket.gaierror(-2, "canary")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    for _ in range(2):
        with pytest.raises(UpstreamUnreachable) as caught:
            await upstream.open(get("nowhere.test", 80))
        assert "canary" not in str(caught.value)
    assert count == 2


async def test_many_who_ask_at_once_share_one_lookup(upstream, provider, monkeypatch):
    """A name is looked up once for all who need it, and an address not at all."""
    looked_up = names_lead_to(monkeypatch, "127.0.0.1")
    await asyncio.gather(*(fetch(upstream, post(provider, host="provider.test")) for _ in range(20)))
    await fetch(upstream, post(provider))
    assert looked_up == ["provider.test"]


async def test_a_look_up_that_hangs_is_joined_and_not_repeated(upstream, monkeypatch):
    """However long it hangs: a dead name must not take every thread that looks names up."""
    monkeypatch.setattr(addresses, "CACHE_S", 0.01)
    count, answer = 0, asyncio.Event()

    async def getaddrinfo(*_, **__):
        nonlocal count
        count += 1
        await answer.wait()
        raise socket.gaierror(-2, "canary")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    asking = []
    for _ in range(5):
        asking.append(asyncio.create_task(upstream.open(get("dead.example", 80))))
        await asyncio.sleep(0.02)
    assert count == 1
    answer.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(one) for one in results} == {UpstreamUnreachable}


async def test_next_address_is_tried(upstream, provider, monkeypatch):
    """A name with several addresses is reached if one of them answers."""
    names_lead_to(monkeypatch, "127.0.0.2", "::1", "127.0.0.1")
    assert (await fetch(upstream, post(provider, host="provider.test")))[0] == 200
    assert (await provider.seen()).headers["host"] == f"provider.test:{provider.port}"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "fe80::1",
        "fe80::1%lo",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2852039166",
        "0xa9fea9fe",
    ],
)
async def test_metadata_addresses_are_refused(upstream, host):
    """Link-local and metadata addresses are refused in every notation, before a socket opens."""
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await upstream.open(get(host, 80))


async def test_name_that_leads_to_metadata_is_refused(upstream, provider, monkeypatch):
    """What counts is the address behind the name; a permitted one beside it is still used."""
    names_lead_to(monkeypatch, "169.254.169.254", "fd00:ec2::254")
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await upstream.open(get("inner.test", provider.port))
    names_lead_to(monkeypatch, "169.254.169.254", "127.0.0.1")
    assert (await fetch(upstream, post(provider, host="outer.test")))[0] == 200


async def test_address_that_was_checked_is_the_one_connected_to(upstream, provider, monkeypatch):
    """A name that changes its address between check and connection gains nothing: it is looked up once."""
    looked_up = names_lead_to(monkeypatch, "127.0.0.1")
    connected = []
    connect = socket.socket.connect

    def spied(sock, address):
        connected.append(address[0])
        return connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", spied)
    await fetch(upstream, post(provider, host="rebind.test"))
    assert (looked_up, connected) == (["rebind.test"], ["127.0.0.1"])


async def test_listed_addresses_are_allowed(monkeypatch):
    """An operator who lists an address or a network gets a connection attempt."""
    client = Upstream(allowed_addresses=("169.254.7.0/24", "fe80::1"))
    tried = []

    def refused(sock, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refused)
    for host in ("169.254.7.9", "fe80::1", "169.254.8.9"):
        with pytest.raises(UpstreamUnreachable):
            await client.open(get(host, 80))
    assert tried == ["169.254.7.9", "fe80::1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "provider.test"])
async def test_tls_is_spoken_with_a_trusted_provider(certificate, monkeypatch, host):
    """Over TLS requests work and share a connection; the name that was asked for is the one that is checked."""
    names_lead_to(monkeypatch, "127.0.0.1")
    client = Upstream(ca_file=certificate.file)
    async with FakeProvider(tls=certificate.context) as fake:
        for body in (b"{}", b'{"stream": true}'):
            assert (await fetch(client, post(fake, body, host=host)))[0] == 200
        assert fake.connections.accepted == 1
        client.close()


@pytest.mark.asyncio(loop_factories=["uvloop"])  # asyncio's own loop reports the two endings alike.
@pytest.mark.parametrize("farewell", [True, False], ids=["close-notify", "cut"])
async def test_body_until_close_needs_the_farewell_of_tls(certificate, farewell):
    """Over TLS a body without length is whole only if the provider said so in TLS, because anyone can cut TCP."""

    async def handler(request, send):
        await send.raw(b"HTTP/1.1 200 OK\r\n\r\nHello")
        await asyncio.sleep(0.02)
        if farewell:
            send.close()
        else:
            send.wire.transport.abort()

    client = Upstream(ca_file=certificate.file)
    async with FakeProvider(handler, tls=certificate.context) as fake:
        if farewell:
            assert await fetch(client, post(fake)) == (200, b"Hello")
        else:
            with pytest.raises(UpstreamBroken):
                await fetch(client, post(fake))


async def test_tls_answers_cut_anywhere_are_errors(certificate):
    """Over TLS as well an answer whose connection ends early is never taken for whole."""
    client = Upstream(ca_file=certificate.file)
    async with FakeProvider(tls=certificate.context) as fake:
        for at in range(0, 400, 40):
            for reset in (False, True):
                fake.script = cut(chat(), at=at, reset=reset)
                with pytest.raises(UpstreamError):
                    await fetch(client, post(fake))


async def test_stale_tls_connection_is_replaced_unnoticed(certificate):
    """Over TLS as well a pooled connection that is closed as the request arrives costs the caller nothing."""
    client = Upstream(ca_file=certificate.file)
    script = sequence(chat(), hang_up(), chat(), hang_up(reset=True), chat())
    async with FakeProvider(script, tls=certificate.context) as fake:
        for _ in range(3):
            assert (await fetch(client, post(fake)))[0] == 200
        assert [request.connection for request in fake.requests] == [1, 1, 2, 2, 3]
        client.close()


async def test_tls_is_refused_without_trust_or_with_another_name(certificate, monkeypatch, upstream):
    """A certificate that is not vouched for, or is for another host, ends the attempt; nothing is sent."""
    names_lead_to(monkeypatch, "127.0.0.1")
    trusting = Upstream(ca_file=certificate.file)
    async with FakeProvider(tls=certificate.context) as fake:
        for client, host in ((upstream, "provider.test"), (trusting, "other.test")):
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await client.open(post(fake, host=host))
        await fake.open_connections(0)
        assert fake.requests == []


async def test_plain_answer_to_tls_is_unreachable(upstream):
    """A port that does not speak TLS is told as such."""

    async def handle(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(-1)

    async with listening(handle) as port:
        with pytest.raises(UpstreamUnreachable, match="TLS"):
            await upstream.open(get("127.0.0.1", port, "https"))


@pytest.mark.parametrize("ending", ["limit", "until", "cancel"])
async def test_silent_handshake_ends_in_time_and_leaves_nothing(ending):
    """A peer that takes the connection and says nothing costs no more than the limit, and no socket."""
    taken = asyncio.Event()

    async def handle(reader, writer):
        taken.set()
        await reader.read(-1)

    client = Upstream(UpstreamLimits(connect_s=0.1 if ending == "limit" else 5.0))
    async with listening(handle) as port:
        before = psutil.Process().num_fds()
        until = asyncio.get_running_loop().time() + (0.1 if ending == "until" else 60)
        call = asyncio.create_task(client.open(get("127.0.0.1", port, "https"), until=until))
        await taken.wait()
        if ending == "cancel":
            call.cancel()
        error = {"limit": UpstreamUnreachable, "until": TimeoutError, "cancel": asyncio.CancelledError}[ending]
        with pytest.raises(error):
            await call
        await asyncio.sleep(0.05)
        assert psutil.Process().num_fds() <= before
        assert repr(client) == "Upstream(0 active, 0 waiting, 0 idle)"


class FakeProxy:
    """Takes CONNECT and plain requests, and leads all of them to one provider."""

    def __init__(self, provider, answer=b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n"):
        self.provider, self.answer = provider, answer
        self.heads = []

    async def handle(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        there, back = await asyncio.open_connection("127.0.0.1", self.provider.port)
        if head.startswith(b"CONNECT"):
            writer.write(self.answer)
        else:
            back.write(head)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        await back.wait_closed()


async def _copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


async def test_https_goes_through_the_proxy_in_a_tunnel(certificate, monkeypatch):
    """The proxy is asked to connect to the name, with its credential; TLS and the request are the provider's alone."""
    looked_up = names_lead_to(monkeypatch, "127.0.0.1")
    async with FakeProvider(tls=certificate.context) as fake:
        proxy = FakeProxy(fake)
        async with listening(proxy.handle) as port:
            client = Upstream(proxies={"HTTPS_PROXY": f"http://us%3Aer:pw@127.0.0.1:{port}"}, ca_file=certificate.file)
            for _ in range(2):
                assert (await fetch(client, post(fake, host="provider.test")))[0] == 200
            client.close()
            await fake.open_connections(0)
        place = f"provider.test:{fake.port}"
        head = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\nproxy-authorization: Basic dXM6ZXI6cHc=\r\n\r\n"
        assert proxy.heads == [head]
        assert "proxy-authorization" not in fake.requests[0].headers
        assert looked_up == []


async def test_http_is_asked_for_in_absolute_form(provider):
    """A plain request goes to the proxy with the whole URL."""
    proxy = FakeProxy(provider)
    async with listening(proxy.handle) as port:
        client = Upstream(proxies={"http_proxy": f"127.0.0.1:{port}", "HTTP_PROXY": "http://127.0.0.1:1"})
        assert (await fetch(client, post(provider, host="provider.test")))[0] == 200
        client.close()
        await provider.open_connections(0)
    assert proxy.heads[0].startswith(f"POST http://provider.test:{provider.port}/v1/chat/completions HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\ncanary", UpstreamUnreachable),
        (b"HTTP/1.1 502 canary\r\n\r\n", UpstreamUnreachable),
        (b"HTTP/1.1 200 OK\r\n\r\nsmuggled", UpstreamMalformed),
        (b"220 canary ESMTP\r\n\r\n", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 4000, UpstreamMalformed),
    ],
    ids=["407", "502", "smuggled", "no-http", "endless"],
)
async def test_proxy_that_refuses_is_told(provider, answer, error):
    """What a proxy says besides yes ends the attempt, in our words."""
    async with listening(FakeProxy(provider, answer).handle) as port:
        client = Upstream(proxies={"ALL_PROXY": f"http://user:secret@127.0.0.1:{port}"})
        with pytest.raises(error) as caught:
            await client.open(get("provider.test", 443, "https"))
        assert not {"canary", "secret"} & set(str(caught.value).split())
        await provider.open_connections(0)


@pytest.mark.parametrize(
    "no_proxy",
    ["*", "provider.test", ".test", "*.test", "other, PROVIDER.TEST", "provider.test:{port}"],
)
async def test_no_proxy_is_respected(provider, monkeypatch, no_proxy):
    """Hosts, domains and ports that NO_PROXY lists are connected to directly."""
    names_lead_to(monkeypatch, "127.0.0.1")
    listed = no_proxy.format(port=provider.port)
    client = Upstream(proxies={"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": listed})
    assert (await fetch(client, post(provider, host="provider.test")))[0] == 200
    client.close()


@pytest.mark.parametrize("no_proxy", ["", "vider.test", "provider.test:1", "127.0.0.0/8", "sub.provider.test"])
async def test_no_proxy_means_no_more_than_it_says(provider, monkeypatch, no_proxy):
    """A host that NO_PROXY does not list goes through the proxy, here one that is not there."""
    names_lead_to(monkeypatch, "127.0.0.1")
    client = Upstream(proxies={"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": no_proxy})
    with pytest.raises(UpstreamUnreachable):
        await client.open(post(provider, host="provider.test"))


async def test_loopback_is_never_proxied(provider):
    """A model on the same machine is reached directly whatever the environment says."""
    client = Upstream(proxies={"ALL_PROXY": "http://127.0.0.1:1"})
    assert (await fetch(client, post(provider)))[0] == 200
    client.close()


async def test_metadata_address_is_refused_behind_a_proxy(provider):
    """An address is checked also where the proxy would connect to it."""
    async with listening(FakeProxy(provider).handle) as port:
        client = Upstream(proxies={"ALL_PROXY": f"http://127.0.0.1:{port}"})
        for scheme in ("http", "https"):
            with pytest.raises(UpstreamUnreachable, match="not allowed"):
                await client.open(get("169.254.169.254", 443, scheme))


@pytest.mark.parametrize("url", ["socks5://canary@h:1", "https://canary@h:1", "http://", "http://canary@h:port"])
async def test_proxy_that_can_not_be_used_is_refused_at_once(url):
    """A proxy variable we can't follow fails when the client is made, and the error does not show its credential."""
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        Upstream(proxies={"HTTPS_PROXY": url})
    assert "canary" not in str(caught.value)


async def test_proxy_credential_is_in_no_repr():
    """Looking at the client does not show what the proxy was given."""
    client = Upstream(proxies={"HTTPS_PROXY": "http://user:canary@proxy.test:3128"})
    shown = repr(client) + repr(vars(client)) + repr(vars(vars(client)["_proxies"]))
    assert "canary" not in shown
    assert "proxy.test" in shown
