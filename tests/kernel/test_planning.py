"""From a request to work: which pool, which class of request, which needs; and how it is explained."""

from dataclasses import replace

import pytest
from tests.kernel.made import PAID, catalog, deployment

from rotor_core._errors import ConfigError
from rotor_core._ledger import LimitReading, OptionReading
from rotor_core._model import Limit, Policy, Pool, Rule, Seat
from rotor_core._planner import _KEPT, Planner
from rotor_core._policy.eligible import Need
from rotor_core._policy.rank import RANKINGS
from rotor_core._prepare import Options, asked_output, needs, prepare, priority_of
from rotor_core._request import Request
from rotor_core._snapshot import explain, pool_state, state_of, status_row

RANKING = RANKINGS["free-first"]
SMALL, LARGE = deployment("s", context=1000), deployment("l", "big", context=100_000)


def planner(*deployments, **more):
    return Planner(catalog(*deployments, **more), RANKING)


def asking(text="hello", **more):
    return Request([{"role": "user", "content": text}], **more)


def prepared(request, *deployments, options=Options(), **more):
    made = catalog(*deployments, **more)
    return prepare("r", request, options, made, Planner(made, RANKING))


def test_requests_of_one_class_share_one_plan():
    plans = planner(SMALL, LARGE)

    assert plans.plan("main", Need(context=10)) is plans.plan("main", Need(context=900))
    assert [o.id for o in plans.plan("main", Need(context=10)).plan.options] == ["s/m#1", "l/big#1"]


def test_a_longer_request_has_a_plan_of_the_larger_models_alone():
    plans = planner(SMALL, LARGE)

    assert [o.id for o in plans.plan("main", Need(context=1001)).plan.options] == ["l/big#1"]
    assert plans.plan("main", Need(context=1001)).rejections["s/m#1"].reason == "context"


def test_a_request_too_long_for_every_model_has_an_empty_plan():
    planned = planner(SMALL, LARGE).plan("main", Need(context=10**6))

    assert planned.plan.options == ()
    assert {r.reason for r in planned.rejections.values()} == {"context"}


def test_a_model_of_unknown_context_may_be_tried_with_anything():
    plans = planner(deployment("u", context=None), SMALL)

    assert [o.id for o in plans.plan("main", Need(context=10**6)).plan.options] == ["u/m#1"]


def answering(name, most):
    made = deployment(name)
    return replace(made, model=replace(made.model, max_output=most))


def test_who_asks_for_a_longer_answer_than_a_model_gives_is_sent_to_one_that_does():
    short, long, unknown = answering("s", 100), answering("l", 400), answering("u", None)

    def where(most):
        return [o.id for o in prepared(asking(params={"max_tokens": most}), short, long, unknown).plan.options]

    assert where(100) == ["s/m#1", "l/m#1", "u/m#1"]
    assert where(101) == ["l/m#1", "u/m#1"]
    assert where(401) == ["u/m#1"]
    assert "100 tokens at most" in prepared(asking(params={"max_tokens": 101}), short, long).static["s/m#1"].detail


def test_several_answers_of_one_call_are_reserved_several_times():
    one = prepared(asking(params={"max_tokens": 50}), SMALL).demand
    three = prepared(asking(params={"max_tokens": 50, "n": 3}), SMALL).demand

    assert (three.output_tokens, three.max_tokens) == (3 * one.output_tokens, 150)
    assert three.input_tokens == one.input_tokens
    assert prepared(asking(params={"n": 1}), SMALL).demand == prepared(asking(), SMALL).demand


def test_what_is_kept_is_bounded():
    plans = planner(SMALL)
    for n in range(_KEPT + 5):
        plans.plan("main", Need(context=1), prefer_category=f"c{n}")

    assert len(plans._plans) <= _KEPT


def test_a_model_can_be_pinned_on_all_its_keys_or_on_one():
    assert [d.id for d in planner(SMALL, LARGE).deployments("l/big")] == ["l/big#1"]
    assert [d.id for d in planner(SMALL, LARGE).deployments("s/m#1")] == ["s/m#1"]


def test_a_name_that_is_no_pool_and_no_model_is_an_error_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'l/big'"):
        planner(SMALL, LARGE).deployments("l/bigg")
    with pytest.raises(ConfigError, match="a pool \\(main\\)"):
        planner(SMALL).deployments("zzzzzz")


def test_the_default_pool_serves_who_names_none():
    assert prepared(asking(), SMALL).pool == "main"


def test_auto_and_a_task_choose_the_pool_of_the_task():
    pools = {"main": Pool("main", (Seat(SMALL),)), "code": Pool("code", (Seat(LARGE),))}
    made = catalog(SMALL, LARGE)
    object.__setattr__(made, "pools", pools)
    plans = Planner(made, RANKING)

    def pool(text, **options):
        return prepare("r", asking(text), Options(**options), made, plans).pool

    assert pool("Fix this Python function: def f(x): return x +", model="auto") == "code"
    assert pool("hello", task="code") == "code"
    assert pool("hello", model="auto", task="code") == "code"
    assert pool("hello", model="main", task="code") == "main"
    assert pool("hello") == "main"


