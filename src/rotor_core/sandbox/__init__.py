"""Imitations of providers on loopback: their wire formats, limits, headers and error texts, and faults on demand.

    from rotor_core.sandbox import Sandbox

    with Sandbox("demo") as box:
        rotor = Rotor.from_config(box.config())

spec        what a sandbox consists of             presets    ready ones
limits      how windows are counted                provider   who admits and refuses, without a server
answers     what is answered, from the request     dialects   in which words
faults      what goes wrong                        journal    what came of each request
http        HTTP/1.1                               exchange   one request, from its bytes to its answer
server      all of it, running                     box        `Sandbox`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rotor_core.sandbox.box import Sandbox
    from rotor_core.sandbox.faults import Fault
    from rotor_core.sandbox.presets import PRESETS
    from rotor_core.sandbox.provider import Admitted, ProviderModel, Refused
    from rotor_core.sandbox.server import SandboxError, serve
    from rotor_core.sandbox.spec import ImitatedKey, ImitatedModel, Imitation, SandboxSpec, read_spec

__all__ = (
    "PRESETS",
    "Admitted",
    "Fault",
    "ImitatedKey",
    "ImitatedModel",
    "Imitation",
    "ProviderModel",
    "Refused",
    "Sandbox",
    "SandboxError",
    "SandboxSpec",
    "read_spec",
    "serve",
)

# Imported when first used: a simulation wants the arithmetic and no server.
_HOMES: Final = {
    "PRESETS": "presets",
    "Admitted": "provider",
    "Fault": "faults",
    "ImitatedKey": "spec",
    "ImitatedModel": "spec",
    "Imitation": "spec",
    "ProviderModel": "provider",
    "Refused": "provider",
    "Sandbox": "box",
    "SandboxError": "server",
    "SandboxSpec": "spec",
    "read_spec": "spec",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
