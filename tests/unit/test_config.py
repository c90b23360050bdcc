"""trunkline.yaml: what is understood, what is refused and how it is told, through `trunkline check` and `load`."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trunkline.v1 import completion_pb2, embedding_pb2, models_pb2, quotas_pb2
from trunkline_server.cli.check import command
from trunkline_server.config import ConfigError, Document, LocalModelAddress, Settings, build, doubts, load
from trunkline_server.config.identities import METHODS
from trunkline_server.core.addresses import AddressPolicy
from trunkline_server.core.http import Endpoint
from trunkline_server.core.secret import Secret
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.registry import ROWS

HERE = Path(__file__).parent
BROKEN = HERE / "configs" / "broken"
EXAMPLE = HERE.parents[1] / "docs" / "trunkline.example.yaml"
CREDENTIALS = EXAMPLE.with_name("credentials.md")

WHOLE = """
providers:
  openai: {dialect: openai, api_key: "${KEY}", headers: {X-Team: "${TEAM:-none}"}}
  vllm: {dialect: openai, base_url: "http://127.0.0.1:8000/v1/", allow_provider_options: true}
  local: {dialect: local, gguf: some.gguf, slots: "${SLOTS:-2}"}
models:
  fast:
    description: Quick
    deployments:
      - {provider: vllm, upstream_model: qwen, tier: 1, name: spare}
      - {provider: openai, upstream_model: gpt-5-mini, weight: 3, region: eu}
  small:
    deployments: [{provider: local, upstream_model: some}]
"""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRUNKLINE_CONFIG", "TRUNKLINE_LISTEN", "TRUNKLINE_WORKERS", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def check(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(command, list(arguments), env=environ)


def written(folder: Path, text: str) -> Path:
    path = folder / "trunkline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_broken_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be used ends `check` with 2 and exactly these lines, each with file, line, key and mend."""
    monkeypatch.chdir(BROKEN)
    result = check(f"{name}.yaml")
    assert result.stderr == (BROKEN / f"{name}.txt").read_text(encoding="utf-8")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "canary" not in result.output


def test_no_broken_file_is_forgotten() -> None:
    """There are at least twenty broken files, and each has its expected lines."""
    names = {path.stem for path in BROKEN.glob("*.yaml")}
    assert len(names) >= 20
    assert names == {path.stem for path in BROKEN.glob("*.txt")}


def test_whole_file(tmp_path: Path) -> None:
    """A whole file becomes providers and routes with defaults filled in and tiers in order."""
    document = load(written(tmp_path, WHOLE), {"KEY": "sk-1", "SLOTS": "3"})
    snapshot = build(document, local_model=LocalModelAddress(port=4711, api_key=Secret("k")))

    openai, vllm, local = snapshot.providers.values()
    assert openai.endpoint == Endpoint(scheme="https", host="api.openai.com", port=443)
    assert openai.base_path == "/v1"
    assert openai.credential == Secret("sk-1")
    assert openai.needs_credential
    assert openai.headers == (("x-team", "none"),)
    assert openai.settings["max_tokens_key"] == "max_completion_tokens"
    assert not openai.allow_provider_options
    assert vllm.endpoint == Endpoint(scheme="http", host="127.0.0.1", port=8000)
    assert vllm.base_path == "/v1"
    assert vllm.credential is None
    assert not vllm.needs_credential
    assert vllm.allow_provider_options
    assert vllm.settings["max_tokens_key"] == "max_tokens"
    assert local.endpoint == Endpoint(scheme="http", host="127.0.0.1", port=4711)
    assert local.credential == Secret("k")

    fast = snapshot.routes["fast"]
    assert [[each.name for each in tier] for tier in fast.tiers] == [["openai/gpt-5-mini"], ["spare"]]
    assert (fast.deployments[0].weight, fast.deployments[0].region) == (3, "eu")
    assert snapshot.local_model is not None
    assert snapshot.local_model.gguf == tmp_path / "some.gguf"
    assert (snapshot.local_model.slots, snapshot.local_model.name) == (3, "some")


