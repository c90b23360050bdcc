"""Each test here runs twice: on asyncio's own loop and on uvloop."""

import asyncio
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
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
    """A certificate for provider.test and 127.0.0.1 that only its own file vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    file, key = str(folder / "provider.pem"), str(folder / "provider.key")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=provider.test"
    )
    names = ["-addext", "subjectAltName=DNS:provider.test,IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", file], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key)
    return Certificate(file, context)
