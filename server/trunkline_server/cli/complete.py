"""`trunkline complete`: one question, one answer."""

import sys
from typing import Any, Final

import click

import trunkline
from trunkline import v1
from trunkline_server.cli.models import the_model
from trunkline_server.cli.output import (
    connect,
    gateway_options,
    note,
    note_left_out,
    print_json,
    reported,
    tokens,
    usage_as_dict,
    word,
    write_answer,
)

MAX_INPUT_BYTES: Final = 32 * 1024 * 1024
"""Most bytes that are read from stdin; more is refused. A message may have 64 MiB."""

_ENDINGS: Final = {
    v1.FINISH_REASON_LENGTH: "cut: the bound on output tokens was met",
    v1.FINISH_REASON_CONTEXT_WINDOW: "cut: the model's context is full",
    v1.FINISH_REASON_CONTENT_FILTER: "cut: the provider's filter ended the answer",
    v1.FINISH_REASON_REFUSAL: "the model declined",
    v1.FINISH_REASON_PAUSED: "paused by the provider",
}
"""Endings that a reader should know of. The others need no words."""


@click.command("complete")
@click.argument("prompt", required=False)
@click.option("-m", "--model", metavar="NAME", help="Model to ask. Not needed where one is served.")
@click.option("--system", metavar="TEXT", help="Instructions for the model.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), metavar="N", help="Most tokens to generate.")
@click.option("--temperature", type=float, metavar="T", help="0 is the likeliest token always.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the whole answer.")
@gateway_options
def command(
    *,
    prompt: str | None,
    model: str | None,
    system: str | None,
    max_output_tokens: int | None,
    temperature: float | None,
    as_json: bool,
    target: str | None,
    timeout: float | None,
) -> None:
    """Ask a model and print its answer as it comes.

    The question is PROMPT, or what is piped in, or both, PROMPT first.
    """
    messages = _messages(system, _question(prompt))
    with connect(target, timeout) as client, reported(client, as_json=as_json):
        stream = client.stream(
            model or the_model(client), messages, max_output_tokens=max_output_tokens, temperature=temperature
        )
        with stream:
            if as_json:
                print_json(_as_dict(stream.collect()))
            else:
                _print(stream)


def _question(prompt: str | None) -> str:
    parts = [prompt or "", "" if sys.stdin.isatty() else _piped()]
    question = "\n\n".join(part for part in parts if part.strip())
    if not question:
        raise click.UsageError("nothing to ask: give a PROMPT, or pipe one in")
    return question


def _piped() -> str:
    data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise click.UsageError(f"more than {MAX_INPUT_BYTES // 1024**2} MiB were piped in")
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        raise click.UsageError(f"what was piped in is not UTF-8 at byte {wrong.start}") from None


def _messages(system: str | None, question: str) -> list[dict[str, str]]:
    instructions = [{"role": "system", "content": system}] if system else []
    return [*instructions, {"role": "user", "content": question}]


def _print(stream: "trunkline.Stream") -> None:
    write_answer(stream.text)
    answer = stream.collect()
    note_left_out(answer)
    ending = _ENDINGS.get(answer.finish_reason)
    if ending:
        detail = answer.response.finished.finish_detail
        note(f"({ending}{f': {detail}' if detail else ''}; {tokens(answer.usage)})")


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
        "cost_nano_usd": finished.cost.nano_usd if finished.cost.HasField("nano_usd") else None,
        "left_out": list(answer.left_out),
        "request_id": answer.request_id,
    }
