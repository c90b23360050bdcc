"""Settings from the environment."""

import os

import pytest

from trunkline_server.config import ConfigError, Settings, unknown_variables


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Settings.load(environ)
    return str(caught.value).splitlines()


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty environment gives the defaults; the process's own is not read behind the caller's back."""
    monkeypatch.setenv("TRUNKLINE_WORKERS", "7")
    settings = Settings.load({})
    assert settings.listen == ("127.0.0.1:50051",)
    assert settings.probe_listen == "127.0.0.1:50052"
    assert settings.workers == 1
    assert settings.max_calls < settings.max_concurrent_rpcs
    assert settings.first_token_timeout_s is None


def test_values() -> None:
    """Values are read as operators write them."""
    settings = Settings.load(
        {
            "TRUNKLINE_LISTEN": "0.0.0.0:1, [::1]:2,unix:/run/t.sock",
            "TRUNKLINE_PROBE_LISTEN": "",
            "TRUNKLINE_WORKERS": "auto",
            "TRUNKLINE_DRAIN_GRACE_S": "1.5",
            "TRUNKLINE_LOG_LEVEL": "debug",
            "TRUNKLINE_LOG_JSON": "true",
            "TRUNKLINE_MAX_CALLS": "",
            "TRUNKLINE_TARGET": "elsewhere:1",
        }
    )
    assert settings.listen == ("0.0.0.0:1", "[::1]:2", "unix:/run/t.sock")
    assert settings.probe_listen == ""
    assert settings.workers == len(os.sched_getaffinity(0))
    assert settings.drain_grace_s == 1.5
    assert (settings.log_level, settings.log_json) == ("DEBUG", True)
    assert settings.max_calls == 4000


@pytest.mark.parametrize(
    ("listen", "mode", "on"),
    [
        ("127.0.0.1:1,[::1]:2,localhost:3,unix:/run/t.sock", "auto", True),
        ("127.0.0.1:1,0.0.0.0:2", "auto", False),
        ("gateway.example:1", "auto", False),
        ("0.0.0.0:1", "on", True),
        ("127.0.0.1:1", "off", False),
    ],
)
def test_reflection(listen: str, mode: str, on: bool) -> None:
    """Reflection is on by itself only while every listener is this machine's own."""
    settings = Settings.load({"TRUNKLINE_LISTEN": listen, "TRUNKLINE_REFLECTION": mode})
    assert settings.reflection_on is on


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LISTEN", "localhost", "has no port from 0 to 65535"),
        ("LISTEN", "localhost:65536", "has no port from 0 to 65535"),
        ("LISTEN", ":50051", "has no host"),
        ("LISTEN", "::1:50051", "has an IPv6 address that is not in brackets, or brackets around something else"),
        ("LISTEN", "unix:run/t.sock", "has no absolute path after unix:"),
        ("LISTEN", "unix:/" + "x" * 107, "has a path of more than 107 bytes or with odd characters"),
        ("LISTEN", "a b:1", "has characters that no host has"),
        ("LISTEN", "127.0.0.1:1,127.0.0.1:1", "has an address twice"),
        ("LISTEN", "127.0.0.1:1,b:,c:1", "address 2 of 3 has no port from 0 to 65535"),
        ("LISTEN", ",", "must have 1 to 16 addresses"),
        ("PROBE_LISTEN", "unix:/run/t.sock", "must be host:port"),
        ("PROBE_LISTEN", "127.0.0.1:50051", "is an address of TRUNKLINE_LISTEN too"),
        ("UNIX_SOCKET_MODE", "0066", "must be an octal mode from 0600 to 0777"),
        ("UNIX_SOCKET_MODE", "4755", "must be an octal mode from 0600 to 0777"),
        ("UNIX_SOCKET_MODE", "rw", "must be an octal mode from 0600 to 0777"),
        ("WORKERS", "0", "must be at least 1"),
        ("WORKERS", "many", 'must be a whole number or "auto"'),
        ("AUTH", "on", "can't be on in this version, which doesn't prove callers yet"),
        ("REFLECTION", "maybe", "must be 'auto', 'on' or 'off'"),
        ("DRAIN_GRACE_S", "-1", "must be at least 0"),
        ("DRAIN_GRACE_S", "nan", "must be a number"),
        ("IDLE_TIMEOUT_S", "0", "must be more than 0"),
        ("MAX_CALLS", "5000", "must be above TRUNKLINE_MAX_CALLS (5000)"),
        ("MAX_RECEIVE_MESSAGE_BYTES", "3000000000", "must be at most 2147483647"),
        ("UPSTREAM_CA_FILE", "/nowhere/ca.pem", "names no file"),
        ("ALLOWED_ADDRESSES", "metadata.internal", "must be IP addresses or networks"),
        ("LOG_JSON", "perhaps", "must be true or false"),
        ("LOG_LEVEL", "LOUD", "must be 'TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
    ],
)
def test_refused(name: str, value: str, message: str) -> None:
    """A value that can't be used is refused with the variable's name, what is wrong and a mend."""
    [problem] = problems_of(**{f"TRUNKLINE_{name}": value})
    variable = "TRUNKLINE_MAX_CONCURRENT_RPCS" if name == "MAX_CALLS" else f"TRUNKLINE_{name}"
    assert problem.startswith(f"{variable}: {message}. ")


def test_all_at_once() -> None:
    """All problems are told in one go, in the order of the settings."""
    found = problems_of(TRUNKLINE_LOG_LEVEL="x", TRUNKLINE_WORKERS="x", TRUNKLINE_LISTEN="x")
    assert [line.partition(":")[0] for line in found] == [
        "TRUNKLINE_LISTEN",
        "TRUNKLINE_WORKERS",
        "TRUNKLINE_LOG_LEVEL",
    ]


def test_unknown_variables() -> None:
    """Mistyped settings are found; variables of clients, of Kubernetes and of the file are not taken for them."""
    environ = dict.fromkeys(
        (
            "TRUNKLINE_TARGT",
            "TRUNKLINE_WORKRES",
            "TRUNKLINE_WORKERS",
            "TRUNKLINE_TARGET",
            "TRUNKLINE_API_KEY",
            "TRUNKLINE_SERVICE_HOST",
            "TRUNKLINE_SERVICE_PORT_GRPC",
            "TRUNKLINE_PORT",
            "TRUNKLINE_PORT_50051_TCP_ADDR",
            "TRUNKLINE_PROBE_SERVICE_PORT",
            "TRUNKLINE_OPENAI_KEY",
            "OTHER",
        ),
        "x",
    )
    found = unknown_variables(environ, ("TRUNKLINE_OPENAI_KEY",))
    assert [(problem.key, problem.mend) for problem in found] == [
        ("TRUNKLINE_TARGT", "Did you mean 'TRUNKLINE_TARGET'?"),
        ("TRUNKLINE_WORKRES", "Did you mean 'TRUNKLINE_WORKERS'?"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TRUNKLINE_MAX_CALLS_PER_CONNECTION", "250", "below TRUNKLINE_MAX_CONCURRENT_STREAMS (250)"),
        ("TRUNKLINE_MAX_HELD_REQUEST_BYTES", "1048576", "at least TRUNKLINE_MAX_RECEIVE_MESSAGE_BYTES (33554432)"),
    ],
)
def test_bounds_agree_with_each_other(name: str, value: str, says: str) -> None:
    """A bound that another makes useless is refused, by both names."""
    (problem,) = problems_of(**{name: value})
    assert name in problem
    assert says in problem
