"""What a step from one state of a store to the next changed of a permission: who has it of which resources.

`affected.py` says whom to ask; they are asked in both states, and what differs is told. A resource where `*` has
something is compared by its whole lists, for there the list tells more than answers.
Law: what is found is what the sets of `permission_sets.py` differ by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from remit.errors import RemitError, StepBudgetSpent
from remit.eval.affected import Affected, Changed, State
from remit.eval.budget import GOAL_BYTES, Budget, budget_spent
from remit.eval.evaluator import EvaluationView, Evaluator
from remit.eval.lookups import NOBODY, LookupPage, Place, in_order, is_same, occurs
from remit.eval.permission_sets import NO_ANSWER, EntryAnswer, Listed, PermissionUpdate, updates_of
from remit.interrupt import Interrupt
from remit.model import WILDCARD, ObjectRef, Question, ResourceLookup, SubjectLookup, SubjectRef, WatchedPermission

_PAGE = 4_096  # entries of a list taken at once
_ASKED_AT_ONCE = 512


class Effort(NamedTuple):
    """What a step may cost: steps of the walks and of the checks, each, and bytes remembered, as reckoned."""

    steps_max: int
    bytes_max: int
    interrupt: Interrupt


class PermissionChanges:
    """A step from one view to another, of the same schema. One thread at a time."""

    def __init__(
        self, evaluator: Evaluator, before: EvaluationView, now: EvaluationView, changed: Changed, effort: Effort
    ) -> None:
        """`changed`: every edge that is another in `now`, or counts at one of the two times and not at the other."""
        self._evaluator = evaluator
        self._before = before
        self._now = now
        self._changed = changed
        self._effort = effort
        self._budget = Budget(effort.steps_max, effort.interrupt, bytes_max=effort.bytes_max)
        self._checked = 0  # steps of checks and lookups
        self._affected: dict[tuple[str, str], Affected] = {}

    def of(self, watched: WatchedPermission) -> Iterator[PermissionUpdate]:
        """By resource, then by subject, `*` first. Raises StepBudgetSpent, and what the interrupt raises.
        Cost: a check in both states of each subject whose answers may differ of each resource, and O(lists) where `*`
        has something."""
        affected = self._affected_of(watched)
        met = affected.resources(watched.subject_type, watched.subject_relation)
        self._add_anywhere(watched, affected, met)
        touched = {each.id for each in affected.touched}
        ids = in_order(met.keys() | touched, self._effort.interrupt)
        while run := list(islice(ids, _ASKED_AT_ONCE)):
            yield from self._of_resources(watched, run, met)

    def _of_resources(
        self, watched: WatchedPermission, ids: list[str], met: Mapping[str, Collection[str] | None]
    ) -> Iterator[PermissionUpdate]:
        before, now = (self._everybody(watched, ids, view) for view in (self._before, self._now))
        waiting: list[Question] = []
        for id in ids:
            one, other = before.get(id), now.get(id)
            if one is None and other is None:
                continue
            subjects = met.get(id, ())
            if subjects is not None and _is_no(one) and _is_no(other):
                for each in in_order(subjects, self._effort.interrupt):
                    if each != WILDCARD:
                        waiting.append(_question(watched, id, each))
                    if len(waiting) == _ASKED_AT_ONCE:
                        yield from self._answers(watched, waiting)
            elif id in met or one is None or other is None:
                yield from self._answers(watched, waiting)
                yield from self._lists(watched, id, one is not None, other is not None)
        yield from self._answers(watched, waiting)

    # --- whom to ask --------------------------------------------------------------------------------------------

    def _affected_of(self, watched: WatchedPermission) -> Affected:
        top = (watched.resource_type, watched.permission)
        if top not in self._affected:
            before, now = (State(view.graph, view.now_us) for view in (self._before, self._now))
            self._affected[top] = Affected(self._now.schema, top, before, now, self._changed, self._budget)
        return self._affected[top]

    def _add_anywhere(
        self, watched: WatchedPermission, affected: Affected, met: dict[str, Collection[str] | None]
    ) -> None:
        """Of subjects whose answers may differ of every resource, those of which they do."""
        subjects = affected.anywhere(watched.subject_type, watched.subject_relation)
        if subjects is None:
            for view in (self._before, self._now):
                for id in view.graph.ids_of(watched.resource_type):
                    self._budget.spend()
                    if id != WILDCARD:
                        met[id] = None
            return
        found: dict[str, set[str]] = {}
        for each in subjects:
            subject = SubjectRef(watched.subject_type, each, watched.subject_relation)
            lookup = ResourceLookup(watched.resource_type, watched.permission, subject)
            before, now = (self._resources(view, lookup) for view in (self._before, self._now))
            for id in before.keys() | now.keys():
                self._budget.spend()
                if not is_same(before.get(id, NO_ANSWER), now.get(id, NO_ANSWER)):
                    self._budget.bytes += GOAL_BYTES
                    found.setdefault(id, set()).add(each)
        for id, ids in found.items():
            self._budget.look()
            known = met.get(id, ())
            met[id] = None if known is None else ids.union(known)

    # --- asking -------------------------------------------------------------------------------------------------

    def _everybody(self, watched: WatchedPermission, ids: list[str], view: EvaluationView) -> Listed:
        """What whoever occurs nowhere has of those resources that occur in a view."""
        there = [id for id in ids if self._occurs(view, ObjectRef(watched.resource_type, id))]
        answers = self._check(view, [_question(watched, id, NOBODY) for id in there])
        return dict(zip(there, answers, strict=True))

    def _answers(self, watched: WatchedPermission, waiting: list[Question]) -> Iterator[PermissionUpdate]:
        """Of resources where `*` has nothing: who is listed has an answer other than no. None is waiting then."""
        before, now = (self._check(view, waiting) for view in (self._before, self._now))
        for asked, one, other in zip(waiting, before, now, strict=True):
            id = asked.subject.id
            yield from updates_of(watched, asked.resource.id, _listed(id, one), _listed(id, other))
        waiting.clear()

    def _lists(self, watched: WatchedPermission, id: str, before: bool, now: bool) -> Iterator[PermissionUpdate]:
        """By the whole lists of a resource, in the states in which it occurs."""
        type, permission, subject_type, relation = watched
        lookup = SubjectLookup(ObjectRef(type, id), permission, subject_type, relation)
        one = self._subjects(self._before, lookup) if before else {}
        other = self._subjects(self._now, lookup) if now else {}
        yield from updates_of(watched, id, one, other, self._budget.look)
        self._budget.bytes -= GOAL_BYTES * (len(one) + len(other))

    def _occurs(self, view: EvaluationView, resource: ObjectRef) -> bool:
        return occurs(view.schema, view.graph, view.now_us, resource, self._budget)

    def _check(self, view: EvaluationView, questions: list[Question]) -> list[EntryAnswer]:
        if not questions:
            return []
        left = self._left()
        answers = self._evaluator.check_many(view, questions, left, self._effort.interrupt, steps_together=left)
        for each in answers:
            if isinstance(each, StepBudgetSpent):
                raise each
            # An error that is none of the budget's is told as such; what it cost is not known.
            self._checked += 1 if isinstance(each, RemitError) else each.steps
        if len(answers) < len(questions):
            raise budget_spent(self._effort.steps_max, self._checked)
        return answers

    def _resources(self, view: EvaluationView, lookup: ResourceLookup) -> Listed:
        return self._whole(lambda place: self._evaluator.lookup_resources(view, lookup, place))

    def _subjects(self, view: EvaluationView, lookup: SubjectLookup) -> Listed:
        found = self._whole(lambda place: self._evaluator.lookup_subjects(view, lookup, place))
        self._budget.bytes += GOAL_BYTES * len(found)
        return found

    def _whole(self, page_of: Callable[[Place], LookupPage]) -> Listed:
        """Every page of a list."""
        found: dict[str, EntryAnswer] = {}
        after: str | None = ""
        while after is not None:
            page = page_of(Place(after, _PAGE, self._left(), self._effort.interrupt))
            for entry in page.entries:
                if isinstance(entry.answer, StepBudgetSpent):
                    raise entry.answer
                self._budget.spend()
                found[entry.id] = entry.answer
            self._checked += page.steps
            after = page.next_after
        return found

    def _left(self) -> int:
        """Steps that checks may still take. Raises StepBudgetSpent."""
        left = self._effort.steps_max - self._checked
        if left <= 0:
            raise budget_spent(self._effort.steps_max, self._checked)
        return left


def _question(watched: WatchedPermission, resource_id: str, subject_id: str) -> Question:
    resource = ObjectRef(watched.resource_type, resource_id)
    return Question(
        resource, watched.permission, SubjectRef(watched.subject_type, subject_id, watched.subject_relation)
    )


def _is_no(said: EntryAnswer | None) -> bool:
    return said is not None and is_same(said, NO_ANSWER)


def _listed(id: str, answer: EntryAnswer) -> Listed:
    return {} if is_same(answer, NO_ANSWER) else {id: answer}
