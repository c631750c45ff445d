"""What docs/plugins.md tells an author to write is written here, out of tree, and works: a file, a wheel, its suite."""

import json
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from rotor_core.sandbox import Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
FILES = {path[1]: text for _, text in BLOCKS if (path := re.match(r"# ([\w./]+\.(?:py|toml))\n", text))}
ROTOR = "from rotor_cli.app import main; main()"
KEY = "acme-key-0123456789"
ACME = {"providers": {"acme": {"keys": [KEY], "models": {"acme-large": {"output": [8, 16], "limits": []}}}}}


@pytest.fixture
def acme():
    with Sandbox(ACME) as box:
        yield box


@pytest.fixture
def run(tmp_path):
    """Runs Python or a command of Rotor's in an empty folder, with nothing in the environment but what is given."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("ROTOR_", "PYTEST_")) and "API_KEY" not in n}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**kept, "HOME": str(tmp_path), "NO_COLOR": "1", **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The package of the page, built as a wheel without a network, and unpacked as an installer would."""
    source = tmp_path_factory.mktemp("rotor-acme")
    for name, text in FILES.items():
        if "/" in name or name == "pyproject.toml":
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(source / "dist"), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (source / "dist").glob("rotor_acme-0.1.0-*.whl")
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    return place, source


def test_the_page_has_a_provider_in_ten_lines():
    code = [line for line in FILES["acme.py"].splitlines() if line.strip() and not line.startswith("#")]

    assert len(code) <= 10


def test_the_file_is_used_where_it_lies(run, acme, tmp_path):
    (tmp_path / "acme.py").write_text(FILES["acme.py"])
    environ = {"ROTOR_PLUGINS": "./acme.py", "ACME_API_KEY": KEY, "ACME_BASE_URL": acme.url("acme")}

    checked = run("-c", ROTOR, "check", "--json", **environ)
    told = json.loads(checked.stdout)
    chatted = run("-c", ROTOR, "chat", "Tell me about rivers.", **environ)

    assert checked.returncode == 0, checked.stdout
    assert [p["providers"] for p in told["plugins"] if p["origin"] == "file"] == [["acme"]]
    assert told["keys"][0]["key"] == "good"
    assert "rivers" in chatted.stdout, chatted.stderr
    assert [record["model"] for record in acme.stats()][-1] == "acme-large"


def test_the_wheel_holds_the_plugin_its_catalog_and_its_entry_point(unpacked):
    place, _ = unpacked

    assert {p.name for p in (place / "rotor_acme").iterdir()} >= {"__init__.py", "adapter.py", "catalog.toml"}
    entry = next(place.glob("rotor_acme-*.dist-info")) / "entry_points.txt"
    assert entry.read_text().split() == ["[rotor]", "acme", "=", "rotor_acme"]


def test_the_wheel_is_used_by_chatrotor_with_a_key_in_the_environment(run, acme, unpacked):
    place, _ = unpacked
    script = textwrap.dedent("""
        import json
        from rotor_core.plugins import installed
        from rotor_langchain import ChatRotor

        plugins = installed()
        answer = ChatRotor().invoke("Tell me about rivers.", seed=7)
        rotor = answer.response_metadata["rotor"]
        (plugin,) = [p for p in plugins.loaded if p.name == "acme"]
        told = {"text": answer.text, "model": answer.response_metadata["model_name"], "plan": rotor["credential"]}
        rules = [rule.source for rule in plugins.rules]
        print(json.dumps({**told, "version": plugin.version, "findings": len(plugins.findings), "rules": rules}))
    """)

    outcome = run(
        "-c", script, PYTHONPATH=str(place), ROTOR_PLUGINS="acme", ACME_API_KEY=KEY, ACME_BASE_URL=acme.url("acme")
    )

    assert outcome.returncode == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert "rivers" in told["text"]
    assert (told["model"], told["version"], told["findings"], told["rules"]) == (
        "acme/acme-large",
        "0.1.0",
        0,
        ["acme"],
    )


def test_rotor_check_is_clean_with_the_wheel(run, acme, unpacked):
    place, _ = unpacked

    outcome = run(
        "-c", ROTOR, "check",
        PYTHONPATH=str(place), ROTOR_PLUGINS="acme", ACME_API_KEY=KEY, ACME_BASE_URL=acme.url("acme"),
    )  # fmt: skip

    assert outcome.returncode == 0, outcome.stdout
    assert "ok       acme (0.1.0, installed): providers acme; 1 rule" in outcome.stdout
    assert "ok       acme#1 …6789" in outcome.stdout


def test_the_suite_passes_for_the_wheel(run, unpacked):
    place, source = unpacked

    outcome = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(source),
        str(source / "tests" / "test_adapter.py"),
        PYTHONPATH=str(place), ROTOR_PLUGINS="acme", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )  # fmt: skip

    assert outcome.returncode == 0, outcome.stdout[-3000:]
    passed = int(re.search(r"(\d+) passed", outcome.stdout)[1])
    assert passed >= 130


def test_other_code_on_the_page_runs():
    for language, text in BLOCKS:
        if language == "python" and not text.startswith("#") and "@hookimpl" not in text:
            exec(compile(text, "docs/plugins.md", "exec"), {"__name__": "page"})
