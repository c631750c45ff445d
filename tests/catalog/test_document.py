from __future__ import annotations

import os
from pathlib import Path

import pytest

from rotor_core._errors import ConfigError
from rotor_core.catalog import document
from rotor_core.catalog.document import find_config, user_config_dir


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("version: 1\n")
    return path


def test_the_named_file_goes_before_the_working_directory_and_that_before_the_users_own(tmp_path) -> None:
    cwd, own = tmp_path / "work", tmp_path / "own"
    cwd.mkdir()
    named = _touch(tmp_path / "elsewhere.yaml")
    assert find_config({}, cwd, own) is None
    in_own = _touch(own / "rotor.yaml")
    assert find_config({}, cwd, own) == in_own
    in_cwd = _touch(cwd / "rotor.yaml")
    assert find_config({}, cwd, own) == in_cwd
    assert find_config({"ROTOR_CONFIG": str(named)}, cwd, own) == named
    assert find_config({"ROTOR_CONFIG": "../elsewhere.yaml"}, cwd, None) == cwd / "../elsewhere.yaml"


def test_an_empty_rotor_config_is_as_good_as_none(tmp_path) -> None:
    assert find_config({"ROTOR_CONFIG": "  "}, tmp_path, None) is None


def test_a_named_file_that_does_not_exist_is_an_error_not_a_fall_through(tmp_path) -> None:
    _touch(tmp_path / "rotor.yaml")
    with pytest.raises(ConfigError, match="ROTOR_CONFIG: there is no such file") as caught:
        find_config({"ROTOR_CONFIG": "nowhere.yaml"}, tmp_path, None)
    assert caught.value.key == "ROTOR_CONFIG"


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", "/home/u/.config/rotor"),
        ({"XDG_CONFIG_HOME": "/x"}, "linux", "/x/rotor"),
        ({}, "win32", "/home/u/AppData/Roaming/rotor"),
        ({"APPDATA": "/app"}, "win32", "/app/rotor"),
    ],
)
def test_the_users_directory_follows_the_platform(environ, platform, expected) -> None:
    assert user_config_dir(environ, Path("/home/u"), platform) == Path(expected)


def test_keys_are_the_text_that_stands_there_and_values_what_yaml_makes_of_them() -> None:
    data = document.parse("on: 1\n1.5: yes\n2026-01-01: 0x10\nnull: ~\n", "f").data
    assert data == {"on": 1, "1.5": True, "2026-01-01": 16, "null": None}


def test_every_key_and_item_has_its_line() -> None:
    lines = document.parse("a:\n  b: [1,\n    2]\nc: {d: 1}\n", "f").places.lines
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 2, ("a", "b", 1): 3, ("c",): 4, ("c", "d"): 4}


def test_anchors_and_merge_keys_work_and_the_own_key_wins() -> None:
    text = "base: &base {x: 1, y: 2}\none: {<<: *base, y: 3}\ntwo: {<<: *base}\nagain: *base\n"
    data = document.parse(text, "f").data
    assert (data["one"], data["two"], data["again"]) == ({"x": 1, "y": 3}, {"x": 1, "y": 2}, {"x": 1, "y": 2})


def test_a_merge_that_is_shared_by_two_aliases_is_not_taken_for_a_key_twice() -> None:
    text = "base: &base {x: 1}\none: &one {<<: *base, x: 2}\ntwo: *one\nthree: *one\n"
    assert document.parse(text, "f").data["three"] == {"x": 2}


def test_a_byte_order_mark_is_no_part_of_the_first_key(written) -> None:
    assert document.read(written(b"\xef\xbb\xbfversion: 1\n")).data == {"version": 1}


def test_a_file_is_parsed_once_until_it_is_modified(written, monkeypatch) -> None:
    parsed = []
    real = document.parse
    monkeypatch.setattr(document, "parse", lambda text, file: (parsed.append(file), real(text, file))[1])
    path = written("version: 1\n")
    assert document.read(path) is document.read(str(path)) is document.read(path)
    assert len(parsed) == 1
    path.write_text("version: 1\nstore: memory://\n")
    os.utime(path, ns=(1, 1))
    assert document.read(path).data["store"] == "memory://"
    assert len(parsed) == 2


def test_tuples_sets_and_any_mapping_are_read_as_lists_and_mappings() -> None:
    from types import MappingProxyType

    data = document.read(MappingProxyType({"a": ({"x", "y"}, MappingProxyType({"b": 1}))})).data
    assert data == {"a": [["x", "y"], {"b": 1}]}
