"""LiteLLM as it is installed here. Everything that we take from it is imported in this place, once, and checked.

It is treated as untyped: its own annotations promise less than its documentation (a strategy "returns None"), and
reading all of it would make type checks of this package take minutes.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

FLOOR: Final = "1.106.2"
_REMEDY: Final = f"pip install 'llm-rotor[litellm]' brings litellm {FLOOR} or newer"
_COMPROMISED: Final = ("1.82.7", "1.82.8", "1.107.")
"""Releases with somebody else's code in them; the last entry stands for all that begin so."""


def _imported() -> Any:
    try:
        installed = version("litellm")
    except PackageNotFoundError:
        raise ImportError(f"rotor_litellm needs LiteLLM, which is not installed: {_REMEDY}", name="litellm") from None
    if installed.startswith(_COMPROMISED):
        raise ImportError(f"litellm {installed} is a compromised release, do not import it: {_REMEDY}", name="litellm")
    return import_module("litellm")


litellm: Final[Any] = _imported()
CustomLogger: Final[Any] = import_module("litellm.integrations.custom_logger").CustomLogger
CustomLLM: Final[Any] = import_module("litellm.llms.custom_llm").CustomLLM
CustomRoutingStrategyBase: Final[Any] = import_module("litellm.types.router").CustomRoutingStrategyBase
RouterRateLimitError: Final[Any] = import_module("litellm.types.router").RouterRateLimitError
_CONSTANTS: Final[Any] = import_module("litellm.constants")
DEFAULT_TIMEOUTS: Final = (
    float(_CONSTANTS.COMPLETION_HTTP_FALLBACK_SECONDS),
    float(_CONSTANTS.DEFAULT_REQUEST_TIMEOUT_SECONDS),
)
"""Seconds that LiteLLM says where nobody said any: its functions' own figure, and its Router's."""

if not hasattr(CustomLogger, "async_post_call_failure_deployment_hook"):
    raise ImportError(
        f"this LiteLLM ({version('litellm')}) does not tell of failed attempts: {_REMEDY}", name="litellm"
    )


def installed() -> str:
    """The release of LiteLLM that is installed."""
    return version("litellm")


def register(logger: Any) -> None:
    """Have LiteLLM call a logger's hooks, once however often this is said."""
    if not any(known is logger for known in litellm.callbacks):
        litellm.logging_callback_manager.add_litellm_callback(logger)