def test_built_in_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file the built-in one serves a local model, and openai without a credential."""
    monkeypatch.chdir(tmp_path)
    document = load(None, {})
    snapshot = build(document)
    assert document.sources == ()
    assert set(snapshot.routes) == {"smollm2", "fast", "smart"}
    assert snapshot.providers["openai"].credential is None
    assert snapshot.providers["local"].endpoint.port == 9
    assert snapshot.local_model is not None
    assert snapshot.local_model.name == "smollm2-135m-instruct"


def test_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a named file ./trunkline.yaml is taken if it is there."""
    path = written(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path)
    document = load(None, {"KEY": "x"})
    assert document.origin == "trunkline.yaml"
    assert document.sources == (path,)


def test_example_is_right() -> None:
    """The commented example passes `check`."""
    result = check(str(EXAMPLE), OPENAI_API_KEY="sk-1")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("\nok\n")
    assert result.stderr == ""


@pytest.mark.parametrize(("reflection", "channelz"), [("on", "off"), ("off", "on")])
def test_check_says_what_of_the_gateway_can_be_looked_at(reflection, channelz):
    """Reflection and channelz are each told as they will be, next to where the gateway listens."""
    result = check(str(EXAMPLE), TRUNKLINE_REFLECTION=reflection, TRUNKLINE_CHANNELZ=channelz)
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if line.startswith("  "))
    assert (rows["reflection"].strip(), rows["channelz"].strip()) == (reflection, channelz)


def test_document_travels(tmp_path: Path) -> None:
    """A document that went through JSON builds the same snapshot: a worker serves what the supervisor checked."""
    document = load(written(tmp_path, WHOLE), {"KEY": "sk-1"})
    again = Document.from_json(document.to_json())
    assert again == document
    assert build(again) == build(document)


def test_file_values_are_watched(tmp_path: Path) -> None:
    """A ${file:} value is read without the newline at its end, and its file is a source to watch."""
    secret = tmp_path / "key"
    secret.write_text("sk-from-file\n", encoding="utf-8")
    path = written(tmp_path, WHOLE.replace("${KEY}", f"${{file:{secret}}}"))
    document = load(path, {})
    assert document.sources == (path, secret)
    assert build(document).providers["openai"].credential == Secret("sk-from-file")


def test_version_follows_values(tmp_path: Path) -> None:
    """The version is the same for the same values and another for another secret."""
    path = written(tmp_path, WHOLE)
    first, same, other = (load(path, {"KEY": key}).version for key in ("sk-1", "sk-1", "sk-2"))
    assert first == same != other


@pytest.mark.parametrize(
    ("written_as", "environ", "value"),
    [
        ("${KEY}", {"KEY": "a"}, "a"),
        ("${KEY:-b}", {}, "b"),
        ("${KEY:-b}", {"KEY": ""}, "b"),
        ("${KEY:-}", {}, ""),
        ("a-$${KEY}", {}, "a-${KEY}"),
        ("$5-and-$$", {}, "$5-and-$$"),
        ("a-${KEY}-c", {"KEY": "${b}"}, "a-${b}-c"),
    ],
)
def test_filling(tmp_path: Path, written_as: str, environ: dict[str, str], value: str) -> None:
    """Variables are filled in once, defaults stand in for unset and empty ones, and $${ is ${."""
    document = load(written(tmp_path, WHOLE.replace("${KEY}", written_as)), environ)
    credential = build(document).providers["openai"].credential
    assert (credential.reveal() if credential else "") == value


def test_merge_keys(tmp_path: Path) -> None:
    """<< takes over what an anchor holds, and the mapping's own keys win."""
    text = """
providers:
  one: &one {dialect: openai, base_url: http://127.0.0.1:1/v1, allow_provider_options: true}
  two: {<<: *one, base_url: http://127.0.0.1:2/v1}
models:
  m: {deployments: [{provider: two, upstream_model: x}]}
"""
    two = build(load(written(tmp_path, text), {})).providers["two"]
    assert (two.endpoint.port, two.allow_provider_options) == (2, True)


