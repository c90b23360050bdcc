"""Each test here runs twice: on asyncio's own loop and on uvloop."""

import asyncio
import ssl
from dataclasses import dataclass

import pytest
import trustme
import uvloop

from tests.fakes.provider import FakeProvider
from trunkline_server.upstream import Upstream


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def provider():
    async with FakeProvider() as fake:
        yield fake


@pytest.fixture
async def upstream():
    client = Upstream()
    yield client
    client.close()


@dataclass(frozen=True)
class Certificate:
    file: str
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for provider.test and 127.0.0.1 that only the file vouches for."""
    file = str(tmp_path_factory.mktemp("tls") / "authority.pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("provider.test", "127.0.0.1").configure_cert(context)
    return Certificate(file, context)
