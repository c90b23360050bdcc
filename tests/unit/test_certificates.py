"""The files of TLS: judged, followed, and what a caller's certificate says."""

import os
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from loguru import logger

from tests.authority import DAY, NOW, Authority, Files
from trunkline_server.config import ConfigError, Settings
from trunkline_server.config.tls import MAX_PEM_BYTES, TlsFiles, read_and_judge
from trunkline_server.core.peer import MAX_KNOWN, CallerCertificates, caller_certificate
from trunkline_server.core.tls import TlsMaterial
from trunkline_server.engine.tls import TICKETS_S, ServerTls
from trunkline_server.supervisor.certificates import Certificates
from trunkline_server.supervisor.limits import Limits

CA = Authority("Our CA")
GOOD = CA.issue("gateway.example", "10.0.0.1")
LIMITS = Limits()


def files_of(folder, pair=GOOD, client_ca=None):
    files = Files(folder, pair, client_ca)
    return files, TlsFiles(cert=files.cert, key=files.key, client_ca=files.client_ca if files.with_ca else None)


def judged(folder, pair=GOOD, client_ca=None):
    return read_and_judge(files_of(folder, pair, client_ca)[1], NOW)[1]


@pytest.fixture
def told():
    """What is logged, level and line."""
    lines = []
    sink = logger.add(lambda message: lines.append((message.record["level"].name, message.record["message"])))
    yield lines
    logger.remove(sink)


def test_a_good_pair_is_told_by_names_and_end(tmp_path):
    """What is in force is told with its names, its end and the CA of callers, and there is nothing wrong with it."""
    found = judged(tmp_path, client_ca=CA.pem)
    assert (found.problems, found.doubts) == ((), ())
    assert str(found) == (
        f"the certificate of gateway.example, 10.0.0.1 until {NOW + 90 * DAY:%Y-%m-%d %H:%M} UTC, for callers of Our CA"
    )


BAD_PAIRS = {
    "expired": (CA.issue("a", ends=NOW - timedelta(hours=1)), "CERT", "its certificate ended on"),
    "not yet valid": (CA.issue("a", begins=NOW + DAY), "CERT", "its certificate begins on"),
    "rsa too short": (CA.issue("a", key=rsa.generate_private_key(65537, 1024)), "CERT", "of a kind or length"),
    "odd curve": (CA.issue("a", key=ec.generate_private_key(ec.SECP521R1())), "CERT", "of a kind or length"),
    "ed25519": (CA.issue("a", key=ed25519.Ed25519PrivateKey.generate()), "CERT", "of a kind or length"),
    "encrypted": (CA.issue("a", password=b"canary-pass"), "KEY", "a key that is encrypted"),
}


@pytest.mark.parametrize("name", BAD_PAIRS)
def test_what_callers_would_refuse_is_refused_first(tmp_path, name):
    """A pair that no caller takes is a problem with the setting, the file, what is wrong and the mend."""
    pair, setting, words = BAD_PAIRS[name]
    [problem] = judged(tmp_path, pair).problems
    assert problem.key == f"TRUNKLINE_TLS_{setting}_FILE"
    assert words in problem.message
    assert problem.mend
    assert problem.file == str(tmp_path / ("tls.key" if setting == "KEY" else "tls.crt"))


def test_a_key_of_another_certificate(tmp_path):
    """A key that is not the certificate's is a problem of the key."""
    files, named = files_of(tmp_path)
    files.key.write_bytes(CA.issue("a").key)
    [problem] = read_and_judge(named, NOW)[1].problems
    assert (problem.key, problem.message) == (
        "TRUNKLINE_TLS_KEY_FILE",
        "is not the key of the certificate in TRUNKLINE_TLS_CERT_FILE",
    )


def test_a_chain_in_the_wrong_order(tmp_path):
    """A chain whose first certificate is not the gateway's is told as that, with the one that is."""
    files, named = files_of(tmp_path)
    files.cert.write_bytes(CA.pem + GOOD.chain)
    [problem] = read_and_judge(named, NOW)[1].problems
    assert problem.message == "its certificate 2 is the one of the key in TRUNKLINE_TLS_KEY_FILE"
    assert "own first" in problem.mend


