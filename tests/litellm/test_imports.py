"""What importing the package says where LiteLLM is missing, or is one that must not be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name != "litellm":
        return real(name)
    {act}
metadata.version = version
try:
    import rotor_litellm
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("raise metadata.PackageNotFoundError(name)", "not installed: pip install 'llm-rotor[litellm]'"),
        ("return '1.107.3'", "litellm 1.107.3 is a compromised release"),
        ("return '1.82.7'", "litellm 1.82.7 is a compromised release"),
    ],
)
def test_importing_it_without_a_usable_litellm_says_what_to_do(act: str, said: str):
    done = subprocess.run([sys.executable, "-c", CODE.format(act=act)], capture_output=True, text=True, check=True)

    assert said in done.stdout
