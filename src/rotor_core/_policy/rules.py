"""Rules, the user's and those of plugins, applied to one request. Pure; conditions and effects are a closed set, held by the loader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rotor_core._model import Rule


@dataclass(frozen=True, slots=True)
class Effects:
    """What rules ask of the selection: at least this much context, and this category of model first."""

    require_context: int = 0
    prefer_category: str | None = None


NO_EFFECTS = Effects()


def apply_rules(rules: Sequence[Rule], tokens: int, task: str | None, complexity: float) -> Effects:
    """The effects of every rule whose conditions all hold. `tokens`: input tokens; `complexity`: 0 to 1.

    Of several required contexts the largest holds; of several preferred categories the first rule's. What a user's own
    rule says of either, no plugin's rule changes.
    """
    own = offered = NO_EFFECTS
    for rule in rules:
        if not _holds(rule, tokens, task, complexity):
            continue
        if rule.source == "config":
            own = _joined(own, rule)
        else:
            offered = _joined(offered, rule)
    return Effects(
        own.require_context or offered.require_context,
        own.prefer_category or offered.prefer_category,
    )


def _joined(effects: Effects, rule: Rule) -> Effects:
    return Effects(
        max(effects.require_context, rule.require_context or 0),
        effects.prefer_category or rule.prefer_category,
    )


def _holds(rule: Rule, tokens: int, task: str | None, complexity: float) -> bool:
    return (
        (rule.tokens_over is None or tokens > rule.tokens_over)
        and (rule.task is None or rule.task == task)
        and (rule.complexity_over is None or complexity > rule.complexity_over)
    )