@pytest.mark.parametrize("which", ["cert", "key", "client_ca"])
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "names no file"),
        ("folder", "names something that is no file"),
        ("pipe", "names something that is no file"),
        ("empty", "in PEM"),
        ("binary", "in PEM"),
        ("cut", "in PEM"),
        ("large", f"is larger than {MAX_PEM_BYTES} bytes"),
    ],
)
def test_each_file_that_holds_nothing_of_use_is_named(tmp_path, which, how, words):
    """Whatever lies where a file of TLS should, it is one problem of that setting, and nothing waits for it."""
    files, named = files_of(tmp_path, client_ca=CA.pem)
    path = getattr(files, which)
    content = path.read_bytes()
    path.unlink()
    match how:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "missing":
            pass
        case _:
            path.write_bytes(
                {"empty": b"", "binary": b"\x30\x82\x00\xff", "cut": content[:90], "large": b"x" * (MAX_PEM_BYTES + 1)}[
                    how
                ]
            )
    [problem] = read_and_judge(named, NOW)[1].problems
    assert problem.key == f"TRUNKLINE_TLS_{which.upper()}_FILE"
    assert words in problem.message


def test_a_file_that_may_not_be_read(tmp_path):
    """A key that belongs to another user is told as that."""
    files, named = files_of(tmp_path)
    files.key.chmod(0)
    if os.access(files.key, os.R_OK):
        pytest.skip("this user reads everything")
    [problem] = read_and_judge(named, NOW)[1].problems
    assert problem.message == "can't be read (Permission denied)"


def test_what_is_probably_not_meant_is_a_doubt(tmp_path):
    """A near end, no names, no use for servers and a key for everyone are told, and refuse nothing."""
    pair = CA.issue(ends=NOW + 29 * DAY, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    files, named = files_of(tmp_path, pair)
    files.key.chmod(0o644)
    found = read_and_judge(named, NOW)[1]
    assert found.problems == ()
    assert [doubt.message for doubt in found.doubts] == [
        f"its certificate ends on {NOW + 29 * DAY:%Y-%m-%d %H:%M UTC}",
        "its certificate has no subject alternative names",
        "its certificate is not for servers",
        "may be read by everyone on this machine (mode 0644)",
    ]


def test_the_cas_of_callers(tmp_path):
    """A client CA that is none, or has ended, is a problem; one that ends soon among others is a doubt."""
    leaf = Authority("No CA", is_ca=False)
    [problem] = judged(tmp_path, client_ca=CA.pem + leaf.pem).problems
    assert problem.message == "holds a certificate that is no CA: No CA"
    gone = Authority("Old CA", ends=NOW - DAY)
    assert [each.message for each in judged(tmp_path, client_ca=gone.pem).problems] == [
        f"its last CA ended on {NOW - DAY:%Y-%m-%d %H:%M UTC}"
    ]
    both = judged(tmp_path, client_ca=CA.pem + gone.pem)
    assert both.problems == ()
    assert [doubt.message for doubt in both.doubts] == [f"its CA Old CA ended on {NOW - DAY:%Y-%m-%d %H:%M UTC}"]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"  "], ids=["byte order mark", "spaces"])
def test_pem_that_begins_no_line_is_refused(tmp_path, before):
    """What gRPC would not read is a problem of each file that has it, though other readers of PEM take it."""
    pair = CA.issue("gateway.example")
    files, named = files_of(tmp_path, pair)
    files.cert.write_bytes(before + pair.chain)
    files.key.write_bytes(before + pair.key)
    problems = read_and_judge(named, NOW)[1].problems
    assert [problem.key for problem in problems] == ["TRUNKLINE_TLS_CERT_FILE", "TRUNKLINE_TLS_KEY_FILE"]
    assert {problem.message for problem in problems} == {"has something before -----BEGIN or -----END"}
    [problem] = judged(tmp_path, client_ca=before + CA.pem).problems
    assert (problem.key, problem.message) == ("TRUNKLINE_TLS_CLIENT_CA_FILE", problems[0].message)


