"""A witness of a yes: relationships that alone would make it one, and none of which can be left out.

A yes may rest as well on what is not there (`- banned`); a witness lists what is there, and says yes where nothing else
is. It is found among what the explanation shows, and where that is not enough by itself, because something subtracted
is only a no thanks to facts that nobody had to show, among everything that the evaluation reads.
Law: Check over the witness alone says yes, and with any one of it taken away it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from remit.eval.budget import Budget
from remit.eval.equations import Goal
from remit.eval.semantics import Evaluation
from remit.eval.trees import Explanation, ExplanationNode
from remit.eval.trials import Trials, minimal
from remit.graph.overlay import Overlay
from remit.graph.plain import Graph
from remit.graph.view import GraphView, NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict

FACTS_MAX = 200  # that a witness is looked for among: each of them is tried


def witness_of(
    evaluation: Evaluation, goal: Goal, explanation: Explanation, budget: Budget
) -> tuple[Relationship, ...] | None:
    """Of a goal that is YES, sorted; None where there are more facts to try than may be. Raises what the budget raises.
    Cost: a check of the witness for each fact that is tried."""
    trials = Trials(evaluation, goal, budget)
    shown, chunk = set(_shown(explanation)), 1
    if len(shown) > FACTS_MAX or explanation.truncated or not trials.is_yes(Graph(shown)):
        reading = _Reading(evaluation.equations.graph)
        try:
            trials.is_yes(reading)
        except _TooManyFacts:
            return None
        shown = reading.read
        chunk = max(len(shown) // 2, 1)
    facts = sorted(shown, key=_key)
    whole = Graph(facts)

    def holds(some: Sequence[Relationship]) -> bool:
        kept = set(some)
        return trials.is_yes(Overlay(whole, {each.key: None for each in facts if each not in kept}))

    return tuple(minimal(facts, holds, chunk))


def _shown(explanation: Explanation) -> Iterator[Relationship]:
    """The facts that an explanation shows to count."""
    waiting: list[ExplanationNode] = [each.definition for each in explanation.questions]
    while waiting:
        node = waiting.pop()
        if node.relationship is not None and node.verdict is Verdict.YES:
            yield node.relationship
        waiting += node.children


def _key(relationship: Relationship) -> tuple[ObjectRef, str, SubjectRef]:
    return relationship.key


class _TooManyFacts(Exception):
    """More were read than may be tried."""


class _Reading:
    """A graph, and every edge that was read of it. Over these alone the same evaluation reads the same."""

    def __init__(self, base: GraphView) -> None:
        self._base = base
        self.read: set[Relationship] = set()

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        qualifiers = self._base.find(resource, relation, subject)
        if qualifiers is not None:
            self._note(Relationship(resource, relation, subject, qualifiers))
        return qualifiers

    def usersets(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        return self._noting((resource, relation), self._base.usersets(resource, relation))

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        return self._noting((resource, relation), self._base.edges(resource, relation))

    def _noting(
        self, node: NodeKey, edges: Iterable[tuple[SubjectRef, Qualifiers]]
    ) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        for subject, qualifiers in edges:
            self._note(Relationship(*node, subject, qualifiers))
            yield subject, qualifiers

    def _note(self, relationship: Relationship) -> None:
        self.read.add(relationship)
        if len(self.read) > FACTS_MAX:
            raise _TooManyFacts

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        return self._base.nodes_of(subject)

    def ids_of(self, type: str) -> Iterable[str]:
        return self._base.ids_of(type)

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        self._base.forget(interrupt)
