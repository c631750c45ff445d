"""Recording, and playing back: what fails at once, what fails at the end, what is never written."""

from __future__ import annotations

import asyncio
import http.client
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rotor_core._request import Request
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.sandbox import Sandbox
from rotor_core.testing import CassetteSuite
from rotor_core.testing.cassette_scenarios import SCENARIOS, Ask, Scenario
from rotor_core.testing.cassettes import CassetteError
from rotor_core.testing.record import main, record, secret_of, suites_in

TREE = Path(__file__).parents[2]
HELLO = Request([{"role": "user", "content": "Hello."}])
CHAT = SCENARIOS[0]


def hello(times: int = 1, request: Request = HELLO, name: str = "hello") -> Scenario:
    def script():
        for _ in range(times):
            yield Ask(request)

    return Scenario(name, script)


def played(suite: type[CassetteSuite], scenario: Scenario) -> list:
    heard: list = []
    with suite.cassettes().play(scenario.name):
        suite.run(scenario, suite.base_url(), "a-key", heard.append)
    return heard


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_what_is_recorded_is_understood_alike_when_it_is_played(suite, scenario):
    record(suite, scenario, secret=None)

    with suite.cassettes().play(scenario.name) as tape:
        pass_on: list = []
        asyncio.run(suite.arun(scenario, suite.base_url(), "another-key", pass_on.append))

    assert pass_on == tape.understood == played(suite, scenario)
    assert suite.cassettes().problems() == []


def test_a_cassette_names_the_providers_place_and_never_where_the_sandbox_was(suite):
    record(suite, CHAT, secret=None)

    text = suite.cassettes().path("chat").read_text("utf-8")
    assert "https://api.acme.test/v1/chat/completions" in text
    assert "127.0.0.1" not in text
    assert "a-sandbox-key" not in text
    assert yaml.safe_load(text)["recorded"]["against"].startswith("sandbox ")


def test_what_the_provider_said_of_its_limits_is_in_the_file_and_is_understood_from_it(suite):
    record(suite, CHAT, secret=None)

    cassette = yaml.safe_load(suite.cassettes().path("chat").read_text("utf-8"))
    headers = cassette["interactions"][0]["response"]["headers"]
    assert {"x-ratelimit-limit-requests", "x-ratelimit-remaining-tokens", "content-type"} <= set(headers)
    assert not {"content-length", "openai-organization", "x-request-id", "set-cookie"} & set(headers)
    assert {limit["unit"] for limit in cassette["understood"][0]["limits"]} == {"requests", "tokens"}


def test_recording_the_same_again_changes_no_byte(suite):
    for scenario in SCENARIOS:
        record(suite, scenario, secret=None)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in suite.folder.iterdir()}

    for scenario in SCENARIOS:
        record(suite, scenario, secret=None)

    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in suite.folder.iterdir()}
    assert after == before
    assert set(after) == {f"{scenario.name}.yaml" for scenario in SCENARIOS}


def test_a_request_that_was_not_recorded_fails_at_once_and_reaches_nobody(suite):
    record(suite, hello(), secret=None)
    other = Request([{"role": "user", "content": "Good bye."}])

    with (
        pytest.raises(CassetteError, match="does not hold POST https://api.acme.test/v1/chat/completions"),
        suite.cassettes().play("hello"),
    ):
        suite.run(hello(request=other), suite.base_url(), "a-key", print)


async def test_nothing_else_reaches_the_network_either_while_a_cassette_plays(suite):
    await asyncio.to_thread(record, suite, hello(), secret=None)
    with Sandbox("plain") as box:
        host, _, port = box.address.removeprefix("http://").partition(":")

        def ask_around() -> None:
            other = http.client.HTTPConnection(host, int(port))
            other.request("GET", "/_stats/summary")
            other.getresponse()

        with pytest.raises(CassetteError, match="does not hold GET http://127.0.0.1"), suite.cassettes().play("hello"):
            ask_around()
        assert box.summary()["requests"] == 0


class Deaf(OpenAIWire):
    """Loses the usage of an answer."""

    def decode(self, content, headers):
        return replace(super().decode(content, headers), usage=None)


class Talkative(OpenAIWire):
    """Sends what was not sent before."""

    def adapt(self, body, model, request):
        return {**body, "user": "ada"}


@pytest.mark.parametrize(("wire", "said"), [(Deaf(), "usage"), (Talkative(), "does not hold POST")])
def test_a_wire_that_reads_or_writes_otherwise_than_then_is_caught(suite, wire, said, monkeypatch):
    record(suite, CHAT, secret=None)
    changed = type("Changed", (HttpAdapter,), {"wire": wire})
    monkeypatch.setattr(suite, "adapter", classmethod(lambda cls: changed()))

    with pytest.raises(AssertionError, match=said):
        suite().test_a_recorded_conversation_is_understood_as_it_was_then(CHAT, "blocking", monkeypatch)


