"""What the lookups mean: Check, asked the other way around. Slow, plain, and the judge of everything faster.

*Which resources of a type does a subject have?* Those of all objects that occur in a relationship that counts now, and
the subject's own object, of which Check says YES or CONDITIONAL. *Which subjects of a type has a resource?* Those of
all that occur, and the resource itself, likewise; and `*` where Check says so of one that occurs nowhere, and so of
everybody else. Where there is a `*`, whoever has the same answer is listed only if a relationship beneath the
permission names them, and who is listed with a NO is one that `*` does not stand for. Where Check is an error, the
error is listed.

Lists are sorted by id, `*` first. A page may end before it is full, where the steps of a page are spent; it goes on
after the last id that was judged, so that whoever goes on comes to the end. An id fails for its steps only where
a Check of it alone would.
Law: for every id the list says what Check says; pages come to the same list whatever their limits are; and whichever
candidates are judged, all that there are or those of `candidates.py`, makes no difference."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import NamedTuple

from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle, RemitError, StepBudgetSpent
from remit.eval.budget import Budget
from remit.eval.candidates import Beneath, SubjectCandidates, all_ids, every_leaf
from remit.eval.semantics import Answer, Evaluation
from remit.graph.view import GraphView
from remit.interrupt import Interrupt
from remit.language import plan
from remit.model import WILDCARD, ObjectRef, ResourceLookup, SubjectLookup, SubjectRef, Verdict

_RUN = 4_096  # ids sorted at once: a millisecond or two

NOBODY = ""  # an id that no relationship can have: whoever occurs nowhere has the answers of this one


class Entry(NamedTuple):
    """An id of a list, and what Check says of it. A NO is somebody whom `*` does not stand for."""

    id: str
    answer: Answer | RemitError


class LookupPage(NamedTuple):
    """Entries in the order of the list; the id to go on after, None where no more follow; and the steps it cost."""

    entries: tuple[Entry, ...]
    next_after: str | None
    steps: int


class Place(NamedTuple):
    """Where a page begins, how many entries it may have, and how many steps its walk and its checks may each cost
    and bytes be remembered of them. `after` is "" for the beginning."""

    after: str
    limit: int
    steps_max: int
    interrupt: Interrupt
    bytes_max: int = sys.maxsize

    def budget(self) -> Budget:
        return Budget(self.steps_max, self.interrupt, bytes_max=self.bytes_max)


def lookup_resources(
    evaluation: Evaluation, lookup: ResourceLookup, place: Place, candidates: Iterable[str]
) -> LookupPage:
    """A page of the resources among the candidates that the subject has the permission of. `evaluation` is of the
    lookup's context. Raises UnknownType, UnknownRelation, StepBudgetSpent, and what the interrupt raises."""
    type, permission, subject, _ = lookup
    budget, occurring = place.budget(), place.budget()

    def entry_of(id: str) -> Answer | RemitError | None:
        resource = ObjectRef(type, id)
        answer = _answer(evaluation, resource, permission, subject, budget)
        if isinstance(answer, Answer) and answer.verdict is Verdict.NO:
            return None
        is_itself = resource == subject.object
        graph, now_us = evaluation.equations.graph, evaluation.equations.now_us
        return answer if is_itself or occurs(evaluation.schema, graph, now_us, resource, occurring) else None

    return _page(candidates, entry_of, place, budget, occurring)


def lookup_subjects(
    evaluation: Evaluation, lookup: SubjectLookup, place: Place, candidates: SubjectCandidates
) -> LookupPage:
    """A page of the subjects among the candidates that have the permission of the resource, and `*`."""
    resource, permission, type, relation, _ = lookup
    everybody = _answer_of_everybody(evaluation, lookup, place.budget())
    budget = place.budget()

    def entry_of(id: str) -> Answer | RemitError | None:
        if id == WILDCARD:
            return None if is_same(everybody, Answer(Verdict.NO)) else everybody
        answer = _answer(evaluation, resource, permission, SubjectRef(type, id, relation), budget)
        if not is_same(answer, everybody):
            return answer
        return answer if id in candidates.named and not is_same(answer, Answer(Verdict.NO)) else None

    return _page([WILDCARD, *candidates.ids], entry_of, place, budget, budget)


