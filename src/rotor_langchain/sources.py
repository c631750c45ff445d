"""Which engine a ChatRotor speaks through: one given, one over the user's own models, or one from a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, SecretStr, ValidationError

from rotor_core._errors import ConfigError
from rotor_langchain.call import check_own

if TYPE_CHECKING:
    from rotor_core.rotor import Rotor

AUTO = "auto"


def open_rotor(given: Mapping[str, Any]) -> Rotor:
    """The engine for a ChatRotor's keywords. Raises ConfigError for what cannot be used, an unknown model included."""
    from rotor_core.rotor import Rotor  # noqa: PLC0415  see `chat_model`

    shared: object = given.get("rotor")
    if shared is not None and not isinstance(shared, Rotor):
        raise ConfigError("is no engine", key="rotor", value=type(shared).__name__, expected="a rotor_core.Rotor")
    model = given.get("model")
    check_own("model", model)
    rotor = shared or _made(given)
    if model is not None and model != AUTO:
        rotor.candidates(model)
    return rotor


def _made(given: Mapping[str, Any]) -> Rotor:
    from rotor_core.rotor import Rotor  # noqa: PLC0415  see `chat_model`

    config, models, key = given.get("config"), given.get("models"), given.get("api_key")
    if not _may_be_config(config):
        kind = type(config).__name__
        raise ConfigError("is no configuration", key="config", value=kind, expected="a file's path, or a mapping")
    if models is not None:
        from rotor_langchain.wrapped import rotor_over  # noqa: PLC0415  few need it

        return rotor_over(models, config)
    if config is None and key is not None and "/" in str(given.get("model")):
        return Rotor.from_config(_of_one_key(str(given["model"]), key))
    return Rotor.from_config(config)


def _may_be_config(config: object) -> bool:
    return config is None or isinstance(config, str | PathLike | Mapping)


def _of_one_key(model: str, key: SecretStr | str) -> dict[str, Any]:
    """A key that comes with a pinned model belongs to that model's provider."""
    provider, _, name = model.partition("/")
    secret = key.get_secret_value() if isinstance(key, SecretStr) else key
    return {"version": 1, "providers": {provider: {"keys": [{"value": secret}], "models": {name: {}}}}}


def refuse_unknown(kind: type[BaseModel], given: Mapping[str, Any]) -> None:
    """Raise ConfigError for a keyword that a class has no field for, with the nearest one that it has."""
    known = set(kind.model_fields)
    for field in kind.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            known.update(str(choice) for choice in field.validation_alias.choices)
        elif isinstance(field.alias, str):
            known.add(field.alias)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ConfigError(
                f"{kind.__name__} has no such keyword",
                key=name,
                expected=f"one of {', '.join(sorted(n for n in known if n not in _INTERNAL))}; a provider's own parameters "
                "go into model_kwargs",
                suggestion=near[0] if near else None,
            )


def unreadable(error: ValidationError) -> ConfigError:
    """The first thing that is wrong with a keyword's value, without the value: it may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ConfigError(first["msg"][:1].lower() + first["msg"][1:], key=str(first["loc"][0]) if first["loc"] else None)


_INTERNAL = frozenset({"custom_get_token_ids", "verbose", "name"})
