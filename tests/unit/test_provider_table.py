"""The table of providers that speak OpenAI's chat completions: every row is whole, told of, and proven."""

import re
from datetime import date
from urllib.parse import urlsplit

import pytest

from tests.golden.folders import find
from tests.provider_page import PAGE, line, ways
from trunkline_server.config.base_url import split_base_url
from trunkline_server.core import errors
from trunkline_server.core.account import DialectRow
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.openai import ROWS
from trunkline_server.providers.openai.quirks import Quirks

TWINS = {row.account.dialect: row for row in ROWS}
REMOTE = {name: row for name, row in TWINS.items() if name != "local"}
EXAMPLES = {"databricks": {"host": "dbc-a1b2345c-d6e7.cloud.databricks.com"}, "alibaba": {"site": "beijing"}}


def quirks_of(row: DialectRow) -> Quirks:
    [quirks] = row.arguments
    assert isinstance(quirks, Quirks)
    return quirks


def test_all_are_there() -> None:
    """The gateway speaks every dialect that the page promises, and no other."""
    promised = set(re.findall(r"^\| [^|]+ \| `([a-z0-9-]+)` \| ", PAGE.read_text(), re.MULTILINE)) - {"dialect"}
    assert promised == set(DIALECTS) - {"local"}


@pytest.mark.parametrize("row", TWINS.values(), ids=TWINS)
def test_names_agree(row: DialectRow) -> None:
    """A dialect is called the same in the account, in its quirks and by what speaks it."""
    assert row.account.dialect == quirks_of(row).name == DIALECTS[row.account.dialect].name
    assert row.account.title


@pytest.mark.parametrize("row", REMOTE.values(), ids=REMOTE)
def test_where_it_is(row: DialectRow) -> None:
    """A provider is reached by TLS, or on this machine; its own address needs a key exactly if it is elsewhere."""
    account = row.account
    url = account.base_url if isinstance(account.base_url, str) else account.base_url(EXAMPLES[account.dialect])
    endpoint, _ = split_base_url(url)
    is_here = urlsplit(url).hostname == "127.0.0.1"
    assert url.startswith("http://" if is_here else "https://")
    assert str(endpoint) in url
    assert (account.key == "needed") is not is_here


@pytest.mark.parametrize("row", REMOTE.values(), ids=REMOTE)
def test_source(row: DialectRow) -> None:
    """A row says where the provider's own word stands, and when that was read."""
    assert re.fullmatch(r"https://[^\s/]+/\S*", row.account.source)
    assert date.fromisoformat(row.account.checked) >= date(2026, 11, 1)


@pytest.mark.parametrize("row", TWINS.values(), ids=TWINS)
def test_words_are_known(row: DialectRow) -> None:
    """Reasons, failures and codes name what there is."""
    quirks = quirks_of(row)
    for _, kind in (*quirks.failures, *quirks.error_codes):
        assert issubclass(getattr(errors, kind), errors.UpstreamError)
    for _, reason in quirks.finish_reasons:
        assert reason in ("STOP", "LENGTH", "CONTENT_FILTER", "TOOL_CALLS")
    assert (quirks.format != "openai") == bool(quirks.replay)


PROVEN = {name for each in find().exchanges for name in [each.dialect.name] if each.verb == "complete"}


@pytest.mark.parametrize("name", REMOTE)
def test_is_proven(name: str) -> None:
    """Every row has a whole exchange, and one with a streamed answer whose usage is told."""
    assert name in PROVEN
    streamed = [each for each in find().exchanges if each.dialect.name == name and each.stream and each.response]
    assert any(each.response["finished"].get("usage") for each in streamed)


@pytest.mark.parametrize("name", [name for name, row in TWINS.items() if quirks_of(row).replay])
def test_replay_is_proven(name: str) -> None:
    """Every row whose thoughts go back has an exchange in which they do."""
    replay = quirks_of(TWINS[name]).replay
    bodies = [each.upstream_request["body"] for each in find().exchanges if each.name == f"{name}/replay"]
    assert len(bodies) == 1
    [turn] = [message for message in bodies[0]["messages"] if message["role"] == "assistant"]
    if replay in ("thinking", "summary"):
        assert turn["content"][0]["type"] in ("thinking", "reasoning")
    else:
        assert turn[replay]


@pytest.mark.parametrize("row", REMOTE.values(), ids=REMOTE)
def test_page_tells_of_it(row: DialectRow) -> None:
    """The page about providers says what the table says of each."""
    written = PAGE.read_text()
    assert line(row.account) in written.splitlines(), "python -m tests.provider_page writes it anew"
    assert "\n".join(ways(row)) in written, "python -m tests.provider_page writes it anew"
