"""The call that a question brings, read once, and what constraint documents come to for it, each judged once.

Law: what is said here hangs on the document, the call and what describes its tool alone, so it is the same of every
graph and for every subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never, final

from remit.arguments.call import ReadCall, read_call
from remit.arguments.document import parse_document
from remit.arguments.json_text import Json
from remit.arguments.judge import judge
from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.schema_library import Unfit
from remit.arguments.side import Side
from remit.arguments.tool_schema import Descriptor
from remit.errors import DocumentInvalid
from remit.eval.budget import EDGE_BYTES, Budget
from remit.model import Call, CaveatUse

DescriptorOf = Callable[[str], Descriptor | None]
"""What is kept under a digest; None where that is nothing, or nothing that can be read."""

Declared = frozenset[tuple[str, str]]
"""The permissions, by type and name, that documents of a relation may ask for."""

# What Python remembers of a call for each byte of its arguments: measured, of empty objects and lists, which take the
# most; of texts it is 2.
CALL_BYTES_TIMES = 28
_JUDGED_A_STEP = 4  # values and constraints; some microseconds
_REASONS_MAX = 3  # of those that one document gives, in an explanation


def no_descriptors(digest: str) -> None:
    """Where none are kept."""


@final
class JudgedCall:
    """One call. Whoever asks the same of other facts goes on with what was judged."""

    def __init__(self, call: Call, descriptor_of: DescriptorOf = no_descriptors) -> None:
        """Raises InvalidCall."""
        self.tool = call.tool
        self.descriptor = call.descriptor
        self._read = read_call(call)
        self._descriptor_of = descriptor_of
        self._described: dict[str | None, tuple[ReadCall, int]] = {}  # by the digest, and how many values it has
        self._judged: dict[tuple[CaveatUse, Declared, str | None], Judged] = {}

    def judged(self, use: CaveatUse, side: Side, declared: Declared, digest: str | None, budget: Budget) -> Judged:
        """What a document comes to, with all that the call alone decides put together. `digest` is the descriptor's
        that the call is judged by, None where tools have none. Cost: steps for the values of the call and the
        constraints of the document, the first time. Raises what the budget raises."""
        key = (use, declared, digest)
        found = self._judged.get(key)
        if found is None:
            found = self._judge(use, side, declared, digest, budget)
            self._judged[key] = found
            budget.bytes += EDGE_BYTES + len(use.context_json)
            budget.interrupt()  # it may have taken as long as some hundred steps
        return found

    def _judge(self, use: CaveatUse, side: Side, declared: Declared, digest: str | None, budget: Budget) -> Judged:
        call, values = self._as_described(digest)
        try:
            document = parse_document(use.context_json, side, declared)
        except DocumentInvalid as error:
            # It was read when it was written: the schema says something else of it by now.
            return Unjudged("", f"the document cannot be read: {error.message}")
        for _ in range(1 + (values + document.constraints) // _JUDGED_A_STEP):
            budget.spend()
        return put_together(judge(document, call))

    def _as_described(self, digest: str | None) -> tuple[ReadCall, int]:
        """The call as its tool understands it, and how many values it has then."""
        if digest not in self._described:
            call = self._read
            if digest is not None:
                descriptor = self._descriptor_of(digest)
                if descriptor is None:
                    call = call.unjudgeable("", f"of the descriptor `{digest}` nothing is kept that can be read")
                else:
                    call = _as_it_gets(descriptor, call)
            self._described[digest] = (call, _count(call.arguments))
        return self._described[digest]


def _as_it_gets(descriptor: Descriptor, call: ReadCall) -> ReadCall:
    """The call as the tool gets it. Cost: O(values x what the descriptor says of them)."""
    filled = descriptor.filled(call.arguments)
    if isinstance(filled, Unfit):
        return call.unjudgeable(filled.pointer, f"it does not fit what the tool takes: {filled.reason}")
    return call.typed(filled, descriptor.types)


def _count(value: Json) -> int:
    """How many values there are in one, itself among them."""
    match value:
        case dict():
            return 1 + sum(map(_count, value.values()))
        case list():
            return 1 + sum(map(_count, value))
        case _:
            return 1


# --- what is known without the graph ----------------------------------------------------------------------------


def put_together(judged: Judged) -> Judged:
    """The same, with whatever hangs on no question of the graph's as one value. What is unjudged stays so where a part
    beside it decides nothing: it is nobody's to guess."""
    match judged:
        case Known() | Unjudged() | Related():
            return judged
        case Every(parts):
            return _combined(Every, tuple(map(put_together, parts)), decisive=False)
        case Any(parts):
            return _combined(Any, tuple(map(put_together, parts)), decisive=True)
        case Unless(part):
            inner = put_together(part)
            if isinstance(inner, Known):
                return Known(not inner.truth, inner.note)
            return inner if isinstance(inner, Unjudged) else Unless(inner)
        case _:
            assert_never(judged)


def _combined(kind: type[Every] | type[Any], parts: tuple[Judged, ...], *, decisive: bool) -> Judged:
    for part in parts:
        if isinstance(part, Known) and part.truth is decisive:
            return part
    open_parts = tuple(part for part in parts if not isinstance(part, Known))
    if not open_parts:
        return Known(not decisive, _told(part.note for part in parts if isinstance(part, Known)))
    if all(isinstance(part, Unjudged) for part in open_parts):
        return min(open_parts)
    return kind(open_parts) if len(open_parts) > 1 else open_parts[0]


def _told(notes: Iterable[str]) -> str:
    """What several say together; of many the first."""
    all_notes = list(dict.fromkeys(filter(None, notes)))
    more = len(all_notes) - _REASONS_MAX
    return "; ".join(all_notes[:_REASONS_MAX]) + (f"; and {more} more" if more > 0 else "")
