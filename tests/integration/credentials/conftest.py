"""An environment without any cloud's variables or files, and a certificate for fakes that have to speak TLS."""

import asyncio
import os
import ssl
from dataclasses import dataclass

import pytest
import trustme
import uvloop
from loguru import logger

_OF_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "GCE_", "GCLOUD", "CLOUDSDK", "IDENTITY_", "IMDS_", "MSI_", "BOTO", "HTTP")


def pytest_asyncio_loop_factories(config, item):
    """How credentials are kept is tried on both loops; what is fetched in threads knows neither."""
    on_both = item.path.name == "test_kept.py"
    return {"asyncio": asyncio.new_event_loop, **({"uvloop": uvloop.new_event_loop} if on_both else {})}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """Nothing that this machine has is found."""
    for name in os.environ:
        if name.upper().startswith(_OF_CLOUDS) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def lines():
    """What the operator is told."""
    told: list[str] = []
    sink = logger.add(told.append, level="TRACE", format="{message}")
    yield told
    logger.remove(sink)


@dataclass(frozen=True)
class Certificate:
    file: str
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that only the file vouches for."""
    file = str(tmp_path_factory.mktemp("tls") / "authority.pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Certificate(file, context)
