"""Parameters that not every provider has: what is left out, what makes a request unfit, and what the caller hears of it."""

import pytest

from rotor_core import AttemptsFailed, Rotor
from rotor_core._request import Request
from rotor_core.adapters.parameters import fitted
from rotor_core.adapters.wire import UnfitError

USER = {"role": "user", "content": "hi"}
NOBODY = "http://127.0.0.1:9"
"""Where nothing listens: a request that were sent there would fail to connect."""


def test_of_whom_nothing_is_known_everything_is_taken():
    given = {"n": 2, "store": True, "own": 1}
    assert fitted(given, None) == given


def test_hints_are_left_out_wishes_are_refused_and_what_openai_has_no_name_for_passes():
    assert fitted({"store": True, "user": "ann", "top_k": 5, "temperature": 0}, frozenset({"user"})) == {
        "user": "ann",
        "top_k": 5,
        "temperature": 0,
    }
    with pytest.raises(UnfitError, match="`moderation`"):
        fitted({"moderation": {"content": "x"}}, frozenset({"n"}))


def test_what_only_brings_an_answer_sooner_is_a_hint():
    draft = {"prediction": {"type": "content", "content": "x"}}
    assert fitted(draft, frozenset()) == {}
    assert fitted(draft, frozenset({"prediction"})) == draft


def test_what_no_answer_of_ours_shows_is_a_hint():
    assert fitted({"logprobs": True, "top_logprobs": 3}, frozenset()) == {}


@pytest.mark.parametrize(
    "nothing",
    [{"n": 1}, {"n": None}, {"logit_bias": {}}, {"logprobs": False}, {"top_logprobs": 0}, {"modalities": ["text"]}],
)
def test_a_wish_for_what_is_given_anyhow_is_none(nothing):
    assert fitted({**nothing, "seed": 1}, frozenset()) == {"seed": 1}


def test_a_refusal_shows_a_number_and_no_content():
    with pytest.raises(UnfitError, match="n is 3"):
        fitted({"n": 3}, frozenset())
    with pytest.raises(UnfitError) as caught:
        fitted({"moderation": {"content": "a secret draft"}}, frozenset())
    assert "draft" not in str(caught.value)


def test_what_nobody_in_the_pool_has_is_one_error_that_names_it():
    config = {
        "version": 1,
        "providers": {
            "groq": {"base_url": NOBODY, "keys": [{"value": "none"}], "models": {"a": {}, "b": {}}},
            "cohere": {"base_url": NOBODY, "keys": [{"value": "none"}], "models": {"c": {}}},
        },
        "pools": {"p": ["groq/a", "groq/b", "cohere/c"]},
        "default_pool": "p",
    }
    with Rotor.from_config(config) as rotor, pytest.raises(AttemptsFailed) as caught:
        rotor.chat(Request([USER], params={"n": 2}))
    said = str(caught.value)
    assert said.startswith("nothing was sent: ")
    for model in ("groq/a", "groq/b", "cohere/c"):
        assert f"{model}#1 was not asked: it has no parameter `n`, and n is 2" in said