def order_of(id: str) -> tuple[bool, str]:
    """Where an id stands in a list; "" before all others."""
    return id not in (WILDCARD, ""), id


def _page(
    candidates: Iterable[str],
    entry_of: Callable[[str], Answer | RemitError | None],
    place: Place,
    budget: Budget,
    occurring: Budget,
) -> LookupPage:
    """`budget` is of the checks, `occurring` of what is asked besides."""
    entries: list[Entry] = []
    last = place.after
    later = (id for id in candidates if order_of(id) > order_of(place.after))
    for id in in_order(later, place.interrupt):
        if len(entries) == place.limit:
            return LookupPage(tuple(entries), last, budget.steps)
        budget.look()  # whose answer is settled already costs no step
        try:
            answer = entry_of(id)
        except StepBudgetSpent as spent:
            if not (budget.is_spent or occurring.is_spent):
                raise  # of what others committed meanwhile: no later page could go on here
            if last != place.after:
                return LookupPage(tuple(entries), last, budget.steps)
            answer = spent
        last = id
        if answer is not None:
            entries.append(Entry(id, answer))
    return LookupPage(tuple(entries), None, budget.steps)


def in_order(ids: Iterable[str], interrupt: Interrupt) -> Iterator[str]:
    """Sorted in runs: one of a million would hold Python's lock for a second."""
    listed = list(ids)
    runs = []
    for begin in range(0, len(listed), _RUN):
        interrupt()
        runs.append(sorted(listed[begin : begin + _RUN], key=order_of))
    return merge(*runs, key=order_of)


def _answer_of_everybody(evaluation: Evaluation, lookup: SubjectLookup, budget: Budget) -> Answer | RemitError:
    """Of whoever occurs nowhere. Where its steps are spent the list goes on: others may be quicker."""
    nobody = SubjectRef(lookup.subject_type, NOBODY, lookup.subject_relation)
    try:
        return _answer(evaluation, lookup.resource, lookup.permission, nobody, budget)
    except StepBudgetSpent as spent:
        if not budget.is_spent:
            raise
        return spent


def _answer(
    evaluation: Evaluation, resource: ObjectRef, permission: str, subject: SubjectRef, budget: Budget
) -> Answer | RemitError:
    try:
        return evaluation.check(resource, permission, subject, budget)
    except (NegativeCycle, CaveatFailed, CallUnjudgeable) as error:
        return error


def is_same(one: Answer | RemitError, other: Answer | RemitError) -> bool:
    """Whether a list says the same of both; of errors only their kind is compared, for words may name other facts."""
    if isinstance(one, Answer) and isinstance(other, Answer):
        return (one.verdict, one.missing) == (other.verdict, other.missing)
    return type(one) is type(other)


def occurs(schema: plan.Schema, graph: GraphView, now_us: int, object: ObjectRef, budget: Budget) -> bool:
    """Whether a relationship that counts begins at the object or leads to it, or to a userset of it."""
    definition = schema.definitions[object.type]
    for relation in definition.relations:
        budget.spend()
        for _, qualifiers in graph.edges(object, relation):
            budget.spend()
            if qualifiers.counts_at(now_us):
                return True
    for name in ("", *definition.relations, *definition.permissions):
        budget.spend()
        subject = SubjectRef(*object, name)
        for node in graph.nodes_of(subject):
            budget.spend()
            found = graph.find(*node, subject)
            if found is not None and found.counts_at(now_us):
                return True
    return False


# --- everyone there is ------------------------------------------------------------------------------------------


def all_resources(graph: GraphView, lookup: ResourceLookup) -> set[str]:
    """The ids of every object that a lookup of resources is about: the candidates of its definition."""
    own = {lookup.subject.id} if lookup.subject.type == lookup.resource_type else set()
    return {*graph.ids_of(lookup.resource_type), *own} - {WILDCARD}


def all_subjects(
    schema: plan.Schema, graph: GraphView, lookup: SubjectLookup, now_us: int, budget: Budget
) -> SubjectCandidates:
    """The same of a lookup of subjects."""
    beneath = Beneath(schema, graph, lookup, now_us, budget)
    beneath.walk(every_leaf(schema))
    return SubjectCandidates(all_ids(graph, lookup, budget), beneath.named)