def test_a_cassette_that_is_played_in_part_fails_and_says_how_far(suite):
    record(suite, hello(times=3), secret=None)

    with pytest.raises(CassetteError, match="played in part: 2 of 3"):
        played(suite, hello(times=2))


def test_an_answer_is_given_once(suite):
    record(suite, hello(), secret=None)

    with pytest.raises(CassetteError, match="does not hold POST https://api.acme.test/v1/chat/completions"):
        played(suite, hello(times=2))


def test_a_cassette_that_is_not_there_says_what_to_do(suite):
    with pytest.raises(CassetteError, match=r"acme.chat\.yaml: record it"):
        played(suite, CHAT)


def test_without_vcrpy_it_says_what_to_install(suite, monkeypatch):
    record(suite, CHAT, secret=None)
    monkeypatch.setitem(sys.modules, "vcr", None)

    with pytest.raises(ImportError, match="pip install vcrpy"):
        played(suite, CHAT)


def test_a_failing_test_is_not_hidden_by_a_cassette_that_was_not_played_to_its_end(suite):
    record(suite, hello(), secret=None)

    with pytest.raises(ZeroDivisionError), suite.cassettes().play("hello"):
        raise ZeroDivisionError


def test_a_secret_of_the_conversation_is_replaced_in_the_file_and_the_cassette_plays_all_the_same(suite):
    private = Request([{"role": "user", "content": "Write to ada@acme.test with gsk_" + "a1b2c3d4" * 4}])

    record(suite, hello(request=private), secret=None)

    text = suite.cassettes().path("hello").read_text("utf-8")
    assert "ada@acme.test" not in text
    assert "a1b2c3d4" not in text
    assert len(played(suite, hello(request=private))) == 1


def test_what_must_not_be_written_leaves_the_old_cassette_as_it_was(suite):
    record(suite, hello(), secret=None)
    before = suite.cassettes().path("hello").read_bytes()
    linking = Request([{"role": "user", "content": "Read https://elsewhere.test/page"}])

    with pytest.raises(CassetteError, match=r"is not written.*the host elsewhere\.test"):
        record(suite, hello(request=linking), secret=None)

    assert suite.cassettes().path("hello").read_bytes() == before
    assert [path.name for path in suite.folder.iterdir()] == ["hello.yaml"]


def test_a_provider_that_answers_otherwise_than_it_must_leaves_the_old_cassette_as_it_was(suite):
    record(suite, CHAT, secret=None)
    before = suite.cassettes().path("chat").read_bytes()
    suite.model, suite.dialect = "large", "groq"
    broken = Scenario("chat", next(s.script for s in SCENARIOS if s.name == "rate_limit"), limits=())

    with pytest.raises(AssertionError, match="no call was refused"):
        record(suite, broken, secret=None)

    assert suite.cassettes().path("chat").read_bytes() == before


def test_of_a_refusal_that_had_to_be_provoked_only_the_end_is_kept(suite):
    patient = Scenario("rate_limit", SCENARIOS[4].script, ({"requests": 5, "per": "minute"},), last=2)

    record(suite, patient, secret=None)

    cassette = yaml.safe_load(suite.cassettes().path("rate_limit").read_text("utf-8"))
    assert [e["response"]["status"]["code"] for e in cassette["interactions"]] == [200, 429]
    assert [("error" in said) for said in played(suite, patient)] == [False, True]


def test_with_a_key_the_provider_is_asked_and_without_one_the_sandbox(suite, monkeypatch):
    with Sandbox({"providers": {"acme": {"keys": ["the-real-key"], "models": {"large": {}}}}}) as box:
        place = box.url("acme")
        monkeypatch.setattr(suite, "base_url", classmethod(lambda cls: place))

        recording = record(suite, CHAT, secret="the-real-key")
        costly = record(suite, SCENARIOS[4], secret="the-real-key")

        assert box.summary()["requests"] == 1
    assert recording.against == "the provider's API"
    assert costly.against.startswith("sandbox ")
    assert "the-real-key" not in suite.cassettes().path("chat").read_text("utf-8")


def test_the_key_is_found_under_the_names_that_the_plugin_gives(suite, monkeypatch):
    assert secret_of(suite) is None

    monkeypatch.setenv("ACME_TEST_KEY", " hunter2 ")

    assert secret_of(suite) == "hunter2"


