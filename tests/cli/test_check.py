"""`rotor check`: what is there, what is wrong with it, and never a secret."""

import json

import pytest
import yaml

from rotor_cli.app import rotor
from rotor_cli.check_keys import masked_key
from rotor_core import plugins
from rotor_core.sandbox import Sandbox

GOOD, REVOKED = "lab-key-good-0123456789", "lab-key-gone-9876543210"
MODELS = {"m": {"price": {"input": 0, "output": 0}, "limits": []}}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing but what ships, unless a test says so."""
    monkeypatch.setenv("ROTOR_PLUGINS", "")
    yield
    plugins.forget()


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = rotor.main(["check", *arguments], standalone_mode=False)
        told = capsys.readouterr()
        assert not any(secret in told.out + told.err for secret in (GOOD, REVOKED))
        return status, told.out

    return run


@pytest.fixture
def providers(nowhere):
    """Makes a sandbox of providers and a rotor.yaml that speaks of it; closed at the end."""
    boxes = []

    def made(**written):
        box = Sandbox({"providers": written}).__enter__()
        boxes.append(box)
        (nowhere / "rotor.yaml").write_text(yaml.safe_dump(box.config()))
        return box

    yield made
    for box in boxes:
        box.close()


def test_all_is_well(run, providers):
    providers(lab={"keys": [GOOD], "models": MODELS})

    status, said = run()

    assert status == 0
    assert "rotor_core.adapters.openai_compatible (0.1.0, shipped): providers openai-compatible" in said
    assert "lab#1 …6789 plan not stated; quota its own; good: 1 model listed" in said
    assert "memory:// reachable and writable" in said
    assert said.endswith("all is well\n")


def test_a_revoked_key_is_broken_and_shows_its_last_four_characters(run, providers):
    providers(lab={"keys": [GOOD, {"value": REVOKED, "revoked": True}], "models": MODELS})

    status, said = run()

    assert status == 1
    (line,) = [line for line in said.splitlines() if "lab#2" in line]
    assert line.split()[:3] == ["broken", "lab#2", "…3210"]
    assert "bad: auth" in line
    assert said.endswith("1 broken\n")


def test_a_key_that_nobody_answers_for_is_unknown_in_time_and_no_fault(run, providers):
    box = providers(lab={"keys": [GOOD], "models": MODELS})
    written = box.config()
    box.close()
    with open("rotor.yaml", "w") as file:
        yaml.safe_dump(written, file)

    status, said = run("--timeout", "2")

    assert status == 0
    assert "unknown: connection" in said
    assert said.endswith("1 warning\n")


def test_a_provider_that_hangs_holds_up_nobody(run, nowhere, monkeypatch):
    (nowhere / "acme.py").write_text(HANGING)
    (nowhere / "rotor.yaml").write_text(
        yaml.safe_dump({"version": 1, "providers": {"acme": {"keys": [{"value": GOOD}], "models": MODELS}}})
    )
    monkeypatch.setenv("ROTOR_PLUGINS", "./acme.py")

    status, said = run("--timeout", "0.1")

    assert status == 0
    assert "unknown: no answer within 0.1 s" in said


def test_a_quota_that_keys_share_and_a_key_that_stands_twice_are_named(run, providers):
    shared = [{"value": GOOD, "quota": "work"}, {"value": GOOD[::-1], "quota": "work"}]
    providers(lab={"keys": shared, "models": MODELS}, twin={"keys": [GOOD], "models": MODELS})

    status, said = run()
    lines = {line.split()[1]: line for line in said.splitlines() if "#" in line}

    assert status == 0
    assert "quota of lab#1 with lab#2" in lines["lab#1"]
    assert "the same key as twin#1" in lines["lab#1"]
    assert "warning" in lines["twin#1"]


def test_offline_asks_nobody(run, providers):
    box = providers(lab={"keys": [GOOD], "models": MODELS})

    status, said = run("--offline")

    assert status == 0
    assert "not asked" in said
    assert box.stats() == []


def test_a_store_that_cannot_be_reached_is_told(run, providers):
    box = providers(lab={"keys": [GOOD], "models": MODELS})
    with open("rotor.yaml", "w") as file:
        yaml.safe_dump(box.config(store="sqlite:////nowhere/at/all.db", policy={"on_store_error": "refuse"}), file)

    status, said = run()

    assert status == 1
    assert "/nowhere/at/all.db" in said


def test_json_has_its_four_sections_and_a_summary(run, providers):
    providers(lab={"keys": [GOOD, {"value": REVOKED, "revoked": True}], "models": MODELS})

    status, said = run("--json")
    told = json.loads(said)

    assert status == 1
    assert list(told) == ["plugins", "configuration", "keys", "store", "summary"]
    assert told["plugins"][0] | {"message": ""} == {
        "state": "ok", "name": "rotor_core.builtin", "message": "", "version": "0.1.0", "origin": "shipped",
        "providers": [], "stores": ["memory", "sqlite", "redis", "rediss"],
        "rankings": ["free-first", "cheapest", "fastest", "spread", "balanced"], "rules": 0,
    }  # fmt: skip
    assert told["keys"][0] | {"message": ""} == {
        "state": "ok", "name": "lab#1 …6789", "message": "", "provider": "lab", "shown": "…6789", "plan": None,
        "quota": "its own", "shares_with": [], "same_as": [], "models": 1, "key": "good",
    }  # fmt: skip
    assert [key["key"] for key in told["keys"]] == ["good", "bad"]
    assert told["store"][0]["reachable"] is True
    assert told["summary"]["broken"] == 1


def test_without_a_configuration_it_says_what_is_missing(run):
    status, said = run()

    assert status == 1
    assert "no API key was found" in said


def test_plugins_that_are_broken_clash_or_are_misspelt_are_named(run, nowhere, providers, monkeypatch):
    providers(lab={"keys": [GOOD], "models": MODELS})
    (nowhere / "broken.py").write_text("import acme_sdk_that_nobody_has\n")
    (nowhere / "one.py").write_text(OFFERING.format(hook="rotor_providers"))
    (nowhere / "two.py").write_text(OFFERING.format(hook="rotor_providers"))
    (nowhere / "misspelt.py").write_text(OFFERING.format(hook="rotor_provider"))
    monkeypatch.setenv("ROTOR_PLUGINS", "./broken.py,./one.py,./two.py,./misspelt.py,nobody")

    status, said = run()

    assert status == 1
    for line in (
        "broken   ./broken.py could not be loaded: ModuleNotFoundError: No module named 'acme_sdk_that_nobody_has'",
        "broken   ./two.py rotor_providers: 'acme' is already taken by ./one.py; it keeps it",
        "broken   ./misspelt.py there is no hook 'rotor_provider', did you mean 'rotor_providers'?",
        "broken   nobody could not be loaded: ValueError: ROTOR_PLUGINS names it, but there is no plugin and no module",
        "ok       ./one.py (no version, file): providers acme",
    ):
        assert line in said
    assert "lab#1 …6789 plan not stated; quota its own; good" in said


def test_an_adapter_that_cannot_be_had_is_found_before_it_is_needed(run, nowhere, providers, monkeypatch):
    providers(lab={"keys": [GOOD], "models": MODELS})
    (nowhere / "acme.py").write_text(OFFERING.format(hook="rotor_providers").replace("OpenAICompatible", "Nope"))
    monkeypatch.setenv("ROTOR_PLUGINS", "./acme.py")

    status, said = run("--offline")

    assert status == 1
    assert "of provider 'acme' cannot be used: AttributeError" in said


def test_a_secret_in_a_plugins_error_is_not_shown(run, nowhere, providers, monkeypatch):
    providers(lab={"keys": [GOOD], "models": MODELS})
    monkeypatch.setenv("ACME_API_KEY", GOOD)
    (nowhere / "acme.py").write_text("import os\nraise ValueError('bad key ' + os.environ['ACME_API_KEY'])\n")
    monkeypatch.setenv("ROTOR_PLUGINS", "./acme.py")

    for arguments in ((), ("--json",)):
        status, said = run(*arguments)

        assert status == 1
        assert "could not be loaded: ValueError: bad key ****" in said


@pytest.mark.parametrize(("secret", "shown"), [("", "(none needed)"), ("short-key", "…****"), (GOOD, "…6789")])
def test_a_key_shows_four_characters_where_that_gives_nothing_away(secret, shown):
    assert masked_key(secret) == shown


OFFERING = """
from rotor_core import ProviderSpec, hookimpl

