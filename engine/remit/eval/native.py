"""The evaluator of the Rust core: it answers most checks and expansions over a native graph, by the plan that is
installed there.

What the core leaves to Python (an answer that hangs on a caveat it does not decide, one that is undefined, an unknown
name) has no verdict here, so that there is one set of words for every failure; and whoever asks `NativeEvaluator` never
learns of it.
Law: whatever the core answers, `Evaluation` over the same relationships answers the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from remit.errors import RemitError, StepBudgetSpent
from remit.eval.budget import STEPS_MAX, budget_spent
from remit.eval.candidates import SubjectCandidates
from remit.eval.evaluator import EvaluationView, Evaluator, Explained
from remit.eval.lookups import NOBODY, Entry, LookupPage, Place, order_of
from remit.eval.native_plan import schema_of
from remit.eval.native_trees import expansion_of
from remit.eval.semantics import Answer
from remit.eval.trees import Expansion
from remit.graph.native import NativeGraph, available
from remit.graph.overlay import Changed
from remit.interrupt import Interrupt, never_interrupted
from remit.language import plan
from remit.model import Call, ObjectRef, Question, ResourceLookup, SubjectLookup, SubjectRef, Verdict
from remit.native_core import core as _core

_YES, _NO = Answer(Verdict.YES), Answer(Verdict.NO)

Triple = tuple[ObjectRef, str, SubjectRef]
"""A resource, a relation or permission of it, and a subject: a question without its context."""


class Fallback(Evaluator, Protocol):
    """Answers what the core leaves open, of a whole question or of some entries of a page."""

    def judge_resources(
        self, view: EvaluationView, lookup: ResourceLookup, place: Place, candidates: Iterable[str]
    ) -> LookupPage:
        """The page of `lookup_resources`, of those candidates alone."""
        ...

    def judge_subjects(
        self, view: EvaluationView, lookup: SubjectLookup, place: Place, candidates: SubjectCandidates
    ) -> LookupPage:
        """The page of `lookup_subjects` likewise."""
        ...


class NativeEvaluator:
    """Asks the core where the view has a graph there, and `fallback` for what the core leaves to it, or has answered at
    another revision than the view's."""

    def __init__(self, fallback: Fallback) -> None:
        self._fallback = fallback

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        graph = view.native
        if graph is not None:
            interrupt()  # the core looks up only now and then: whoever has gone already is noticed here
            answered = check(
                graph,
                question.resource,
                question.permission,
                question.subject,
                now_us=view.now_us,
                steps_max=steps_max,
                interrupt=interrupt,
                context=question.context or None,
                changed=view.changed,
                call=question.call,
            )
            if answered is not None and answered.revision == view.revision:
                return Answer(answered.verdict, (), answered.steps)
        return self._fallback.check(view, question, steps_max, interrupt)

    def check_many(
        self,
        view: EvaluationView,
        questions: Sequence[Question],
        steps_max: int,
        interrupt: Interrupt,
        steps_together: int | None = None,
    ) -> list[Answer | RemitError]:
        graph = view.native
        if graph is None:
            return self._fallback.check_many(view, questions, steps_max, interrupt, steps_together)
        contexts = [question.context for question in questions]
        calls = [question.call for question in questions]
        found = check_many(
            graph,
            [(question.resource, question.permission, question.subject) for question in questions],
            now_us=view.now_us,
            steps_max=steps_max,
            interrupt=interrupt,
            contexts=contexts if any(contexts) else None,
            changed=view.changed,
            steps_together=steps_together,
            calls=calls if any(calls) else None,
        )
        native: list[Answer | StepBudgetSpent | None] = []
        for each in found:
            interrupt()  # many small questions may be answered between two looks of the core's
            native.append(_answer_at(view.revision, each))
        left = [question for question, answer in zip(questions, native, strict=False) if answer is None]
        others = self._fallback.check_many(view, left, steps_max, interrupt, steps_together) if left else []
        return _put_together(native, others)

    def expand(
        self,
        view: EvaluationView,
        resource: ObjectRef,
        name: str,
        depth: int,
        steps_max: int,
        interrupt: Interrupt,
    ) -> Expansion:
        graph = view.native
        if graph is not None and not view.changed:  # of facts that a request brings, the core's sets know nothing
            interrupt()
            found = expand(
                graph, resource, name, now_us=view.now_us, depth=depth, steps_max=steps_max, interrupt=interrupt
            )
            if found is not None and found.revision == view.revision:
                return found.expansion
        return self._fallback.expand(view, resource, name, depth, steps_max, interrupt)

    def lookup_resources(self, view: EvaluationView, lookup: ResourceLookup, place: Place) -> LookupPage:
        found = _found_at(view, lookup, place)
        if found is None:
            return self._fallback.lookup_resources(view, lookup, place)
        if not found.left:
            return found.decided
        return found.completed(self._fallback.judge_resources(view, lookup, place, found.left))

    def lookup_subjects(self, view: EvaluationView, lookup: SubjectLookup, place: Place) -> LookupPage:
        found = _found_at(view, lookup, place)
        if found is None:
            return self._fallback.lookup_subjects(view, lookup, place)
        if not found.left:
            return found.decided
        candidates = SubjectCandidates(set(found.left), {id for id, is_named in found.left.items() if is_named})
        return found.completed(self._fallback.judge_subjects(view, lookup, place, candidates))

    def explain(
        self,
        view: EvaluationView,
        question: Question,
        steps_max: int,
        interrupt: Interrupt,
        *,
        with_support: bool = True,
    ) -> Explained:
        """The core says yes or no, and never why."""
        return self._fallback.explain(view, question, steps_max, interrupt, with_support=with_support)


