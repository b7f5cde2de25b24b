"""The hot graph: the plain one's interface over the Rust core, which also answers most checks and expansions by itself.

`graph.py` and `semantics.py` say what it means. What the core leaves to them (an answer that hangs on a caveat it does
not decide, one that is undefined, an unknown name) it tells by no verdict, so that there is one set of words for every
failure.
Law: whatever it answers, `Evaluation` over the same relationships answers the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from remit.errors import StepBudgetSpent
from remit.eval.budget import STEPS_MAX, Interrupt, never_interrupted
from remit.eval.native_trees import expansion_of, qualifiers_of
from remit.eval.trees import Expansion
from remit.language import plan
from remit.model import (
    PLAIN,
    Change,
    ObjectRef,
    Qualifiers,
    Relationship,
    RelationshipKey,
    SubjectRef,
    Verdict,
)
from remit.native_core import absence
from remit.native_core import core as _core

# Relationships taken in at once: a check waits no longer for them than some milliseconds.
ROWS_AT_ONCE = 10_000
_PAGE = 64  # edges copied out at once: most nodes whole, of a node of a million what an early answer needs

NodeKey = tuple[ObjectRef, str]
Asked = tuple[ObjectRef, str, SubjectRef]
Row = tuple[bytes, bytes]
Due = tuple[int, RelationshipKey]
Changed = Mapping[RelationshipKey, Qualifiers | None]  # what edges are instead; None for no edge

_new_tuple = tuple.__new__


class Answered(NamedTuple):
    """YES or NO, what it cost in steps, and the revision it was given at."""

    verdict: Verdict
    steps: int
    revision: int


class Expanded(NamedTuple):
    """The sets, what they cost in steps, and the revision they are of."""

    expansion: Expansion
    steps: int
    revision: int


def available() -> bool:
    """Whether the core was built here and is not switched off."""
    return not absence()


def registry() -> _core.NativeCore | None:
    """Where the front door will find stores by name, with none in it; None where there is no core."""
    return _core.NativeCore() if available() else None


class NativeGraph:
    """Mutable; it takes a lock of its own, for the front door looks into it from threads without Python.

    A single operation sees one state. What is read in steps (`edges` of a node, all `relationships`) is to be left
    alone until it is read, as a dictionary is; where a change is noticed, RuntimeError. Costs are those of `Graph`."""

    __slots__ = ("_store",)

    def __init__(
        self,
        relationships: Iterable[Relationship] = (),
        *,
        name: str = "",
        uuid: bytes = bytes(16),
        epoch: int = 0,
    ) -> None:
        """The identity is that of the named store, for whoever asks through the front door."""
        self._store = _core.NativeStore(name, uuid, epoch)
        remaining = iter(relationships)
        while batch := [(each.key, each.qualifiers) for each in islice(remaining, ROWS_AT_ONCE)]:
            self._store.apply(batch)

    @property
    def store(self) -> _core.NativeStore:
        """What `NativeCore.add` takes."""
        return self._store

    def load(self, batches: Iterable[tuple[list[Row], int]], *, told: Callable[[Due], None]) -> None:
        """Add relationships as the store hands them out (`RowBatch` in `store/port.py`): rows, and where the triple
        begins in the key of each. Tell of each that expires.

        While the core takes a batch in, the next is read: the one needs no Python, the other little else.
        Cost: about two microseconds a row. Raises ValueError where a row cannot be read."""
        with ThreadPoolExecutor(1, thread_name_prefix="remit-load") as taking:
            under_way: list[Future[list[tuple[int, list[str]]]]] = []
            for rows, triple_start in batches:
                under_way.append(taking.submit(self._store.load, rows, triple_start))
                if len(under_way) > 1:
                    _tell_due(under_way.pop(0).result(), told)
            for each in under_way:
                _tell_due(each.result(), told)

    def __len__(self) -> int:
        return self._store.count()

    def bytes(self) -> int:
        """What the graph takes in memory, ids included."""
        return self._store.bytes()

    # --- questions ----------------------------------------------------------------------------------------------

    def check(
        self,
        resource: ObjectRef,
        permission: str,
        subject: SubjectRef,
        *,
        now_us: int,
        steps_max: int = STEPS_MAX,
        interrupt: Interrupt | None = None,
        context: Mapping[str, object] | None = None,
        changed: Changed | None = None,
    ) -> Answered | None:
        """The answer by the schema that is installed; None where `semantics.py` has to give it.

        `context` is what the request brings for caveats, `changed` what it takes edges for (see `Overlay`).
        Raises StepBudgetSpent, and what the interrupt raises. Cost: about two microseconds, and 0.1 for each goal."""
        edges = list(changed.items()) if changed else None
        revision, checked = self._store.check(
            resource, permission, subject, now_us, steps_max, interrupt, context, edges
        )
        answered = _answered(checked, revision, steps_max)
        if isinstance(answered, StepBudgetSpent):
            raise answered
        return answered

    def expand(
        self,
        resource: ObjectRef,
        name: str,
        *,
        now_us: int,
        depth: int = 0,
        steps_max: int = STEPS_MAX,
        interrupt: Interrupt | None = None,
    ) -> Expanded | None:
        """The sets that `expansion.py` would find by the schema that is installed; None where it has to find them.

        Raises StepBudgetSpent, and what the interrupt raises. Cost: some microseconds for each edge listed."""
        revision, sets, steps, is_spent = self._store.expand(resource, name, now_us, depth, steps_max, interrupt)
        if is_spent:
            raise _spent(steps_max, steps)
        return None if sets is None else Expanded(expansion_of(sets, interrupt or never_interrupted), steps, revision)

    def check_many(
        self,
        questions: Sequence[Asked],
        *,
        now_us: int,
        steps_max: int = STEPS_MAX,
        interrupt: Interrupt | None = None,
        contexts: list[Mapping[str, object]] | None = None,
        changed: Changed | None = None,
    ) -> list[Answered | StepBudgetSpent | None]:
        """Of each question what `check` returns or raises, all of one revision. `contexts` has one for each; neighbours
        with the same share what they settle. `changed` is of all of them."""
        edges = list(changed.items()) if changed else None
        revision, all_checked = self._store.check_many(list(questions), now_us, steps_max, interrupt, contexts, edges)
        return [_answered(checked, revision, steps_max) for checked in all_checked]

    # --- asking -------------------------------------------------------------------------------------------------

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        """The edge at a triple, None where there is none. It may be expired: see `Qualifiers.counts_at`."""
        found = self._store.find(resource, relation, subject)
        return None if found is None else qualifiers_of(found)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """The edges of a node that lead to usersets. Up to a hundred of them come in the order they were added."""
        return self._edges(resource, relation, only_usersets=True)

    def edges(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """All edges of a node: plain subjects and wildcards, then usersets. Cost: O(edges)."""
        return self._edges(resource, relation, only_usersets=False)

    def _edges(
        self, resource: ObjectRef, relation: str, only_usersets: bool
    ) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        count, page = self._store.edges(resource, relation, 0, _PAGE, only_usersets)
        edges = [_edge(*each) for each in page]
        return edges if len(edges) < _PAGE else self._on_from(edges, count, resource, relation, only_usersets)

    def _on_from(
        self, edges: list[tuple[SubjectRef, Qualifiers]], count: int, resource: ObjectRef, relation: str, only: bool
    ) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        start = 0
        while edges:
            yield from edges
            start += _PAGE
            count_now, page = self._store.edges(resource, relation, start, _PAGE, only)
            _require_same(count, count_now)
            edges = [_edge(*each) for each in page]

    def nodes_of(self, subject: SubjectRef) -> Iterable[NodeKey]:
        """The nodes that have an edge to this very subject: the graph read backwards."""
        return [(ObjectRef(*resource), relation) for resource, relation in self._store.nodes_of(subject)]

    def relationships(self) -> Iterator[Relationship]:
        """Everything. Cost: O(edges)."""
        first, next_node, found = self._store.relationships(0, _PAGE)
        while True:
            for resource, relation, subject, qualifiers in found:
                yield Relationship(ObjectRef(*resource), relation, SubjectRef(*subject), qualifiers_of(qualifiers))
            if next_node is None:
                return
            version, next_node, found = self._store.relationships(next_node, _PAGE)
            _require_same(first, version)

    # --- changing -----------------------------------------------------------------------------------------------

    def install(self, schema: plan.Schema, revision: int = 0) -> None:
        """The schema that `check` answers by from now on. Cost: O(schema)."""
        self._store.apply([], revision, schema_of(schema))

    def apply(self, changes: Iterable[Change], revision: int | None = None, schema: plan.Schema | None = None) -> None:
        """Bring the graph from before a delta to after it, and if given its revision and schema with it: nobody sees
        one without the others. Cost: O(changes)."""
        found = []
        for change in changes:
            stored = change.after or change.before
            assert stored is not None, "a change has a before or an after"
            relationship = stored.relationship
            triple = relationship.resource, relationship.relation, relationship.subject
            found.append((triple, relationship.qualifiers if change.after is not None else None))
        self._store.apply(found, revision, schema_of(schema) if schema is not None else None)

    def add(self, relationship: Relationship) -> None:
        """Write an edge, whatever was at its triple."""
        self._store.apply([(relationship.key, relationship.qualifiers)])

    def remove(self, key: RelationshipKey) -> None:
        """Remove the edge at a triple; nothing happens where there is none."""
        self._store.apply([(key, None)])

    def check_invariants(self) -> None:
        """Assert the laws of the core's graph: an edge without its reverse, an id that nobody holds, and the like."""
        self._store.check_invariants()