def test_listed_metadata_address(tmp_path: Path) -> None:
    """A link-local address is taken when the operator lists it, alone or in a network."""
    text = WHOLE.replace("http://127.0.0.1:8000/v1/", "http://169.254.10.1/v1")
    path = written(tmp_path, text)
    assert problems_of(tmp_path, text, KEY="x") == ["providers.vllm.base_url: a link-local or metadata address"]
    for listed in ("169.254.10.1", "10.0.0.1, 169.254.10.0/24"):
        document = load(path, {"KEY": "x", "TRUNKLINE_ALLOWED_ADDRESSES": listed})
        assert build(document).providers["vllm"].endpoint.host == "169.254.10.1"


def test_openai_with_own_authorization_header(tmp_path: Path) -> None:
    """An authorization header of the operator's stands for the credential."""
    text = WHOLE.replace('api_key: "${KEY}", headers: {X-Team: "${TEAM:-none}"}', 'headers: {Authorization: "Basic a"}')
    openai = build(load(written(tmp_path, text), {})).providers["openai"]
    assert openai.credential is None
    assert not openai.needs_credential


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\x00", "a character that YAML forbids"),
        ("a: [" * 40, "more than 32 levels"),
        ("[" * 100_000, "more than 32 levels"),
        ('a: "\\UFFFFFFFF"', "not valid YAML"),
        ("a: &a {<<: *a}", "aliases that unfold without end"),
        ("#" + "x" * 1024 * 1024, "more than 1048576 bytes"),
    ],
)
def test_hostile_text(tmp_path: Path, text: str, message: str) -> None:
    """What would exhaust or confuse a parser is a problem like any other."""
    assert problems_of(tmp_path, text) == [f": {message}"]


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is refused with the line."""
    path = tmp_path / "trunkline.yaml"
    path.write_bytes(b"providers:\n  caf\xe9: {dialect: openai}\n")
    with pytest.raises(ConfigError, match=r"trunkline\.yaml:2: not text in UTF-8"):
        load(path, {})


def test_settings_and_file_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` tells what is wrong with the environment and with the file in one run."""
    monkeypatch.chdir(BROKEN)
    result = check(TRUNKLINE_CONFIG="unknown_dialect.yaml", TRUNKLINE_WORKERS="none")
    assert result.exit_code == 2
    assert [line.partition(". ")[0] for line in result.stderr.splitlines()] == [
        'TRUNKLINE_WORKERS: must be a whole number or "auto"',
        "unknown_dialect.yaml:3: providers.openai.dialect: no dialect 'opnai'",
    ]


def test_missing_file(tmp_path: Path) -> None:
    """A file that isn't there is named, and a variable only where it was the variable that named it."""
    none = f"{tmp_path}/none.yaml"
    result = check(none)
    assert result.exit_code == 2
    assert result.stderr == f"{none}: no such file. Make it, or name another\n"
    result = check(TRUNKLINE_CONFIG=none)
    assert result.stderr == f"{none}: no such file. Make it, or name another with TRUNKLINE_CONFIG\n"


def test_check_for_machines(tmp_path: Path) -> None:
    """--json gives one object with what was understood, or with the problems."""
    path = written(tmp_path, WHOLE)
    result = check(str(path), "--json", KEY="sk-1", TRUNKLINE_LISEN="x")
    good = json.loads(result.stdout)
    assert result.exit_code == 0
    assert good["ok"] is True
    assert [model["name"] for model in good["models"]] == ["fast", "small"]
    assert good["providers"][0] == {
        "name": "openai",
        "dialect": "openai",
        "base_url": "https://api.openai.com/v1",
        "has_credential": True,
        "presents": None,
    }
    assert [warning["key"] for warning in good["warnings"]] == ["TRUNKLINE_LISEN", "providers.local.gguf"]

    result = check(str(BROKEN / "unknown_dialect.yaml"), "--json")
    bad = json.loads(result.stdout)
    assert result.exit_code == 2
    assert bad["ok"] is False
    assert list(bad) == list(good)
    assert [key for key, value in bad.items() if value is None] == list(good)[2:]
    assert bad["problems"][0]["line"] == 3
    assert bad["problems"][0]["key"] == "providers.openai.dialect"
    assert result.stderr == ""


