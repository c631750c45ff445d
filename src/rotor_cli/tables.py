"""Snapshots as tables: a status mapping, an explanation. Pure: a mapping and a width in, something to print out.

State is told by a word first and by a colour second. Narrow terminals keep the deployment, its state and its limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rotor_cli.words import amount, bar, count, duration, fraction, limit_name, milliseconds, money

WIDE: Final = 100
"""Columns from which everything is shown; below, what can be left out is."""

TINY: Final = 76
"""Columns below which a deployment is a paragraph, not a row."""

_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]*@")  # a store's URL may hold a password
_STATE_STYLE: Final = {
    "available": "green",
    "waiting": "yellow",
    "cooling": "magenta",
    "open": "red",
    "half_open": "yellow",
    "invalid": "red",
}
_VERDICT_STYLE: Final = {"chosen": "bold green", "ranked": "green", "rejected": "red"}


def plain_table(*columns: str, title: str | None = None) -> Table:
    """The one look that all tables here have."""
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title_justify="left",
        title_style="bold",
    )
    for column in columns:
        numeric = column in {"requests", "answers", "tokens", "cost", "p50", "latency", "free", "paid"}
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return table


def status_table(status: Mapping[str, Any], *, width: int = WIDE, ascii_only: bool = False) -> RenderableType:
    """What `rotor status` shows of `Rotor.status()`: pools, then a row for each deployment."""
    at, rows = status["at"], status["deployments"]
    if width < TINY:
        return Group(_pools(status), *(_paragraph(row, at, ascii_only=ascii_only) for row in rows), store_note(status))
    wide = width >= WIDE
    table = plain_table("deployment", "state", "limits", *(("latency", "requests", "cost") if wide else ()))
    for row in rows:
        limits = limits_text(row["limits"], at, resets=wide, ascii_only=ascii_only)
        cells: list[RenderableType] = [deployment_name(row), state_text(row, at), limits]
        if wide:
            cells += [milliseconds(row["latency_ms"]["p50"]), _requests(row), money(row["cost_usd"])]
        table.add_row(*cells)
    return Group(_pools(status), table, store_note(status))


def _paragraph(row: Mapping[str, Any], at: float, *, ascii_only: bool) -> Text:
    head = deployment_name(row).append("  ").append_text(state_text(row, at)).append("\n")
    return head.append_text(limits_text(row["limits"], at, resets=False, ascii_only=ascii_only)).append("\n")


def _pools(status: Mapping[str, Any]) -> Text:
    text = Text(overflow="fold")
    for name, members in status["pools"].items():
        text.append(f"{'   ' if text else ''}{name}", style="bold").append(f" {count(len(members), 'deployment')}")
    return text


def store_note(told: Mapping[str, Any]) -> Text:
    """Where all this is counted: a ledger in memory is this process's own, which surprises who looks from outside.

    A store that is away is said in a line of its own.
    """
    store = _USERINFO.sub("", told["store"])
    own = in_memory(store)
    where = "limits are counted in each process by itself (memory store)" if own else f"limits are counted in {store}"
    text, state = Text(where, style="dim"), told.get("store_state", "ok")
    return text if state == "ok" else text.append(f"\nout of reach; {state}", style="bold red")


def in_memory(store: str) -> bool:
    """Whether a store's URL stands for a ledger that each process has to itself."""
    return store.startswith("memory:")


def deployment_name(row: Mapping[str, Any]) -> Text:
    """Its id, and whether it costs money."""
    money_word = "free" if row["free"] else "paid"
    return Text(row["id"]).append(f" {money_word}", style="dim")


def _requests(row: Mapping[str, Any]) -> str:
    return f"{row['requests']:,}" + (f" ({row['failures']:,} failed)" if row["failures"] else "")


def state_text(row: Mapping[str, Any], at: float) -> Text:
    """The state's word, and when it ends where that is known."""
    state, back = row["state"], row["available_at"]
    word = state.replace("_", " ")
    if state != "available" and back is not None and back > at:
        word += f" {duration(back - at)}"
    return Text(word, style=_STATE_STYLE.get(state, ""))


def limits_text(
    limits: Sequence[Mapping[str, Any]], at: float, *, resets: bool = True, cells: int = 8, ascii_only: bool = False
) -> Text:
    """One line for each limit: a bar of `cells`, used of limit, and (`resets`) when all of it is free again."""
    text = Text()
    for limit in limits:
        text.append("\n" if text else "")
        full = fraction(limit)
        text.append(bar(full, cells, ascii_only=ascii_only), style=fill_style(full))
        text.append(f" {_taken(limit)} {limit_name(limit)}")
        if resets and full > 0 and limit["resets_at"] is not None and limit["resets_at"] > at:
            text.append(f" resets {duration(limit['resets_at'] - at)}", style="dim")
    return text if limits else Text("none known", style="dim")


def _taken(limit: Mapping[str, Any]) -> str:
    """`12/30`; where more is reserved than fits now, for requests that wait for their instant, `30/30 +2`."""
    taken, most = limit["used"] + limit["reserved"], limit["limit"]
    if limit["unit"] != "usd":
        taken = math.ceil(taken)  # a bucket that refills has fractions of a request in it
    ahead = f" +{amount(taken - most)}" if taken > most else ""
    return f"{amount(min(taken, most))}/{amount(most)}{ahead}"


def fill_style(full: float) -> str:
    """How a bar is coloured: calm, nearly full, full."""
    return "green" if full < 0.7 else "yellow" if full < 0.95 else "red"


def explanation_table(explanation: Mapping[str, Any]) -> RenderableType:
    """What `rotor explain` shows of `Explanation.to_dict()`: a row for each candidate, in the order they would be tried."""
    head = Text.assemble(
        ("pool ", "dim"), (explanation["pool"], "bold"), ("  ranking ", "dim"), explanation["ranking"],
        (f"  about {explanation['input_tokens']:,} tokens in, {explanation['output_tokens']:,} out", "dim"),
    )  # fmt: skip
    table = plain_table("candidate", "verdict", "why")
    for verdict in explanation["verdicts"]:
        word = verdict["verdict"] if verdict["verdict"] != "ranked" else f"ranked {verdict['rank']}"
        table.add_row(verdict["deployment"], Text(word, style=_VERDICT_STYLE[verdict["verdict"]]), verdict["reason"])
    if explanation["verdicts"] and all(v["verdict"] == "rejected" for v in explanation["verdicts"]):
        none = Text("none could answer at this instant; a request may still wait for one", style="dim")
        return Group(head, table, none)
    return Group(head, table)