def _found_at(view: EvaluationView, lookup: ResourceLookup | SubjectLookup, place: Place) -> LookedUp | None:
    """What the core finds, if that is of the view's revision."""
    if view.native is None:
        return None
    place.interrupt()  # as in `check`
    found = look_up(view.native, lookup, place, now_us=view.now_us, changed=view.changed)
    return found if found is not None and found.revision == view.revision else None


def _put_together(
    native: Sequence[Answer | StepBudgetSpent | None], others: Sequence[Answer | RemitError]
) -> list[Answer | RemitError]:
    """The core's answers and, for those that it left, the others; up to the first that nobody was asked for."""
    left = iter(others)
    answers: list[Answer | RemitError] = []
    for known in native:
        answer = known if known is not None else next(left, None)
        if answer is None:
            break
        answers.append(answer)
    return answers


def _answer_at(revision: int, found: Answered | StepBudgetSpent | None) -> Answer | StepBudgetSpent | None:
    if isinstance(found, Answered):
        return Answer(found.verdict, (), found.steps) if found.revision == revision else None
    return found


# --- the core's own answers -------------------------------------------------------------------------------------


class Answered(NamedTuple):
    """YES or NO, what it cost in steps, and the revision it was given at."""

    verdict: Verdict
    steps: int
    revision: int


class LookedUp(NamedTuple):
    """A page as far as the core has decided it; the ids of the others in order, with whether an edge names them; and
    the revision it is of."""

    decided: LookupPage
    left: dict[str, bool]
    revision: int

    def completed(self, judged: LookupPage) -> LookupPage:
        """With the ids that were left, as far as they were judged; a page ends where that ended."""
        entries = {entry.id: entry for entry in (*self.decided.entries, *judged.entries)}
        next_after = self.decided.next_after
        if (ended := judged.next_after) is not None:
            next_after = ended
            entries = {id: entry for id, entry in entries.items() if order_of(id) <= order_of(ended)}
        steps = self.decided.steps + judged.steps
        return LookupPage(tuple(entries[id] for id in sorted(entries, key=order_of)), next_after, steps)


class Expanded(NamedTuple):
    """The sets, what they cost in steps, and the revision they are of."""

    expansion: Expansion
    steps: int
    revision: int


def install(graph: NativeGraph, schema: plan.Schema, revision: int = 0) -> None:
    """The schema that questions are answered by from now on. Cost: O(schema)."""
    graph.apply((), revision, schema_of(schema))


def check(
    graph: NativeGraph,
    resource: ObjectRef,
    permission: str,
    subject: SubjectRef,
    *,
    now_us: int,
    steps_max: int = STEPS_MAX,
    interrupt: Interrupt | None = None,
    context: Mapping[str, object] | None = None,
    changed: Changed | None = None,
    call: Call | None = None,
) -> Answered | None:
    """The answer by the schema that is installed; None where `semantics.py` has to give it.

    `context` is what the request brings for caveats, `changed` what it takes edges for (see `Overlay`), `call` what
    documents are judged by.
    Raises StepBudgetSpent, and what the interrupt raises. Cost: about two microseconds, and 0.1 for each goal."""
    edges = list(changed.items()) if changed else None
    revision, checked = graph.store.check(
        resource, permission, subject, now_us, steps_max, interrupt, context, edges, call
    )
    answered = _answered(checked, revision, steps_max)
    if isinstance(answered, StepBudgetSpent):
        raise answered
    return answered


