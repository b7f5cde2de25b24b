"""Laws of globs: each is what its regular expression is, and costs a step for each character, whatever is tried."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.arguments.glob import GLOB_LENGTH_MAX, compile_glob
from remit.arguments.values import PATH_BYTES_MAX, refusal
from tests.support.arguments.plain_judge import as_regex

SEGMENT = st.text("ab*?", min_size=1, max_size=4).filter(lambda text: "**" not in text)
GLOBS = st.builds(
    lambda root, segments: root + "/".join(segments),
    st.sampled_from(["", "/"]),
    st.lists(SEGMENT | st.just("**"), min_size=1, max_size=5),
)
PATHS = st.builds(
    lambda root, segments: root + "/".join(segments),
    st.sampled_from(["", "/"]),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=5),
) | st.just("/")


@settings(max_examples=2_000)
@given(GLOBS, PATHS)
def test_a_glob_is_its_regular_expression(glob: str, path: str) -> None:
    assert refusal("path", path) is None
    assert compile_glob(glob).matches(path) is (re.fullmatch(as_regex(glob), path) is not None)


@given(PATHS)
def test_a_path_is_a_glob_of_itself_alone(path: str) -> None:
    assert compile_glob(path).matches(path)
    assert not compile_glob(path).matches(path + "a")
    assert compile_glob("**").matches(path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 500 + "b", "a" * PATH_BYTES_MAX),
        ("**/a/" * 200 + "b", "a/" * 2_000 + "a"),
        ("?*" * 512, "a" * PATH_BYTES_MAX),
        ("*?" * 500 + "b", "a" * PATH_BYTES_MAX),
    ],
)
def test_what_makes_others_go_back_costs_no_more_than_what_does_not(glob: str, path: str) -> None:
    """In steps of the automaton, of which each is on an integer of a thousand bits: no clock is asked."""
    assert len(glob) <= GLOB_LENGTH_MAX
    assert compile_glob(glob).end.bit_length() <= GLOB_LENGTH_MAX + 2
    compile_glob(glob).matches(path)
