"""Globs: `*` is anything within a segment of a path, `**` whole segments, `?` one character but `/`.

A glob becomes an automaton without memory of how it came where it is: the states that are possible after a character
are the bits of one integer. So there is nothing to go back to, whatever the pattern and the value.
Law: a match costs one step for each character of the value."""

from __future__ import annotations

from dataclasses import dataclass, field

GLOB_LENGTH_MAX = 1_024  # characters; a step is on an integer of as many bits


@dataclass(frozen=True, slots=True)
class Glob:
    """The automaton. Bit n of a state says that what stands before place n has been matched."""

    pattern: str  # which says all of the rest
    literals: dict[str, int] = field(repr=False, compare=False)
    any_character: int = field(repr=False, compare=False)  # places that any character passes
    any_but_slash: int = field(repr=False, compare=False)
    stays_on_any: int = field(repr=False, compare=False)  # places that are stayed at, whatever character comes
    stays_but_slash: int = field(repr=False, compare=False)
    skipped: int = field(repr=False, compare=False)  # places that may be passed without a character
    end: int = field(repr=False, compare=False)

    def matches(self, text: str) -> bool:
        """Whether the glob is of the whole text. Cost: O(length)."""
        states = self.start
        for character in text:
            states = self.after(states, character)
            if not states:
                return False
        return bool(states & self.end)

    def steps(self, text: str) -> int:
        """What a match takes at most: one step for each character of the text and each 64 places of the pattern."""
        return len(text) * ((self.end.bit_length() - 1) // 64 + 1)

    @property
    def start(self) -> int:
        """The state before any character."""
        return self._entered(1)

    def after(self, states: int, character: str) -> int:
        """The state after one more character; 0 where nothing is matched any more."""
        passed = self.literals.get(character, 0) | self.any_character
        stays = self.stays_on_any
        if character != "/":
            passed |= self.any_but_slash
            stays |= self.stays_but_slash
        return self._entered((states & passed) << 1) | (states & stays)

    def _entered(self, states: int) -> int:
        """The places come to, with those that may be passed by at once; no two such places stand together."""
        return states | (states & self.skipped) << 1


def compile_glob(pattern: str) -> Glob:
    """The automaton of a pattern that `document.py` has found to be one.

    A `**/` is one place: it is passed by at once, or stayed at until some `/`. At a `*` or a last `**` one stays while
    there come characters that it stands for; where it is a whole segment, one must have come, since none is empty."""
    literals: dict[str, int] = {}
    any_character = any_but_slash = stays_on_any = stays_but_slash = skipped = 0
    place = 0
    segments = pattern.split("/")
    previous = ""
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        if segment == "**" and not is_last:
            if previous != "**":
                stays_on_any |= 1 << place
                skipped |= 1 << place
                literals["/"] = literals.get("/", 0) | 1 << place
                place += 1
        elif segment == "**":
            any_character |= 1 << place
            stays_on_any |= 1 << (place + 1)
            place += 1
        else:
            if segment == "*":
                any_but_slash |= 1 << place
                place += 1
            for character in segment:
                if character == "*":
                    stays_but_slash |= 1 << place
                elif character == "?":
                    any_but_slash |= 1 << place
                    place += 1
                else:
                    literals[character] = literals.get(character, 0) | 1 << place
                    place += 1
            if not is_last:
                literals["/"] = literals.get("/", 0) | 1 << place
                place += 1
        previous = segment
    return Glob(pattern, literals, any_character, any_but_slash, stays_on_any, stays_but_slash, skipped, end=1 << place)
