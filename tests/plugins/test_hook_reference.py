"""The hook reference of docs/plugins.md says what the hookspecs say."""

import importlib.util
import re
from pathlib import Path

import pytest

from rotor_core import ProviderSpec, Ranking, Rule, StoreSpec, hookspecs
from rotor_core.plugins.collect import HOOKS

ROOT = Path(__file__).parents[2]
KINDS = {"rotor_providers": ProviderSpec, "rotor_stores": StoreSpec, "rotor_rankings": Ranking, "rotor_rules": Rule}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("hook_reference", ROOT / "tools" / "hook_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_tool_writes(tool):
    page = tool.PAGE.read_text(encoding="utf-8")

    assert tool.written(page) == page, "run `python tools/hook_reference.py`"


def test_a_change_of_a_hookspec_is_noticed(tool, monkeypatch):
    monkeypatch.setattr(hookspecs.rotor_rules, "__doc__", "Something else. Since 0.2.")

    page = tool.PAGE.read_text(encoding="utf-8")

    assert tool.written(page) != page


def test_a_page_without_the_marks_is_refused(tool):
    with pytest.raises(ValueError, match="hook reference"):
        tool.written("# Plugins\n")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_typed_dated_and_shown(hook):
    spec = getattr(hookspecs, hook)
    shown = [line.strip() for line in spec.__doc__.partition("@hookimpl")[2].splitlines() if line.strip()]

    assert spec.__annotations__["return"].startswith("Iterable[")
    assert re.search(r"Since \d+\.\d+\.", spec.__doc__)
    assert (len(shown), shown[0]) == (2, f"def {hook}():")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_returns_what_the_hook_wants(hook):
    example = "def" + getattr(hookspecs, hook).__doc__.partition("@hookimpl\n")[2].partition("def")[2]
    names = {kind.__name__: kind for kind in KINDS.values()}
    exec(re.sub(r"\n\s+return", "\n    return", example).rstrip(), names)

    assert all(isinstance(given, KINDS[hook]) for given in names[hook]())


def test_a_hookspec_is_not_called():
    for hook in HOOKS:
        with pytest.raises(AssertionError):
            getattr(hookspecs, hook)()
