"""`rotor chat`: one question, answered by whoever has room. The answer to standard output, how it came to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rotor_cli.engine import json_option, opened, prompt_text, request_of, request_options
from rotor_cli.terminal import print_json, remark
from rotor_cli.words import count, duration, money
from rotor_core import Event, Exhausted, Request, Result, Rotated, Rotor


@click.command()
@click.argument("prompt", required=False)
@request_options
@click.option("--stream", is_flag=True, help="Print the answer as it comes.")
@json_option
def chat(
    prompt: str | None,
    *,
    pool: str | None,
    task: str | None,
    max_tokens: int | None,
    system: str | None,
    config: Path | None,
    stream: bool,
    as_json: bool,
) -> None:
    """Answer PROMPT; `-`, or nothing where something is piped in, reads it from standard input."""
    if stream and as_json:
        raise click.UsageError("--stream and --json exclude each other: JSON is printed when the answer is whole")
    text = prompt_text(prompt)
    with opened(config) as rotor:
        request = request_of(text, system, max_tokens)
        options: dict[str, Any] = {"model": pool, "task": task, "listen": say_waits()}
        if stream:
            result = _streamed(rotor, request, options)
        else:
            result = rotor.chat(request, **options)
            _print_answer(result, as_json=as_json)
    if not as_json:
        remark(footnote(result))


def _streamed(rotor: Rotor, request: Request, options: dict[str, Any]) -> Result:
    begun = False
    with rotor.stream(request, **options) as chunks:
        try:
            for chunk in chunks:
                if chunk.text:
                    click.echo(chunk.text, nl=False)
                    begun = True
        finally:
            if begun:
                click.echo()
        return chunks.result


def _print_answer(result: Result, *, as_json: bool) -> None:
    if as_json:
        print_json(to_dict(result))
        return
    assert result.answer is not None
    click.echo(result.answer.text)


def say_waits() -> Callable[[Event], None] | None:
    """A listener that tells a person at a terminal why nothing happens yet; elsewhere nothing is said."""

    def listen(event: Event) -> None:
        if isinstance(event, Exhausted) and not event.refused:
            until = "a free slot" if event.retry_at is None else duration(event.retry_at - event.at)
            remark(f"no capacity yet; waiting for {until}")
        elif isinstance(event, Rotated):
            remark(f"{event.previous}: {event.reason}; going on with {event.deployment}")

    return listen if sys.stderr.isatty() else None


def footnote(result: Result) -> str:
    """Who answered, after what, at what cost, in one line."""
    usage = result.usage
    tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out" if usage else "tokens unknown"
    price = "free" if result.deployment.free else money(result.cost_usd)
    parts = (
        result.deployment.id,
        count(len(result.attempts), "attempt"),
        f"waited {duration(result.waited)}",
        f"took {duration(result.attempts[-1].seconds)}",
        tokens,
        price,
    )
    return " · ".join(parts)


def to_dict(result: Result) -> dict[str, Any]:
    """The answer and its story, as `--json` prints it."""
    answer, usage = result.answer, result.usage
    assert answer is not None
    return {
        "text": answer.text,
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in answer.tool_calls],
        "finish_reason": answer.finish_reason,
        "deployment": result.deployment.id,
        "provider": result.deployment.provider.name,
        "model": result.deployment.model.name,
        "attempts": len(result.attempts),
        "waited_s": round(result.waited, 3),
        "seconds": round(result.attempts[-1].seconds, 3),
        "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else None,
        "cost_usd": result.cost_usd,
        "free": result.deployment.free,
        "decision": result.decision,
    }