def test_no_secret_is_told(tmp_path):
    """Neither problems nor reprs show anything of a key or a certificate."""
    files, named = files_of(tmp_path)
    body = GOOD.key.decode().splitlines()[1]
    files.key.write_bytes(GOOD.key.replace(b"PRIVATE KEY", b"PRIVAT KEY"))
    material, found = read_and_judge(named, NOW)
    assert body not in repr(found) + repr(material) + str(found)
    assert repr(TlsMaterial(chain=GOOD.chain, key=GOOD.key, client_ca=CA.pem)) == (
        "<TlsMaterial, for callers with certificates>"
    )


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"CERT_FILE"}, "TRUNKLINE_TLS_KEY_FILE: missing beside TRUNKLINE_TLS_CERT_FILE"),
        ({"KEY_FILE"}, "TRUNKLINE_TLS_CERT_FILE: missing beside TRUNKLINE_TLS_KEY_FILE"),
        ({"CLIENT_CA_FILE"}, "TRUNKLINE_TLS_CERT_FILE: missing beside TRUNKLINE_TLS_CLIENT_CA_FILE"),
    ],
)
def test_half_a_pair_is_refused(given, wrong):
    """Certificate and key are given together, and a client CA only with them: TLS is never half on."""
    with pytest.raises(ConfigError) as caught:
        Settings.load({f"TRUNKLINE_TLS_{name}": "/x" for name in given})
    assert str(caught.value).startswith(wrong)


def in_place(files, pair):
    files.replace(pair)


def by_renaming(files, pair):
    for path, content in ((files.cert, pair.chain), (files.key, pair.key)):
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(path)


@pytest.mark.parametrize("way", [in_place, by_renaming])
def test_a_new_pair_is_in_force_at_the_second_look(tmp_path, told, way):
    """Files that two looks saw alike are in force, once, and the line says until when."""
    files, named = files_of(tmp_path)
    certificates = Certificates(named, LIMITS, NOW)
    new = CA.issue("new.example", ends=NOW + 60 * DAY)
    way(files, new)
    assert [certificates.look(at, NOW) for at in (0.0, 0.2, 0.4)] == [False, True, False]
    assert certificates.material == TlsMaterial(chain=new.chain, key=new.key)
    assert told == [
        (
            "INFO",
            f"a new certificate is in force: the certificate of new.example until {NOW + 60 * DAY:%Y-%m-%d %H:%M} UTC",
        )
    ]


