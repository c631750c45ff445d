"""The catalog as tables: a mapping of `rotor_core.catalog.view` in, something to print out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from rotor_cli.tables import WIDE, plain_table
from rotor_cli.words import amount, count, limit_name

_MARK: Final = " stale"


def catalog_table(told: Mapping[str, Any], *, width: int = WIDE) -> RenderableType:
    """A line and a table for each provider. `width`: narrow terminals keep the model, its limits and its price."""
    parts: list[RenderableType] = []
    for name, provider in told["PROVIDER_CATALOG"].items():
        parts += [_head(name, provider), *_shared(provider), _models(provider, width), *_rest(provider)]
    return Group(*parts, *_foot(told))


def _head(name: str, provider: Mapping[str, Any]) -> Text:
    keys = provider["missing"] or f"no key ({' or '.join(provider['env'])})"
    keys = count(provider["keys"], "key") if provider["keys"] else keys
    plans = [plan for plan in _plans(provider) if plan]
    plan = f"plan{'s' * (len(plans) > 1)} {', '.join(plans)}" if plans else "no plan assumed"
    scope = f"limits by {provider['quota_scope']}" if provider["quota_scope"] else ""
    line = "  ".join(part for part in (keys, plan, scope, provider["base_url"] or "") if part)
    return Text(name, style="bold").append(f"  {line}", style="dim")


def _plans(provider: Mapping[str, Any]) -> list[str | None]:
    """The plans that the keys have; without any, the one that is assumed."""
    return list(dict.fromkeys(d["plan"] for d in provider["deployments"])) or [provider["plan"]]


def _under(
    plans: Sequence[str | None], model: Mapping[str, Any], told: Callable[[Mapping[str, Any], str | None], Text]
) -> Text:
    """What is told of a model under the plans, of each in a line of its own where they differ."""
    lines = {plan: told(model, plan) for plan in plans}
    if len({line.plain for line in lines.values()}) == 1:
        return lines[plans[0]]
    return Text("\n").join(Text(f"{plan or 'no plan'}: ").append_text(line) for plan, line in lines.items())


def _shared(provider: Mapping[str, Any]) -> Iterator[Text]:
    """Limits that several models share, under the plans that are in force."""
    plans = _plans(provider)
    for shared in provider["shared_limits"]:
        if shared["plan"] in plans and shared["limits"]:
            whom = "all models together" if shared["models"] == ["*"] else f"{', '.join(shared['models'])} together"
            whom += f" (plan {shared['plan'] or 'not stated'})" if len(plans) > 1 else ""
            yield Text("  ").append_text(_limits(shared["limits"])).append(f"  {whom}", style="dim")


def _models(provider: Mapping[str, Any], width: int) -> RenderableType:
    wide = width >= WIDE
    plans = _plans(provider)
    table = plain_table("model", *(("size", "context") if wide else ()), "limits", "USD/M in, out", "as of")
    for name, model in provider["models"].items():
        middle = (_value(model["category"]), _tokens(model["context"])) if wide else ()
        table.add_row(
            Text(name),
            *middle,
            _under(plans, model, lambda of, plan: _limits(_in_force(of, plan))),
            _under(plans, model, _price),
            _under(plans, model, _as_of),
        )
    return table


def _in_force(model: Mapping[str, Any], plan: str | None) -> Sequence[Mapping[str, Any]] | None:
    """The limits that hold under a plan."""
    planned = model["plans"].get(plan)
    limits: Sequence[Mapping[str, Any]] | None = model["limits"] if planned is None else planned["limits"]
    return limits


def _limits(limits: Sequence[Mapping[str, Any]] | None) -> Text:
    if limits is None:
        return Text("unknown", style="dim")
    return Text(", ".join(f"{amount(limit['value'])} {limit_name(limit)}" for limit in limits) or "none")


def _price(model: Mapping[str, Any], plan: str | None) -> Text:
    planned = model["plans"].get(plan, model)
    price, hour = (planned["price"] or model["price"]), model["audio_price"]
    paid = f"{price['input']['value']:g}, {price['output']['value']:g}" if price["input"] else ""
    paid = paid or (f"{hour['value']:g} per hour of audio" if hour else "unknown")
    if not planned["available"]:
        return Text("not in this plan", style="dim")
    return (
        Text("free", style="green").append(f" (else {paid})", style="dim")
        if planned["free"] and paid != "0, 0"
        else Text("free", style="green")
        if planned["free"]
        else Text(paid)
    )


def _as_of(model: Mapping[str, Any], plan: str | None) -> Text:
    """The oldest date among what the row shows, with a mark where it is too old."""
    shown = [*(_in_force(model, plan) or ()), model["price"]["input"], model["context"]]
    dated = [fact for fact in shown if fact and fact["date"]]
    if not dated:
        return Text("-", style="dim")
    text = Text(min(fact["date"] for fact in dated))
    if any(fact["stale"] for fact in dated):
        text.append(_MARK, style="yellow")
    return text if not model["shutdown"] else text.append(f"\nends {model['shutdown']['value']}", style="yellow")


def _rest(provider: Mapping[str, Any]) -> Iterator[Text]:
    for name, gone in provider["retired"].items():
        day = f" {gone['on']}" if gone["on"] else ""
        yield Text(f"  {name}: shut down{day}" + (f"; use {gone['use']}" if gone["use"] else ""), style="dim")
    if provider["unlisted"]:
        yield Text(f"  not in the provider's own list: {', '.join(provider['unlisted'])}", style="yellow")
    if provider["listed"]:
        more = (
            f"  the provider lists {count(len(provider['listed']), 'model')} more: write one under `models:` to use it"
        )
        yield Text(more, style="dim")
    yield Text()


def _foot(told: Mapping[str, Any]) -> Iterator[Text]:
    free = sum(d["free"] for p in told["PROVIDER_CATALOG"].values() for d in p["deployments"])
    all_of_them = sum(len(p["deployments"]) for p in told["PROVIDER_CATALOG"].values())
    could = sum(m["free"] for p in told["PROVIDER_CATALOG"].values() for m in p["models"].values())
    models = sum(len(p["models"]) for p in told["PROVIDER_CATALOG"].values())
    yield Text(
        f"{could} of {count(models, 'model')} free under the plans shown; with the keys that are there, "
    ).append(f"{free} of {count(all_of_them, 'deployment')} free", style="bold")
    for pool, members in told["pools"].items():
        mark = " (default)" if pool == told["default_pool"] else ""
        yield Text(f"pool {pool}{mark}: ", style="bold").append(", ".join(members), style="not bold")
    since = f"refreshed {told['refreshed']}" if told["refreshed"] else "never refreshed: `rotor catalog refresh`"
    yield Text(f"as of {told['at']}; {since}; stale after {told['stale_after_days']} days", style="dim")


def why_table(told: Mapping[str, Any]) -> RenderableType:
    """Every figure of every model, a line each, with its source."""
    parts: list[RenderableType] = []
    for name, provider in told["PROVIDER_CATALOG"].items():
        for model, facts in provider["models"].items():
            table = plain_table("figure", "value", "as of", "confidence", "source", title=f"{name}/{model}")
            for figure, fact in _figures(facts):
                date = Text(fact["date"] or "-").append(_MARK if fact["stale"] else "", style="yellow")
                source = f"{fact['source']} {fact['url'] or ''}".strip()
                table.add_row(figure, _shown(fact["value"]), date, fact["confidence"], Text(source, overflow="fold"))
            parts.append(table)
    return Group(*parts)


def _figures(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every figure of a model, named as in a catalog."""
    for name in ("context", "max_output", "capabilities", "category", "audio_price", "shutdown"):
        if model[name]:
            yield name, model[name]
    for group in ("price", "images", "audio"):
        for part, fact in model[group].items():
            if fact:
                yield f"{group}.{part}", fact
    yield from _limit_figures("", model["limits"])
    for plan, planned in model["plans"].items():
        if planned["limits"] != model["limits"]:
            yield from _limit_figures(f"{plan}: ", planned["limits"])
        price: Mapping[str, Any] = planned["price"] or {}
        yield from ((f"{plan}: price.{part}", fact) for part, fact in price.items() if fact)


def _limit_figures(before: str, limits: Sequence[Mapping[str, Any]] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for limit in limits or ():
        zone = f" ({limit['window']}{', ' + limit['tz'] if limit['tz'] else ''})"
        yield f"{before}{limit_name(limit)}{zone}", limit


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _value(fact: Mapping[str, Any] | None) -> str:
    return str(fact["value"]) if fact else "-"


def _tokens(fact: Mapping[str, Any] | None) -> str:
    return amount(fact["value"]) if fact else "-"
