"""`did you mean`: the one place that guesses what was meant.

A guess is a courtesy, so it may not cost: each word is worked out once among the same candidates, which of them are
worth a comparison is seen by their letters, and few are compared.
Law: a guess is one of the candidates, or nothing; the same word and candidates always give the same guess."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from heapq import nlargest
from itertools import islice

# difflib compares in time quadratic to the lengths; nobody means a name by typing a page.
_WORD_LENGTH_MAX = 100
# Between 0.5, where `user` is offered for `viewer`, and 0.75, where `usr` no longer finds `user`.
_LIKENESS_MIN = 0.65
# Where more names are known than this, only the first of them are offered: a quarter of a millisecond to look at.
_CANDIDATES_MAX = 1_000
_COMPARED_MAX = 16  # those with the most letters in common; 20 microseconds each
_REMEMBERED = 1_024


def closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like the word, or "" where none is near. Cost: O(candidates), some thousand at most."""
    if len(word) > _WORD_LENGTH_MAX:
        return ""
    return _closest(word, tuple(islice(candidates, _CANDIDATES_MAX)))


@lru_cache(_REMEMBERED)
def _closest(word: str, candidates: tuple[str, ...]) -> str:
    letters, length = _letters(word), len(word)
    possible = []
    for candidate in candidates:
        # How alike the two could be at most: what stands in one and not in the other is alike to nothing.
        others = _letters(candidate)
        shared = min(length - (letters & ~others).bit_count(), len(candidate) - (others & ~letters).bit_count())
        likeness = 2 * shared / (length + len(candidate)) if candidate else 0
        if likeness >= _LIKENESS_MIN:
            possible.append((likeness, candidate))
    matcher = SequenceMatcher(b=word)
    best = (_LIKENESS_MIN, "")
    for _, candidate in nlargest(_COMPARED_MAX, possible):
        matcher.set_seq1(candidate)
        if matcher.real_quick_ratio() >= best[0] and matcher.quick_ratio() >= best[0]:
            best = max(best, (matcher.ratio(), candidate))
    return best[1]


@lru_cache(8 * _REMEMBERED)
def _letters(word: str) -> int:
    """A bit for each letter, or for the letters that share one."""
    letters = 0
    for letter in word:
        letters |= 1 << (ord(letter) & 63)
    return letters


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A suggestion for an `Issue`, or "" where no candidate is near."""
    near = closest(word, candidates)
    return f"did you mean `{near}`?" if near else ""