def _tell_due(found: Iterable[tuple[int, list[str]]], told: Callable[[Due], None]) -> None:
    for expiration_us, parts in found:
        resource, subject = ObjectRef(*parts[:2]), SubjectRef(*parts[3:])
        told((expiration_us, RelationshipKey(resource, parts[2], subject)))


def _answered(checked: _core.Checked, revision: int, steps_max: int) -> Answered | StepBudgetSpent | None:
    is_yes, steps, is_spent = checked
    if is_yes is not None:
        return Answered(Verdict.YES if is_yes else Verdict.NO, steps, revision)
    return _spent(steps_max, steps) if is_spent else None


def _spent(steps_max: int, steps: int) -> StepBudgetSpent:
    message = f"not finished within {steps_max} steps; this is not a no"
    return StepBudgetSpent(message, name="steps_max", limit=steps_max, given=steps)


def _edge(subject: tuple[str, str, str], found: _core.QualifiersTuple) -> tuple[SubjectRef, Qualifiers]:
    return _new_tuple(SubjectRef, subject), qualifiers_of(found) if found else PLAIN


def _require_same(before: int, now: int) -> None:
    if before != now:
        raise RuntimeError("the graph was written while its edges were read")


# --- the plan, as the core takes it -----------------------------------------------------------------------------