def test_callers_that_nobody_proves_are_a_doubt(tmp_path: Path) -> None:
    """Orgs and keys that nothing holds to are warned of, each where it is stated."""
    path = tmp_path / "trunkline.yaml"
    text = """
providers: {p: {dialect: openai, base_url: "http://127.0.0.1:1/v1", api_key: abc}}
models: {m: {deployments: [{provider: p, upstream_model: x}]}}
orgs: {acme: {limits: [600 requests/minute]}}
"""
    path.write_text(text)
    document = load(path, {})
    [doubt] = doubts(Settings(), document, build(document, with_capabilities=False), {})
    assert (doubt.key, doubt.message.partition(":")[0]) == ("orgs", "nobody is held to it")


def test_doubts(tmp_path: Path) -> None:
    """What is allowed and probably not meant is warned of, and the exit code stays 0."""
    text = """
providers:
  openai: {dialect: openai, api_key: "${TRUNKLINE_OPENAI_KEY:-}"}
  keyless: {dialect: openai}
  own: {dialect: openai, base_url: https://own.example/v1, api_key: "${TRUNKLINE_OPENAI_KEY:-}"}
  far: {dialect: openai, base_url: http://far.example/v1/chat/completions, api_key: abc}
  spare: {dialect: openai, base_url: http://127.0.0.1:1/v1}
  pathless: {dialect: anthropic, base_url: https://api.anthropic.com, api_key: abc}
  filed:
    dialect: vertex
    project: p
    credentials_file: none.json
models:
  m:
    deployments:
      - {provider: pathless, upstream_model: x}
      - {provider: filed, upstream_model: x}
      - {provider: openai, upstream_model: x}
      - {provider: keyless, upstream_model: x}
      - {provider: own, upstream_model: x}
      - {provider: far, upstream_model: x}
"""
    given = {"TRUNKLINE_LISEN": "x", "TRUNKLINE_OPENAI_KEY": "", "TRUNKLINE_LISTEN": "127.0.0.1:1,0.0.0.0:50051"}
    result = check(str(written(tmp_path, text)), **given)
    assert result.exit_code == 0
    where = f"warning: {tmp_path}/trunkline.yaml"
    assert result.stderr.splitlines() == [
        "warning: TRUNKLINE_LISTEN: 0.0.0.0:50051 is open to the network, and the gateway asks callers for no key."
        " Let only your services reach it, ask for certificates (TRUNKLINE_TLS_CLIENT_CA_FILE), or listen on 127.0.0.1"
        " or unix:/path",
        "warning: TRUNKLINE_LISEN: no such setting. Did you mean 'TRUNKLINE_LISTEN'?",
        f"{where}:3: providers.openai.api_key: empty, so calls to this provider are refused."
        " Set the variable or file that it names",
        f"{where}:4: providers.keyless.api_key: missing, so calls to this provider are refused. Add api_key",
        f"{where}:5: providers.own.api_key: empty, so calls to this provider go without a key."
        " Set the variable or file that it names, or take api_key out",
        f"{where}:6: providers.far.base_url: the credential travels in clear text. Use https",
        f"{where}:6: providers.far.base_url: ends in /chat/completions, which the gateway adds itself."
        " End it before that, such as in /v1",
        f"{where}:8: providers.pathless.base_url: has no path, and that of the provider itself is /v1."
        " Add it, or take base_url out",
        f"{where}:7: providers.spare: no model uses it. Add a deployment of it to a model, or take it out",
        f"{where}:12: providers.filed.credentials_file: no such file."
        " Put it there. A path that begins without a slash begins at the folder of this file",
    ]
    assert "http://far.example/v1/chat/completions" in result.stdout


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            "dialect: bedrock, region: eu-central-1, access_key_id: a",
            "secret_access_key: missing beside access_key_id. They belong together",
        ),
        (
            "dialect: bedrock, region: eu-central-1, session_token: a",
            "access_key_id: missing beside session_token. They belong together",
        ),
        (
            'dialect: azure, base_url: "https://r.example", client_id: c, client_secret: s',
            "tenant_id: missing beside client_secret. They belong together",
        ),
        (
            'dialect: azure, base_url: "https://r.example", federated_token_file: /f, managed_identity: true',
            "managed_identity: another way beside federated_token_file. Take one of them out",
        ),
        ("dialect: bedrock", "region: missing. It is required, such as eu-central-1"),
        ("dialect: azure, api_key: k", "base_url: missing. It is required, such as https://host.example"),
    ],
)
def test_settings_belong_together(tmp_path: Path, settings: str, told: str) -> None:
    """A credential that is half written, or written in two ways, is refused, as is a setting that is needed."""
    text = f"providers:\n  p: {{{settings}}}\nmodels: {{m: {{deployments: [{{provider: p, upstream_model: x}}]}}}}\n"
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert str(caught.value) == f"{tmp_path}/trunkline.yaml:2: providers.p.{told}"


