"""How commands that call a gateway speak: to people on a terminal, to machines in JSON.

1. Text of a model is printed as it came. On a terminal alone, control characters are made visible, so that an answer
   can't drive the terminal.
2. stdout carries answers; all else goes to stderr.
3. A failure says what was wrong, by which reason, and how to mend it. There is no traceback.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.printable import visible

__all__ = [
    "Called",
    "cost_of",
    "dollars",
    "error_as_dict",
    "note",
    "print_failure",
    "print_json",
    "print_line",
    "reported",
    "tokens",
    "usage_as_dict",
    "word",
    "write_now",
    "write_text",
]

_MENDS: Final = {
    "MODEL_NOT_FOUND": "`trunkline models` lists the models you can ask for.",
    "UNAUTHENTICATED": "Set TRUNKLINE_API_KEY to a valid key.",
    "CREDENTIAL_MISSING": "The operator gives the provider a key in trunkline.yaml; `trunkline check` tells which.",
    "UPSTREAM_AUTH_FAILED": "The operator has to renew the provider's key in trunkline.yaml.",
    "TLS_FAILED": "--ca-file names whom to trust, --server-name the name to expect, --no-tls plaintext; trying again "
    "does not help.",
    "CONTEXT_LENGTH_EXCEEDED": "Send less: a shorter prompt, or a conversation begun anew.",
}
_CLOSED: Final = "Socket closed"
"""gRPC's words where somebody took the connection and closed it: a gateway with TLS does so to those it refuses."""
_CLOSED_MEND: Final = (
    "A gateway with TLS is called with --tls or --ca-file; one that asks for certificates takes those of its own CA "
    "that have not ended, with --cert-file and --key-file."
)
_NOBODY_MEND: Final = "Start one with `trunkline serve`, or name another with --target or TRUNKLINE_TARGET."
_MENDS_BY_CODE: Final = {
    "DEADLINE_EXCEEDED": "Allow more time with --timeout.",
    "UNAVAILABLE": "Try again in a moment.",
}


class Called(Protocol):
    """Whoever is called."""

    @property
    def target(self) -> str:
        """Its address."""
        ...


@contextmanager
def reported(
    client: "Called", *, as_json: bool = False, as_lines: bool = False, nobody: str = _NOBODY_MEND
) -> Iterator[None]:
    """Turns a failure into words (or JSON, or a line of it) and exit code 1, an interrupt into 130.

    `nobody` is the mend where nobody answers.
    """
    try:
        yield
    except trunkline.TrunklineError as failure:
        if as_lines:
            print_line({"event": "error", "error": error_as_dict(failure)})
        elif as_json:
            print_json({"error": error_as_dict(failure)})
        else:
            print_failure(failure, client.target, nobody=nobody)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        click.echo(err=True)
        raise SystemExit(130) from None


def print_failure(failure: "trunkline.TrunklineError", target: str, *, nobody: str = _NOBODY_MEND) -> None:
    """Tell a person what failed and what to do about it."""
    if failure.reason == "GATEWAY_UNREACHABLE":
        _print_unreachable(failure, target, nobody)
        return
    click.secho(f"error: {visible(failure.message)}", fg="red", err=True)
    for violation in failure.violations:
        line = f"{violation.field}: {violation.description}"
        if line != failure.message:
            note(f"  {line}")
    said_by = f", said by {failure.domain}" if failure.domain else ""
    note(f"  reason: {failure.reason} ({failure.code}{said_by})")
    if failure.request_id:
        note(f"  request id: {failure.request_id}")
    mend = _mend(failure)
    if mend:
        click.echo(mend, err=True)


def _print_unreachable(failure: "trunkline.TrunklineError", target: str, nobody: str) -> None:
    closed = _CLOSED in failure.message
    what = f"{target} takes the connection and closes it" if closed else f"no gateway answers at {target}"
    click.secho(f"error: {what}", fg="red", err=True)
    note(f"  {failure.message}")
    note(f"  request id: {failure.request_id}")
    click.echo(_CLOSED_MEND if closed else nobody, err=True)


def _mend(failure: "trunkline.TrunklineError") -> str:
    if failure.retry_after is not None:
        return f"Try again after {failure.retry_after.total_seconds():g} s."
    return _MENDS.get(failure.reason) or _MENDS_BY_CODE.get(failure.code, "")


def error_as_dict(failure: "trunkline.TrunklineError") -> dict[str, Any]:
    """A failure for machines."""
    return {
        "code": failure.code,
        "reason": failure.reason,
        "domain": failure.domain,
        "message": failure.message,
        "retry_after_s": None if failure.retry_after is None else failure.retry_after.total_seconds(),
        "violations": [{"field": each.field, "description": each.description} for each in failure.violations],
        "request_id": failure.request_id,
    }


def word(enum: Any, value: int) -> str:
    """The word of an enum's value without its prefix: "STOP". A newer gateway's value, unknown here, is its number."""
    if value not in enum.values():
        return str(value)
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return str(enum.Name(value)).removeprefix(prefix)


def usage_as_dict(usage: v1.Usage) -> dict[str, Any]:
    """The numbers that are known, by the names of the contract, and how they are known."""
    numbers = {field.name: value for field, value in usage.ListFields() if field.cpp_type == field.CPPTYPE_INT64}
    sources = {name: word(v1.UsageSource, getattr(usage, name)) for name in ("input_source", "output_source")}
    numbers |= {name: source for name, source in sources.items() if source != "UNSPECIFIED"}
    if usage.provider_tool_calls:
        numbers["provider_tool_calls"] = {ran.tool: ran.calls for ran in usage.provider_tool_calls}
    return numbers


def tokens(usage: v1.Usage) -> str:
    """Usage in a few words: "12 tokens in (10 cached), about 40 out"."""
    into = _count(usage, "input_tokens", usage.input_source) + " tokens in"
    out = _count(usage, "output_tokens", usage.output_source) + " out"
    cached = f" ({usage.cache_read_input_tokens} cached)" if usage.cache_read_input_tokens else ""
    reasoning = f" ({usage.reasoning_output_tokens} reasoning)" if usage.reasoning_output_tokens else ""
    return f"{into}{cached}, {out}{reasoning}"


def _count(usage: v1.Usage, name: str, source: "v1.UsageSource.ValueType") -> str:
    if not usage.HasField(name):  # type: ignore[arg-type] # a plain str, where the stub lists the names
        return "?"
    about = "" if source in (v1.USAGE_SOURCE_PROVIDER, v1.USAGE_SOURCE_UNSPECIFIED) else "about "
    return f"{about}{getattr(usage, name)}"


def cost_of(answer: "trunkline.Completion") -> int | None:
    """What an answer cost, in thousand-millionths of a dollar; None where the gateway knows no price."""
    cost = answer.response.finished.cost
    return cost.nano_usd if cost.HasField("nano_usd") else None


def dollars(nano_usd: int) -> str:
    """An amount with all digits that are not 0, and two at least: "$0.00042"."""
    whole, part = divmod(nano_usd, 1_000_000_000)
    return f"${whole}.{f'{part:09}'.rstrip('0'):0<2}"


def note(text: str) -> None:
    """A remark, dimly, on stderr. Words of others in it can't drive a terminal either."""
    click.secho(visible(text), dim=True, err=True)


def write_text(piece: str) -> None:
    """A piece of a model's text on stdout, now."""
    write_now(visible(piece) if sys.stdout.isatty() else piece)


def write_now(text: str) -> None:
    """Text on stdout as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_line(value: Any) -> None:
    """One JSON value on a line of stdout, now."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