@hookimpl
def {hook}():
    return [ProviderSpec("acme", adapter="rotor_core.adapters.openai_compatible:OpenAICompatible")]
"""

HANGING = """
import threading
from rotor_core import ProviderSpec, hookimpl
from rotor_core.adapters.openai_compatible import OpenAICompatible

class Acme(OpenAICompatible):
    def list_models(self, provider, secret, *, timeout):
        threading.Event().wait(1.0)

@hookimpl
def rotor_providers():
    return [ProviderSpec("acme", adapter=Acme, base_url="http://127.0.0.1:1/v1")]
"""


def test_a_catalog_that_cannot_be_read_is_named_though_nobody_has_a_key_for_it(run, nowhere, providers, monkeypatch):
    providers(lab={"keys": [GOOD], "models": MODELS})
    spec = 'ProviderSpec("acme", adapter="rotor_core.adapters.openai_compatible:OpenAICompatible"'
    hook = f'@hookimpl\ndef rotor_providers():\n    return [{spec}, catalog={{"models": {{"m": {{"contxt": 3}}}}}})]\n'
    (nowhere / "acme.py").write_text(f"from rotor_core import ProviderSpec, hookimpl\n\n\n{hook}")
    monkeypatch.setenv("ROTOR_PLUGINS", "./acme.py")

    status, said = run("--offline")

    assert status == 1
    assert "broken   ./acme.py its catalog is left out: catalog of acme: models.m.contxt: unknown key" in said