def test_a_body_that_is_no_json_is_matched_as_it_is(suite):
    record(suite, CHAT, secret=None)
    path = suite.cassettes().path("chat")
    body = yaml.safe_load(path.read_text("utf-8"))["interactions"][0]["request"]["body"]
    path.write_text(path.read_text("utf-8").replace(body, "no json"), "utf-8")

    with pytest.raises(CassetteError, match="does not hold POST"):
        played(suite, CHAT)


def test_a_conversation_in_which_nothing_is_asked_is_not_written(suite):
    with pytest.raises(CassetteError, match="nothing was exchanged"):
        record(suite, hello(times=0), secret=None)

    assert list(suite.folder.iterdir()) == []


def test_a_provider_that_is_not_installed_is_named():
    class Absent(CassetteSuite):
        provider = "nobody"

    with pytest.raises(LookupError, match="no installed plugin offers the provider 'nobody'"):
        Absent.spec()


def test_without_a_key_and_without_a_dialect_nothing_can_be_recorded_and_it_says_so(suite):
    suite.dialect = None

    with pytest.raises(CassetteError, match="acme: chat needs a key in the environment"):
        record(suite, CHAT, secret=None)


def test_a_cassette_without_a_scenario_and_a_scenario_without_a_cassette_are_named(suite):
    record(suite, CHAT, secret=None)
    (suite.folder / "old.yaml").write_bytes((suite.folder / "chat.yaml").read_bytes())
    suite.scenarios = (CHAT, hello())

    assert suite.orphans() == [
        f"{suite.folder / 'old.yaml'}: no test plays it",
        f"{suite.folder / 'hello.yaml'}: is not there, record it",
    ]


def test_a_cassette_that_cannot_be_read_is_named(suite):
    suite.folder.mkdir()
    (suite.folder / "chat.yaml").write_text("a: [", "utf-8")

    assert [problem.partition(": ")[2][:14] for problem in suite.cassettes().problems()] == ["cannot be read"]


AUTHORS = """
from pathlib import Path
from rotor_core import ProviderSpec
from rotor_core.testing.cassette_scenarios import SCENARIOS
from rotor_core.testing import CassetteSuite


class TestAcme(CassetteSuite):
    provider = "acme"
    folder = Path(__file__).parent / "cassettes"
    model = "large"
    dialect = "openai"
    scenarios = SCENARIOS[:2]

    @classmethod
    def spec(cls):
        adapter = "rotor_core.adapters.openai_compatible:OpenAICompatible"
        return ProviderSpec("acme", adapter=adapter, base_url="https://api.acme.test/v1")
"""


def test_an_author_records_with_one_command_and_it_says_what_changed(tmp_path):
    file = tmp_path / "test_acme.py"
    file.write_text(AUTHORS, "utf-8")

    first, second = (CliRunner().invoke(main, [str(file)]) for _ in range(2))

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert [line.split(" (")[0] for line in first.output.splitlines()] == [
        "acme/chat: changed",
        "acme/stream: changed",
    ]
    assert [line.split(" (")[0] for line in second.output.splitlines()] == [
        "acme/chat: unchanged",
        "acme/stream: unchanged",
    ]
    assert [suite.__name__ for suite in suites_in(file)] == ["TestAcme"]


def test_one_providers_trouble_is_a_line_and_a_failure_at_the_end(tmp_path):
    file = tmp_path / "test_acme.py"
    file.write_text(AUTHORS.replace('dialect = "openai"', "dialect = None"), "utf-8")

    ran = CliRunner().invoke(main, [str(file)])

    assert ran.exit_code != 0
    assert "acme/chat: FAILED: CassetteError: acme: chat needs a key" in ran.output


def checking():
    spec = spec_from_file_location("check_cassettes", TREE / "tools" / "check_cassettes.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cassettes_of_this_tree_are_all_played_and_hold_no_secret():
    tool = checking()

    assert tool.problems(TREE / "cassettes", tool.suites()) == []


def test_a_folder_that_no_suite_knows_of_fails_the_build(suite, tmp_path):
    record(suite, CHAT, secret=None)
    suite.scenarios = (CHAT,)
    stray = tmp_path / "gone" / "chat.yaml"
    stray.parent.mkdir()
    stray.write_text(suite.cassettes().path("chat").read_text("utf-8") + "note: gsk_" + "a1b2c3d4" * 4, "utf-8")
    (suite.folder / "chat.yml").write_text("{}", "utf-8")

    found = checking().problems(tmp_path, [suite])

    assert [problem.partition(": ")[2].partition(" (")[0] for problem in found] == [
        "no test plays it: a cassette's name ends in .yaml",
        "no test plays it: there is no suite for its folder",
        "outside of its exchanges: holds an API key",
    ]
