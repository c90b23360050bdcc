"""What `trunkline check` and the start say of providers whose credentials are issued."""

import pytest

from tests.integration.credentials.presenting import presenting
from tests.running import KEY
from trunkline_server.config import build, doubts, load
from trunkline_server.config.settings import Settings
from trunkline_server.credentials import kinds
from trunkline_server.credentials.kinds import KINDS


@pytest.fixture
def told(tmp_path):
    """The doubts of a configuration whose provider presents what a kind issues."""

    def tell(kind, scheme="https"):
        path = tmp_path / "trunkline.yaml"
        path.write_text(
            f"providers: {{p: {{dialect: openai, base_url: '{scheme}://provider.example/v1', api_key: {KEY}}}}}\n"
            "models: {m: {deployments: [{provider: p, upstream_model: x}]}}\n"
        )
        document = load(path, {})
        found = doubts(Settings(), document, presenting(build(document), kind, name="p"), {})
        return [str(problem).removeprefix(f"{path}") for problem in found]

    return tell


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_doubted_where_all_is_installed(kind, told):
    """A provider without a key of its own is fine if it presents what is issued."""
    assert told(kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_extra_is_told_with_its_mend(kind, told, monkeypatch):
    """Before the first call the operator reads what to install."""
    monkeypatch.setattr(kinds, "_is_there", lambda module: False)
    (line,) = told(kind)
    assert f"{KINDS[kind].needs[0]} is not installed, so calls to this provider fail" in line
    assert f"pip install 'trunkline-server[{KINDS[kind].extra}]'" in line


def test_an_issued_token_in_clear_text_is_told(told):
    """http to another machine shows a token as it shows a key."""
    (line,) = told("google", scheme="http")
    assert "travels in clear text" in line