def test_rules_raise_the_context_and_prefer_a_category():
    rules = (Rule(tokens_over=100, require_context=50_000),)
    work = prepared(asking("word " * 200), SMALL, LARGE, rules=rules)
    assert [o.id for o in work.plan.options] == ["l/big#1"]

    small, reasoning = deployment("s", category="small"), deployment("r", category="reasoning")
    rules = (Rule(task="research", prefer_category="reasoning"),)
    work = prepared(asking(), small, reasoning, rules=rules, options=Options(task="research"))
    assert [[o.id for o in t.options] for t in work.plan.tiers] == [["r/m#1"], ["s/m#1"]]


def test_paid_never_is_absolute():
    work = prepared(asking(), SMALL, deployment("p", price=PAID), policy=Policy(paid="never"))

    assert [o.id for o in work.plan.options] == ["s/m#1"]
    assert work.static["p/m#1"].reason == "paid"


def test_the_answer_is_reserved_as_long_as_the_caller_allows_it():
    work = prepared(asking(params={"max_tokens": 77}), SMALL)
    assert (work.demand.output_tokens, work.demand.max_tokens) == (77, 77)

    work = prepared(asking(), SMALL)
    assert work.demand.max_tokens is None
    assert work.demand.output_tokens > 0


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({}, None),
        ({"max_tokens": "many"}, None),
        ({"max_tokens": -1}, None),
    ],
)
def test_what_the_caller_allows_the_answer(params, expected):
    assert asked_output(params) == expected


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asking(), set()),
        (asking(tools=[TOOL]), {"tools"}),
        (asking(tools=[TOOL], params={"parallel_tool_calls": True}), {"tools", "parallel_tools"}),
        (asking(response_format={"type": "json_schema"}), {"json_schema"}),
        (asking(response_format={"type": "json_object"}), {"json_mode"}),
        (asking(response_format={"type": "text"}), set()),
        (asking([{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "x"}]), {"vision"}),
        (asking([{"type": "input_image", "image_url": "https://x.test/i"}]), {"vision"}),
        (asking([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]), {"vision"}),
        (asking([{"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}}]), set()),
        (asking([{"type": "image_url", "image_url": "data:audio/wav;base64,AAAA"}]), {"audio"}),
        (asking([{"type": "input_audio"}, "text"]), {"audio"}),
    ],
)
def test_needs_are_read_from_the_request(request_, expected):
    assert needs(request_) == expected


def test_the_estimate_knows_the_template_only_where_all_models_are_one():
    assert planner(SMALL, deployment("other")).only_model("main") == "m"
    assert planner(SMALL, LARGE).only_model("main") is None
    assert planner().only_model("main") is None


LIMIT = Limit("tokens", 100.0)


def reading(name="s/m#1", used=0.0, available_at=50.0, resting=None, until=None, **more):
    limits = (LimitReading("k", LIMIT, used, 0.0, 100.0 - used, 160.0),)
    return OptionReading(name, available_at, resting, until, limits, **more)


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (reading(), "available"),
        (reading(available_at=150.0), "waiting"),
        (reading(available_at=None), "waiting"),
        (reading(resting="rate_limit", until=150.0), "cooling"),
        (reading(resting="auth", until=150.0), "invalid"),
    ],
)
def test_the_state_of_a_deployment_in_one_word(given, state):
    assert state_of(given, 100.0) == state


def test_the_state_of_a_pool_counts_its_deployments_and_names_the_next_instant():
    state = pool_state("main", [reading(), reading(available_at=150.0), reading(available_at=140.0)], 100.0)

    assert state == {
        "pool": "main",
        "deployments": 3,
        "available": 1,
        "waiting": 2,
        "cooling": 0,
        "open": 0,
        "half_open": 0,
        "invalid": 0,
        "next_at": 140.0,
    }
    assert pool_state("main", [], 1.0)["next_at"] is None


def test_a_status_row_has_the_promised_keys():
    row = status_row(SMALL, reading(used=40.0), {"health": 1.0}, "closed", 100.0)

    assert set(row) == {
        "id",
        "provider",
        "model",
        "credential",
        "quota",
        "plan",
        "free",
        "state",
        "available_at",
        "limits",
        "health",
    }
    assert row["limits"][0] == {
        "unit": "tokens",
        "per": "minute",
        "window": "bucket",
        "limit": 100.0,
        "used": 40.0,
        "reserved": 0.0,
        "remaining": 60.0,
        "resets_at": 160.0,
        "source": "config",
        "seen_at": None,
    }


