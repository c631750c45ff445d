from __future__ import annotations

from pathlib import Path

import pytest

from rotor_core.catalog.check import check
from rotor_core.catalog.starter import starter
from rotor_core.hookspecs import ProviderSpec

DESIGN = Path(__file__).parents[3] / "shared" / "DESIGN.md"
WIRE = {"openai-compatible": ProviderSpec("openai-compatible", "a:b")}
WITH = {"specs": WIRE, "rankings": ("free-first",), "schemes": ("memory",)}


def _said(source, environ=None):
    return check(source, environ=environ or {}, **WITH)


def test_the_starter_loads_as_it_stands_once_its_key_is_set(written, read) -> None:
    path = written(starter())
    report = read(path, {"GROQ_API_KEY": "k"}, specs=WIRE)
    assert list(report.catalog.deployments) == ["groq/openai/gpt-oss-20b#1", "groq/openai/gpt-oss-120b#1"]
    assert all(d.free and len(d.limits) == 4 for d in report.catalog.deployments.values())
    assert _said(path, {"GROQ_API_KEY": "k"}) == ()


def test_what_the_starter_has_commented_out_is_valid_too(written, read) -> None:
    lines = [
        line.replace("  # ", "  ", 1)
        if line.startswith("  # ") and ("local" in line or ":  " in line or line.startswith("  #   "))
        else line
        for line in starter().splitlines()
    ]
    lines = [line.replace("# ", "", 1) if line.startswith(("# rules", "#   -", "#     ")) else line for line in lines]
    lines = [line.replace("# budget", "budget").replace("# - {", "- {") for line in lines]
    report = read(written("\n".join(lines)), {"GROQ_API_KEY": "k", "GROQ_WORK_KEY": "w"}, specs=WIRE)
    assert "local/llama-3.3-70b#1" in report.catalog.deployments
    assert "groq/openai/gpt-oss-20b#2" in report.catalog.deployments
    assert report.catalog.policy.budgets
    assert len(report.catalog.rules) == 2


def test_the_starter_without_its_key_says_which_one(written) -> None:
    (finding,) = _said(written(starter()))
    assert (finding.level, finding.key) == ("error", "providers.groq.keys[0].env")
    assert "GROQ_API_KEY" in finding.message


def test_a_key_that_looks_real_is_a_warning_that_does_not_show_it(local) -> None:
    key = "sk-proj-" + "a1" * 20
    said = _said(local({"limits": []}, {"keys": [{"value": "none"}, {"value": key}]}))
    assert [f.key for f in said] == ["providers.local.keys[1].value"]
    assert key not in said[0].message


@pytest.mark.parametrize(
    "key",
    ["gsk_" + "a" * 20, "AIza" + "b" * 30, "0123456789abcdef0123456789abcdef", "12345678-1234-1234-1234-123456789abc"],
)
def test_keys_of_many_vendors_look_real(key, local) -> None:
    assert len(_said(local({"limits": []}, {"keys": [{"value": key}]}))) == 1


def test_unknown_limits_are_a_warning_once_for_all_keys_of_a_model(local) -> None:
    said = _said(local(provider={"keys": [{"value": "a"}, {"value": "b"}]}))
    assert [(f.level, f.key) for f in said] == [("warning", "providers.local.models.m")]
    assert "limits of local/m are unknown" in said[0].message


def test_unknown_prices_matter_where_nothing_may_be_paid_or_only_so_much(local) -> None:
    never = _said(local({"limits": []}, policy={"paid": "never"}))
    assert ["price of local/m is unknown" in f.message for f in never] == [True, False]
    assert never[1].key == "pools.default"
    assert "can answer nothing" in never[1].message
    (budget,) = _said(local({"limits": []}, policy={"budget": {"usd": 1}}))
    assert "will not be used under the budget" in budget.message
    (each,) = _said(local({"limits": []}, policy={"budget": {"usd": 1, "caller": "each"}}))
    assert "will not be used under the budget" in each.message
    (some,) = _said(local({"limits": []}, policy={"budget": {"usd": 1, "caller": "a"}}))
    assert "will not be used where the budget of caller a holds" in some.message
    (allowed,) = _said(local({"limits": []}, policy={"budget": {"usd": 1, "unknown_price": "allowed"}}))
    assert "not counted against the budget" in allowed.message


def test_a_known_price_is_no_cause_for_concern(local) -> None:
    price = {"input": 1, "output": 1}
    assert _said(local({"limits": [], "price": price}, policy={"budget": {"usd": 1}})) == ()
    assert [f.key for f in _said(local({"limits": [], "price": price}, policy={"paid": "never"}))] == ["pools.default"]
    models = {"m": {"limits": [], "price": price}, "n": {"limits": [], "price": {"input": 0, "output": 0}}}
    assert _said(local(provider={"models": models}, policy={"paid": "never"})) == ()


def test_what_only_the_environment_names_has_no_line_in_the_file(written) -> None:
    spec = ProviderSpec("other", "o:o", "https://o.test", (), {"models": {"m": {}}})
    path = written("version: 1\npools: {p: [other/m]}\n")
    (finding,) = check(
        path, environ={"OTHER_API_KEY": "k"}, specs={"other": spec}, rankings=("free-first",), schemes=("memory",)
    )
    assert (finding.line, finding.key) == (None, None)
    assert "limits of other/m are unknown" in finding.message


def test_rules_that_no_model_can_meet_are_a_warning(local) -> None:
    rules = [{"when": {"tokens_over": 5}, "require": {"context": 9000}, "prefer": {"category": "tiny"}}]
    said = _said(local({"limits": [], "context": 8000, "category": "large"}, rules=rules))
    assert [f.key for f in said] == ["rules[0].require.context", "rules[0].prefer.category"]


def test_a_fault_is_one_error_finding_with_its_place(written) -> None:
    (finding,) = _said(written("version: 1\nstroe: x\n"))
    assert (finding.level, finding.line, finding.key) == ("error", 2, "stroe")


@pytest.mark.skipif(not DESIGN.exists(), reason="the design document is not beside this checkout")
def test_the_example_of_the_design_document_loads(read, written) -> None:
    text = DESIGN.read_text().split("```yaml\n")[1].split("```")[0]
    groq = ProviderSpec("groq", "g:g", "https://api.groq.com/openai/v1", (), {"models": {"openai/gpt-oss-20b": {}}})
    openai = ProviderSpec("openai", "o:o", "https://api.openai.com/v1", (), {"models": {"gpt-5.6-luna": {}}})
    environ = {"GROQ_API_KEY": "a", "GROQ_WORK_KEY": "b", "OPENAI_API_KEY": "c"}
    report = read(written(text), environ, specs={**WIRE, "groq": groq, "openai": openai}, schemes=("redis",))
    assert len(report.catalog.pools["fast"].seats) == 4
    assert report.warnings == ()
