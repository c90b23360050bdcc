"""Which providers share a credential, and what a reload keeps."""

import dataclasses
import subprocess
import sys

import pytest

from tests.integration.credentials.presenting import FAR, REQUEST, bearer, credentials, provider, token_of
from trunkline_server.core.errors import UpstreamAuthFailed
from trunkline_server.credentials import store
from trunkline_server.credentials.kinds import KINDS, Kind


@pytest.fixture
def counting(monkeypatch):
    """Each fetch of any kind gives another token."""
    fetched = []

    def fetch(kind, settings, ca_file):
        fetched.append(dict(settings))
        return bearer(f"t{len(fetched)}")

    monkeypatch.setattr(Kind, "fetch", fetch)
    return fetched


async def token(holder, of):
    return token_of(await holder.presenter(of).present(REQUEST, until=FAR))


async def test_a_provider_with_a_fixed_key_has_no_presenter(counting):
    """Nothing is fetched for it, at the start or later."""
    holder = credentials()
    fixed = provider("")
    holder.keep([fixed])
    assert holder.presenter(fixed) is None
    assert counting == []


async def test_a_reload_with_the_same_settings_keeps_the_token(counting):
    """The token of a provider outlives a new configuration that says the same of it."""
    holder = credentials()
    holder.keep([provider("google", credentials_file="/a")])
    first = await token(holder, provider("google", credentials_file="/a"))
    holder.keep([provider("google", name="renamed", credentials_file="/a")])
    assert await token(holder, provider("google", name="renamed", credentials_file="/a")) == first
    assert len(counting) == 1


async def test_other_settings_bring_another_token(counting):
    """A changed setting of the credential is in force with the reload; one of something else changes nothing."""
    holder = credentials()
    holder.keep([provider("google", credentials_file="/a", location="eu")])
    first = await token(holder, provider("google", credentials_file="/a", location="us"))
    holder.keep([provider("google", credentials_file="/b")])
    assert await token(holder, provider("google", credentials_file="/b")) != first
    assert len(counting) == 2


async def test_what_a_reload_drops_still_ends_its_calls(counting):
    """A call that began under the old configuration gets a credential, and the next reload forgets it."""
    holder = credentials()
    holder.keep([])
    assert await token(holder, provider("google")) == "t1"
    assert repr(holder) == "Credentials(1 kept)"
    holder.keep([])
    assert repr(holder) == "Credentials(0 kept)"


async def test_a_start_fetches_before_the_first_call(counting):
    """`keep` begins the fetch, so that the first call finds the token or waits for the rest of it."""
    holder = credentials()
    holder.keep([provider("aws", region="eu-central-1"), provider("aws", name="twin", region="eu-central-1")])
    await token(holder, provider("aws", region="eu-central-1"))
    assert counting == [{"region": "eu-central-1"}]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_extra_is_told_with_its_mend(kind, monkeypatch, lines):
    """Without its libraries a kind fails in a line that says what to install; with them nothing is missing."""
    assert not KINDS[kind].missing
    absent = dataclasses.replace(KINDS[kind], needs=("no_such_package.inside",), source="no_such_package.inside:Source")
    monkeypatch.setattr(store, "KINDS", {kind: absent})
    with pytest.raises(UpstreamAuthFailed):
        await token(credentials(), provider(kind))
    assert lines == [
        f"cloud: no token from {absent.issuer} "
        f"(no_such_package.inside is not installed; pip install 'trunkline-server[{absent.extra}]')\n"
    ]


def test_the_table_loads_nothing_heavy():
    """Whoever reads the table of kinds, as the supervisor does, loads none of what they need."""
    heavy = "{'google.auth', 'requests', 'azure', 'botocore', 'google.protobuf'}"
    code = f"import sys, trunkline_server.credentials.kinds; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
