"""Limits as a table: a mapping of `Rotor.limits` and a width in, something to print out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rotor_cli.tables import WIDE, fill_style, plain_table, store_note
from rotor_cli.words import amount, bar, duration, fraction, limit_name, money


def limits_table(told: Mapping[str, Any], *, width: int = WIDE, ascii_only: bool = False) -> RenderableType:
    """A row for each limit under its deployment, and below why those are held that were learned; in a narrow terminal, lines."""
    at, rows = told["at"], told["deployments"]
    if width < WIDE:
        return Group(*(_paragraph(row, at) for row in rows), store_note(told))
    table = plain_table("deployment", "limit", "taken", "left", "from")
    why: list[Text] = []
    for row in rows:
        name: str = row["id"]
        if not row["limits"]:
            table.add_row(name, Text("none" if row["known"] else "none known", style="dim"), "", "", "")
        for limit in row["limits"]:
            full = fraction(limit)
            taken = Text(bar(full, 6, ascii_only=ascii_only), style=fill_style(full)).append(
                f" {taken_text(limit)}", style=""
            )
            table.add_row(name, figure(limit), taken, _left(limit, at), _source(limit, at))
            name = ""
            if limit["evidence"]:
                why.append(Text(f"{row['id']} {limit_name(limit)}: {limit['evidence']}", style="dim"))
    return Group(table, *why, store_note(told))


def figure(limit: Mapping[str, Any]) -> Text:
    """`30 req/min rolling`, and what is declared where that is something else."""
    text = Text(f"{_figure(limit, limit['limit'])} {limit_name(limit)}")
    if limit["per"] is not None:
        text.append(f" {limit['window']}{' ' + limit['tz'] if limit['tz'] else ''}", style="dim")
    if limit["declared"] is not None and limit["declared"] != limit["limit"]:
        text.append(f" (declared {_figure(limit, limit['declared'])})", style="yellow")
    return text


def taken_text(limit: Mapping[str, Any]) -> str:
    """`12`, or `12 +3` where 3 of a call in flight are reserved."""
    reserved = f" +{_figure(limit, limit['reserved'])}" if limit["reserved"] else ""
    return f"{_figure(limit, limit['used'])}{reserved}"


def _figure(limit: Mapping[str, Any], value: float) -> str:
    """An amount of the limit's unit: budgets are small sums."""
    return money(value) if limit["unit"] == "usd" else amount(value)


def _left(limit: Mapping[str, Any], at: float) -> str:
    return _figure(limit, limit["remaining"]) + _renewal(limit, at)


def _renewal(limit: Mapping[str, Any], at: float) -> str:
    """When all of it is free again."""
    resets = limit["resets_at"]
    return f", all in {duration(resets - at)}" if resets is not None and resets > at else ""


def _source(limit: Mapping[str, Any], at: float) -> str:
    """`config`, or `header 12 s ago, sure to 90 %, until 5 h on`."""
    if limit["age_s"] is None:
        return str(limit["source"])
    parts = [f"{limit['source']} {duration(limit['age_s'])} ago"]
    if limit["confidence"] < 1:
        parts.append(f"{limit['confidence']:.0%} sure")
    if limit["expires_at"] is not None and limit["expires_at"] > at:
        parts.append(f"for {duration(limit['expires_at'] - at)} more")
    return ", ".join(parts)


def _paragraph(row: Mapping[str, Any], at: float) -> Text:
    text = Text(row["id"]).append("\n")
    if not row["limits"]:
        text.append(f"  {'none' if row['known'] else 'none known'}\n", style="dim")
    for limit in row["limits"]:
        text.append("  ").append_text(figure(limit))
        left = f"{_figure(limit, limit['remaining'])} left{_renewal(limit, at)}"
        text.append(f": {taken_text(limit)} taken, {left}; {_source(limit, at)}\n")
        if limit["evidence"]:
            text.append(f"    {limit['evidence']}\n", style="dim")
    return text
