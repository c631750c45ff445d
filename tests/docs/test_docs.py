"""What the documents show works, and what they name exists."""

import re
from pathlib import Path

import pytest
import yaml

from rotor_core import Rotor
from rotor_core._policy.rank import RANKINGS
from rotor_langchain import errors

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])


def yaml_blocks():
    return [
        pytest.param(block, id=f"{page.name}-{n}")
        for page in PAGES
        for n, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
    ]


@pytest.mark.parametrize("block", yaml_blocks())
def test_a_configuration_shown_can_be_loaded(block, monkeypatch):
    written = yaml.safe_load(block)
    for entry in re.findall(r"env: (\w+)", block):
        monkeypatch.setenv(entry, f"a-key-of-{entry.lower()}")
    for pool in written.get("pools", {}).values():
        # A page may name a provider that it does not show.
        pool[:] = [
            e for e in pool if (e if isinstance(e, str) else e["model"]).partition("/")[0] in written["providers"]
        ]

    with Rotor.from_config(written) as rotor:
        assert rotor.candidates()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_ranking_is_explained():
    text = (ROOT / "docs/configuration.md").read_text()

    assert all(f"`{name}`" in text for name in RANKINGS)


def test_every_error_that_is_named_exists():
    text = (ROOT / "docs/langchain.md").read_text()

    for name in re.findall(r"`(No\w+)`", text):
        assert isinstance(getattr(errors, name), type)


def test_no_page_holds_a_placeholder():
    assert not [p.name for p in PAGES if re.search(r"[A-Z]+_LINE\b|TODO|TBD", p.read_text())]
