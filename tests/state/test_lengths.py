"""What is remembered of answers' lengths: the last ones, cut ones at their word and no further, tasks before models."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._state.lengths import ENOUGH, KEPT, KEYS, Lengths, Sample


def sample(values, cut=()):
    made = Sample()
    for value in values:
        made.add(value)
    for value in cut:
        made.add(value, cut=True)
    return made


def known(model="m", task="", values=range(100, 120), **more):
    lengths = Lengths()
    for value in values:
        lengths.answered(model, task, value, **more)
    return lengths


def test_below_ten_answers_nothing_is_said():
    assert sample(range(ENOUGH - 1)).quantile(0.95) is None
    assert sample(range(ENOUGH - 1)).largest() is None
    assert sample(range(ENOUGH)).quantile(0.95) is not None


def test_a_quantile_of_few_is_the_one_they_can_prove():
    # Of 10, rank (10 + 1) x 0.95 is beyond the last, so the last has to do; of 39 it is exactly the 38th.
    assert sample(range(1, 11)).quantile(0.95) == 10
    assert sample(range(1, 40)).quantile(0.95) == 38
    assert sample(range(1, 40)).quantile(0.5) == 20


def test_only_the_last_two_hundred_count():
    made = sample([9999] * 50 + [10] * KEPT)

    assert len(made) == KEPT
    assert made.quantile(0.95) == made.largest() == 10


def test_a_quantile_follows_when_answers_become_longer():
    made = sample([10] * KEPT)
    assert made.quantile(0.95) == 10

    for _ in range(KEPT // 4):
        made.add(500)

    assert made.quantile(0.95) == 500


def test_answers_that_were_cut_do_not_pass_for_short_ones():
    lengths = [20] * 50 + [300] * 50  # half of all answers would be 300 long, but were allowed 100
    cut = sample([20] * 50, [100] * 50)

    assert sample(lengths).quantile(0.95) == 300
    assert cut.quantile(0.95) is None
    assert cut.quantile(0.4) == 20
    assert cut.largest() == 100


def test_answers_cut_below_say_how_many_are_longer_and_no_more():
    # 40 were cut at 10, before any of the 60 others ended: those alone tell how lengths go on.
    made = sample(range(101, 161), [10] * 40)

    assert made.quantile(0.5) == sample(range(101, 161)).quantile(0.5)


def test_cut_answers_are_forgotten_too():
    made = sample([], [100] * KEPT)
    assert made.quantile(0.95) is None

    for _ in range(KEPT):
        made.add(30)

    assert made.quantile(0.95) == made.largest() == 30


def test_a_task_that_is_known_speaks_for_itself_and_another_for_its_model():
    lengths = Lengths()
    for n in range(ENOUGH):
        lengths.answered("m", "classify", 5)
        lengths.answered("m", "write", 1000 + n)

    assert lengths.quantile("m", "classify", 0.95) == 5
    assert lengths.quantile("m", "write", 0.95) == 1009
    assert lengths.quantile("m", "unheard of", 0.95) == lengths.quantile("m", "", 0.95) == 1009
    assert lengths.largest("m", "classify") == 5
    assert lengths.largest("m", "") == 1009


def test_of_a_model_that_never_answered_nothing_is_known():
    lengths = known()

    assert lengths.quantile("other", "write", 0.95) is None
    assert lengths.largest("other", "") is None
    assert lengths.scale("other", 100, 0.95) is None


def test_how_far_a_prompt_is_off_is_kept_by_size():
    lengths = Lengths()
    for _ in range(20):
        lengths.read("m", 20, 60)
        lengths.read("m", 4000, 3600)
    lengths.read("m", 0, 50)

    assert lengths.scale("m", 20, 0.95) == pytest.approx(3.0)
    assert lengths.scale("m", 4000, 0.95) == pytest.approx(0.9)
    assert lengths.scale("m", 400, 0.95) is None


def test_memory_is_bounded_and_the_pair_heard_of_longest_ago_goes_first():
    lengths = Lengths()
    for n in range(3 * KEYS):
        lengths.answered("m", f"task {n}", 10)
        lengths.read(f"model {n}", 10, 10)

    data = lengths.dump()
    assert [len(data["outputs"]), len(data["scales"])] == [KEYS, KEYS]
    assert ["m", ""] in [row[:2] for row in data["outputs"]]
    assert ["m", "task 0"] not in [row[:2] for row in data["outputs"]]


def test_what_is_known_can_be_written_as_json_and_read_again():
    lengths = known(task="write")
    lengths.answered("m", "write", 400, cut=True)
    for _ in range(ENOUGH):
        lengths.read("m", 100, 120)

    again = known("other")
    again.load(json.loads(json.dumps(lengths.dump())))

    assert again.dump() == lengths.dump()
    assert again.quantile("m", "write", 0.5) == lengths.quantile("m", "write", 0.5)
    assert again.scale("m", 100, 0.95) == pytest.approx(1.2)
    assert again.quantile("other", "", 0.95) is None


@given(st.lists(st.integers(1, 5000), min_size=ENOUGH, max_size=KEPT), st.sampled_from([0.5, 0.9, 0.95]))
def test_without_cut_answers_at_least_the_share_is_within_the_quantile(values, q):
    quantile = sample(values).quantile(q)

    assert sum(value <= quantile for value in values) >= q * len(values)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=ENOUGH, max_size=KEPT),
    st.sampled_from([0.5, 0.95]),
)
def test_a_quantile_is_never_less_than_if_cut_answers_had_been_whole(pairs, q):
    taken_as_whole = sample([min(pair) for pair in pairs]).quantile(q)
    seen = sample([a for a, cap in pairs if a < cap], [cap for a, cap in pairs if a >= cap]).quantile(q)

    assert seen is None or seen >= taken_as_whole


def test_quantiles_cover_the_next_answer_as_often_as_they_say():
    rng, lengths, covered = Random(5), Lengths(), 0
    rounds = 4000
    for n in range(rounds + 50):
        value = int(rng.lognormvariate(5, 0.8)) + 1
        quantile = lengths.quantile("m", "", 0.95)
        covered += n >= 50 and quantile is not None and value <= quantile
        lengths.answered("m", "", value)

    assert covered / rounds >= 0.94
