"""The pure decisions of routing."""

import random
from collections import Counter

import pytest

from trunkline import v1
from trunkline_server.core import errors
from trunkline_server.core.deployment import Deployment, Provider, Route
from trunkline_server.core.http import Endpoint
from trunkline_server.routing.order import order
from trunkline_server.routing.retry import MAX_ATTEMPTS, MAX_TRIES, GiveUp, Retry, decide

ENDPOINT = Endpoint(scheme="http", host="127.0.0.1", port=9)


def deployment(name, **fields):
    provider = Provider(name=name, dialect="openai", endpoint=ENDPOINT)
    return Deployment(name=f"{name}/m", provider=provider, upstream_model="m", **fields)


def route(*tiers):
    return Route(model="m", tiers=tiers)


def names(deployments):
    return [one.provider.name for one in deployments]


def test_tiers_come_in_order_and_whole():
    """Every deployment of a tier comes before any of the next."""
    tiers = (deployment("a"), deployment("b")), (deployment("c", tier=1),)
    for seed in range(20):
        found = names(order(route(*tiers), v1.RoutingPreferences(), random.Random(seed)))
        assert set(found[:2]) == {"a", "b"}
        assert found[2] == "c"


def test_shares_within_a_tier_follow_the_weights():
    """A deployment of weight 3 comes first three times as often as one of weight 1."""
    rng = random.Random(7)
    one = route((deployment("a", weight=3), deployment("b", weight=1)))
    first = Counter(names(order(one, v1.RoutingPreferences(), rng))[0] for _ in range(4000))
    assert 0.72 < first["a"] / 4000 < 0.78


def test_wishes_narrow_the_choice():
    """Allowed and denied providers and regions leave what passes all four."""
    one = route((deployment("a", region="eu"), deployment("b", region="us"), deployment("c", region="eu")))
    wishes = v1.RoutingPreferences(denied_providers=["c"], allowed_regions=["eu"])
    assert names(order(one, wishes, random.Random(1))) == ["a"]


def follow(error, **fields):
    given = {
        "attempts": 1,
        "others": True,
        "content_sent": False,
        "remaining_s": 10.0,
        "rng": random.Random(1),
        **fields,
    }
    return decide(error, **given)


def test_nothing_follows_once_content_was_sent():
    """A second try would send the text twice."""
    assert follow(errors.UpstreamBroken("cut"), content_sent=True) == GiveUp()


def test_what_the_request_caused_is_not_tried_elsewhere():
    """A refused request fails at once."""
    for error in (errors.UpstreamRejected("no"), errors.ContextLengthExceeded("no"), errors.ModelNotFound("no")):
        assert follow(error) == GiveUp()


def test_a_replaced_credential_is_tried_where_the_old_one_was_refused():
    """The same deployment comes first, at once, whether or not there are others."""
    refused = errors.UpstreamAuthFailed("expired")
    refused.renewed = True
    for others in (True, False):
        assert follow(refused, others=others) == Retry(delay_s=0.0, same=True)
    assert follow(refused, content_sent=True) == GiveUp()


@pytest.mark.parametrize("kind", [errors.UpstreamRateLimited, errors.UpstreamAuthFailed, errors.UpstreamFailed])
def test_another_deployment_is_tried_at_once(kind):
    """While there is another deployment nobody waits."""
    assert follow(kind("down")) == Retry(delay_s=0.0, same=False)


def test_the_last_deployment_is_tried_again_only_where_that_may_help():
    """A failure is repeated after a delay; a refused credential is not."""
    again = follow(errors.UpstreamFailed("down"), others=False)
    assert isinstance(again, Retry)
    assert again.same
    assert 0 <= again.delay_s <= 2.0
    assert follow(errors.UpstreamAuthFailed("no"), others=False) == GiveUp()
    assert follow(errors.UpstreamRateLimited("no"), others=False) == GiveUp()


def test_retry_after_is_honoured_or_left_to_the_caller():
    """A short wait is kept to the letter, a long one is the caller's."""
    short = errors.UpstreamOverloaded("busy", retry_after_s=0.7)
    assert follow(short, others=False) == Retry(delay_s=0.7, same=True)
    assert follow(errors.UpstreamOverloaded("busy", retry_after_s=30), others=False) == GiveUp()


def test_a_repeat_has_to_fit_the_deadline_and_the_count():
    """Neither a call that is nearly over nor one that failed often is tried again."""
    assert follow(errors.UpstreamFailed("down"), remaining_s=0.04) == GiveUp()
    assert follow(errors.UpstreamFailed("down"), attempts=MAX_ATTEMPTS, others=False) == GiveUp()
    assert follow(errors.UpstreamFailed("down"), attempts=MAX_ATTEMPTS) == Retry(delay_s=0.0, same=False)
    assert follow(errors.UpstreamFailed("down"), attempts=MAX_TRIES) == GiveUp()


def test_an_endpoint_that_is_full_is_left_for_another():
    """Nothing was sent, so nothing is lost; alone, it is the caller's to wait."""
    assert follow(errors.Overloaded("full", retry_after_s=0.1)) == Retry(delay_s=0.0, same=False)
    assert follow(errors.Overloaded("full", retry_after_s=0.1), others=False) == GiveUp()
