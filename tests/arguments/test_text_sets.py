"""Laws of sets of texts: each holds what it says, and one is found within another exactly where no text tells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from remit.arguments.glob import compile_glob
from remit.arguments.text_sets import Beginning, Below, Globbed, Paths, TextSet, text_outside
from remit.arguments.values import is_below, refusal
from tests.support.seeds import Seeds

LENGTH_MAX = 5
TEXTS = ["".join(each) for length in range(LENGTH_MAX + 1) for each in product("ab/.", repeat=length)]
PATHS = [text for text in TEXTS if refusal("path", text) is None]
SHORT = [text for text in PATHS if len(text) <= 4]


def holds(set: TextSet, text: str) -> bool:
    state = set.start
    for character in text:
        following = set.after(state, character)
        if following is None:
            return False
        state = following
    return set.accepts(state)


def held(set: TextSet) -> frozenset[str]:
    return frozenset(text for text in TEXTS if holds(set, text))


def test_paths_are_what_is_not_refused_as_one() -> None:
    assert held(Paths()) == set(PATHS)


@pytest.mark.parametrize("directory", ["/", "/a", "/a/b", "a", "a/b"])
def test_below_a_directory_is_the_directory_and_what_is_below_it(directory: str) -> None:
    assert held(Below(directory)) & set(PATHS) == {path for path in PATHS if is_below(directory, path)}


def test_a_beginning_is_of_all_that_begin_so() -> None:
    assert held(Beginning(("/a", "b"))) == {text for text in TEXTS if text.startswith(("/a", "b"))}
    assert held(Beginning(("",))) == set(TEXTS)


def test_a_glob_read_character_by_character_matches_what_it_matches() -> None:
    for pattern in ("a*", "/a/**", "**/b", "/?/*", "**"):
        glob = compile_glob(pattern)
        assert held(Globbed(glob)) == {text for text in TEXTS if glob.matches(text)}


def sets(random: Random) -> Iterator[TextSet]:
    while True:
        match random.randrange(3):
            case 0:
                yield Beginning(tuple(random.sample(TEXTS[1:85], random.randint(1, 2))))
            case 1:
                yield Below(random.choice(SHORT))
            case _:
                yield Globbed(
                    compile_glob(random.choice(["a*", "/a/**", "**/b", "/?/*", "**", "*/a", "/a*/b", "/**/a"]))
                )


@pytest.mark.seeds(240, shards=2)
def test_a_text_is_found_outside_just_where_there_is_one(seeds: Seeds) -> None:
    found = 0
    for seed in seeds:
        random = Random(seed)
        drawn = sets(random)
        all_of = [next(drawn) for _ in range(random.randint(0, 2))]
        any_of = [next(drawn) for _ in range(random.randint(1, 2))]
        if random.random() < 0.5:
            all_of.append(Paths())
        text = text_outside(all_of, any_of)
        outside = frozenset(TEXTS).intersection(*map(held, all_of)).difference(*map(held, any_of))
        if text is None:
            assert outside == set(), seed
        else:
            found += 1
            assert all(holds(each, text) for each in all_of) and not any(holds(each, text) for each in any_of), seed
            assert outside == set() or len(text) <= min(map(len, outside)), f"{seed}: `{text}` is no shortest"
    seeds.require(30 < found < len(seeds.range) - 20, found)


def test_every_step_of_a_search_is_told() -> None:
    spent = []
    text_outside([Globbed(compile_glob("*a" + "?" * 12))], [Beginning(("z",))], spent.append)
    assert sum(spent) > 10
