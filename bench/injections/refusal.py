"""What refuses a call first: one word for it, found by asking each part of a document by itself.

In this order: whether the call can be read and fits its tool, guardrails, and what is granted to the run and then to
the person above it; within a document its arguments as they stand there.
Law: there is a word for every call that is not let through, and for no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bench.injections.domain import ORGANISATION, Domain
from remit.arguments.call import ReadCall, read_call
from remit.arguments.document import parse_document
from remit.arguments.json_text import Json, canonical_text
from remit.arguments.judge import judge
from remit.arguments.judged import Related
from remit.arguments.schema_library import Unfit
from remit.arguments.side import Side
from remit.arguments.verdicts import Outcome, outcomes_of
from remit.errors import InvalidCall
from remit.eval.budget import Budget
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import Call, SubjectRef, Verdict

READING, DESCRIPTOR, SCHEMA, TYPE, GUARDRAIL, NO_GRANT, COVERAGE = (
    "reading",  # two readers could take its bytes for different calls
    "descriptor",  # the caller saw another tool, or says of none that it was seen
    "schema",  # the tool takes no such arguments
    "type",  # a value is not written as its type is
    "guardrail",
    "no grant",
    "coverage",  # the grant does not speak of one of its arguments
)
_PRESENCE = ("optional", "min_items")


def first_refusal(domain: Domain, call: Call) -> str:
    """One of the words above or the member of a constraint; "" where the call is let through."""
    tool = domain.tools[call.tool]
    try:
        read = read_call(call)
    except InvalidCall:
        return READING
    if call.descriptor != tool.digest:
        return DESCRIPTOR
    filled = tool.described.filled(read.arguments)
    if isinstance(filled, Unfit):
        return SCHEMA
    typed = read.typed(filled, tool.described.types)
    if typed.refused:
        return TYPE
    links = [_Link(domain, each, typed) for each in (domain.run, domain.person)]
    if tool.guard is not None and any(each.outcome(tool.guard, Side.MATCHING) is not Outcome.NO for each in links):
        return GUARDRAIL
    for link, document in zip(links, (tool.run, tool.person), strict=True):
        if document is None:
            return NO_GRANT
        if link.outcome(document, Side.ARGUMENTS) is not Outcome.YES:
            failing = (word for word, part in _parts(document) if link.outcome(part, Side.ARGUMENTS) is not Outcome.YES)
            return next(failing, COVERAGE)
    return ""


class _Link(NamedTuple):
    """One link of the chain, of which documents are asked by themselves."""

    domain: Domain
    subject: SubjectRef
    call: ReadCall

    def outcome(self, document: Mapping[str, Json], side: Side) -> Outcome:
        type, relation = ("tool", "may_use") if side is Side.ARGUMENTS else ("guardrail", "forbids")
        alternatives = ORGANISATION.definitions[type].relations[relation].subject_types
        declared = next(each.declared for each in alternatives if each.type == self.subject.type and each.caveat)
        judged = judge(parse_document(canonical_text(dict(document)), side, declared), self.call)
        [outcome] = outcomes_of(judged, self._has)
        return outcome

    def _has(self, goal: Related) -> bool:
        evaluation = Evaluation(ORGANISATION, Graph(self.domain.known), now_us=0)
        return evaluation.check(goal.object, goal.permission, self.subject, budget=Budget()).verdict is Verdict.YES


def _parts(document: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """What a document says of each argument, one member at a time, as documents that say nothing else."""
    for name, constraint in document.items():
        if name == "additional":
            continue
        assert isinstance(constraint, dict), "what a name stands for is a constraint"
        present = {member: constraint[member] for member in _PRESENCE if member in constraint}
        for member, value in constraint.items():
            if member in _PRESENCE:
                continue
            if member == "each":
                assert isinstance(value, dict), "`each` is a constraint"
                for inner, of_element in value.items():
                    yield inner, {name: {"each": {inner: of_element}, **present, "min_items": 0}, "additional": True}
                yield member, {name: {"each": {}, **present}, "additional": True}
                continue
            absent = {key: said for key, said in present.items() if key == "optional"}
            yield _word(name, member, value), {name: {member: value, **absent}, "additional": True}


def _word(name: str, member: str, value: Json) -> str:
    if name == "purpose":
        return name
    return "binding" if isinstance(value, dict) and "binding" in value else member
