"""A table of rules answers as a walk over them would, from the top: the first that fits."""

from hypothesis import given
from hypothesis import strategies as st

from rotor_core._policy.error_rules import Rule
from rotor_core._policy.error_table import ErrorTable
from rotor_core._policy.error_text import Facts

WORDS = ("busy", "quota", "key", "too long", "quo")
NEEDED = {word: (word,) for word in WORDS} | {r"a\.b": ("a.b",), "bu.y|k.y": ("bu", "k"), "too (?:long|big)": ("too ",)}
KINDS = ("overloaded", "rate_limit", "auth", "billing", "not_found")
STATUSES = (400, 429, 500)
CODES = ("c1", "c2")

some_rules = st.lists(
    st.builds(
        lambda kind, statuses, codes, words, told, only: Rule(kind, statuses, codes, words, only).ready(
            NEEDED[words] if told and words is not None else ("",)  # of a plugin's words nobody knows what they need
        ),
        st.sampled_from(KINDS),
        st.sets(st.sampled_from(STATUSES), max_size=1),
        st.sets(st.sampled_from(CODES), min_size=1, max_size=2),
        st.none() | st.sampled_from(list(NEEDED)),
        st.booleans(),
        st.none() | st.sets(st.sampled_from((*STATUSES, None)), min_size=1),
    ),
    max_size=6,
)
texts = st.lists(st.sampled_from((*WORDS, "buoy", "too big", "a.b", "axb", "so")), max_size=4).map(" ".join)


def by_walking(rules, status, facts):
    for rule in rules:
        if rule.only is not None and status not in rule.only:
            continue
        fits = status in rule.statuses or rule.codes & facts.codes
        if fits or (rule.words is not None and rule.words.pattern.search(facts.lower)):
            return rule.kind
    return "unknown"


@given(some_rules, st.sampled_from((*STATUSES, None)), st.sets(st.sampled_from((*CODES, "c3"))), texts)
def test_it_answers_as_a_walk_would(rules, status, codes, text):
    facts = Facts(status, codes, text, text, {})
    assert ErrorTable(rules, status).kind_of(facts) == by_walking(rules, status, facts)


def test_words_of_which_nobody_knows_what_they_need_are_tried_on_every_text():
    table = ErrorTable([Rule("auth", words="k.y").ready()], 400)
    assert table.kind_of(Facts(400, set(), "no such kay", "no such kay", {})) == "auth"
    assert table.kind_of(Facts(400, set(), "", "", {})) == "unknown"


def test_without_rules_nothing_is_known():
    assert ErrorTable([], 500).kind_of(Facts(500, {"c1"}, "busy", "busy", {})) == "unknown"
