"""TLS from the command line: certificates made as README says, and what a person reads when they do not fit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.authority import DAY, NOW, Authority, Files
from tests.processes import serving
from tests.running import one_provider

README = Path(__file__).parents[2] / "README.md"
NOWHERE = one_provider("http://127.0.0.1:9")
OURS, OTHER = Authority("Ours"), Authority("Other")


def health(folder, target, *words):
    """`trunkline health` in a process of its own, since gRPC reads how much it logs when it is loaded."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "GRPC_VERBOSITY"))
    }
    command = (sys.executable, "-m", "trunkline_server", "health", "--target", target, *words)
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=30)


def shown(folder, pair):
    """A caller's certificate as options."""
    (folder / "client.crt").write_bytes(pair.chain)
    (folder / "client.key").write_bytes(pair.key)
    return ("--ca-file", "trusted.crt", "--cert-file", "client.crt", "--key-file", "client.key")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="this machine has no openssl")
async def test_certificates_made_as_the_readme_says_serve(tmp_path):
    """What README's commands make serves mTLS: the caller's certificate is let in, and none is not."""
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("OpenSSL 3"):
        pytest.skip(f"README's commands are for OpenSSL 3, and this is {version}")
    blocks = [block.split("```")[0] for block in README.read_text().split("```sh\n")[1:]]
    made, asked = (
        next(block for block in blocks if sign in block) for sign in ("openssl req", "trunkline health --ca")
    )
    subprocess.run(["sh", "-ec", made], cwd=tmp_path, check=True, capture_output=True)
    environ = {
        "TRUNKLINE_TLS_CERT_FILE": str(tmp_path / "tls.crt"),
        "TRUNKLINE_TLS_KEY_FILE": str(tmp_path / "tls.key"),
        "TRUNKLINE_TLS_CLIENT_CA_FILE": str(tmp_path / "ca.crt"),
    }
    words = asked.splitlines()[0].removeprefix("trunkline health ").split()
    async with serving(tmp_path, NOWHERE, environ=environ) as gateway:
        done = health(tmp_path, gateway.target, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "SERVING\n", "")
        assert health(tmp_path, gateway.target, "--ca-file", "ca.crt").returncode == 1
        assert "warning" not in gateway.log.read_text().lower()


async def test_a_refusal_is_told_with_its_mend(tmp_path):
    """Who is refused reads the options that help and no log of gRPC's; nobody is told to try again, or to start one."""
    files = Files(tmp_path, OURS.issue("localhost", "127.0.0.1"), OURS.pem)
    (tmp_path / "trusted.crt").write_bytes(OURS.pem)
    (tmp_path / "other.crt").write_bytes(OTHER.pem)
    async with serving(tmp_path, NOWHERE, environ=files.environ) as gateway:
        stranger = health(tmp_path, gateway.target, *shown(tmp_path, OTHER.issue("caller.example")))
        ended = health(
            tmp_path, gateway.target, *shown(tmp_path, OURS.issue("c", begins=NOW - 2 * DAY, ends=NOW - DAY))
        )
        without = health(tmp_path, gateway.target, "--ca-file", "trusted.crt")
        plain = health(tmp_path, gateway.target)
        untrusting = health(tmp_path, gateway.target, "--ca-file", "other.crt")
        right = health(tmp_path, gateway.target, *shown(tmp_path, OURS.issue("caller.example")))
    for refused in (stranger, ended, without, plain):
        assert refused.stderr.startswith(f"error: {gateway.target} takes the connection and closes it\n")
        assert "--cert-file" in refused.stderr
        assert "trunkline serve" not in refused.stderr
    assert untrusting.stderr.startswith("error: the gateway's certificate comes from no authority")
    assert "--ca-file" in untrusting.stderr
    for refused in (stranger, ended, without, plain, untrusting):
        assert refused.returncode == 1
        assert "Try again" not in refused.stderr
        assert "ssl_transport_security" not in refused.stderr
    assert (right.stdout, right.stderr) == ("SERVING\n", "")
