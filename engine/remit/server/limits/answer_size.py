"""What can be seen of an answer to be too much before it is whole.

Most relationships are small, and an answer has room for hundreds of thousands. Their contexts need not be: a page of a
thousand can have 25 MB of JSON, which as a message takes a gigabyte until somebody measures it.
Law: an answer that is too large is given up when its contexts alone are; and whoever waits for it is looked after as it
grows."""

from __future__ import annotations

from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.interrupt import Interrupt, paced
from remit.v1 import core_pb2


class AnswerSize:
    """Of one answer. Called with each relationship that becomes part of it, or `grew` by each part."""

    def __init__(self, limits: Limits, interrupt: Interrupt) -> None:
        self._limits = limits
        self._interrupt = interrupt
        self._look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self._size = 0

    def __call__(self, relationship: core_pb2.Relationship) -> None:
        """Raises AnswerTooLarge, and what the interrupt raises. Cost: O(bytes of its context)."""
        self.grew(relationship.ByteSize() if relationship.caveat.HasField("context") else 0)

    def grew(self, size: int = 0) -> None:
        """By a part of so many bytes, 0 where it is small. Raises AnswerTooLarge, and what the interrupt raises."""
        if not size:
            self._look()
            return
        self._interrupt()
        self._size += size
        self._limits.require_response(self._size)
