"""The surface of the engine is a list, and everything on it is where the list says."""

import subprocess
import sys

import pytest

import rotor_core


@pytest.mark.parametrize("name", rotor_core.__all__)
def test_a_public_name_is_there(name):
    assert getattr(rotor_core, name) is not None
    assert name in dir(rotor_core)


def test_the_list_and_the_homes_agree_and_are_sorted():
    assert set(rotor_core.__all__) == set(rotor_core._HOME)
    assert list(rotor_core.__all__) == sorted(rotor_core.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Rotator'"):
        rotor_core.Rotator  # noqa: B018


def test_importing_the_engine_loads_no_host_and_no_heavy_library():
    code = "import sys, rotor_core, rotor_core.rotor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    unwanted = {"langchain_core", "litellm", "tiktoken", "httpx", "aiohttp", "pydantic", "yaml"}
    assert unwanted.isdisjoint(loaded)
