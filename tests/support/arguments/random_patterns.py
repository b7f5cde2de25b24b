"""Random regular expressions over few characters, and texts that they may find something in."""

from __future__ import annotations

from random import Random

_ATOMS = (
    "a",
    "b",
    "1",
    "_",
    "-",
    "\\.",
    "\\-",
    ".",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "[ab]",
    "[^a]",
    "[a-c1]",
    "[\\d_]",
)
_ENDS = ("", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?")
_TEXT = "ab1_-. c"


def random_pattern(rng: Random, depth: int = 3) -> str:
    """Of a hundred some are no patterns of the subset: a repetition of nothing, and what they make together."""
    branches = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        parts = []
        for _ in range(rng.choice((0, 1, 2, 3))):
            if depth and rng.random() < 0.3:
                atom = f"({rng.choice(('', '?:'))}{random_pattern(rng, depth - 1)})"
            elif rng.random() < 0.1:
                parts.append(rng.choice("^$"))
                continue
            else:
                atom = rng.choice(_ATOMS)
            parts.append(atom + rng.choice(_ENDS))
        branches.append("".join(parts))
    return "|".join(branches)


def random_text(rng: Random) -> str:
    return "".join(rng.choices(_TEXT, k=rng.choice((0, 1, 2, 3, 6))))
