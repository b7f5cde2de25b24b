"""What a compilation may take: how its caller stops it, and how large a schema may become.

Every step of the compiler counts what it looks at here, so that a schema of whatever shape is given up within
milliseconds of its caller's leaving.
Law: what an interrupt raises ends the work at once; what is too large is refused before the costly steps begin."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.errors import LimitExceeded
from remit.interrupt import Interrupt, never_interrupted

TERMS_MAX = 50_000
"""Of what a server is sent: some tens of kilobytes of text for every ten thousand, and a second of work for all."""

EXPRESSION_LENGTH_MAX = 8_192
"""Characters of a caveat's expression that a server is sent: CEL compiles it at a stretch, which nobody can interrupt;
some 30 ms, and as long again where it is wrong."""

_STEPS_BETWEEN_INTERRUPTS = 32  # a step takes some tens of microseconds at most


@dataclass(slots=True)
class Effort:
    """Of one compilation or comparison. Without `terms_max` a schema may be of any size, and without
    `expression_length_max` an expression as long as the language allows."""

    interrupt: Interrupt = never_interrupted
    terms_max: int | None = None
    expression_length_max: int | None = None
    _left: int = field(default=_STEPS_BETWEEN_INTERRUPTS, init=False)

    def step(self, count: int = 1) -> None:
        """So many things looked at. Raises what the interrupt raises."""
        self._left -= count
        if self._left <= 0:
            self._left = _STEPS_BETWEEN_INTERRUPTS
            self.interrupt()

    def require_terms(self, count: int) -> None:
        """That a schema may have so many terms. Raises LimitExceeded."""
        if self.terms_max is not None and count > self.terms_max:
            raise LimitExceeded(
                f"the schema has more than the {self.terms_max} terms allowed (definitions, caveats, relations, "
                "permissions, subject types and operands, counted where imports and partials bring them)",
                field="schema",
                name="schema_terms_max",
                limit=self.terms_max,
                given=count,  # or more: nobody counted on
            )

    def require_expression(self, caveat: str, length: int) -> None:
        """That the expression of a caveat may be so long. Raises LimitExceeded."""
        if self.expression_length_max is not None and length > self.expression_length_max:
            raise LimitExceeded(
                f"the expression of caveat `{caveat}` has {length} characters, more than the "
                f"{self.expression_length_max} allowed: give parts of it to caveats of their own",
                field="schema",
                name="expression_length_max",
                limit=self.expression_length_max,
                given=length,
                caveat=caveat,
            )