def test_an_explanation_ranks_who_could_and_says_why_the_others_could_not():
    limited = (LIMIT,)
    deps = [deployment(n, limits=limited) for n in ("full", "open", "tired", "better")]
    deps += [
        deployment("paid", price=PAID, limits=None),
        deployment("blind", capabilities=frozenset({"tools"}), limits=()),
    ]
    request = asking([{"type": "text", "text": "look"}], params={"max_tokens": 50})
    work = prepared(request, *deps)
    readings = {
        "full/m#1": reading("full/m#1", used=90.0),
        "open/m#1": reading("open/m#1", used=20.0, latency=0.05),
        "tired/m#1": reading("tired/m#1", resting="rate_limit", until=112.0),
        "better/m#1": reading("better/m#1", used=10.0),
        "paid/m#1": OptionReading("paid/m#1", 50.0, None, None, ()),
        "blind/m#1": OptionReading("blind/m#1", 50.0, None, None, ()),
    }

    explanation = explain(work, readings, 100.0)

    verdicts = {v.deployment.partition("/")[0]: v for v in explanation}
    assert [v.deployment.partition("/")[0] for v in explanation if v.rank] == ["blind", "better", "open", "paid"]
    assert verdicts["blind"].reason == "free, no limits"
    assert verdicts["open"].reason == "free, 80 left of 100 tokens per minute, 50 ms"
    assert verdicts["paid"].reason == "$1.50/M, no limits known"
    assert verdicts["tired"].reason == "resting after rate_limit for 12 s more"
    assert verdicts["full"].reason.startswith("10 left of 100 tokens per minute; needs ")
    assert "better/m#1" in str(explanation)
    assert explanation.to_dict()["pool"] == "main"


def test_an_explanation_tells_never_from_not_now():
    work = prepared(asking(params={"max_tokens": 500}), deployment("s", limits=(LIMIT,)))

    verdict = next(iter(explain(work, {"s/m#1": reading()}, 100.0)))

    assert verdict.verdict == "rejected"
    assert "its limit is 100 tokens per minute" in verdict.reason


def test_an_explanation_names_those_who_were_out_from_the_start():
    work = prepared(asking(tools=[TOOL]), deployment("s", capabilities=frozenset()), deployment("t", price=None))

    explanation = explain(work, {"t/m#1": OptionReading("t/m#1", 1.0, "auth", None, ())}, 100.0)

    assert [(v.verdict, v.reason) for v in explanation] == [
        ("rejected", "its key was refused (auth); after `rotor reset`"),
        ("rejected", "has no tools"),
    ]


def test_a_concurrency_limit_reads_as_one():
    limit = Limit("concurrent", 4, None, "concurrency")
    dep = deployment("c", limits=(limit,), price=None)
    work = prepared(asking(), dep)
    given = OptionReading("c/m#1", 1.0, None, None, (LimitReading("k", limit, 1, 0, 3, None),))

    assert next(iter(explain(work, {"c/m#1": given}, 100.0))).reason == "price unknown, 3 left of 4 at once"


@pytest.mark.parametrize(
    ("limit", "remaining", "said"),
    [
        (Limit("usd", 1.0, "day", "calendar"), 0.00005, "$0.0001 left of $1 per day; needs $0."),
        (Limit("requests", 5, 30.0), 0.0, "0 left of 5 requests per 30 s; needs 1"),
        (Limit("tokens", 100, "hour"), 60.0, "needs 265; its limit is 100 tokens per hour"),
    ],
)
def test_figures_of_an_explanation_have_their_unit(limit, remaining, said):
    one = deployment(limits=(limit,), price=PAID)
    work = prepared(asking(), one)
    given = OptionReading("a/m#1", None, None, None, (LimitReading("k", limit, 0.0, 0.0, remaining, None),))

    assert next(iter(explain(work, {"a/m#1": given}, 100.0))).reason.startswith(said)


def test_a_free_one_that_is_worth_the_wait_is_explained_as_the_choice():
    limit = Limit("requests", 1, 5.0, "rolling")
    free, paid = deployment("f", limits=(limit,)), deployment("p", price=PAID)
    busy = OptionReading("f/m#1", 105.0, None, None, (LimitReading("k", limit, 1.0, 0.0, 0.0, 105.0),))
    readings = {"f/m#1": busy, "p/m#1": OptionReading("p/m#1", 100.0, None, None, ())}

    def places(max_wait_for_free):
        policy = Policy(max_wait_for_free=max_wait_for_free)
        return [
            (v.deployment, v.verdict) for v in explain(prepared(asking(), free, paid, policy=policy), readings, 100.0)
        ]

    assert places(10.0) == [("f/m#1", "chosen"), ("p/m#1", "ranked")]
    assert places(4.0) == [("p/m#1", "chosen"), ("f/m#1", "rejected")]


def test_a_priority_may_be_said_in_a_word():
    assert [priority_of(said) for said in ("interactive", "normal", "batch", 3)] == [10, 0, -10, 3]


def test_a_word_that_is_no_priority_is_refused_with_those_that_are():
    with pytest.raises(TypeError, match="interactive, normal, batch, not 'urgent'"):
        priority_of("urgent")
