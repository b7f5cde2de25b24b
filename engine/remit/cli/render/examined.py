"""What one file given to `remit validate` came to, to be shown to people, programs and CI.

Law: a file whose every outcome has no finding holds, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from remit.errors import RemitError
from remit.world import Finding, World
from remit.world.finding import FindingKind, Outcome


@dataclass(frozen=True, slots=True)
class Examined:
    """`world` is None where the file is none, which `error` then says, or where it has mistakes that are findings."""

    file: str
    seconds: float
    world: World | None = None
    outcomes: tuple[Outcome, ...] = ()
    error: RemitError | None = None

    @property
    def findings(self) -> list[Finding]:
        """In the order of the file."""
        return sorted((each for outcome in self.outcomes for each in outcome.findings), key=lambda each: each.line)

    @property
    def code(self) -> int:
        """0: it holds; 1: something in it does not; 2: it is no world."""
        if self.error is not None:
            return 2
        return 1 if any(outcome.findings for outcome in self.outcomes) else 0


def schema_outcome(findings: tuple[Finding, ...]) -> Outcome:
    """Of the schema as a whole."""
    return Outcome(FindingKind.SCHEMA, findings[0].line if findings else 1, "the schema compiles", findings)


def outcomes_of_mistakes(findings: list[Finding]) -> tuple[Outcome, ...]:
    """Of a file whose lines do not all mean something: nothing in it was asked."""
    schema = tuple(each for each in findings if each.kind is FindingKind.SCHEMA)
    others = [Outcome(each.kind, each.line, each.about, (each,)) for each in findings if each not in schema]
    return (schema_outcome(schema), *others)