def test_an_empty_setting_is_not_written(tmp_path: Path) -> None:
    """Settings that variables leave empty are as if they weren't there, so that one file serves several places."""
    keys = 'access_key_id: "${A:-}", secret_access_key: "${B:-}", session_token: "${C:-}"'
    text = f"""
providers: {{p: {{dialect: bedrock, region: eu-central-1, {keys}}}}}
models: {{m: {{deployments: [{{provider: p, upstream_model: x}}]}}}}
"""
    path = written(tmp_path, text)
    assert build(load(path, {})).providers["p"].settings.keys() == {"region", "storage_addresses"}
    assert build(load(path, {"A": "a", "B": "b"})).providers["p"].settings.keys() > {"access_key_id"}


def test_example_shows_every_setting(tmp_path: Path) -> None:
    """What the example has as comments is right too; settings that it lacks are those of credentials, told there."""
    providers, models = EXAMPLE.read_text("utf-8").split("\nmodels:\n")
    whole = re.sub(r"^  # (?=( {2})?[a-z_]+:( |$))", "  ", providers, flags=re.MULTILINE) + "\nmodels:\n" + models
    document = load(written(tmp_path, whole), {})
    shown = {entry.dialect for entry in document.config.providers.values()}
    assert shown >= {row.account.dialect for row in ROWS.values() if row.account.settings} - {"azure-responses"}
    told = set(re.findall(r"\b[a-z_]+(?=: )", whole)) | set(re.findall(r"`([a-z_]+)`", CREDENTIALS.read_text("utf-8")))
    assert {setting.name for row in ROWS.values() for setting in row.account.settings} <= told


def test_dialects_are_those_that_are_spoken(tmp_path: Path) -> None:
    """The file takes each dialect that the gateway speaks, and names them all when it meets another."""
    text = WHOLE.replace("dialect: local", "dialect: xyz")
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {"KEY": "x"})
    assert caught.value.problems[0].mend == f"Known: {', '.join(sorted(DIALECTS))}"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.0.1",
        "169.254.255.255",
        "169.255.0.1",
        "100.100.100.200",
        "100.100.100.201",
        "192.0.0.192",
        "168.63.129.16",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd21::1",
        "::1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "64:ff9b:1::a9fe:a9fe",
    ],
)
def test_addresses_refused_are_those_never_connected_to(tmp_path: Path, host: str) -> None:
    """A file is refused for a literal address exactly where the upstream client would not connect to it."""
    bracketed = f"[{host}]" if ":" in host else host
    text = WHOLE.replace("127.0.0.1:8000", bracketed)
    if AddressPolicy().permits(host):
        assert load(written(tmp_path, text), {"KEY": "x"})
    else:
        [problem] = problems_of(tmp_path, text, KEY="x")
        assert problem.startswith("providers.vllm.base_url: ")


