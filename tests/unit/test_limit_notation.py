"""Limits as people write them: what each line means, and what is refused with which mend."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline_server.core.limit import MAX_AMOUNT, NANO, Limit, Period, Resource, Scope, Window
from trunkline_server.core.limit_notation import LimitRefused, LimitTerms, limit_of, limit_text, parse_limit


def parsed(text: str) -> Limit:
    return parse_limit(text, scope=Scope.TEAM, scope_id="acme/search")


def refused(text: str) -> LimitRefused:
    with pytest.raises(LimitRefused) as caught:
        parsed(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "resource", "capacity", "window", "period", "period_s", "name"),
    [
        ("600 requests/minute", "requests", 600, "token_bucket", None, 60, "search-requests-minute"),
        ("250 usd/month", "nano_usd", 250 * NANO, "calendar", "month", 0, "search-usd-month"),
        ("250.50 usd per month", "nano_usd", 250_500_000_000, "calendar", "month", 0, "search-usd-month"),
        ("20 concurrent_calls", "concurrent_calls", 20, "in_use", None, 0, "search-concurrent-calls"),
        ("1M tokens/day rolling", "tokens", 10**6, "rolling", None, 86_400, "search-tokens-day-rolling"),
        ("2.5k output_tokens/hour", "output_tokens", 2500, "token_bucket", None, 3600, "search-output-tokens-hour"),
        ("1_000 input_tokens/30 days", "input_tokens", 1000, "rolling", None, 2_592_000, "search-input-tokens-30-days"),
        ("1 request/90s", "requests", 1, "token_bucket", None, 90, "search-requests-90-seconds"),
        ("5 usd/week", "nano_usd", 5 * NANO, "calendar", "week", 0, "search-usd-week"),
        ("9 requests/minute calendar", "requests", 9, "calendar", "minute", 0, "search-requests-minute-calendar"),
        ("0.000000001 usd/day", "nano_usd", 1, "calendar", "day", 0, "search-usd-day"),
    ],
)
def test_line(text: str, resource: str, capacity: int, window: str, period: str, period_s: float, name: str) -> None:
    """A line means one limit: exact units, the window that its time has by default, and a name that can be read."""
    limit = parsed(text)
    assert (limit.resource, limit.capacity, limit.window) == (resource, capacity, window)
    assert (limit.period, limit.period_s, limit.name) == (period, period_s, name)
    assert (limit.scope, limit.scope_id) == (Scope.TEAM, "acme/search")


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("", "notation"),
        ("600", "notation"),
        ("-5 requests/minute", "notation"),
        ("600 requests/minute rolling twice", "notation"),
        ("9" * 500 + " requests/day", "notation"),
        ("3 bananas/day", "resource"),
        ("600 requests", "per"),
        ("5 requests/fortnight", "per"),
        ("20 concurrent_calls/minute", "per"),
        ("250 usd/month rolling", "per"),
        ("250 usd/month token_bucket", "per"),
        ("5 requests/30 days calendar", "per"),
        ("5 requests/0 days", "per"),
        ("5 requests/400 days", "per"),
        ("20 concurrent_calls rolling", "window"),
        ("600 requests/minute in_use", "window"),
        ("600 requests/minute often", "window"),
        ("0 requests/minute", "amount"),
        ("1.5 requests/minute", "amount"),
        ("1.2.3 requests/minute", "amount"),
        ("0.0000000001 usd/day", "amount"),
        (f"{MAX_AMOUNT // NANO + 1} usd/month", "amount"),
        (f"{MAX_AMOUNT + 1} tokens/day", "amount"),
    ],
)
def test_refused_line(text: str, term: str) -> None:
    """What can't be meant is refused, naming the term and how to mend it."""
    refusal = refused(text)
    assert refusal.term == term
    assert refusal.message
    assert refusal.mend


def test_model_and_shadow_are_part_of_it() -> None:
    """A limit for one model has it in its id and its name; a name that is given stays."""
    one = parse_limit("5 usd/day", scope=Scope.ORG, scope_id="acme", model="smart", shadow=True)
    assert (one.name, one.model, one.shadow) == ("acme-smart-usd-day", "smart", True)
    assert one.id != parse_limit("5 usd/day", scope=Scope.ORG, scope_id="acme").id
    assert parse_limit("5 usd/day", scope=Scope.KEY, scope_id="x", name="mine").name == "mine"
    assert parse_limit("5 usd/day", scope=Scope.KEY, scope_id="x", owner="frontend").name == "frontend-usd-day"


_TERMS = st.one_of(
    st.tuples(st.sampled_from(["requests", "tokens", "usd"]), st.sampled_from(["minute", "hour", "day", "week"]),
              st.sampled_from(["", "token_bucket", "rolling", "calendar"])),
    st.tuples(st.sampled_from(["requests", "usd"]), st.just("month"), st.sampled_from(["", "calendar"])),
    st.tuples(st.just("tokens"), st.integers(1, 366).map("{} days".format), st.sampled_from(["", "token_bucket"])),
    st.tuples(st.just("tokens"), st.integers(1, 9999).map("{}s".format), st.sampled_from(["", "rolling"])),
    st.just(("concurrent_calls", "", "")),
)  # fmt: skip


@given(terms=_TERMS, amount=st.integers(1, 9_000_000))
def test_text_of_a_limit_means_the_limit(terms: tuple[str, str, str], amount: int) -> None:
    """What a limit is shown as can be written again and means the same limit."""
    resource, per, window = terms
    limit = limit_of(
        LimitTerms(resource=resource, amount=amount, per=per, window=window), scope=Scope.ORG, scope_id="acme"
    )
    again = parse_limit(limit_text(limit), scope=Scope.ORG, scope_id="acme")
    assert (again.id, again.capacity) == (limit.id, limit.capacity)


@given(nano=st.integers(1, MAX_AMOUNT))
def test_money_is_exact(nano: int) -> None:
    """Every amount of nano-USD that can be counted can be written, and comes back as it was."""
    assert parsed(f"{Decimal(nano) / NANO:f} usd/day").capacity == nano


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9.kM_]{1,8} [a-z_]{1,8}/[0-9a-z ]{1,8}", fullmatch=True))
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    """No text makes anything but a limit within bounds, or a refusal."""
    try:
        limit = parsed(text)
    except LimitRefused:
        return
    assert 1 <= limit.capacity <= MAX_AMOUNT
    assert limit.resource in Resource
    assert limit.window in Window
    assert limit.period is None or limit.period in Period
