"""Where connections are never made, however a provider's address is written and whatever a provider answers."""

import asyncio
import socket

import pytest

from tests.fakes.provider import FakeProvider
from tests.integration.upstream.asking import fetch, listening, names_lead_to, post
from trunkline_server.core.errors import UpstreamUnreachable
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.upstream import Upstream

REFUSED = [
    "169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "2001:0:102:304::5601:5601",
]
SPELT = ["2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376", "169.254.43518", "fe80::1%lo"]


def get(host, port=80, scheme="http"):
    return HttpRequest(method="GET", endpoint=Endpoint(scheme=scheme, host=host, port=port), target="/")


@pytest.fixture
def connected(monkeypatch):
    """The addresses that sockets were told to connect to."""
    addresses = []
    connect = socket.socket.connect

    def spied(sock, address):
        addresses.append(address[0])
        return connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", spied)
    return addresses


@pytest.mark.parametrize("host", [*REFUSED, *SPELT])
async def test_no_socket_opens_to_a_refused_address(upstream, connected, host):
    """It is refused as it is written, in any notation."""
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await upstream.open(get(host))
    assert connected == []


@pytest.mark.parametrize("address", REFUSED)
async def test_no_socket_opens_to_a_name_of_a_refused_address(upstream, connected, monkeypatch, address):
    """What counts is what the name leads to."""
    names_lead_to(monkeypatch, address)
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await upstream.open(get("metadata.google.internal"))
    assert connected == []


async def test_a_name_that_changes_is_checked_each_time(upstream, provider, connected, monkeypatch):
    """A name that led home and leads to metadata at the next connection is refused then: no verdict is kept."""
    monkeypatch.setattr("trunkline_server.upstream.addresses.CACHE_S", 0.0)
    names_lead_to(monkeypatch, "127.0.0.1")
    assert (await fetch(upstream, post(provider, host="rebind.test")))[0] == 200
    upstream.close()
    names_lead_to(monkeypatch, "169.254.169.254")
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await upstream.open(post(provider, host="rebind.test"))
    assert connected == ["127.0.0.1"]


@pytest.mark.parametrize("host", [*REFUSED, *SPELT, "169.254.169.254."])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_proxy_is_asked_for_a_refused_address(connected, host, scheme):
    """A proxy would connect on our behalf, so it is not asked; in no notation."""
    client = Upstream(proxies={"ALL_PROXY": "http://127.0.0.1:1"})
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await client.open(get(host, 443, scheme))
    assert connected == []


@pytest.mark.parametrize("proxy", ["169.254.169.254:80", "2852039166:80", "metadata.test:80"])
async def test_a_proxy_has_no_refused_address(connected, monkeypatch, proxy):
    """The proxy's own address is checked as a provider's is, behind its name too."""
    if proxy.startswith("metadata"):
        names_lead_to(monkeypatch, "169.254.169.254")
    client = Upstream(proxies={"ALL_PROXY": f"http://{proxy}"})
    with pytest.raises(UpstreamUnreachable, match="not allowed"):
        await client.open(get("provider.test", 443, "https"))
    assert connected == []


async def test_a_name_behind_a_proxy_is_the_proxys_to_look_up(monkeypatch):
    """Ours is not asked: names that only the proxy knows work, and where they lead is for the proxy to bound."""
    looked_up = names_lead_to(monkeypatch, "169.254.169.254")
    heads = []

    async def handle(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 No\r\n\r\n")

    async with listening(handle) as port:
        client = Upstream(proxies={"ALL_PROXY": f"http://127.0.0.1:{port}"})
        with pytest.raises(UpstreamUnreachable, match="status 403"):
            await client.open(get("inner.test", 443, "https"))
    assert heads[0].startswith(b"CONNECT inner.test:443 ")
    assert looked_up == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(upstream, connected, status):
    """A provider that points elsewhere is answered with nothing: its 3xx is the answer, and no second socket opens."""
    asked = asyncio.Event()

    async def elsewhere(reader, writer):
        asked.set()

    async def pointing(request, send):
        head = f"HTTP/1.1 {status} Elsewhere\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n"
        await send.raw(head.encode())

    async with listening(elsewhere) as port, FakeProvider(pointing) as fake:
        assert (await fetch(upstream, post(fake)))[0] == status
        upstream.close()
    assert connected == ["127.0.0.1"]
    assert not asked.is_set()
