"""Which parts of a schema the assertions of its worlds decide about, and which nobody would miss.

A part is covered with yes where some assertion was answered as it was because the part was yes: were nobody ever in it,
the answer would be another. It is covered with no where everybody in it would change an answer. So what is covered
cannot break without an assertion telling; what is merely asked on the way to an answer does not count.
Law: worlds are looked at in any order and together or apart; what is covered is the union."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.eval.budget import Budget
from remit.eval.equations import NO, YES, Goal
from remit.eval.semantics import Evaluation
from remit.language.reach import Reach
from remit.language.syntax import SchemaSyntax
from remit.model import Verdict
from remit.world.decisive import Bits, Deciding
from remit.world.file import World
from remit.world.parts import Part, PartKind, parts_of

_BOUNDS = {Verdict.NO: NO, Verdict.YES: YES}


@dataclass(frozen=True, slots=True)
class Lack:
    """A part that no assertion covers with one of the two values, and how near some came."""

    part: Part
    value: Verdict
    is_asked: bool  # some assertion met it with that value, and something else decided
    is_met: bool  # some assertion met it with any value

    def __str__(self) -> str:
        word = "yes" if self.value is Verdict.YES else "no"
        if not self.is_met:
            reason = "no assertion asks it"
        elif self.is_asked:
            reason = f"where it is {word}, the answer does not hang on it"
        else:
            reason = f"it is never {word}"
        return f"{self.part} is not covered with {word}: {reason}"


@dataclass(frozen=True, slots=True)
class Row:
    """One definition or caveat: how many of its values there are, and how many are covered."""

    kind: str  # definition or caveat
    name: str
    covered: int
    total: int

    @property
    def percent(self) -> float:
        return percent_of(self.covered, self.total)


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """What the assertions cover of one schema, by definition and caveat in its order. `lacks` are in the order of the
    schema, too. Where there is nothing to cover, all of it is."""

    schema: str  # the file
    worlds: int
    assertions: int
    rows: tuple[Row, ...]
    lacks: tuple[Lack, ...]

    @property
    def covered(self) -> int:
        return sum(row.covered for row in self.rows)

    @property
    def total(self) -> int:
        return sum(row.total for row in self.rows)

    @property
    def percent(self) -> float:
        return percent_of(self.covered, self.total)


def percent_of(covered: int, total: int) -> float:
    """Cut, not rounded, to a tenth: a hundred means all."""
    return covered * 1000 // total / 10 if total else 100.0


def schema_key(tree: SchemaSyntax) -> tuple[tuple[str, str], ...]:
    """What worlds of the same schema share: the files it was read from."""
    return tuple((source.name, source.text) for source in tree.sources.sources)


@dataclass(slots=True)
class Coverage:
    """Collects over the worlds of one schema. Hand `observe` to `outcomes_of`."""

    schema: str
    parts: tuple[Part, ...]
    _reach: Reach
    _bits: Bits
    _worlds: int = field(default=0, init=False)
    _assertions: int = field(default=0, init=False)
    _decided: int = field(default=0, init=False)
    _asked: int = field(default=0, init=False)
    _deciding: dict[int, Deciding] = field(default_factory=dict, init=False)  # by the evaluation, of this world

    @classmethod
    def of(cls, world: World) -> Coverage:
        """Of a world's schema, nothing observed yet."""
        parts = parts_of(world.tree)
        return cls(world.tree.sources.sources[0].name, parts, Reach(world.schema), Bits(parts))

    def begin(self) -> None:
        """Another world of the schema follows."""
        self._worlds += 1
        self._deciding.clear()

    def observe(self, evaluation: Evaluation, goal: Goal) -> None:
        """Take in what an assertion's answer rests on. Raises what a budget of its own raises."""
        evaluation.equations.budget = Budget()
        deciding = self._deciding.get(id(evaluation))
        if deciding is None:
            deciding = self._deciding[id(evaluation)] = Deciding(evaluation, self._bits, self._reach)
        decided, asked = deciding.of(goal)
        self._assertions += 1
        self._decided |= decided
        self._asked |= asked

    def report(self) -> CoverageReport:
        lacks = []
        counts: dict[tuple[str, str], list[int]] = {}
        for part in self.parts:
            about = ("caveat", part.name) if part.kind is PartKind.CAVEAT else ("definition", part.definition)
            count = counts.setdefault(about, [0, 0])
            for value in (Verdict.NO, Verdict.YES) if part.can_be_yes else (Verdict.NO,):
                is_covered = self._is_in(self._decided, part, value)
                count[0] += is_covered
                count[1] += 1
                if not is_covered:
                    is_met = any(self._is_in(self._asked, part, each) for each in _BOUNDS)
                    lacks.append(Lack(part, value, self._is_in(self._asked, part, value), is_met))
        rows = tuple(Row(*about, *count) for about, count in counts.items())
        return CoverageReport(self.schema, self._worlds, self._assertions, rows, tuple(lacks))

    def _is_in(self, found: int, part: Part, value: Verdict) -> bool:
        return bool(found & self._bits.of(_BOUNDS[value], *part.key))
