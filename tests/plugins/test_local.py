"""`ROTOR_PLUGINS` may name a file or a module while somebody writes it; what it cannot find is a finding."""

import importlib.metadata
import sys
import textwrap

import pytest

from rotor_core import plugins
from rotor_core.plugins.local import PREFIX, is_path, names_in
from rotor_core.plugins.reach import resolve

OFFERING = """
from rotor_core import ProviderSpec, hookimpl
from rotor_core.adapters.openai_compatible import OpenAICompatible

__version__ = "0.3"

class Acme(OpenAICompatible):
    pass

@hookimpl
def rotor_providers():
    return [ProviderSpec("acme", adapter=f"{__name__}:Acme")]
"""


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.forget()
    yield
    plugins.forget()
    for name in [name for name in sys.modules if name.startswith((PREFIX, "written_"))]:
        del sys.modules[name]


@pytest.fixture
def found(monkeypatch, tmp_path):
    def found(value, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        monkeypatch.setenv("ROTOR_PLUGINS", value)
        return plugins.installed()

    return found


def problems(found):
    return [(f.plugin, f.problem) for f in found.findings]


@pytest.mark.parametrize("name", ["./acme.py", "acme.py"])
def test_a_file_is_a_plugin(found, name):
    read = found(name, acme=OFFERING)

    assert problems(read) == []
    assert (read.loaded[-1].name, read.loaded[-1].origin, read.loaded[-1].version) == (name, "file", "0.3")
    assert read.loaded[-1].providers == ("acme",)


def test_a_class_of_the_file_is_found_by_the_modules_name(found):
    read = found("./acme.py", acme=OFFERING)

    assert resolve(read.providers["acme"].adapter).__name__ == "Acme"
    assert plugins.unreachable(read) == ()


def test_a_file_hides_no_package_of_its_name(found):
    found("./json.py", json="raise_nothing = True")

    import json

    assert hasattr(json, "loads")


def test_a_module_is_a_plugin(found):
    read = found("written_acme", written_acme=OFFERING)

    assert problems(read) == []
    assert (read.loaded[-1].name, read.loaded[-1].origin) == ("written_acme", "module")


def test_a_file_that_was_changed_is_read_anew(found):
    assert "acme" in found("./acme.py", acme=OFFERING).providers

    plugins.forget()

    assert "other" in found("./acme.py", acme=OFFERING.replace('"acme"', '"other"')).providers


@pytest.mark.parametrize(
    ("value", "files", "problem"),
    [
        ("./nowhere.py", {}, "could not be loaded: ValueError: there is no file "),
        ("./", {}, "is a directory: name the file, or put "),
        ("./acme.txt/x", {}, "there is no file"),
        ("./broken.py", {"broken": "import nobody_has_this"}, "ModuleNotFoundError: No module named 'nobody_has_this'"),
        ("./broken.py", {"broken": "1 +"}, "could not be loaded: SyntaxError: "),
        ("./leaves.py", {"leaves": "import sys; sys.exit(3)"}, "could not be loaded: SystemExit: 3"),
        ("nobody", {}, "there is no plugin and no module of that name (none is installed)"),
        ("written_empty", {"written_empty": "x = 1"}, "it offers nothing: no function in it is marked with @hookimpl"),
        ("not-a.module", {}, "there is no plugin and no module of that name"),
        ("nobody.at.all", {}, "there is no plugin and no module of that name"),
    ],
)
def test_what_cannot_be_loaded_is_a_finding_and_the_rest_loads(found, value, files, problem):
    read = found(value, **files)

    assert [f.plugin for f in read.findings] == [value]
    assert problem in read.findings[0].problem
    assert "\n" not in read.findings[0].problem
    assert "openai-compatible" in read.providers


def test_a_file_that_fails_leaves_the_one_before_it_in_place(found):
    found("./acme.py", acme=OFFERING)
    before = sys.modules[PREFIX + "acme"]
    plugins.forget()

    read = found("./acme.py", acme="raise ValueError('half written')")

    assert "half written" in read.findings[0].problem
    assert sys.modules[PREFIX + "acme"] is before


@pytest.mark.parametrize("text", ["rotor_local_text", "./notes.txt"])
def test_a_file_that_is_no_python_is_a_finding(found, tmp_path, text):
    (tmp_path / "notes.txt").write_text("hello")

    assert len(found(text).findings) == 1


def test_names_are_taken_apart_once_each():
    assert names_in(" a, ./b.py,,a , c") == ("a", "./b.py", "c")
    assert [is_path(name) for name in ("a", "a.b", "a.py", "./a", "x/y.py")] == [False, False, True, True, True]
