"""No secret of a configuration is seen where people and logs look, whatever is wrong with it."""

import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline_server.cli.check import command
from trunkline_server.config import ConfigError, Settings, build, load

CANARY = "canary-3f1e"

GOOD = f"""
providers:
  openai:
    dialect: openai
    base_url: https://host.example/v1
    api_key: {CANARY}-literal
    headers: {{X-Literal: {CANARY}, X-Variable: "${{SECRET}}"}}
  other:
    dialect: openai
    api_key: "${{SECRET}}"
models:
  m: {{deployments: [{{provider: openai, upstream_model: x}}]}}
"""

SPOILED = {
    "user in the URL": GOOD.replace("https://", f"https://user:{CANARY}@"),
    "user in the URL of no scheme": GOOD.replace("https://", f"user:{CANARY}@"),
    "URL with a bad port": GOOD.replace("https://host.example", f"https://{CANARY}:{CANARY}"),
    "key with a space": GOOD.replace("-literal", " two words"),
    "key of another kind": GOOD.replace(f"api_key: {CANARY}-literal", f"api_key: [{CANARY}]"),
    "key in the wrong place": GOOD.replace("dialect: openai\n    base", f"apikey: {CANARY}\n    base"),
    "variable for the dialect": GOOD.replace("dialect: openai\n    api_key", 'dialect: "${SECRET}"\n    api_key'),
    "variable for the provider": GOOD.replace("provider: openai", 'provider: "${SECRET}"'),
    "variable for a number": GOOD.replace("upstream_model: x", 'upstream_model: x, weight: "${SECRET}"'),
    "header with a line break": GOOD.replace(f"X-Literal: {CANARY}", f'X-Literal: "{CANARY}\\n"'),
    "header as the key of a mapping": GOOD.replace(f"X-Literal: {CANARY}", f'"Authorization: Bearer {CANARY}"'),
    "alias that is a key": GOOD.replace(f"{CANARY}-literal", f"*{CANARY}"),
    "tag that is a key": GOOD.replace(f"{CANARY}-literal", f"!{CANARY} x"),
    "quote that does not close": GOOD.replace(f"{CANARY}-literal", f'"{CANARY}'),
    "variable that is a key": GOOD.replace(f"{CANARY}-literal", f"${{sk.{CANARY}}}"),
    "key twice": GOOD.replace("    headers", f"    api_key: {CANARY}\n    headers"),
}


def everything_of(error: BaseException | None) -> str:
    """All that a log could show of an exception: text, repr and the chain behind it, suppressed or not."""
    seen = ""
    while error is not None:
        seen += f"{error}\n{error!r}\n{error.args!r}\n{''.join(traceback.format_exception(error))}"
        error = error.__cause__ or error.__context__
    return seen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trunkline.yaml"


@pytest.mark.parametrize("text", SPOILED.values(), ids=SPOILED.keys())
def test_refused_file(path: Path, text: str) -> None:
    """A refusal shows no value, neither in its text nor in what lies behind it nor on the screen."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {"SECRET": CANARY})
    assert CANARY not in everything_of(caught.value)
    for option in ((), ("--json",)):
        result = CliRunner().invoke(command, [str(path), *option], env={"SECRET": CANARY})
        assert result.exit_code == 2
        assert CANARY not in result.output


def test_good_file(path: Path) -> None:
    """What was understood is shown without values: on the screen, as JSON and in every repr."""
    path.write_text(GOOD, encoding="utf-8")
    document = load(path, {"SECRET": CANARY})
    snapshot = build(document)
    shown = f"{document!r} {document} {document.config!r} {document.config.model_dump_json()} {snapshot!r}"
    shown += f" {snapshot.providers!r} {snapshot.routes!r} {snapshot.version}"
    for option in ((), ("--json",)):
        result = CliRunner().invoke(command, [str(path), *option], env={"SECRET": CANARY})
        assert result.exit_code == 0
        shown += result.output
    assert CANARY not in shown
    assert CANARY in document.to_json()
    assert dict(snapshot.providers["openai"].headers)["x-variable"] == CANARY


def test_refused_file_value(path: Path, tmp_path: Path) -> None:
    """A file that is filled in and unfit is named, and its content isn't shown."""
    secret = tmp_path / "secret"
    secret.write_bytes(CANARY.encode() + b"\xff")
    path.write_text(GOOD.replace(f"{CANARY}-literal", f"${{file:{secret}}}"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {"SECRET": "x"})
    assert str(secret) in str(caught.value)
    assert CANARY not in everything_of(caught.value)


def test_refused_settings() -> None:
    """A setting that is refused isn't shown, whatever was pasted into it."""
    for name in Settings.model_fields.keys() - {"config", "data_dir"}:
        with pytest.raises(ConfigError) as caught:
            Settings.load({f"TRUNKLINE_{name.upper()}": f"{CANARY} pasted"})
        assert CANARY not in everything_of(caught.value)
