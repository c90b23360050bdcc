"""`trunkline complete`: one question, one answer.

1. Piped, stdout has the answer alone, as it came; on a terminal it is Markdown, drawn while it grows.
2. --json is one object when all is there, --jsonl an object a line as things happen; a failure is one of either.
3. With --schema stdout has JSON that fits, or nothing.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.answer_view import opened_view, show
from trunkline_server.cli.gateway import Gateway, gateway_options
from trunkline_server.cli.inputs import instructions, instructions_options, piped
from trunkline_server.cli.model_choice import the_model
from trunkline_server.cli.output import (
    cost_of,
    print_json,
    print_line,
    reported,
    tokens,
    usage_as_dict,
    word,
)
from trunkline_server.cli.remarks import note_remarks
from trunkline_server.cli.schema import Misfit, fitting, format_of
from trunkline_server.cli.talk import instructing, message_of

MISFIT: Final = 3
"""Exit code of an answer that is not the JSON that was asked for."""

_STDIN: Final = "/dev/stdin"
_EFFORTS: Final = [name.lower().removeprefix("reasoning_effort_") for name in v1.ReasoningEffort.keys()[1:]]


@click.command(
    "complete",
    epilog="Exit codes: 0 answered, 1 failed, 2 wrong usage, 3 the answer does not fit --schema, 130 interrupted.",
)
@click.argument("prompt", required=False)
@click.option("-m", "--model", metavar="NAME", help="Model to ask. Not needed where one is served.")
@instructions_options
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="Picture, document or text to send; - is stdin."
)
@click.option("--max-output-tokens", type=click.IntRange(min=1), metavar="N", help="Most tokens to generate.")
@click.option("--temperature", type=float, metavar="T", help="0 is the likeliest token always.")
@click.option("--effort", type=click.Choice(_EFFORTS), help="How much to think.")
@click.option("--schema", metavar="FILE", help="JSON Schema that the answer has to fit; prints the JSON alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the whole answer.")
@click.option("--jsonl", "as_lines", is_flag=True, help="Print a JSON object a line as the answer comes.")
@click.option("--plain", is_flag=True, help="Text as it comes, also on a terminal.")
@click.option("--thoughts", is_flag=True, help="Show what the model thinks, on stderr where stdout is piped.")
@click.option("--request-id", metavar="ID", help="Name of the call in the gateway's records. Made up without it.")
@gateway_options
def command(
    *,
    prompt: str | None,
    model: str | None,
    system: str | None,
    system_file: str | None,
    files: tuple[str, ...],
    schema: str | None,
    as_json: bool,
    as_lines: bool,
    plain: bool,
    thoughts: bool,
    request_id: str | None,
    gateway: Gateway,
    **options: Any,
) -> None:
    """Ask a model and print its answer as it comes.

    The question is PROMPT, or what is piped in, or both, PROMPT first.
    """
    if as_json and as_lines:
        raise click.UsageError("--json or --jsonl, not both")
    wanted, fits = (None, None) if schema is None else format_of(schema)
    messages = _messages(instructions(system, system_file), prompt, files)
    options["reasoning_effort"] = options.pop("effort")
    with gateway.connect() as client, reported(client, as_json=as_json, as_lines=as_lines):
        name = model or the_model(client)
        with _stream(client, name, messages, request_id, response_format=wanted, **options) as stream:
            if as_lines:
                _print_lines(stream)
            elif as_json:
                _print_whole(stream.collect(), fits)
            elif fits is not None:
                _print_fitting(stream.collect(), fits)
            else:
                _print(stream, plain=plain, thoughts=thoughts)


def _stream(client: Any, model: str, messages: list[v1.Message], request_id: str | None, **options: Any) -> Any:
    try:
        return client.stream(model, messages, request_id=request_id, **options)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None


def _messages(system: str, prompt: str | None, files: tuple[str, ...]) -> list[v1.Message]:
    paths = [Path(_STDIN if name == "-" else name) for name in files]
    free = "-" not in files and not sys.stdin.isatty()
    parts = [prompt or "", piped() if free and not (prompt and paths) else ""]
    question = "\n\n".join(part for part in parts if part.strip())
    if not question and not paths:
        raise click.UsageError("nothing to ask: give a PROMPT, or pipe one in")
    try:
        asked = message_of(question, paths)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    return [*([instructing(system)] if system else []), asked]


def _print(stream: "trunkline.Stream", *, plain: bool, thoughts: bool) -> None:
    with opened_view(plain=plain, thoughts=thoughts) as view:
        show(stream, view)
        answer = stream.collect()
    note_remarks(answer, used=tokens(answer.usage))


def _print_fitting(answer: "trunkline.Completion", schema: Any) -> None:
    try:
        value = fitting(answer.text, schema)
    except Misfit as misfit:
        click.secho(f"error: {misfit}", fg="red", err=True)
        note_remarks(answer, used=tokens(answer.usage))
        raise SystemExit(MISFIT) from None
    print_json(value)


def _print_whole(answer: "trunkline.Completion", schema: Any) -> None:
    told = _as_dict(answer)
    if schema is None:
        print_json(told)
        return
    try:
        print_json(told | {"output": fitting(answer.text, schema)})
    except Misfit as misfit:
        print_json(told | {"output": None, "misfit": str(misfit)})
        raise SystemExit(MISFIT) from None


def _print_lines(stream: "trunkline.Stream") -> None:
    for event in stream:
        for told in _event_as_dicts(event):
            print_line(told)
    print_line({"event": "finished", **_as_dict(stream.collect())})


def _event_as_dicts(event: v1.StreamEvent) -> Iterator[dict[str, Any]]:
    delta = event.block_delta
    if event.HasField("started"):
        started = event.started
        yield {"event": "started", "provider": started.provider, "deployment": started.deployment}
    if delta.text:
        yield {"event": "text", "text": delta.text}
    if delta.reasoning or delta.reasoning_summary:
        yield {"event": "reasoning", "text": delta.reasoning or delta.reasoning_summary}


def _as_dict(answer: "trunkline.Completion") -> dict[str, Any]:
    finished, started = answer.response.finished, answer.response.started
    return {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": word(v1.FinishReason, answer.finish_reason),
        "native_finish_reason": finished.native_finish_reason,
        "finish_detail": finished.finish_detail,
        "model": finished.model,
        "served_model": finished.served_model,
        "provider": started.provider,
        "deployment": started.deployment,
        "usage": usage_as_dict(answer.usage),
        "cost_nano_usd": cost_of(answer),
        "left_out": list(answer.left_out),
        "request_id": answer.request_id,
    }