def test_a_large_file_that_is_named_often(tmp_path: Path) -> None:
    """What is filled in is bounded altogether, not only in each place."""
    large = tmp_path / "large"
    large.write_text("x" * 60_000, encoding="utf-8")
    models = "".join(
        f'  m{index}: {{description: "${{file:{large}}}", deployments: [{{provider: p, upstream_model: x}}]}}\n'
        for index in range(40)
    )
    text = f"providers:\n  p: {{dialect: openai}}\nmodels:\n{models}"
    found = problems_of(tmp_path, text)
    assert "models.m33.description: must have at most 1024 characters" in found
    assert "models.m39.description: too much is filled in altogether" in found


def test_a_document_that_a_worker_could_not_be_told(tmp_path: Path) -> None:
    """A file whose aliases unfold to more than fits into one line to a worker is refused."""
    value = "x" * 8000
    headers = "".join(f"      x-{index}: *v\n" for index in range(1, 32))
    first = f"  p0:\n    dialect: openai\n    headers: &h\n      x-0: &v {value}\n{headers}"
    others = "".join(f"  p{index}: {{dialect: openai, headers: *h}}\n" for index in range(1, 20))
    text = f"providers:\n{first}{others}models:\n  m: {{deployments: [{{provider: p0, upstream_model: x}}]}}\n"
    [problem] = problems_of(tmp_path, text)
    assert problem.startswith(": more than 3145728 characters once it is filled in")


def test_vertex_needs_a_project_or_a_key(tmp_path: Path) -> None:
    """Without either each call would end in a 404; with a key there is the express mode."""
    text = """
    providers:
      v: {dialect: vertex, location: eu%s}
    models:
      m: {deployments: [{provider: v, upstream_model: gemini-3.5-flash}]}
    """
    assert problems_of(tmp_path, text % "") == ["providers.v.project: missing"]
    for enough in (", api_key: k", ", project: my-project"):
        load(written(tmp_path, text % enough), {})


CALLERS = """
providers:
  openai: {dialect: openai, api_key: k}
models:
  smart:
    deployments: [{provider: openai, upstream_model: gpt-5-mini, reserve_output_tokens: 300}]
unpriced: allow
orgs:
  acme:
    labels: {cost-centre: "4711", stage: prod}
    models: [smart, openai/*]
    upstream_models: true
    limits: [600 requests/minute, {resource: usd, amount: 250.10, per: month}]
    teams:
      search:
        labels: {stage: test}
        max_output_tokens: 2048
        limits: [{resource: usd, amount: "100", per: month, model: smart, shadow: true}]
      other:
keys:
  - id: abcd1234
    name: Search frontend
    hash: "sha256:${DIGEST}"
    team: acme/search
    priority: high
    content: hashed
    expires_at: 2027-01-31
    limits: [20 concurrent_calls]
"""
DIGEST = "0123456789abcdef" * 4


def test_callers_of_the_file(tmp_path: Path) -> None:
    """A key of the file is a principal within its team and org: their permissions, limits and labels, nearest last."""
    snapshot = build(load(written(tmp_path, CALLERS), {"DIGEST": DIGEST}))
    record = snapshot.directory.keys["abcd1234"]
    principal = snapshot.directory.principal(record)
    assert (record.digest, record.expires_at) == (DIGEST, 1801353600.0)
    assert (principal.id, principal.org, principal.team) == ("key:abcd1234", "acme", "acme/search")
    assert dict(principal.labels) == {"cost-centre": "4711", "stage": "test"}
    assert [(limit.name, limit.scope_id, limit.capacity) for limit in principal.limits] == [
        ("acme-requests-minute", "acme", 600),
        ("acme-usd-month", "acme", 250_100_000_000),
        ("search-smart-usd-month", "acme/search", 100_000_000_000),
        ("search-frontend-concurrent-calls", "abcd1234", 20),
    ]
    permissions = principal.permissions
    assert (permissions.models, permissions.max_output_tokens) == ({"smart", "openai/*"}, 2048)
    assert permissions.upstream_models, "the org grants it, and neither team nor key takes it back"
    assert not permissions.provider_options, "nobody grants it"
    assert (principal.priority.name, principal.content) == ("HIGH", "hashed")
    assert (snapshot.unpriced_allowed, snapshot.routes["smart"].deployments[0].reserve_output_tokens) == (True, 300)


