"""What every section of a configuration is: a mapping whose keys are known, and frozen once it is read."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, model_validator

from rotor_core.catalog.fields import described, wrong
from rotor_core.catalog.problems import listed


class Section(BaseModel):
    """Any mapping of the file: its keys are known, or refused with the nearest known one."""

    # A section that stands in another is built with that one: by itself it is never asked for.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise wrong(f"is {described(data)}", f"a mapping of {listed(cls.model_fields)}")
        section = cast("dict[str, Any]", data)
        known = _keys(cls)
        for key in section:
            if key not in known:
                raise wrong("unknown key", listed(known), among=known, at=(key,))
        return section


@cache
def _keys(section: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a section, as they are written."""
    return tuple(field.alias or name for name, field in section.model_fields.items())
