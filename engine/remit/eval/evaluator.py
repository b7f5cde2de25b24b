"""What whoever asks knows of evaluation: one interface, behind which Python answers, or the core with Python behind it.

Law: every evaluator gives the same verdicts, sets and errors of the same view; only the steps they cost may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from remit.arguments.tool_schema import Descriptor
from remit.errors import RemitError
from remit.eval.lookups import LookupPage, Place
from remit.eval.semantics import Answer
from remit.eval.trees import Expansion, Explanation
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed
from remit.graph.view import GraphView
from remit.interrupt import Interrupt
from remit.language.plan import Schema
from remit.model import ObjectRef, Question, ResourceLookup, SubjectLookup


class EvaluationView(Protocol):
    """What a question is evaluated over, and what stands still meanwhile."""

    @property
    def schema(self) -> Schema:
        """Raises SchemaNotFound."""
        ...

    @property
    def graph(self) -> GraphView: ...

    @property
    def revision(self) -> int:
        """The revision that the schema and the graph are of."""
        ...

    @property
    def now_us(self) -> int: ...

    @property
    def native(self) -> NativeGraph | None:
        """The store's graph in the core, which goes along with the store; None where the view is not of its head."""
        ...

    @property
    def changed(self) -> Changed | None:
        """What `graph` has laid over the store's own edges; None for nothing."""
        ...

    def descriptor(self, digest: str) -> Descriptor | None:
        """What a tool is described by, by the id of its object, as it stood at the revision; None where no record of it
        is there, or none that can be read."""
        ...


class Explained(NamedTuple):
    """An answer, and what explains it."""

    answer: Answer
    explanation: Explanation


class Evaluator(Protocol):
    """Answers questions. Each may cost `steps_max` steps, and asks `interrupt` now and then whether to go on.

    Every verb raises SchemaNotFound, UnknownType, UnknownRelation, StepBudgetSpent, NegativeCycle and CaveatFailed, and
    what the interrupt raises."""

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        """Whether the subject has the permission of the resource."""
        ...

    def check_many(
        self,
        view: EvaluationView,
        questions: Sequence[Question],
        steps_max: int,
        interrupt: Interrupt,
        steps_together: int | None = None,
    ) -> list[Answer | RemitError]:
        """Of each question what `check` returns or raises, in order. What those with the same context have in common
        is worked out once. What the interrupt raises ends them all. Once those answered have cost `steps_together`, no
        more are asked: the list is shorter then, and has at least the first."""
        ...

    def expand(
        self,
        view: EvaluationView,
        resource: ObjectRef,
        name: str,
        depth: int,
        steps_max: int,
        interrupt: Interrupt,
    ) -> Expansion:
        """Everyone who has the relation or permission, as sets made of sets, at most `depth` deep (0: all)."""
        ...

    def explain(
        self,
        view: EvaluationView,
        question: Question,
        steps_max: int,
        interrupt: Interrupt,
        *,
        with_support: bool = True,
    ) -> Explained:
        """What `check` answers, and what makes it so, where it is wanted with a witness of a yes or a fix of a no. The
        explanation has a budget of its own, and so have these."""
        ...

    def lookup_resources(self, view: EvaluationView, lookup: ResourceLookup, place: Place) -> LookupPage:
        """The resources of which `check` would not say no, a page of them; see `lookups.py`. A check that fails is an
        entry; what is raised is of the walk that finds whom to check."""
        ...

    def lookup_subjects(self, view: EvaluationView, lookup: SubjectLookup, place: Place) -> LookupPage:
        """The subjects likewise."""
        ...