def test_a_kubernetes_secret_is_followed_through_its_links(tmp_path):
    """Files that are links into `..data`, which is swapped as a whole, are followed."""
    for name, pair in (("one", GOOD), ("two", new := CA.issue("new.example"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_bytes(pair.chain)
        (tmp_path / name / "tls.key").write_bytes(pair.key)
    (tmp_path / "..data").symlink_to("one")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    named = TlsFiles(cert=tmp_path / "tls.crt", key=tmp_path / "tls.key")
    certificates = Certificates(named, LIMITS, NOW)
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert [certificates.look(at, NOW) for at in (0.0, 0.2)] == [False, True]
    assert certificates.material.chain == new.chain


def test_a_pair_replaced_one_after_the_other_is_never_taken_by_half(tmp_path, told):
    """While the key is still the old one nothing changes and nothing is said; with it the new pair is in force."""
    files, named = files_of(tmp_path)
    certificates = Certificates(named, LIMITS, NOW)
    new = CA.issue("new.example")
    files.cert.write_bytes(new.chain)
    assert [certificates.look(at / 5, NOW) for at in range(8)] == [False] * 8
    assert told == []
    files.key.write_bytes(new.key)
    assert [certificates.look(2 + at / 5, NOW) for at in range(2)] == [False, True]
    assert certificates.material.key == new.key


def test_a_bad_pair_is_told_once_and_the_old_one_stays(tmp_path, told):
    """What can't be used is told once per change, after a while, with why; its mending is told as well."""
    files, named = files_of(tmp_path)
    certificates = Certificates(named, LIMITS, NOW)
    files.key.write_bytes(b"nonsense")
    looks = [certificates.look(at / 5, NOW) for at in range(200)]
    assert not any(looks)
    assert certificates.material.key == GOOD.key
    assert [level for level, _ in told] == ["ERROR", "ERROR"]
    assert "the new certificate can't be used; the certificate of gateway.example" in told[0][1]
    assert "TRUNKLINE_TLS_KEY_FILE: holds no private key in PEM" in told[1][1]
    files.key.write_bytes(b"other nonsense")
    assert not any(certificates.look(50 + at / 5, NOW) for at in range(20))
    assert len(told) == 4
    files.key.write_bytes(GOOD.key)
    assert not certificates.look(60, NOW)
    assert told[4] == ("INFO", "the certificate's files hold again what is in force")


def test_a_pair_that_begins_later_is_taken_when_it_does(tmp_path):
    """A certificate that was put there before its time is in force soon after that, without a further change."""
    files, named = files_of(tmp_path)
    certificates = Certificates(named, LIMITS, NOW)
    files.replace(CA.issue("soon.example", begins=NOW + timedelta(seconds=30)))
    assert not any(certificates.look(at, NOW + timedelta(seconds=at)) for at in range(30))
    assert any(certificates.look(at, NOW + timedelta(seconds=at)) for at in range(30, 40))


def test_the_end_is_told_once_a_day(tmp_path, told):
    """In the last seven days a warning comes once a day, and after them an error."""
    _, named = files_of(tmp_path, CA.issue("a.example", ends=NOW + 9 * DAY))
    certificates = Certificates(named, LIMITS, NOW)
    for hour in range(11 * 24):
        certificates.remind(NOW + timedelta(hours=hour))
    assert [level for level, _ in told] == ["WARNING"] * 7 + ["ERROR"] * 2
    assert told[0][1].endswith("ends soon. Renew it")


def test_each_port_asks_for_itself(monkeypatch):
    """A renewed certificate is handed out once to each port, and with callers' certificates tickets end in time."""
    fetchers = []
    monkeypatch.setattr("grpc.dynamic_ssl_server_credentials", lambda _first, fetch, **_: fetchers.append(fetch))
    now = [0.0]
    tls = ServerTls(TlsMaterial(chain=GOOD.chain, key=GOOD.key, client_ca=CA.pem), lambda: now[0])
    tls.credentials()
    tls.credentials()
    assert [fetch() for fetch in fetchers] == [None, None]
    new = CA.issue("b")
    tls.use(TlsMaterial(chain=new.chain, key=new.key, client_ca=CA.pem))
    first, second = fetchers
    handed = first()
    assert handed is not None
    assert [second() is handed, first(), second()] == [True, None, None]
    now[0] = TICKETS_S
    assert [first() is handed, first()] == [True, None]


def test_a_caller_is_who_its_certificate_says():
    """Names are taken letter by letter, and such as are no plain text are none."""
    context = {
        "x509_pem_cert": [b"-----BEGIN"],
        "x509_common_name": [b"one"],
        "peer_dns": [b"a.example", b"b.example\0.evil.example", b"c\n"],
        "peer_uri": [b"spiffe://a/b"],
        "peer_spiffe_id": [b"spiffe://a/b"],
        "peer_ip": [b"10.0.0.1"],
        "peer_email": [b"me@a.example", b"\xff"],
    }
    caller = caller_certificate(context)
    assert caller is not None
    assert caller.dns_names == ("a.example",)
    assert (caller.spiffe_id, caller.uris) == ("spiffe://a/b", ("spiffe://a/b",))
    assert (caller.ip_addresses, caller.emails, caller.common_name) == (("10.0.0.1",), ("me@a.example",), "one")
    assert caller_certificate({"transport_security_type": [b"ssl"]}) is None


def test_callers_are_not_mistaken_for_each_other():
    """However many certificates were seen, each caller is its own certificate's, and at most MAX_KNOWN are kept."""
    certificates = CallerCertificates()
    for turn in range(2):
        for number in range(MAX_KNOWN + 9):
            context = {"x509_pem_cert": [b"pem %d" % number], "x509_common_name": [b"caller %d" % number]}
            assert certificates.of(context).common_name == f"caller {number}", turn
            assert certificates.of(context) is certificates.of(context)
    assert certificates.of({}) is None
    large = {"x509_pem_cert": [b"x" * 20_000], "x509_common_name": [b"large"]}
    assert certificates.of(large).common_name == "large"
    assert certificates.of(large) is not certificates.of(large)