def test_callers_reach_a_worker_whole(tmp_path: Path) -> None:
    """What goes to a worker over its pipe is the same directory; another limit is another version."""
    document = load(written(tmp_path, CALLERS), {"DIGEST": DIGEST})
    assert build(Document.from_json(document.to_json())).directory == build(document).directory
    changed = load(written(tmp_path, CALLERS.replace("600 requests", "601 requests")), {"DIGEST": DIGEST})
    assert changed.version != document.version


def test_a_file_without_callers_has_an_empty_directory(tmp_path: Path) -> None:
    """Orgs and keys may be left out, and then there are none."""
    directory = build(load(written(tmp_path, WHOLE), {"KEY": "k"})).directory
    assert (dict(directory.orgs), dict(directory.teams), dict(directory.keys)) == ({}, {}, {})


def test_a_gone_org_leaves_nothing(tmp_path: Path) -> None:
    """A key whose org is no longer in the file may nothing: its limits are gone as well."""
    directory = build(load(written(tmp_path, CALLERS), {"DIGEST": DIGEST})).directory
    orphan = directory.principal_of("key", "stored", "former", "former/team")
    assert orphan.permissions.models == orphan.permissions.methods == frozenset()


def test_check_tells_of_callers(tmp_path: Path) -> None:
    """Orgs, teams and keys are shown with their limits as they could be written, and no digest is."""
    path = str(written(tmp_path, CALLERS))
    shown = check(path, DIGEST=DIGEST)
    assert shown.exit_code == 0, shown.output
    for text in ("acme/search", "250.1 usd/month", "100 usd/month, model smart, only counted", "until 2027-01-31"):
        assert text in shown.stdout
    callers = json.loads(check(path, "--json", DIGEST=DIGEST).stdout)["callers"]
    assert callers["teams"][0]["limits"][0]["limit"] == "100 usd/month"
    assert DIGEST not in shown.output + json.dumps(callers)


def test_known_methods_are_those_of_the_contract() -> None:
    """Permissions may name every method that callers have, and no other."""
    files = (completion_pb2, embedding_pb2, models_pb2, quotas_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    assert set(METHODS) == {f"{service.name}.{method.name}" for service in services for method in service.methods}


PROOFS = """
issuers:
  corp:
    issuer: https://login.example.com
    audiences: trunkline
    jwks_file: keys.json
    org: acme
    team: claims.team
    allowed_orgs: [acme]
    limits: [5 usd/day]
certificates:
  - {name: batch, spiffe_id: "spiffe://corp/batch/*", team: acme/other, priority: low}
"""


def test_issuers_and_certificates_of_the_file(tmp_path: Path) -> None:
    """What proves a caller is told with what it gives; a file of keys begins at the folder of the configuration."""
    document = load(written(tmp_path, CALLERS + PROOFS), {"DIGEST": DIGEST})
    directory = build(Document.from_json(document.to_json())).directory
    (issuer,), (certificate,) = directory.issuers, directory.certificates
    assert (issuer.name, issuer.issuer, issuer.audiences) == ("corp", "https://login.example.com", ("trunkline",))
    assert issuer.jwks_file == str(tmp_path / "keys.json")
    assert "HS256" not in issuer.algorithms
    assert (issuer.grants.org, issuer.grants.team, issuer.allowed_orgs) == ("acme", "claims.team", {"acme"})
    assert [limit.name for limit in issuer.grants.limits] == ["corp-usd-day"]
    assert (certificate.spiffe_id, certificate.grants.org, certificate.grants.team) == (
        "spiffe://corp/batch/*", "acme", "acme/other")  # fmt: skip
    assert certificate.grants.priority.name == "LOW"
