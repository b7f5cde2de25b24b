"""`did you mean`: the one place that guesses what was meant.

Law: a guess is one of the candidates, or nothing; the same word and candidates always give the same guess."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# difflib compares in time quadratic to the lengths; nobody means a name by typing a page.
_WORD_LENGTH_MAX = 100
# Between 0.5, where `user` is offered for `viewer`, and 0.75, where `usr` no longer finds `user`.
_LIKENESS_MIN = 0.65


def closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like the word, or "" where none is near. Cost: O(candidates)."""
    if len(word) > _WORD_LENGTH_MAX:
        return ""
    near = get_close_matches(word, sorted(set(candidates)), n=1, cutoff=_LIKENESS_MIN)
    return near[0] if near else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A suggestion for an `Issue`, or "" where no candidate is near."""
    near = closest(word, candidates)
    return f"did you mean `{near}`?" if near else ""
