"""From a request to the work of answering it: what it needs, what it takes, where it may go. Reads nothing but its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from rotor_core._demand import Demand
from rotor_core._flow import Work, anybody
from rotor_core._model import Catalog
from rotor_core._planner import Planner
from rotor_core._policy.analyze import analyze, pool_for_task
from rotor_core._policy.content import need_of
from rotor_core._policy.eligible import Need
from rotor_core._policy.estimate import estimate_tokens, text_tokens
from rotor_core._policy.rules import NO_EFFECTS, apply_rules
from rotor_core._request import Request
from rotor_core._values import quick
from rotor_core.observe.lengths import Calibration

AUTO = "auto"


@quick
@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say beside the request. `deadline`: an instant; `timeout`: seconds for one call.

    `priority`: higher goes first where there is a wait; a whole number, or a name of `PRIORITIES`.
    `caller`: on whose behalf, where there are budgets for callers.
    """

    model: str | None = None
    task: str | None = None
    priority: int | str = 0
    deadline: float | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    caller: str | None = None


NO_OPTIONS = Options()


def prepare(
    request_id: str,
    request: Request,
    options: Options,
    catalog: Catalog,
    planner: Planner,
    calibration: Calibration | None = None,
    *,
    heard: Callable[[], bool] = anybody,
) -> Work:
    """Make a request ready. `calibration`: what is known of answers' lengths. `heard`: asks whether anybody listens.

    Raises ConfigError for a pool or model that does not exist.
    """
    name, task, complexity = _where(request, options, catalog)
    asked = asked_output(request.params)
    estimate = estimate_tokens(request.messages, request.tools, planner.only_model(name))
    read = estimate.input_tokens
    if request.response_format:
        read += text_tokens(json.dumps(request.response_format))
    likely = asked if asked is not None else estimate.output_tokens
    tokens, answers = read + likely, answers_wanted(request.params)
    effects = apply_rules(catalog.rules, read, task, complexity) if catalog.rules else NO_EFFECTS
    policy = catalog.policy
    need = Need(needs(request), max(tokens, effects.require_context), policy.paid != "never", asked or 0)
    planned = planner.plan(name, need, effects.prefer_category, options.caller)
    outputs = None
    if calibration is not None:
        outputs = calibration.expect(planned.models, task or "", estimated=read, asked=asked, answers=answers)
    return Work(
        id=request_id,
        pool=name,
        plan=planned.plan,
        demand=Demand(
            read, likely * answers, asked and asked * answers, task=task or "", answers=answers, outputs=outputs
        ),
        deployments=catalog.deployments,
        static=planned.rejections,
        ranking=policy.ranking,
        max_attempts=options.max_attempts or policy.max_attempts,
        max_wait=policy.max_wait,
        timeout=options.timeout,
        deadline=options.deadline,
        priority=priority_of(options.priority),
        regardless=planned.regardless,
        stream_break=policy.stream_break,
        hedge=policy.hedge == "auto",
        heard=heard,
    )


PRIORITIES: Final = {"interactive": 10, "normal": 0, "batch": -10}


def priority_of(said: int | str) -> int:
    """A priority as a number. Raises TypeError for a name that is none."""
    if isinstance(said, str):
        if said not in PRIORITIES:
            raise TypeError(f"priority: a whole number, or {', '.join(PRIORITIES)}, not {said!r}")
        return PRIORITIES[said]
    return said


def _where(request: Request, options: Options, catalog: Catalog) -> tuple[str, str | None, float]:
    """The pool (or pinned model), the task, and the complexity; a request is read only where something depends on it."""
    name, task = options.model, options.task
    by_task = name == AUTO or (name is None and task is not None)
    if not catalog.rules and not (by_task and task is None):
        return _pool(name, task, catalog, by_task=by_task), task, 0.0
    analysis = analyze(request.messages, request.tools)
    task = task or analysis.task
    return _pool(name, task, catalog, by_task=by_task), task, analysis.complexity


def _pool(name: str | None, task: str | None, catalog: Catalog, *, by_task: bool) -> str:
    if by_task and task is not None:
        return pool_for_task(task, catalog.pools, catalog.default_pool)
    return name or catalog.default_pool


def asked_output(params: Mapping[str, Any]) -> int | None:
    """How many tokens the caller allows the answer, under either of the field's names for it."""
    asked = params.get("max_tokens") or params.get("max_completion_tokens")
    return asked if isinstance(asked, int) and asked > 0 else None


def answers_wanted(params: Mapping[str, Any]) -> int:
    """How many answers one call is to give (`n`), each of which counts."""
    wanted = params.get("n")
    return wanted if isinstance(wanted, int) and wanted > 1 else 1


_FORMAT_NEEDS = {"json_schema": "json_schema", "json_object": "json_mode"}


def needs(request: Request) -> frozenset[str]:
    """The capabilities without which a model cannot serve this request."""
    found: set[str] = set()
    if request.tools:
        found.add("tools")
        if request.params.get("parallel_tool_calls"):
            found.add("parallel_tools")
    if request.response_format:
        need = _FORMAT_NEEDS.get(str(request.response_format.get("type")))
        if need:
            found.add(need)
    for message in request.messages:
        content: object = message.get("content")
        if isinstance(content, list):
            found.update(need for part in cast("list[object]", content) if (need := need_of(part)))
    return frozenset(found) if found else _NONE


_NONE: frozenset[str] = frozenset()
