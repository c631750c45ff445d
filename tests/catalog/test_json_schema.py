from __future__ import annotations

import subprocess
import sys

from rotor_core.catalog.schema import json_schema


def _mappings(node):
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from _mappings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _mappings(value)


def test_the_schema_is_of_the_2020_12_draft_and_requires_the_version() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["version"]


def test_every_key_is_described_and_no_other_is_allowed() -> None:
    mappings = list(_mappings(json_schema()))
    assert len(mappings) > 10
    for mapping in mappings:
        assert mapping["additionalProperties"] is False
        for key, property_ in mapping["properties"].items():
            assert "description" in property_ or "$ref" in property_, key


def test_words_that_can_be_chosen_from_are_listed_for_editors() -> None:
    schema = json_schema()
    limit = schema["$defs"]["LimitSection"]["properties"]
    assert limit["window"]["anyOf"][0]["enum"] == ["bucket", "rolling", "calendar"]
    assert set(schema["properties"]) == {"version", "store", "providers", "pools", "default_pool", "policy", "rules"}


def test_a_pools_entry_may_be_a_text_or_a_mapping() -> None:
    pools = json_schema()["properties"]["pools"]["anyOf"][0]["additionalProperties"]["items"]["anyOf"]
    assert [next(iter(kind)) for kind in pools] == ["type", "$ref"]


def test_the_catalog_package_imports_neither_pydantic_nor_yaml_before_something_is_loaded() -> None:
    code = (
        "import sys; from rotor_core.catalog import load, check, sources, starter;"
        "print([m for m in ('pydantic', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
