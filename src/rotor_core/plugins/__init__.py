"""The door for plugins: who is there, what they offer, what is wrong with whom.

values      what was found: `Plugins`, `Loaded`, `Finding`
collect     finds plugins, one at a time, and reads their hooks
local       a file or module that `ROTOR_PLUGINS` names, while somebody writes it
verify      what a hook returned, looked at before anybody relies on it
reach       `module:attribute` imported when it is needed, and what stands in for an adapter that cannot be
"""

from __future__ import annotations

from rotor_core.plugins.collect import BUILT_IN, GROUP, collect, forget, installed
from rotor_core.plugins.reach import adapter_of, resolve, unreachable
from rotor_core.plugins.values import Finding, Loaded, Plugins

__all__ = (
    "BUILT_IN",
    "GROUP",
    "Finding",
    "Loaded",
    "Plugins",
    "adapter_of",
    "collect",
    "forget",
    "installed",
    "resolve",
    "unreachable",
)
