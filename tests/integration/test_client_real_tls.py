"""The client against the real gateway, by certificates and by name."""

import asyncio

import pytest

import trunkline
from tests.authority import Authority, presenting
from tests.fakes import provider as fake
from tests.running import one_provider, running


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        one.script = fake.chat(text="Hello there", usage=(9, 3))
        yield one


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


async def test_mutual_tls_between_client_and_gateway(provider, tmp_path):
    """A client with the authority's file and its own pair is answered by both clients; one without a pair is told."""
    ours, clients = Authority(), Authority("Clients")
    pair = clients.issue("me.example")
    ca, cert = write(tmp_path, "ca.pem", ours.pem), write(tmp_path, "cert.pem", pair.chain)
    tls = trunkline.Tls(ca_file=ca, cert_file=cert, key_file=write(tmp_path, "key.pem", pair.key))
    presents = presenting(ours.issue("127.0.0.1", "localhost"), clients)
    async with running(one_provider(provider.base_url), tls=presents) as gateway:

        def in_a_thread():
            with trunkline.Client(gateway.target, tls=tls, timeout=20) as client:
                return client.stream("m", "Hi").collect().text

        assert await asyncio.to_thread(in_a_thread) == "Hello there"
        async with trunkline.AsyncClient(gateway.target, tls=tls, timeout=20) as client:
            assert (await client.complete("m", "Hi")).text == "Hello there"
        async with trunkline.AsyncClient(gateway.target, tls=trunkline.Tls(ca_file=ca), timeout=20) as client:
            with pytest.raises(trunkline.Unavailable) as caught:
                await client.complete("m", "Hi")
        assert "cert_file" in caught.value.message


async def test_a_name_in_dns_reaches_the_gateway(provider):
    """dns:///localhost asks the resolver, watches the gateway's health and spreads calls; the gateway answers."""
    async with running(one_provider(provider.base_url)) as gateway:
        port = gateway.target.rpartition(":")[2]
        async with trunkline.AsyncClient(f"dns:///localhost:{port}", timeout=20) as client:
            assert (await client.complete("m", "Hi")).text == "Hello there"
            assert await client.health() == "SERVING"


async def test_files_that_are_too_large_together_are_told_with_their_size(provider):
    """The real gateway's bound for a request is told in bytes, with the mend."""
    part = trunkline.v1.Media(mime_type="image/png", data=bytes(1024 * 1024))
    async with (
        running(one_provider(provider.base_url), max_receive_message_bytes=1024 * 1024) as gateway,
        trunkline.AsyncClient(gateway.target, timeout=20) as client,
    ):
        with pytest.raises(
            trunkline.RateLimited, match=r"the request has 2,0.* at most 1,048,576; send files"
        ) as caught:
            await client.complete("m", trunkline.User([part, part]))
        assert caught.value.reason == "MESSAGE_TOO_LARGE"
