"""The shape of `rules:` in `rotor.yaml`: when all conditions hold, the effects act. Imports pydantic: load it lazily."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from rotor_core.catalog.fields import Category, Count, Share, Text, wrong
from rotor_core.catalog.problems import listed
from rotor_core.catalog.section import Section


class WhenSection(Section):
    """Conditions, all of which must hold."""

    tokens_over: Count | None = Field(None, description="More input tokens than this.")
    task: Text | None = Field(None, description="The request's task, e.g. code or research.")
    complexity_over: Share | None = Field(None, description="A complexity above this, 0 to 1.")

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if not self.model_fields_set:
            raise wrong("has no condition", listed(type(self).model_fields))
        return self


class RequireSection(Section):
    """What a model must have, or it is out."""

    context: Count = Field(description="A context window of at least so many tokens.")


class PreferSection(Section):
    """What goes first."""

    category: Category = Field(description="Models of this category.")


class RuleSection(Section):
    """When all conditions hold, the effects act."""

    when: WhenSection = Field(description="Conditions, all of which must hold.")
    require: RequireSection | None = Field(None, description="What a model must have.")
    prefer: PreferSection | None = Field(None, description="What goes first.")

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if self.require is None and self.prefer is None:
            raise wrong("a rule without effect", "`require: {context: ...}` or `prefer: {category: ...}`")
        return self
