"""Sets of texts as automata that are read character by character: whether one lies within another.

Patterns are compared by what they match and not by how they are written: `/a/*/c` lies within `/a/**`, and a prefix
within a glob. An automaton is never built whole; only the states that a search comes by are.
Law: `text_outside(all_of, any_of)` is None only if no text is in all of `all_of` and in none of `any_of`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from remit.arguments.glob import Glob


class TextSet(Protocol):
    """A deterministic automaton. A state of None is one from which nothing is in the set any more."""

    @property
    def characters(self) -> str:
        """Those that it tells apart from all others, and from one another."""

    @property
    def start(self) -> Hashable: ...

    def after(self, state: Hashable, character: str) -> Hashable | None: ...

    def accepts(self, state: Hashable) -> bool: ...


class Beginning(NamedTuple):
    """The texts that begin with one of the prefixes. A state is what was read, until that is one of them: True then."""

    prefixes: tuple[str, ...]

    @property
    def characters(self) -> str:
        return "".join(self.prefixes)

    @property
    def start(self) -> str | bool:
        return True if "" in self.prefixes else ""

    def after(self, state: Hashable, character: str) -> str | bool | None:
        if state is True:
            return True
        read = f"{state}{character}"
        if read in self.prefixes:
            return True
        return read if any(each.startswith(read) for each in self.prefixes) else None

    def accepts(self, state: Hashable) -> bool:
        return state is True


class Globbed(NamedTuple):
    """The texts that a glob is of. A state is the integer of bits that the glob itself goes by."""

    glob: Glob

    @property
    def characters(self) -> str:
        return "/" + "".join(self.glob.literals)

    @property
    def start(self) -> int:
        return self.glob.start

    def after(self, state: Hashable, character: str) -> int | None:
        assert isinstance(state, int)
        return self.glob.after(state, character) or None

    def accepts(self, state: Hashable) -> bool:
        assert isinstance(state, int)
        return bool(state & self.glob.end)


class Paths(NamedTuple):
    """Paths as far as their segments go: none is empty, `.` or `..`; only `/` itself ends in a slash.

    A state is the segment that is being read while it may still come to be one of those, and a word where it cannot."""

    @property
    def characters(self) -> str:
        return "/."

    @property
    def start(self) -> str:
        return "nothing"

    def after(self, state: Hashable, character: str) -> str | None:
        match state, character:
            case "nothing", "/":
                return "root"
            case (("" | "." | ".." | "root"), "/"):
                return None
            case _, "/":
                return ""
            case (("nothing" | "root" | ""), "."):
                return "."
            case ".", ".":
                return ".."
            case _:
                return "segment"

    def accepts(self, state: Hashable) -> bool:
        return state in ("root", "segment")


class Below(NamedTuple):
    """A directory and whatever begins as what is below it does. A state is how much of that was read."""

    directory: str

    @property
    def characters(self) -> str:
        return f"{self.directory}/"

    @property
    def start(self) -> int:
        return 0

    def after(self, state: Hashable, character: str) -> int | None:
        assert isinstance(state, int)
        beginning = self._beginning
        if state == len(beginning):
            return state
        return state + 1 if beginning[state] == character else None

    def accepts(self, state: Hashable) -> bool:
        return state in (len(self.directory), len(self._beginning))

    @property
    def _beginning(self) -> str:
        return self.directory if self.directory == "/" else f"{self.directory}/"


def text_outside(
    all_of: Sequence[TextSet], any_of: Sequence[TextSet], spend: Callable[[int], None] = lambda steps: None
) -> str | None:
    """A shortest text that is in all of the first and in none of the second; None where there is none.

    `spend` is told of every step, and may raise. Cost: states of the product, times the characters that any of the sets
    tells apart; globs that were made to be hard have as many states as there are subsets of their places."""
    alphabet = _alphabet((*all_of, *any_of))
    start = (tuple(each.start for each in all_of), tuple(each.start for each in any_of))
    seen = {start}
    waiting: deque[tuple[tuple[Hashable, ...], tuple[Hashable | None, ...], str]] = deque([(*start, "")])
    while waiting:
        inside, beside, text = waiting.popleft()
        is_inside = all(each.accepts(state) for each, state in zip(all_of, inside, strict=True))
        if is_inside and not any(
            state is not None and each.accepts(state) for each, state in zip(any_of, beside, strict=True)
        ):
            return text
        spend(len(alphabet))
        for character in alphabet:
            further = tuple(each.after(state, character) for each, state in zip(all_of, inside, strict=True))
            if None in further:
                continue
            outside = tuple(
                None if state is None else each.after(state, character)
                for each, state in zip(any_of, beside, strict=True)
            )
            if (further, outside) not in seen:
                seen.add((further, outside))
                waiting.append((further, outside, text + character))
    return None


def _alphabet(sets: Iterable[TextSet]) -> list[str]:
    """Every character that is told apart, and one that stands for all others."""
    told_apart = {character for each in sets for character in each.characters}
    other = next(character for character in _ORDINARY if character not in told_apart)
    return [*sorted(told_apart), other]


# Letters that people write come first, so that the texts found look like theirs; then more than the patterns of two
# documents can tell apart.
_ORDINARY = [*"xyzabcdefghijklmnopqrstuvw0123456789", *map(chr, range(0x4E00, 0x9FA0))]
