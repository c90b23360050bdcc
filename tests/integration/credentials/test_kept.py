"""How a credential is kept fresh: one fetch for all, ahead of need, and a memory for failures."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from tests.integration.credentials.presenting import (
    FAR,
    REQUEST,
    Script,
    at_once,
    bearer,
    credentials,
    kept,
    provider,
    token_of,
)
from trunkline_server.core.errors import UpstreamAuthFailed, UpstreamUnreachable
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.grant import NoGrant

CANARY = "canary-6f1d2e9ab3"
SOON = {"lead_s": 60.0, "lead_share": 1.0}
"""A grant of a minute is replaced as soon as it is there."""


async def test_many_calls_share_one_fetch():
    """A hundred calls that come at once get the token of one fetch."""
    script = Script()
    presenter = kept(script)
    calls = [asyncio.create_task(presenter.present(REQUEST, until=FAR)) for _ in range(100)]
    await script.begun(1)
    script.give(bearer("t1"))
    assert {token_of(request) for request in await asyncio.gather(*calls)} == {"t1"}
    assert script.asked == 1


async def test_a_held_token_is_presented_without_waiting():
    """Once there is a token, the coroutine ends at its first step."""
    script = Script()
    script.give(bearer("t1"))
    presenter = kept(script)
    await presenter.present(REQUEST, until=FAR)
    assert at_once(presenter) == "t1"


async def test_the_rest_of_a_request_stays_as_it_was():
    """Only the header that authorises is added, in place of one that was there."""
    script = Script()
    script.give(bearer("t1", None))
    presenter = kept(script)
    given = await presenter.present(REQUEST, until=FAR)
    assert given.headers == (*REQUEST.headers, ("authorization", "Bearer t1"))
    assert (await presenter.present(given, until=FAR)) == given
    assert (given.body, given.target, given.endpoint) == (REQUEST.body, REQUEST.target, REQUEST.endpoint)


async def test_a_cancelled_call_leaves_the_fetch_to_the_others():
    """The call that began a fetch goes away; another still gets its token."""
    script = Script()
    presenter = kept(script)
    first = asyncio.create_task(presenter.present(REQUEST, until=FAR))
    await script.begun(1)
    second = asyncio.create_task(presenter.present(REQUEST, until=FAR))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    script.give(bearer("t1"))
    assert token_of(await second) == "t1"
    assert script.asked == 1


async def test_a_call_waits_no_longer_than_its_limit():
    """At `until` the call ends with TimeoutError, and the token that comes later is there for the next."""
    script = Script()
    presenter = kept(script)
    with pytest.raises(TimeoutError):
        await presenter.present(REQUEST, until=asyncio.get_running_loop().time() + 0.02)
    waiting = asyncio.create_task(presenter.present(REQUEST, until=FAR))
    script.give(bearer("t1"))
    assert token_of(await waiting) == "t1"
    assert script.asked == 1


async def test_a_call_without_a_limit_gives_a_slow_issuer_up():
    """An issuer that does not answer is unreachable after a while, so that another deployment is tried."""
    script = Script()
    presenter = kept(script, patience_s=0.02)
    with pytest.raises(UpstreamUnreachable, match="in time"):
        await presenter.present(REQUEST, until=FAR)
    script.give(bearer("t1"))


async def test_a_token_is_replaced_ahead_of_its_end():
    """The second fetch begins while the first token is valid, and no call waits for it."""
    script = Script()
    presenter = kept(script, **SOON)
    script.give(bearer("t1", 60))
    await presenter.present(REQUEST, until=FAR)
    await script.begun(2)
    assert at_once(presenter) == "t1"
    script.give(bearer("t2"))
    while at_once(presenter) == "t1":
        await asyncio.sleep(0)
    assert at_once(presenter) == "t2"
    presenter.close()


async def test_an_expired_token_is_not_presented():
    """A call after the end of a token waits for the next one."""
    script = Script()
    presenter = kept(script)
    script.give(bearer("t1", 0.05))
    await presenter.present(REQUEST, until=FAR)
    while at_once(presenter) == "t1":
        await asyncio.sleep(0.005)
    script.give(bearer("t2"))
    assert token_of(await presenter.present(REQUEST, until=FAR)) == "t2"


async def test_a_failed_replacement_leaves_the_old_token_in_use():
    """While the issuer fails, the valid token is presented, and the fetch is tried again by itself."""
    script = Script()
    presenter = kept(script, **SOON, first_delay_s=0.01)
    script.give(bearer("t1", 60))
    await presenter.present(REQUEST, until=FAR)
    script.give(NoGrant("Down", status=503, unreachable=True))
    await script.begun(3)
    assert at_once(presenter) == "t1"
    script.give(bearer("t2"))
    while at_once(presenter) == "t1":
        await asyncio.sleep(0)
    assert at_once(presenter) == "t2"
    presenter.close()


async def forgotten(failure):
    """Wait as long as a failure says. Timers of uvloop are up to a millisecond early."""
    await asyncio.sleep(failure.retry_after_s + 0.002)


async def test_a_failure_is_remembered_and_then_tried_again():
    """Calls right after a failure fail at once and without a fetch; after retry_after_s the next one fetches."""
    script = Script()
    presenter = kept(script, first_delay_s=0.3)
    script.give(NoGrant("Down", unreachable=True))
    with pytest.raises(UpstreamUnreachable):
        await presenter.present(REQUEST, until=FAR)
    with pytest.raises(UpstreamUnreachable) as again:
        await presenter.present(REQUEST, until=FAR)
    assert script.asked == 1
    assert 0 < again.value.retry_after_s <= 0.3
    await forgotten(again.value)
    script.give(bearer("t1"))
    assert token_of(await presenter.present(REQUEST, until=FAR)) == "t1"


async def test_the_memory_grows_with_each_failure_up_to_a_bound():
    """Each failure is remembered for longer, and none for longer than the most."""
    script = Script()
    presenter = kept(script, first_delay_s=0.04, most_delay_s=0.16)
    waits = []
    for _ in range(4):
        script.give(NoGrant("Refused", status=401))
        with pytest.raises(UpstreamAuthFailed) as failed:
            await presenter.present(REQUEST, until=FAR)
        waits.append(failed.value.retry_after_s)
        await forgotten(failed.value)
    assert waits[0] <= 0.04 < waits[2]
    assert max(waits) <= 0.16


async def test_what_comes_expired_is_a_failure():
    """A token that has ended already, as one does where a clock is wrong, is not presented."""
    script = Script()
    presenter = kept(script)
    script.give(bearer("t1", -5))
    with pytest.raises(UpstreamAuthFailed):
        await presenter.present(REQUEST, until=FAR)


async def test_a_refused_token_is_replaced_once_it_has_been_held_for_a_while():
    """After 401 the next call fetches another; a token that came just now is kept, since the next would fare alike."""
    script = Script()
    script.give(bearer("t0"), bearer("t1"), bearer("t2"))
    young = kept(script, quiet_s=60.0)
    assert not young.refused(await young.present(REQUEST, until=FAR), 401, {})
    assert at_once(young) == "t0"
    presenter = kept(script, quiet_s=0.0)
    request = await presenter.present(REQUEST, until=FAR)
    assert not presenter.refused(request, 403, {})
    assert presenter.refused(request, 401, {})
    assert presenter.refused(request, 401, {}), "of a call that was under way"
    assert not presenter.refused(request, 429, {}), "which says nothing of the token"
    assert token_of(await presenter.present(REQUEST, until=FAR)) == "t2"
    assert presenter.refused(request, 401, {}), "a late answer to the first token is worth a repeat"
    assert at_once(presenter) == "t2"
    assert script.asked == 3


async def test_foreign_words_stay_at_home(lines):
    """What a library raises, with whatever secret is in it, reaches neither the caller nor the log."""
    script = Script()
    presenter = kept(script)
    script.give(RuntimeError(f"bad secret {CANARY}"))
    with pytest.raises(UpstreamAuthFailed) as failed:
        await presenter.present(REQUEST, until=FAR)
    told = "".join(lines) + str(failed.value) + repr(failed.value) + repr(presenter)
    assert CANARY not in told
    assert "RuntimeError" in "".join(lines)
    assert failed.value.__cause__ is failed.value.__context__ is None


async def test_the_operator_is_told_once_and_not_per_call(lines):
    """Many failures of one kind are one line."""
    script = Script()
    presenter = kept(script, first_delay_s=0.0, most_delay_s=0.0)
    for _ in range(20):
        script.give(NoGrant("RefreshError", status=401))
        with pytest.raises(UpstreamAuthFailed):
            await presenter.present(REQUEST, until=FAR)
    assert [line.strip() for line in lines] == ["cloud: no token from a cloud (RefreshError, HTTP 401)"]


async def test_no_repr_shows_a_token():
    """Neither grant nor presenter nor holder shows what they hold."""
    script = Script()
    presenter = kept(script)
    grant = bearer(CANARY)
    script.give(grant)
    given = await presenter.present(REQUEST, until=FAR)
    holder = credentials()
    held = provider("entra", client_secret=Secret(CANARY))
    holder.presenter(held)
    for thing in (grant, presenter, given, holder, held):
        assert CANARY not in repr(thing)
    assert presenter.secrets == (CANARY,)


def test_a_fetch_that_hangs_does_not_hold_up_the_end_of_the_process():
    """The loop and the interpreter end while a fetch is under way."""
    script = textwrap.dedent("""
        import asyncio, random, threading, time, uvloop
        from trunkline_server.core.faults import FaultLog
        from trunkline_server.credentials.kept import KeepLimits, Kept
        begun = threading.Event()
        def hang():
            begun.set()
            threading.Event().wait()
        async def main():
            presenter = Kept(hang, FaultLog(time.time), KeepLimits(), issuer="a", provider="b", wall=time.time,
                             rng=random.Random())
            presenter.warm()
            begun.wait()
            presenter.close()
        uvloop.run(main())
    """)
    ended = subprocess.run([sys.executable, "-c", script], timeout=30, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
