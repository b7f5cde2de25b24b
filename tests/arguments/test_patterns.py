"""Patterns: what is read means what ECMA 262 says, in RE2 as it was written out; what is not is refused by name."""

from __future__ import annotations

import re
from random import Random

import pytest
import re2

from remit.arguments.patterns import CHARACTERS_MAX, DEPTH_MAX, SIZE_MAX, PatternRefused, written_out
from tests.support.arguments.random_patterns import random_pattern, random_text
from tests.support.seeds import Seeds


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("a", "cab", "cb"),
        ("^a$", "a", "a\n"),
        ("^.$", "a", "\r"),
        ("^.$", "\U0001f600", "\u2028"),
        (r"^\d+$", "42", "٤٢"),
        (r"^\w+$", "a_9", "é"),
        (r"^\W$", "é", "_"),
        (r"^\S+$", "a.b", "a\u00a0b"),
        (r"^\s$", "\ufeff", "\u200b"),
        (r"^[\d\s.-]+$", "1 2.3-4", "x"),
        (r"^\u00e9\x41$", "éA", "eA"),
        ("^(a|b){2}?$", "ab", "abc"),
        ("^[^a]$", "\n", "a"),
        (r"^[\]\[\\^-]+$", "]-[\\^", "a"),
        ("^[&&~~-]+$", "&-~", "a"),
        ("^a{0}b{1,}$", "bb", "ab"),
        (r"\/\-", "a/-", "/"),
        ("^(?:|x)$", "", "y"),
    ],
)
def test_a_pattern_finds_what_ecma_says(pattern: str, found: str, not_found: str) -> None:
    compiled = re2.compile(written_out(pattern).text)
    assert compiled.search(found)
    assert not compiled.search(not_found)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(?=a)", "has a group `(?=a` at 0, which not every engine has"),
        ("(?<n>a)", "has a group `(?<n` at 0"),
        ("(?i)a", "has a group `(?i)` at 0"),
        (r"a\b", r"has `\b` at 1, which not every engine reads alike"),
        (r"(a)\1", r"has `\1` at 3"),
        (r"\p{L}", r"has `\p` at 0"),
        (r"\ud800", r"has `\u` at 0"),
        (r"\x4", r"has `\x` at 0"),
        ("[\\", "ends with a backslash"),
        ("a\\", "ends with a backslash"),
        ("(a", "has a `(` at 0 that nothing closes"),
        ("a)", "has a `)` at 1 that nothing opened"),
        ("[a", "has a `[` at 0 that nothing closes"),
        ("[]", "has a class at 0 of no characters"),
        ("[^]", "has a class at 0 of no characters"),
        ("[z-a]", "has a class at 0 with a `-` that is no range"),
        (r"[\d-z]", "has a class at 0 with a `-` that is no range"),
        ("[[:alpha:]]", "has a `[` at 1 in a class"),
        (r"[\D]", r"has `\D` at 1"),
        ("*a", "has a `*` at 0 that repeats nothing"),
        ("^*", "has a `*` at 1 that repeats nothing"),
        ("a**", "has a `*` at 2 that repeats a repetition"),
        ("a{", "has a `{` before 2 that is no repetition"),
        ("a{2,1}", "has a `{` at 1 that is no repetition"),
        ("a{99999}", "has a `{` before 2 that is no repetition"),
        ("]", r"has a `]` at 0; write `\]`"),
        ("a" * (CHARACTERS_MAX + 1), f"has {CHARACTERS_MAX + 1} characters, and may have {CHARACTERS_MAX}"),
        ("(" * (DEPTH_MAX + 1), f"has groups more than {DEPTH_MAX} deep"),
        (f"a{{{SIZE_MAX + 1}}}", f"stands for more than {SIZE_MAX} characters"),
        ("(a{40}){40}", f"stands for more than {SIZE_MAX} characters"),
        ("((a{10,}){10,}){10}", f"stands for more than {SIZE_MAX} characters"),
    ],
)
def test_what_engines_could_read_otherwise_is_refused_by_name(pattern: str, words: str) -> None:
    with pytest.raises(PatternRefused) as caught:
        written_out(pattern)
    assert words in caught.value.reason


@pytest.mark.parametrize(
    "pattern", [f".{{{SIZE_MAX}}}", f"\\W{{0,{SIZE_MAX}}}", "(?:[^x]{30}){17}", "(" * 16 + "a" + ")" * 16, "é" * 512]
)
def test_the_largest_that_is_read_compiles(pattern: str) -> None:
    re2.compile(written_out(pattern).text)


@pytest.mark.seeds(3_000, shards=2)
def test_what_is_written_out_finds_what_was_written(seeds: Seeds) -> None:
    """Judged by Python's own engine, over characters of which it and ECMA 262 say the same."""
    found = 0
    for seed in seeds:
        rng = Random(seed)
        pattern = random_pattern(rng)
        try:
            written = re2.compile(written_out(pattern).text)
        except PatternRefused:
            continue
        python = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
        for _ in range(10):
            text = random_text(rng)
            assert (written.search(text) is not None) == (python.search(text) is not None), (pattern, text)
            found += written.search(text) is not None
    seeds.require(found > 1_000, found)
