"""`trunkline complete` in pipes and scripts."""

import json

import grpc
import pytest
import trustme
from click.testing import CliRunner

from tests.fakes import gateway as fake
from trunkline import v1
from trunkline_server.cli import main

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "sights": {"type": "array", "items": {"$ref": "#/$defs/sight"}}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"sight": {"type": "object", "properties": {"year": {"type": "integer"}}}},
}


@pytest.fixture
def gateway(monkeypatch):
    with fake.running_gateway() as running:
        monkeypatch.setenv("TRUNKLINE_TARGET", running.target)
        yield running


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "a place.json"
    path.write_text(json.dumps(SCHEMA))
    return str(path)


def run(*words, stdin=""):
    return CliRunner().invoke(main, ("complete", *words), input=stdin, prog_name="trunkline")


def test_json_that_fits_the_schema_is_printed_alone(gateway, schema):
    """The schema goes to the model, and stdout has the JSON and nothing else."""
    gateway.on_stream = fake.speak('{"city": "Paris", ', '"sights": [{"year": 1889}]}')
    result = run("Where?", "--schema", schema)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"city": "Paris", "sights": [{"year": 1889}]}
    asked = gateway.last.request.response_format.json_schema
    assert (asked.name, json.loads(asked.schema)) == ("a_place", SCHEMA)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Paris!", "the answer is no JSON"),
        ('{"city": 1}', "$.city: string is wanted, number came"),
        ("{}", "$.city is missing"),
        ('{"city": "x", "more": 1}', "$.more: nothing may be here"),
        ('{"city": "x", "sights": [{"year": 1}, {"year": "old"}]}', "$.sights[1].year: integer is wanted, string came"),
    ],
)
def test_an_answer_that_does_not_fit_exits_with_3(gateway, schema, text, why):
    """stdout stays empty and stderr says where and why; with --json the object says it."""
    gateway.on_stream = fake.speak(text)
    result = run("Where?", "--schema", schema)
    assert (result.exit_code, result.stdout) == (3, "")
    assert why in result.stderr
    result = run("Where?", "--schema", schema, "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert (told["text"], told["output"]) == (text, None)
    assert why in told["misfit"]


def test_json_lines_tell_what_happens(gateway):
    """--jsonl is an object a line: who answers, the pieces, the ending as --json has it; a failure is a line too."""
    lines = [json.loads(line) for line in run("Hi", "--jsonl").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["started", "text", "text", "finished"]
    assert (lines[1]["text"], lines[3]["text"]) == ("Hel", "Hello")
    failing = fake.fail(grpc.StatusCode.INTERNAL, "it broke", reason="INTERNAL")
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel")[:3]), then=failing)
    result = run("Hi", "--jsonl")
    assert result.exit_code == 1
    last = json.loads(result.stdout.splitlines()[-1])
    assert (last["event"], last["error"]["reason"]) == ("error", "INTERNAL")


def test_files_are_sent_before_the_question(gateway, tmp_path):
    """-f may be given several times: pictures and documents go as media, texts as text after their names."""
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n123")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "notes.md").write_text("Notes.")
    files = [word for name in ("dot.png", "paper.pdf", "notes.md") for word in ("-f", str(tmp_path / name))]
    assert run("Sum up.", *files).exit_code == 0
    first, second, *texts = gateway.last.request.messages[0].blocks
    assert (first.media.mime_type, second.media.mime_type) == ("image/png", "application/pdf")
    assert [block.text.text for block in texts] == ["notes.md:\nNotes.", "Sum up."]
    result = run("Sum up.", "-f", str(tmp_path / "nothing"))
    assert result.exit_code == 2
    assert "nothing" in result.stderr


def test_instructions_may_stand_in_a_file(gateway, tmp_path):
    """--system-file is told before --system, in one message."""
    (tmp_path / "system.md").write_text("Be brief.\n")
    assert run("Hi", "--system-file", str(tmp_path / "system.md"), "--system", "Be kind.").exit_code == 0
    told = gateway.last.request.messages[0]
    assert (told.role, told.blocks[0].text.text) == (v1.ROLE_SYSTEM, "Be brief.\n\nBe kind.")


def test_a_call_may_be_named(gateway):
    """--request-id names the call at the gateway; what can't be a name is wrong usage."""
    assert run("Hi", "--request-id", "build-7").exit_code == 0
    assert gateway.last.metadata["trunkline-request-id"] == "build-7"
    assert run("Hi", "--request-id", "a b\n").exit_code == 2


def test_the_key_may_stand_in_a_file(gateway, tmp_path):
    """--api-key-file is sent as the caller's key; one without a key is wrong usage and is not quoted."""
    (tmp_path / "key").write_text("tk-from-a-file\n")
    assert run("Hi", "--api-key-file", str(tmp_path / "key")).exit_code == 0
    assert gateway.last.metadata["authorization"] == "Bearer tk-from-a-file"
    (tmp_path / "key").write_text("tk-secret\ntk-second\n")
    result = run("Hi", "--api-key-file", str(tmp_path / "key"))
    assert result.exit_code == 2
    assert "tk-" not in result.output


def test_the_connection_is_tls_where_a_root_is_named(tmp_path):
    """With --ca-file and a certificate of its own the command reaches a gateway that asks for both."""
    authority = trustme.CA()
    theirs, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("client.example")
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    ours.cert_chain_pems[0].write_to_path(cert)
    ours.private_key_pem.write_to_path(key)
    pair = (theirs.private_key_pem.bytes(), theirs.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)
    with fake.running_gateway(credentials) as secure:
        files = ("--ca-file", ca, "--cert-file", cert, "--key-file", key)
        result = run("Hi", "--target", secure.target, *files)
        assert (result.exit_code, result.stdout) == (0, "Hello\n")
        assert run("Hi", "--target", secure.target, "--ca-file", ca).exit_code == 1
