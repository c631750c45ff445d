"""What the demo shows: a live table where the terminal can be drawn over, lines where it cannot, and the summary."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rotor_cli.demo.account import Account, Summary, percentile
from rotor_cli.demo.board import REMEMBERED, Board
from rotor_cli.demo.run import Audience, Scene
from rotor_cli.tables import WIDE, deployment_name, limits_text, plain_table, state_text
from rotor_cli.terminal import is_live
from rotor_cli.words import amount, bar, count, duration, milliseconds, money

LIVE_EVERY: Final = 0.25
LINES_EVERY: Final = 3.0
"""Seconds between two looks: at a terminal, and in a log."""


@contextmanager
def audience(console: Console | None) -> Generator[Audience]:
    """Who looks at the scene, and how often. None: nobody does."""
    if console is None:
        yield Audience(LINES_EVERY, lambda _: None, lambda _: None)
    elif is_live(console):
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield Audience(
                LIVE_EVERY,
                lambda scene: frame(scene, console.width),
                lambda picture: live.update(picture, refresh=True),
            )
    else:
        yield Audience(LINES_EVERY, progress_line, lambda line: console.print(line, soft_wrap=True))


def frame(scene: Scene, width: int = WIDE) -> RenderableType:
    """The live picture of one instant."""
    status = scene.rotor.status()
    return Group(
        _clock(scene, width), Text(), _counters(scene), deployments_table(status, scene.account, scene.board, width),
        _news(scene.board),
    )  # fmt: skip


def progress_line(scene: Scene) -> str:
    """One line for a log."""
    account = scene.account
    return (
        f"{scene.elapsed:4.0f} s  offered {account.offered:3}  answered {account.answered:3}"
        f"  free {account.answers(free=True):3}  paid {account.answers(free=False):3}"
        f"  waiting {len(scene.board.waiting):2}  refused by a provider {scene.refused}"
    )


def _clock(scene: Scene, width: int) -> Text:
    elapsed = min(scene.elapsed, scene.lasts)
    left = "the last answers come in" if scene.elapsed >= scene.lasts else f"{elapsed:.0f} of {scene.lasts:.0f} s"
    text = Text.assemble(("rotor demo  ", "bold"), f"{scene.rate:.0f} questions a minute  ")
    text.append(bar(elapsed / scene.lasts, 20 if width >= WIDE else 8), style="cyan").append(f" {left}")
    return text


def _counters(scene: Scene) -> Text:
    account = scene.account
    return Text.assemble(
        ("offered ", "dim"), f"{account.offered}", ("  answered ", "dim"), (f"{account.answered}", "bold"),
        ("  free ", "dim"), (f"{account.answers(free=True)}", "green"),
        ("  paid ", "dim"), (f"{account.answers(free=False)}", "yellow"),
        ("  waiting ", "dim"), f"{len(scene.board.waiting)}",
        ("  refused by a provider ", "dim"), (f"{scene.refused}", "bold green" if scene.refused == 0 else "bold red"),
    )  # fmt: skip


def deployments_table(status: dict[str, Any], account: Account, board: Board, width: int) -> RenderableType:
    """Who answers, how full each window is, who has answered how often."""
    wide = width >= WIDE
    table = plain_table("deployment", "now", "windows", "answers", *(("p50",) if wide else ()))
    for row in status["deployments"]:
        seat = account.seats.get(row["id"])
        cells: list[RenderableType] = [
            deployment_name(row) if wide else row["id"],
            _now(row, board, status["at"]),
            limits_text(row["limits"], status["at"], resets=False, cells=8 if wide else 4),
            str(seat.answers if seat else 0),
        ]
        if wide:
            p50 = percentile(seat.seconds, 50) if seat else None
            cells.append(milliseconds(None if p50 is None else p50 * 1000))
        table.add_row(*cells)
    return table


def _now(row: dict[str, Any], board: Board, at: float) -> Text:
    """What a deployment does: answering comes before its state."""
    calls = board.calls[row["id"]]
    return Text(f"answering {calls}", style="bold cyan") if calls > 0 else state_text(row, at)


def _news(board: Board) -> Text:
    """The same number of lines at every instant, so that nothing jumps."""
    lines = [*board.news, *[""] * (REMEMBERED - len(board.news))]
    return Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")


def summary_view(summary: Summary) -> RenderableType:
    """The end of the story: who answered, then the sentence that matters."""
    table = plain_table("deployment", "answers", "free", "paid", "tokens", "p50")
    for name, seat in sorted(summary.seats.items(), key=lambda item: (not item[1].free, item[0])):
        p50 = percentile(seat.seconds, 50)
        free, paid = (seat.answers, 0) if seat.free else (0, seat.answers)
        table.add_row(
            name, str(seat.answers), str(free or "-"), str(paid or "-"), amount(seat.tokens),
            milliseconds(None if p50 is None else p50 * 1000),
        )  # fmt: skip
    return Group(table, *_sentences(summary))


def _sentences(summary: Summary) -> Iterator[Text]:
    refused = Text(f"{count(summary.upstream_429, 'refusal')} (429) counted at the providers")
    refused.stylize("bold green" if summary.upstream_429 == 0 else "bold red")
    well = summary.offered == summary.answered
    answered = Text(f"{summary.answered} of {count(summary.offered, 'question')} answered")
    answered.stylize("bold green" if well else "bold red")
    yield Text.assemble(answered, ", ", refused)
    yield Text(f"{summary.free} on free seats, {summary.paid} paid for with {money(summary.cost_usd)}")
    yield Text(
        f"time to the answer, wait included: p50 {milliseconds(summary.p50_ms)}, p95 {milliseconds(summary.p95_ms)}"
    )
    yield Text(f"waited {duration(summary.waited_s)} in all, at most {duration(summary.longest_wait_s)} for one answer")
    if summary.interrupted:
        yield Text(f"interrupted; {count(summary.under_way, 'question')} still under way", style="yellow")
    for error in dict.fromkeys(summary.errors):
        yield Text(error, style="red")
