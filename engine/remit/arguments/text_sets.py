"""Sets of texts as automata that are read character by character: whether one lies within another.

Patterns are compared by what they match and not by how they are written: `/a/*/c` lies within `/a/**`, and a prefix
within a glob. An automaton is never built whole; only the states that a search comes by are.
Law: `text_outside(all_of, any_of)` is None only if no text is in all of `all_of` and in none of `any_of`."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

# A search that comes by more states than these is given up, as are those whose patterns were made to be hard. Patterns
# that people write come to a few hundred.
STATES_MAX = 20_000


class TooIntricate(Exception):
    """Whether one lies within the other was not found out within bounds. It is never a yes."""


class TextSet(Protocol):
    """A deterministic automaton. A state of None is one from which nothing is in the set any more."""

    @property
    def characters(self) -> str:
        """Those that it tells apart from all others, and from one another."""

    @property
    def start(self) -> Hashable: ...

    def after(self, state: Hashable, character: str) -> Hashable | None: ...

    def accepts(self, state: Hashable) -> bool: ...


class Prefixed(NamedTuple):
    """The texts that begin with `prefix`. A state is how much of it was read."""

    prefix: str

    @property
    def characters(self) -> str:
        return self.prefix

    @property
    def start(self) -> int:
        return 0

    def after(self, state: Hashable, character: str) -> int | None:
        assert isinstance(state, int)
        if state == len(self.prefix):
            return state
        return state + 1 if self.prefix[state] == character else None

    def accepts(self, state: Hashable) -> bool:
        return state == len(self.prefix)


class Below(NamedTuple):
    """A directory and what is below it, as far as the segments go: none is empty, `.` or `..`.

    A state is how much of the directory was read, and the segment that is being read where that may still come to be
    one of those: None where it cannot."""

    directory: str

    @property
    def characters(self) -> str:
        return f"{self.directory}/."

    @property
    def start(self) -> tuple[int, str | None]:
        return 0, ""

    def after(self, state: Hashable, character: str) -> tuple[int, str | None] | None:
        assert isinstance(state, tuple)
        read, segment = state
        if character == "/":
            is_first = read == 0 and segment == ""
            if segment in ("", ".", "..") and not is_first:
                return None
            segment = ""
        elif segment is not None:
            segment += character
            if segment not in (".", ".."):
                segment = None
        if read < len(self.directory):
            return (read + 1, segment) if self.directory[read] == character else None
        # What follows a directory is another segment of it; behind `/` itself there has been its slash.
        if read == len(self.directory) and self.directory != "/":
            return (read + 1, segment) if character == "/" else None
        return len(self.directory) + 1, segment

    def accepts(self, state: Hashable) -> bool:
        assert isinstance(state, tuple)
        read, segment = state
        if read == len(self.directory):
            return True
        return read > len(self.directory) and segment is None


def text_outside(all_of: Sequence[TextSet], any_of: Sequence[TextSet], states_max: int = STATES_MAX) -> str | None:
    """A shortest text that is in all of the first and in none of the second; None where there is none.

    Raises TooIntricate beyond `states_max`. Cost: states of the product times the characters that any tells apart."""
    alphabet = _alphabet((*all_of, *any_of))
    start = (tuple(each.start for each in all_of), tuple(each.start for each in any_of))
    seen = {start}
    waiting: deque[tuple[tuple[Hashable, ...], tuple[Hashable | None, ...], str]] = deque([(*start, "")])
    while waiting:
        inside, outside, text = waiting.popleft()
        if all(each.accepts(state) for each, state in zip(all_of, inside, strict=True)) and not any(
            state is not None and each.accepts(state) for each, state in zip(any_of, outside, strict=True)
        ):
            return text
        for character in alphabet:
            further = tuple(each.after(state, character) for each, state in zip(all_of, inside, strict=True))
            if None in further:
                continue
            beside = tuple(
                None if state is None else each.after(state, character)
                for each, state in zip(any_of, outside, strict=True)
            )
            if (further, beside) not in seen:
                if len(seen) >= states_max:
                    raise TooIntricate
                seen.add((further, beside))
                waiting.append((further, beside, text + character))
    return None


def _alphabet(sets: Iterable[TextSet]) -> list[str]:
    """Every character that is told apart, and one that stands for all others."""
    told_apart = sorted({character for each in sets for character in each.characters})
    other = next(character for character in _ORDINARY if character not in told_apart)
    return [*told_apart, other]


# Letters that people write come first, so that the texts found look like those of people; then what no pattern of
# 16 KiB can have told apart whole.
_ORDINARY = [*"xyzabcdefghijklmnopqrstuvw0123456789", *map(chr, range(0x4E00, 0x9000))]
