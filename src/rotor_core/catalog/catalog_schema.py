"""The shape of a plugin's `catalog.toml`: one provider's section of `rotor.yaml`, and where every figure is from.

What a user's file may not say stands here: sources, what has been shut down, marks for the pools made by rule. Every
name that is used (a source, a replacement) has to exist, or the catalog is refused as a whole. Imports pydantic.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from rotor_core.catalog.document import Document
from rotor_core.catalog.fields import Count, ModelName, NotNegative, Positive, Text, described, wrong
from rotor_core.catalog.problems import listed
from rotor_core.catalog.schema import (
    LimitsHolder,
    ModelSection,
    PlanSection,
    ProviderPlanSection,
    ProviderSection,
    read_as,
)
from rotor_core.catalog.section import Section

Confidence = Literal["observed", "official", "package", "third-party", "assumed"]
Scope = Literal["organization", "project", "account", "key"]
Figure = Literal[
    "context", "max_output", "capabilities", "category", "price", "limits", "shutdown", "images", "audio", "audio_price",
]  # fmt: skip
Suits = Literal["code"]


def _date(value: object) -> dt.date:
    expected = "a date such as 2026-11-20"
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str):
        raise wrong(f"is {described(value)}", expected)
    try:
        return dt.date.fromisoformat(value)
    except ValueError as exc:
        raise wrong("is no date", expected) from exc


Date = Annotated[dt.date, PlainValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]


class SourceSection(Section):
    """Where figures are from, and how good that is."""

    what: Text = Field(description="What was read, e.g. `rate limits page`.")
    url: Text | None = Field(None, description="Where it can be read again.")
    date: Date | None = Field(None, description="The day it was true as of. Absent: it bears none.")
    confidence: Confidence = Field("assumed", description="How it is known.")


class ImagesSection(Section):
    """What a model takes of images in one request."""

    max_bytes: Count | None = Field(None, description="Largest image, bytes.")
    max_request_bytes: Count | None = Field(None, description="All images of a request together, bytes.")
    max_count: Count | None = Field(None, description="Images in one request.")
    max_pixels: Count | None = Field(None, description="Pixels of one image, width times height.")


class AudioSection(Section):
    """What a model takes of audio in one request."""

    max_bytes: Count | None = Field(None, description="Largest file, bytes.")
    max_seconds: Positive | None = Field(None, description="Longest clip, seconds.")
    formats: list[Text] | None = Field(None, description="File formats.")
    tokens_per_second: Positive | None = Field(None, description="Input tokens that a second of audio counts as.")


class CatalogPlanSection(PlanSection):
    """What is different for a model under one plan, and whence that is known."""

    source: Text | None = Field(None, description="Source of all figures here, by its name in `sources`.")


class CatalogModelSection(ModelSection):
    """What is known of a model, and whence."""

    plans: dict[Text, CatalogPlanSection] | None = Field(None, description="What differs from plan to plan.")  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen, so a narrower value is safe
    source: Text | None = Field(None, description="Source of all figures that `from` does not name.")
    from_: dict[Figure, Text] | None = Field(None, alias="from", description="Source of single figures, by name.")
    images: ImagesSection | None = Field(None, description="What it takes of images.")
    audio: AudioSection | None = Field(None, description="What it takes of audio.")
    audio_price: NotNegative | None = Field(None, description="USD per hour of audio.")
    shutdown: Date | None = Field(None, description="The day it ends. From then on it is as if it were in `retired`.")
    replacement: ModelName | None = Field(None, description="The model to use after that.")
    suits: list[Suits] | None = Field(None, description="Pools by task that it belongs in whatever its category.")
    pooled: bool | None = Field(None, description="False: in no pool but those that somebody writes it into.")


class RetiredSection(Section):
    """A model that is gone."""

    on: Date | None = Field(None, description="The day it was shut down.")
    use: ModelName | None = Field(None, description="What to use in its place: a model of this provider.")
    source: Text | None = Field(None, description="Whence this is known.")


class SharedSection(LimitsHolder):
    """Limits that some models of a quota share."""

    models: list[Text] = Field(description="Who shares them: names, in which `*` stands for anything.")
    plans: dict[Text, CatalogPlanSection] | None = Field(None, description="What differs from plan to plan.")
    source: Text | None = Field(None, description="Source of these limits.")


class CatalogProviderPlanSection(ProviderPlanSection):
    """Limits under one plan that all models of a quota share, and whence that is known."""

    source: Text | None = Field(None, description="Source of these limits.")


Model = Annotated[CatalogModelSection, BeforeValidator(lambda value: {} if value is None else value)]


class CatalogSection(ProviderSection):
    """A provider, as its plugin knows it."""

    models: dict[ModelName, Model] | None = Field(None, description="Its models.")  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
    plans: dict[Text, CatalogProviderPlanSection] | None = Field(None, description="Limits of all models, by plan.")  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
    source: Text | None = Field(None, description="Source of all figures that name none.")
    quota_scope: Scope | None = Field(None, description="Whom this provider counts limits for.")
    sources: dict[Text, SourceSection] | None = Field(None, description="Where figures are from, by a short name.")
    retired: dict[ModelName, RetiredSection] | None = Field(None, description="Models that are gone.")
    shared: dict[Text, SharedSection] | None = Field(None, description="Limits of some models together, by a name.")

    @model_validator(mode="after")
    def _all_names_exist(self) -> Self:
        known = tuple(self.sources or ())
        for place, name in self._cited():
            if name not in known:
                raise wrong("names no source", f"one of `sources`: {listed(known)}", among=known, at=place, value=name)
        models = tuple(self.models or ())
        for old, gone in (self.retired or {}).items():
            if old in models:
                raise wrong("is among `models` too", "each model in one of them", at=("retired", old))
            if gone.use is not None and gone.use not in models:
                raise wrong("is no model here", among=models, at=("retired", old, "use"), value=gone.use)
        for name, model in (self.models or {}).items():
            if model.replacement is not None and model.replacement not in models:
                at = ("models", name, "replacement")
                raise wrong("is no model here", among=models, at=at, value=model.replacement)
        return self

    def _cited(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every name of a source that is used, and where."""
        holders: list[tuple[tuple[str | int, ...], object]] = [((), self)]
        for plan, section in (self.plans or {}).items():
            holders.append((("plans", plan), section))
        for name, gone in (self.retired or {}).items():
            holders.append((("retired", name), gone))
        for name, some in (self.shared or {}).items():
            holders.append((("shared", name), some))
            holders.extend((("shared", name, "plans", plan), held) for plan, held in (some.plans or {}).items())
        for name, model in (self.models or {}).items():
            holders.append((("models", name), model))
            holders.extend((("models", name, "plans", plan), held) for plan, held in (model.plans or {}).items())
            yield from ((("models", name, "from", key), cited) for key, cited in (model.from_ or {}).items())
        for place, holder in holders:
            cited = getattr(holder, "source", None)
            if cited is not None:
                yield (*place, "source"), cited
            for index, entry in enumerate(getattr(holder, "limits", None) or ()):
                if entry.source is not None:
                    yield (*place, "limits", index, "source"), entry.source


def validated_catalog(document: Document) -> CatalogSection:
    """A plugin's catalog as sections. Raises `ConfigError`, for the first thing that is wrong."""
    return read_as(CatalogSection, document)