def check_many(
    graph: NativeGraph,
    questions: Sequence[Triple],
    *,
    now_us: int,
    steps_max: int = STEPS_MAX,
    interrupt: Interrupt | None = None,
    contexts: list[Mapping[str, object]] | None = None,
    changed: Changed | None = None,
    steps_together: int | None = None,
    calls: list[Call | None] | None = None,
) -> list[Answered | StepBudgetSpent | None]:
    """Of each question what `check` returns or raises, all of one revision. `contexts` and `calls` have one for each;
    neighbours with the same of both share what they settle. `changed` is of all of them. Once those answered have cost
    `steps_together`, no more are asked."""
    edges = list(changed.items()) if changed else None
    revision, all_checked = graph.store.check_many(
        list(questions), now_us, steps_max, interrupt, contexts, edges, steps_together, calls
    )
    return [_answered(checked, revision, steps_max) for checked in all_checked]


def expand(
    graph: NativeGraph,
    resource: ObjectRef,
    name: str,
    *,
    now_us: int,
    depth: int = 0,
    steps_max: int = STEPS_MAX,
    interrupt: Interrupt | None = None,
) -> Expanded | None:
    """The sets that `expand.py` would find by the schema that is installed; None where it has to find them.

    Raises StepBudgetSpent, and what the interrupt raises. Cost: some microseconds for each edge listed."""
    revision, sets, steps, is_spent = graph.store.expand(resource, name, now_us, depth, steps_max, interrupt)
    if is_spent:
        raise budget_spent(steps_max, steps)
    return None if sets is None else Expanded(expansion_of(sets, interrupt or never_interrupted), steps, revision)


def look_up(
    graph: NativeGraph,
    lookup: ResourceLookup | SubjectLookup,
    place: Place,
    *,
    now_us: int,
    changed: Changed | None = None,
) -> LookedUp | None:
    """A page by the schema that is installed; None where `lookups.py` has to find it.

    Raises StepBudgetSpent, and what the interrupt raises. Cost: O(what is walked), and a check of each entry."""
    if isinstance(lookup, ResourceLookup):
        resource, subject = ObjectRef(lookup.resource_type, NOBODY), lookup.subject
    else:
        resource, subject = lookup.resource, SubjectRef(lookup.subject_type, NOBODY, lookup.subject_relation)
    after, limit, steps_max, interrupt, _ = place
    edges = list(changed.items()) if changed else None
    context = lookup.context or None
    revision, found, next_after, steps, is_spent = graph.store.look_up(
        resource, lookup.permission, subject, now_us, after, limit, steps_max, interrupt, context, edges
    )
    if is_spent:
        raise budget_spent(steps_max, steps)
    if found is None:
        return None
    entries = [Entry(id, _YES if is_yes else _NO) for id, is_yes, _ in found if is_yes is not None]
    left = {id: is_named for id, is_yes, is_named in found if is_yes is None}
    return LookedUp(LookupPage(tuple(entries), next_after, steps), left, revision)


def _answered(checked: _core.Checked, revision: int, steps_max: int) -> Answered | StepBudgetSpent | None:
    is_yes, steps, is_spent = checked
    if is_yes is not None:
        return Answered(Verdict.YES if is_yes else Verdict.NO, steps, revision)
    return budget_spent(steps_max, steps) if is_spent else None


def set_dear(steps: int) -> None:
    """From which step of a walk on this thread looks from the subject's side as well. For tests: few of their walks are
    dear."""
    _core.set_dear(steps)


# --- the cache --------------------------------------------------------------------------------------------------


def set_cache(answers: int) -> None:
    """Room for so many answers in this thread's cache, empty from now on; 0 switches it off."""
    _core.set_cache(answers)


def cache_stats() -> tuple[int, int, int, int]:
    """Of this thread's cache so far: hits, misses, evictions, and the bytes it takes."""
    return _core.cache_stats()


class Caches(NamedTuple):
    """What caches did so far, and the bytes they take."""

    hits: int
    misses: int
    evictions: int
    bytes: int


def all_caches() -> Caches | None:
    """The caches of all threads together, those of the frontend among them; None where there is no core."""
    return Caches(*_core.all_caches()) if available() else None
