"""TLS of both clients: from arguments and the environment, with rotation, and what is said when it fails."""

import asyncio
import logging

import grpc
import pytest
import trustme

import trunkline
from tests.fakes import gateway as fake
from trunkline import tls as tls_module

NAME = "gateway.test"


class Files:
    """Certificates of one authority, and those of another, as files."""

    def __init__(self, folder):
        self.folder = folder
        self.authority, self.other = trustme.CA(), trustme.CA()
        self.ca, self.other_ca = folder / "ca.pem", folder / "other.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.other.cert_pem.write_to_path(self.other_ca)
        self.cert, self.key = folder / "client.pem", folder / "client.key"
        self.write_pair(self.authority)

    def write_pair(self, authority):
        issued = authority.issue_cert("client.test")
        issued.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))

    def server(self, *, mutual=False):
        issued = self.authority.issue_cert(NAME)
        pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
        return grpc.ssl_server_credentials([pair], self.authority.cert_pem.bytes() if mutual else None, mutual)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


async def both(target, **arguments):
    """The answers, or failures, of a client for threads and one for asyncio."""

    def in_a_thread():
        with trunkline.Client(target, timeout=5, **arguments) as client:
            return client.complete("m", "Hi").text

    async def here():
        async with trunkline.AsyncClient(target, timeout=5, **arguments) as client:
            return (await client.complete("m", "Hi")).text

    return await asyncio.gather(asyncio.to_thread(in_a_thread), here(), return_exceptions=True)


async def test_a_gateway_is_known_by_its_authority_and_name(files):
    """With the authority's file and the certificate's name calls are answered; the name is needed."""
    async with fake.Gateway(files.server()) as gateway:
        assert await both(gateway.target, tls=trunkline.Tls(ca_file=files.ca, server_name=NAME)) == ["Hello"] * 2
        for failure in await both(gateway.target, tls=trunkline.Tls(ca_file=files.ca)):
            assert isinstance(failure, trunkline.Unavailable)
            assert failure.reason == "TLS_FAILED"
            assert "server_name" in failure.message


async def test_a_gateway_that_asks_for_a_certificate_gets_the_clients(files):
    """mTLS works with both files, and the failure without them says what may be missing."""
    async with fake.Gateway(files.server(mutual=True)) as gateway:
        tls = trunkline.Tls(ca_file=files.ca, cert_file=files.cert, key_file=files.key, server_name=NAME)
        assert await both(gateway.target, tls=tls) == ["Hello"] * 2
        for failure in await both(gateway.target, tls=trunkline.Tls(ca_file=files.ca, server_name=NAME)):
            assert isinstance(failure, trunkline.Unavailable)
            assert "cert_file" in failure.message


async def test_the_environment_names_the_files(files, monkeypatch):
    """Any of the files in the environment means TLS; tls=False and TRUNKLINE_TLS=0 are plaintext all the same."""
    for name, value in (("CA_FILE", files.ca), ("CERT_FILE", files.cert), ("KEY_FILE", files.key)):
        monkeypatch.setenv(f"TRUNKLINE_{name}", str(value))
    monkeypatch.setenv("TRUNKLINE_SERVER_NAME", NAME)
    async with fake.Gateway(files.server(mutual=True)) as secure, fake.Gateway() as plain:
        assert await both(secure.target) == ["Hello"] * 2
        assert await both(secure.target, tls=True) == ["Hello"] * 2
        assert await both(plain.target, tls=False) == ["Hello"] * 2
        monkeypatch.setenv("TRUNKLINE_TLS", "0")
        assert await both(plain.target) == ["Hello"] * 2


async def test_without_a_file_the_systems_authorities_are_trusted(files, monkeypatch):
    """tls=True refuses an authority that the system does not know, and takes one that it does."""
    monkeypatch.setenv("TRUNKLINE_SERVER_NAME", NAME)
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    async with fake.Gateway(files.server()) as gateway:
        for failure in await both(gateway.target, tls=True):
            assert isinstance(failure, trunkline.Unavailable)
            assert failure.reason == "TLS_FAILED"
            assert "ca_file" in failure.message
        monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
        assert await both(gateway.target, tls=True) == ["Hello"] * 2


async def test_plaintext_to_tls_and_back_is_told(files):
    """Each side that speaks the wrong one gets a hint at the argument."""
    tls = trunkline.Tls(ca_file=files.ca, server_name=NAME)
    async with fake.Gateway(files.server()) as secure, fake.Gateway() as plain:
        wanting, speaking = await asyncio.gather(both(secure.target), both(plain.target, tls=tls))
    assert all("the gateway may want TLS" in failure.message for failure in wanting)
    assert {failure.reason for failure in speaking} == {"TLS_FAILED"}
    assert all("tls=False" in failure.message for failure in speaking)


