"""Laws of guessing: a guess is a candidate and near, or there is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.suggest import closest, did_you_mean


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=6))
def test_a_guess_is_a_candidate_or_nothing(word, candidates):
    guess = closest(word, candidates)
    assert guess in candidates or guess == ""
    assert guess == closest(word, reversed(candidates))


@given(st.text(st.characters(categories=["L"]), min_size=3, max_size=8), st.data())
def test_one_slip_of_the_finger_finds_the_word(word, data):
    at = data.draw(st.integers(0, len(word) - 1))
    slipped = data.draw(st.sampled_from([word[:at] + word[at] + word[at:], word[:at] + word[at + 1 :]]))
    assert closest(slipped, ["0000000", word, "1111111"]) == word


def test_a_guess_is_asked_as_a_question():
    assert did_you_mean("definiton", ["definition", "caveat"]) == "did you mean `definition`?"
    assert did_you_mean("xyz", ["definition", "caveat"]) == ""
    assert did_you_mean("x" * 10_000, ["x" * 9_999]) == ""
