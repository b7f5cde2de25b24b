"""A fix of a no: facts to write, and to delete, after which the same question is answered with yes.

A walk from the question down proposes one: where a fact is lacking that the schema takes, that it be written, plainly;
where one keeps something that is subtracted, that it be deleted; of several ways the one with the fewest changes, and
rather one that writes. It names no object that no relationship names yet, but for those of the question. The proposal
is tried, and what it can do without is left out. So a mistake in the walk can miss a fix, and never give a wrong one.
Law: Check over the facts with the fix applied says yes, and with any one change of it left out it does not; each fact
it writes is one that the schema takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, assert_never

from remit.eval.budget import Budget
from remit.eval.equations import NO, YES, Fact, Goal
from remit.eval.semantics import Evaluation
from remit.eval.trials import Trials, minimal
from remit.graph.overlay import Overlay
from remit.graph.view import NodeKey
from remit.language import plan
from remit.model import PLAIN, WILDCARD, ObjectRef, Operation, Relationship, RelationshipKey, SubjectRef, Update

CHANGES_MAX = 20  # a fix of more is advice to nobody
DEPTH_MAX = 60  # questions below one another; the walk stands on Python's stack
OBJECTS_TRIED_MAX = 8  # of a type, where any might do
BRANCHES_TRIED_MAX = 50  # edges of a node that are followed

T = TypeVar("T", str, NodeKey)

Changes = Mapping[RelationshipKey, bool]
"""Whether the fact of a triple is to be written, or else deleted."""
Ways = Iterator[Changes | None]

_NOTHING: Changes = {}


def fix_of(evaluation: Evaluation, goal: Goal, budget: Budget) -> tuple[Update, ...]:
    """Of a goal that is NO, sorted; empty where none was found. Raises what the budget raises. Cost: O(questions below
    and the edges of theirs), and a check for each change that is tried."""
    evaluation.equations.budget = budget
    walk = _Walk(evaluation)
    proposed = walk.yes(goal)
    if not proposed:
        return ()
    graph = evaluation.equations.graph
    trials = Trials(evaluation, goal, budget)

    def holds(keys: Sequence[RelationshipKey]) -> bool:
        written = [key for key in keys if proposed[key]]
        if any(not walk.in_the_way(key) <= set(keys) for key in written):
            return False  # a write would refuse it
        return trials.is_yes(Overlay(graph, {key: PLAIN if proposed[key] else None for key in keys}))

    keys = sorted(proposed)
    if not holds(keys):
        return ()
    return tuple(
        Update(Operation.TOUCH if proposed[key] else Operation.DELETE, Relationship(*key))
        for key in minimal(keys, holds)
    )


class _Walk:
    """What would make a goal a yes, or a no: None where the walk knows of nothing."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._equations = evaluation.equations
        self._known: dict[tuple[Goal, bool], Changes | None] = {}
        self._ids: dict[str, list[str]] = {}
        # Facts that link objects, where another may say something of a subject.
        self._linking: set[RelationshipKey] = set()
        self._depth = 0

    def yes(self, goal: Goal) -> Changes | None:
        return self._wanted(goal, True)

    def no(self, goal: Goal) -> Changes | None:
        return self._wanted(goal, False)

    def _wanted(self, goal: Goal, is_yes: bool) -> Changes | None:
        self._equations.budget.spend()
        if self._evaluation.solve(goal) == (YES if is_yes else NO):
            return _NOTHING
        if (goal, is_yes) in self._known:
            return self._known[goal, is_yes]
        if self._depth == DEPTH_MAX:
            return None
        self._known[goal, is_yes] = None  # whoever comes back to it on the way finds no way here
        self._depth += 1
        try:
            self._known[goal, is_yes] = self._changes(goal, is_yes)
        finally:
            self._depth -= 1
        return self._known[goal, is_yes]

    def _changes(self, goal: Goal, is_yes: bool) -> Changes | None:
        object, name, subject = goal
        if isinstance(name, plan.Along):
            return self._along(object, name, subject, is_yes)
        definition = self._evaluation.schema.definitions[object.type]
        permission = definition.permissions.get(name)
        if permission is not None:
            expression = permission.expression
            return self._having(expression, object, subject) if is_yes else self._lacking(expression, object, subject)
        if name not in definition.relations:
            return None
        return self._related(object, name, subject) if is_yes else self._unrelated(object, name, subject)

    # --- relations ----------------------------------------------------------------------------------------------

    def _related(self, object: ObjectRef, relation: str, subject: SubjectRef) -> Changes | None:
        direct = self._writing(object, relation, subject)
        return (
            direct
            if direct is not None and len(direct) == 1
            else self._fewest(self._memberships(object, relation, subject, direct))
        )

    def _memberships(self, object: ObjectRef, relation: str, subject: SubjectRef, direct: Changes | None) -> Ways:
        yield direct
        for userset, fact in self._counting(object, relation):
            if userset.relation and userset != subject:
                member = self.yes(Goal(userset.object, userset.relation, subject))
                yield _together((self._kept(object, relation, userset, fact), member))
        for group, name in self._first(self._equations.graph.nodes_of(subject), BRANCHES_TRIED_MAX):
            yield self._writing_member(object, relation, SubjectRef(*group, name), subject)

    def _writing_member(
        self, object: ObjectRef, relation: str, userset: SubjectRef, subject: SubjectRef
    ) -> Changes | None:
        is_member = self._evaluation.solve(Goal(userset.object, userset.relation, subject)) == YES
        return self._writing(object, relation, userset) if is_member else None

    def _unrelated(self, object: ObjectRef, relation: str, subject: SubjectRef) -> Changes | None:
        if subject == (object.type, object.id, relation):
            return None  # a userset contains itself
        through: list[SubjectRef] = []
        everybody = SubjectRef(subject.type, "*")
        for edge, fact in self._counting(object, relation):
            is_through = edge.relation and self._evaluation.solve(Goal(edge.object, edge.relation, subject)) != NO
            if fact.bounds != NO and (edge == subject or (edge == everybody and not subject.relation) or is_through):
                through.append(edge)
        return _together(self._deleting(object, relation, each) for each in through)

    # --- expressions --------------------------------------------------------------------------------------------

    def _having(self, expression: plan.Expression, object: ObjectRef, subject: SubjectRef) -> Changes | None:
        match expression:
            case plan.Name(name):
                return self.yes(Goal(object, name, subject))
            case plan.Union(children):
                return self._fewest(self._having(child, object, subject) for child in children)
            case plan.Intersection(children):
                return _together(self._having(child, object, subject) for child in children)
            case plan.Exclusion(base, subtracted):
                return _together((self._having(base, object, subject), self._lacking(subtracted, object, subject)))
            case plan.Arrow(relation, name, every):
                return self._leading(object, relation, name, every, subject)
            case plan.SubjectArrow(name):
                return None if subject.relation else self.yes(Goal(subject.object, name, subject))
            case plan.Exists(relation):
                edges = (self._kept(object, relation, edge, fact) for edge, fact in self._counting(object, relation))
                return self._fewest((*edges, *self._writing_any(object, relation)))
            case plan.Along():
                return self.yes(Goal(object, expression, subject))
            case plan.Self():
                return _NOTHING if subject == (object.type, object.id, "") else None
            case plan.Nil():
                return None
            case _:
                assert_never(expression)

    def _lacking(self, expression: plan.Expression, object: ObjectRef, subject: SubjectRef) -> Changes | None:
        match expression:
            case plan.Name(name):
                return self.no(Goal(object, name, subject))
            case plan.Union(children):
                return _together(self._lacking(child, object, subject) for child in children)
            case plan.Intersection(children):
                return self._fewest(self._lacking(child, object, subject) for child in children)
            case plan.Exclusion(base, subtracted):
                return self._fewest((self._lacking(base, object, subject), self._having(subtracted, object, subject)))
            case plan.Arrow(relation, name, every):
                ways = (
                    _NOTHING if fact.bounds == NO else self._cut(object, relation, edge, name, subject, every)
                    for edge, fact in self._counting(object, relation)
                )
                return (
                    self._fewest((*ways, *(() if self._has_edges(object, relation) else (_NOTHING,))))
                    if every
                    else _together(ways)
                )
            case plan.SubjectArrow(name):
                return _NOTHING if subject.relation else self.no(Goal(subject.object, name, subject))
            case plan.Exists(relation):
                edges = self._counting(object, relation)
                return _together(self._deleting(object, relation, edge) for edge, fact in edges if fact.bounds != NO)
            case plan.Along():
                return self.no(Goal(object, expression, subject))
            case plan.Self():
                return None if subject == (object.type, object.id, "") else _NOTHING
            case plan.Nil():
                return _NOTHING
            case _:
                assert_never(expression)

    def _cut(
        self, object: ObjectRef, relation: str, edge: SubjectRef, name: str, subject: SubjectRef, every: bool
    ) -> Changes | None:
        """That an arrow's target says no; or, where any would do, that it is a target no more."""
        target = Goal(edge.object, name, subject)
        if self._evaluation.solve(target) == NO:
            return _NOTHING
        return self.no(target) if every else self._deleting(object, relation, edge)

    def _leading(self, object: ObjectRef, relation: str, name: str, every: bool, subject: SubjectRef) -> Changes | None:
        ways: list[Changes | None] = []
        for edge, fact in self._counting(object, relation):
            target = self.yes(Goal(edge.object, name, subject))
            reached = _together((self._kept(object, relation, edge, fact), target))
            ways.append(self._fewest((reached, self._deleting(object, relation, edge))) if every else reached)
        if every and ways:
            return _together(ways)
        return self._fewest(
            (*ways, *self._writing_any(object, relation, lambda each: self.yes(Goal(each, name, subject))))
        )

    def _along(self, object: ObjectRef, along: plan.Along, subject: SubjectRef, is_yes: bool) -> Changes | None:
        if subject.relation:
            return None if is_yes else _NOTHING
        goal = Goal(object, along.child, subject)
        if not is_yes:
            # A chain that breaks is a no too, and nobody's remedy.
            links = (self.no(Goal(object, along, link)) for link in self._links(along, subject))
            return self._fewest((self.no(goal), *links))
        return _together((self.yes(goal), *self._above(object, along, subject)))

    def _above(self, object: ObjectRef, along: plan.Along, subject: SubjectRef) -> Ways:
        declared = self._evaluation.schema.definitions[subject.type].relations
        for relation in along.relations:
            if relation not in declared:
                continue
            edges = list(self._counting(subject.object, relation))
            for link, fact in edges:
                yield _together((self._kept(subject.object, relation, link, fact), self.yes(Goal(object, along, link))))
            if not edges:
                yield self._fewest(
                    self._writing_any(
                        subject.object, relation, lambda each: self.yes(Goal(object, along, SubjectRef(*each)))
                    )
                )

    def _links(self, along: plan.Along, subject: SubjectRef) -> Iterator[SubjectRef]:
        declared = self._evaluation.schema.definitions[subject.type].relations
        for relation in along.relations:
            if relation in declared:
                yield from (link for link, _ in self._counting(subject.object, relation) if not link.relation)

    # --- edges --------------------------------------------------------------------------------------------------

    def _counting(self, object: ObjectRef, relation: str) -> list[tuple[SubjectRef, Fact]]:
        """The edges that count, with what their caveats say; of many some."""
        found = []
        for subject, qualifiers in self._equations.graph.edges(object, relation):
            if qualifiers.counts_at(self._equations.now_us):
                found.append((subject, self._equations.fact_of(object, relation, subject, qualifiers)))
            if len(found) == BRANCHES_TRIED_MAX:
                break
        return found

    def _has_edges(self, object: ObjectRef, relation: str) -> bool:
        return bool(self._counting(object, relation))

    def _kept(self, object: ObjectRef, relation: str, subject: SubjectRef, fact: Fact) -> Changes | None:
        """That an edge counts whatever its caveat says."""
        return _NOTHING if fact.bounds == YES else self._writing(object, relation, subject)

    def _writing(self, object: ObjectRef, relation: str, subject: SubjectRef) -> Changes | None:
        """That a fact is there and nothing qualifies it, if the schema takes it so; of a `single` relation in place of
        the one that is there."""
        declared = self._evaluation.schema.definitions[object.type].relations[relation]
        if declared.alternative(subject, PLAIN) is None:
            return None
        key = RelationshipKey(object, relation, subject)
        in_the_way = (self._deleting(*other) for other in self.in_the_way(key))
        return _together(({key: True}, *in_the_way))

    def _deleting(self, object: ObjectRef, relation: str, subject: SubjectRef) -> Changes | None:
        """That a fact is not there; of a `final` relation nobody can have it so."""
        if self._evaluation.schema.definitions[object.type].relations[relation].final:
            return None
        return {RelationshipKey(object, relation, subject): False}

    def in_the_way(self, key: RelationshipKey) -> set[RelationshipKey]:
        """What has to be deleted for a fact to be written: of a `single` relation the other one."""
        if not self._evaluation.schema.definitions[key.resource.type].relations[key.relation].single:
            return set()
        edges = self._equations.graph.edges(key.resource, key.relation)
        now_us = self._equations.now_us
        return {
            key._replace(subject=other)
            for other, qualifiers in edges
            if other != key.subject and not qualifiers.is_over(now_us)
        }

    def _writing_any(
        self,
        object: ObjectRef,
        relation: str,
        then: Callable[[ObjectRef], Changes | None] = lambda _: _NOTHING,
    ) -> Ways:
        """That there is an edge to one of the objects that are known, and what that takes besides."""
        declared = self._evaluation.schema.definitions[object.type].relations.get(relation)
        for type in sorted({each.type for each in declared.subject_types} if declared is not None else ()):
            for id in self._ids_of(type):
                written = self._writing(object, relation, SubjectRef(type, id))
                if written is not None:
                    self._linking |= written.keys()
                    yield _together((written, then(ObjectRef(type, id))))

    def _ids_of(self, type: str) -> list[str]:
        if type not in self._ids:
            ids = (id for id in self._equations.graph.ids_of(type) if id != WILDCARD)
            self._ids[type] = self._first(ids, OBJECTS_TRIED_MAX)
        return self._ids[type]

    def _first(self, items: Iterable[T], count: int) -> list[T]:
        """The first of them in order, each once. To sort a million would hold Python's lock for a second."""
        first: list[T] = []
        for item in items:
            self._equations.budget.spend()
            if len(first) < count or item < first[-1]:
                place = bisect_left(first, item)
                if first[place : place + 1] != [item]:
                    first.insert(place, item)
                    del first[count:]
        return first

    # --- of several ways ----------------------------------------------------------------------------------------

    def _fewest(self, ways: Iterable[Changes | None]) -> Changes | None:
        """The way with the fewest changes; of these with the fewest deletions, then with the fewest links between
        objects, then the first by its text."""
        return min((way for way in ways if way is not None), key=self._weight, default=None)

    def _weight(self, changes: Changes) -> tuple[int, int, int, list[RelationshipKey]]:
        deleted = sum(not is_written for is_written in changes.values())
        return len(changes), deleted, len(self._linking & changes.keys()), sorted(changes)


# --- changes ----------------------------------------------------------------------------------------------------


def _together(all_changes: Iterable[Changes | None]) -> Changes | None:
    """All of them; None where one is, where they contradict each other, or are too many."""
    together: dict[RelationshipKey, bool] = {}
    for changes in all_changes:
        if changes is None:
            return None
        for key, is_written in changes.items():
            if together.setdefault(key, is_written) is not is_written:
                return None
        if len(together) > CHANGES_MAX:
            return None
    return together