def schema_of(schema: plan.Schema) -> _core.SchemaTuple:
    """Its definitions, and each caveat as its name, its parameters with their types, and its checked expression."""
    caveats = [
        (name, [(parameter, str(type)) for parameter, type in caveat.parameters.items()], caveat.checked())
        for name, caveat in schema.caveats.items()
    ]
    return definitions_of(schema), caveats


def definitions_of(schema: plan.Schema) -> list[_core.DefinitionTuple]:
    """Each definition as its name, its relations, and its permissions with their expressions."""
    return [
        (
            definition.name,
            list(definition.relations),
            [(name, expression_of(each.expression)) for name, each in definition.permissions.items()],
        )
        for definition in schema.definitions.values()
    ]


def expression_of(expression: plan.Expression) -> _core.ExpressionTuple:
    """What it is, and its fields."""
    match expression:
        case plan.Nil():
            return ("nil",)
        case plan.Self():
            return ("self",)
        case plan.Name(name):
            return "name", name
        case plan.Union(children):
            return "union", [expression_of(child) for child in children]
        case plan.Intersection(children):
            return "intersection", [expression_of(child) for child in children]
        case plan.Exclusion(base, subtracted):
            return "exclusion", expression_of(base), expression_of(subtracted)
        case plan.Arrow(relation, name, every):
            return "arrow", relation, name, every
        case plan.SubjectArrow(name):
            return "subject", name
        case plan.Exists(relation):
            return "exists", relation
        case plan.Along(child, relations):
            return "along", child, list(relations)


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
    """The caches of all threads together, those of the front door among them; None where there is no core."""
    return Caches(*_core.all_caches()) if available() else None