async def test_a_rotated_certificate_is_used_by_the_calls_after_it(files, monkeypatch):
    """After the files changed new calls come on a new connection, while a stream on the old one goes on to its end."""
    monkeypatch.setattr(tls_module, "LOOK_EVERY_S", 0.0)
    tls = trunkline.Tls(ca_file=files.ca, cert_file=files.cert, key_file=files.key, server_name=NAME)
    go_on = asyncio.Event()
    events = fake.messages(fake.events("Hel", "lo"))

    async def slowly(request, context):
        yield events[0]
        yield events[1]
        yield events[2]
        await go_on.wait()
        for message in events[3:]:
            yield message

    async with (
        fake.Gateway(files.server(mutual=True)) as gateway,
        trunkline.AsyncClient(gateway.target, timeout=20, tls=tls) as client,
    ):
        gateway.on_stream = slowly
        async with client.stream("m", "Hi") as stream:
            assert await anext(stream.text) == "Hel"
            await client.complete("m", "Hi")
            assert gateway.connections == 1
            files.write_pair(files.authority)
            await client.complete("m", "Hi")
            await client.complete("m", "Hi")
            assert gateway.connections == 2
            assert "2 connections" in repr(client)
            go_on.set()
            assert (await stream.collect()).text == "Hello"
        await client.complete("m", "Hi")
        assert "1 connections" in repr(client)


async def test_files_that_cannot_be_used_leave_the_old_ones_in_force(files, monkeypatch, caplog):
    """While a key does not fit its certificate calls go on and one warning is logged; then the new pair counts."""
    monkeypatch.setattr(tls_module, "LOOK_EVERY_S", 0.0)
    tls = trunkline.Tls(ca_file=files.ca, cert_file=files.cert, key_file=files.key, server_name=NAME)
    async with (
        fake.Gateway(files.server(mutual=True)) as gateway,
        trunkline.AsyncClient(gateway.target, timeout=20, tls=tls) as client,
    ):
        await client.complete("m", "Hi")
        old = files.cert.read_bytes()
        files.write_pair(files.authority)
        new = files.cert.read_bytes()
        files.cert.write_bytes(old)
        with caplog.at_level(logging.WARNING):
            await client.complete("m", "Hi")
            await client.complete("m", "Hi")
        (warning,) = caplog.records
        assert "does not belong to" in warning.getMessage()
        assert gateway.connections == 1
        files.cert.write_bytes(new)
        await client.complete("m", "Hi")
        assert gateway.connections == 2


def wrong_files(files):
    """What can be wrong: the arguments, and what the complaint has to say."""
    junk, locked, absent = files.folder / "junk", files.folder / "locked", files.folder / "absent"
    junk.write_bytes(b"\x30\x82secret-junk")
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret-junk\n-----END ENCRYPTED PRIVATE KEY-----\n")
    broken = files.folder / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nc2VjcmV0LWp1bms=\n-----END CERTIFICATE-----\n")
    other = files.folder / "other.key"
    files.other.issue_cert("x.test").private_key_pem.write_to_path(other)
    cert, key = files.cert, files.key
    return [
        ({"ca_file": absent}, "ca_file", absent, "there is no file"),
        ({"ca_file": files.folder}, "ca_file", files.folder, "can't read"),
        ({"ca_file": junk}, "ca_file", junk, "in PEM"),
        ({"ca_file": key}, "ca_file", key, "holds a private key"),
        ({"ca_file": broken}, "ca_file", broken, "can't be read"),
        ({"cert_file": cert}, "cert_file", "key_file", "needs its private key"),
        ({"key_file": key}, "key_file", "cert_file", "needs its certificate"),
        ({"cert_file": cert, "key_file": cert}, "key_file", cert, "holds a certificate"),
        ({"cert_file": cert, "key_file": locked}, "key_file", locked, "openssl pkey"),
        ({"cert_file": cert, "key_file": other}, "key_file", other, "does not belong to"),
        ({"cert_file": broken, "key_file": key}, "key_file", broken, "can't be used with"),
    ]


@pytest.mark.parametrize("index", range(11))
def test_a_wrong_file_is_told_when_the_client_is_made(files, monkeypatch, index):
    """The complaint names the argument or variable, the file and the mend, and shows nothing of what is in it."""
    given, field, place, words = wrong_files(files)[index]
    with pytest.raises(ValueError, match=words) as caught:
        trunkline.Client("x:1", tls=trunkline.Tls(**given))
    assert str(caught.value).startswith(f"tls.{field}: ")
    assert str(place) in str(caught.value)
    for name, path in given.items():
        monkeypatch.setenv(f"TRUNKLINE_{name.upper()}", str(path))
    with pytest.raises(ValueError, match=words) as told:
        trunkline.AsyncClient("x:1")
    assert str(told.value).startswith(f"TRUNKLINE_{field.upper()}: ")
    for complaint in (str(caught.value), str(told.value)):
        assert "secret-junk" not in complaint
        assert "c2VjcmV0" not in complaint


def test_words_that_mean_nothing_are_refused(files, monkeypatch):
    """A switch of no known word, a name that is a URL, and two ways at once are told."""
    with pytest.raises(ValueError, match=r"tls\.server_name"):
        trunkline.Client("x:1", tls=trunkline.Tls(server_name="https://x"))
    with pytest.raises(ValueError, match="tls and credentials"):
        trunkline.Client("x:1", tls=True, credentials=grpc.ssl_channel_credentials())
    with pytest.raises(TypeError, match=r"tls: True, False or a trunkline\.Tls"):
        trunkline.Client("x:1", tls="ca.pem")
    monkeypatch.setenv("TRUNKLINE_TLS", "maybe")
    with pytest.raises(ValueError, match="TRUNKLINE_TLS: 1 for TLS or 0"):
        trunkline.Client("x:1")
