"""What LiteLLM's objects say under a name is what `getattr` finds, or a mapping's key, however they came to have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import litellm
import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr

from rotor_litellm.said import said


class Plain(BaseModel):
    usage: int = 1
    _hidden: dict[str, int] = PrivateAttr(default_factory=dict)


class Open(Plain):
    model_config = ConfigDict(extra="allow")


class Made(Plain):
    @property
    def made(self) -> str:
        return f"of {self.usage}"


class Asking(Plain):
    def __getattr__(self, name: str) -> Any:
        return f"asked for {name}"


class Aside:
    @property
    def beside(self) -> str:
        return "beside"


class Mixed(BaseModel, Aside):
    usage: int = 1


class Mapped(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"usage": 3}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("usage",))

    def __len__(self) -> int:
        return 1


HIDDEN = Plain()
HIDDEN._hidden["x"] = 1


@pytest.mark.parametrize(
    ("thing", "name", "value"),
    [
        ({"usage": 1}, "usage", 1),
        ({"usage": 1}, "keys", None),
        (Mapped(), "usage", 3),
        (Mapped(), "keys", None),
        (Plain(), "usage", 1),
        (Plain(), "nothing", None),
        (HIDDEN, "_hidden", {"x": 1}),
        (Open.model_validate({"usage": 2, "more": 3}), "more", 3),
        (Open.model_validate({"usage": 2, "more": 3}), "_hidden", {}),
        (Made(), "made", "of 1"),
        (Asking(), "else", "asked for else"),
        (Mixed(), "beside", "beside"),
        (Plain(), "model_fields_set", set()),
        (Plain.__new__(Plain), "usage", None),
        (SimpleNamespace(usage=1), "usage", 1),
        (SimpleNamespace(usage=1), "nothing", None),
        (None, "usage", None),
        ("usage", "usage", None),
    ],
)
def test_what_a_thing_says_under_a_name(thing: Any, name: str, value: object):
    assert said(thing, name) == value


def test_what_litellm_puts_on_its_answers_is_found_and_is_theirs():
    answer: Any = litellm.ModelResponse()
    answer.usage = litellm.Usage(prompt_tokens=1, completion_tokens=2)

    assert said(answer, "usage") is answer.usage
    assert said(answer, "_hidden_params") is answer._hidden_params
    assert said(answer.usage, "prompt_tokens") == 1
    assert said(answer.usage, "input_tokens_details") is None
