"""`init_chat_model("rotor:fast")`: LangChain keeps its providers in a private table, so an entry is made only when asked for."""

from __future__ import annotations

from typing import Any

from rotor_core._errors import ConfigError


def register() -> None:
    """Make `init_chat_model("rotor:<pool>")` and `create_agent("rotor:<pool>")` work. Calling it twice does no harm.

    Raises ConfigError where the installed `langchain` has no such table, or none is installed.
    """
    try:
        from langchain.chat_models import base  # noqa: PLC0415  the one place that needs it, and only when asked
    except ImportError as error:
        raise ConfigError(
            "register() needs the package langchain, which is not installed", expected="pip install langchain"
        ) from error
    table: Any = getattr(base, "_BUILTIN_PROVIDERS", None)
    if not isinstance(table, dict):
        raise ConfigError(
            "this version of langchain keeps its providers elsewhere, and Rotor cannot add itself",
            expected='ChatRotor(model="fast") in place of "rotor:fast"',
        )
    table["rotor"] = ("rotor_langchain", "ChatRotor", _make)


def _make(cls: type[Any], **options: Any) -> Any:
    return cls(**options)
