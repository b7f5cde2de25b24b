"""What a store should be: a dictionary of facts and a schema for every revision, and what each verb does to them.

Nothing here is quick or shares anything with the engine but the nouns and the compiled schema. Each verb tells all the
faults it sees in a request: the engine must refuse with one of them, and must not refuse where there are none.
Answers come from the judge in tests/laws."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExclusion,
    ExpandExists,
    ExpandIntersection,
    ExpandLeaf,
    ExpandNobody,
    ExpandNode,
    ExpandReference,
    ExpandSelf,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.language import plan
from remit.model import (
    Caller,
    ObjectRef,
    Operation,
    Precondition,
    Provenance,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
    Update,
)
from tests.support.judge import Judge
from tests.support.simulation.schemas import CAVEATS, SUBTRACTED, plan_of

Facts = Mapping[RelationshipKey, StoredRelationship]


@dataclass(frozen=True)
class State:
    """One revision: never changed, so that the past stays what it was."""

    schema_text: str | None = None
    facts: Facts = None  # type: ignore[assignment]  # a dictionary, made below

    def __post_init__(self) -> None:
        if self.facts is None:
            object.__setattr__(self, "facts", {})

    @property
    def schema(self) -> plan.Schema:
        return plan_of(self.schema_text) if self.schema_text is not None else plan.Schema({}, {})

    def matching(self, filter: RelationshipFilter) -> list[StoredRelationship]:
        return [stored for key, stored in self.facts.items() if _means(filter, key)]


def _means(filter: RelationshipFilter, key: RelationshipKey) -> bool:
    resource, relation, subject = key
    wanted = [
        (filter.resource_type, resource.type),
        (filter.resource_id, resource.id),
        (filter.relation, relation),
        (filter.subject_type, subject.type),
        (filter.subject_id, subject.id),
        (filter.subject_relation, subject.relation),
    ]
    prefix = filter.resource_id_prefix
    return all(want in (None, is_) for want, is_ in wanted) and (prefix is None or resource.id[: len(prefix)] == prefix)


# --- what is at fault -------------------------------------------------------------------------------------------


def without_place(state: State, relationship: Relationship) -> set[str]:
    """Why the state's schema has no place for the triple, whatever qualified it."""
    definition = state.schema.definitions.get(relationship.resource.type)
    if definition is None:
        return {"UNKNOWN_TYPE"}
    relation = definition.relations.get(relationship.relation)
    subject = relationship.subject
    shape = (subject.type, subject.relation, subject.id == "*")
    if relation is None or shape not in {(t.type, t.relation, t.wildcard) for t in relation.subject_types}:
        return {"RELATIONSHIP_NOT_ALLOWED"}
    return set()


def misfits(state: State, relationship: Relationship) -> set[str]:
    """Why the relationship may not be written under the state's schema."""
    if faults := without_place(state, relationship):
        return faults
    relation = state.schema.definitions[relationship.resource.type].relations[relationship.relation]
    subject, (caveat, not_before_us, expiration_us) = relationship.subject, relationship.qualifiers
    name = caveat.name if caveat is not None else None
    shape = (subject.type, subject.relation, subject.id == "*", name, expiration_us is not None)
    shape = (*shape, not_before_us is not None)
    allowed = {(t.type, t.relation, t.wildcard, t.caveat, t.expiration, t.not_before) for t in relation.subject_types}
    if shape not in allowed:
        return {"RELATIONSHIP_NOT_ALLOWED"}
    if caveat is None:
        return set()
    assert state.schema_text is not None
    parameters = CAVEATS[state.schema_text][caveat.name]
    fixed: dict[str, object] = json.loads(caveat.context_json)
    fits = all(key in parameters and type(value) is parameters[key] for key, value in fixed.items())
    return set() if fits else {"INVALID_CONTEXT"}


def is_managed(state: State, key: RelationshipKey) -> bool:
    definition = state.schema.definitions.get(key.resource.type)
    relation = definition.relations.get(key.relation) if definition is not None else None
    return relation is not None and relation.managed


def is_final(state: State, key: RelationshipKey) -> bool:
    definition = state.schema.definitions.get(key.resource.type)
    relation = definition.relations.get(key.relation) if definition is not None else None
    return relation is not None and relation.final


def weakens(state: State, written: Relationship, there: Relationship, now_us: int) -> bool:
    """Whether what is subtracted would, at some moment from now on, no longer count where it would have."""
    assert state.schema_text is not None
    if (written.resource.type, written.relation) not in SUBTRACTED[state.schema_text]:
        return False
    was, becomes = there.qualifiers, written.qualifiers
    times = {now_us} | {time for each in (was, becomes) for time in each[1:] if time is not None and time > now_us}
    moments = {moment for time in times for moment in (time - 1, time, time + 1) if moment >= now_us}
    counted = [moment for moment in moments if was.counts_at(moment)]
    is_shorter = any(not becomes.counts_at(moment) for moment in counted)
    return bool(counted) and (is_shorter or becomes.caveat not in (None, was.caveat))


def filter_faults(state: State, filter: RelationshipFilter) -> set[str]:
    """Names that the schema does not know."""
    faults: set[str] = set()
    for type, name in (
        (filter.resource_type, filter.relation),
        (filter.subject_type, filter.subject_relation),
    ):
        if type is None:
            continue
        definition = state.schema.definitions.get(type)
        if definition is None:
            faults.add("UNKNOWN_TYPE")
        elif name and name not in definition.relations and name not in definition.permissions:
            faults.add("UNKNOWN_RELATION")
    return faults


def removal_faults(state: State, filter: RelationshipFilter) -> set[str]:
    unbounded = filter.resource_type is None and filter.subject_type is None
    return filter_faults(state, filter) | ({"INVALID_ARGUMENT"} if unbounded else set())


def precondition_faults(state: State, preconditions: Sequence[Precondition], now_us: int) -> set[str]:
    faults: set[str] = set()
    for each in preconditions:
        faults |= filter_faults(state, each.filter)
        found = [s for s in state.matching(each.filter) if s.relationship.qualifiers.counts_at(now_us)]
        if bool(found) != each.must_match:
            faults.add("PRECONDITION_FAILED")
    return faults


def single_faults(state: State, keys: Iterable[RelationshipKey], now_us: int) -> set[str]:
    """Of the state as it would be: whether a relation just written to holds more than one."""
    for resource, name, _ in keys:
        definition = state.schema.definitions.get(resource.type)
        relation = definition.relations.get(name) if definition is not None else None
        if relation is None or not relation.single:
            continue
        there = [s for key, s in state.facts.items() if key[:2] == (resource, name)]
        if sum(not s.relationship.qualifiers.is_over(now_us) for s in there) > 1:
            return {"SINGLE_RELATION_TAKEN"}
    return set()


# --- a store ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """What a write would do: the faults that refuse it, or the state it makes and the numbers it answers."""

    faults: frozenset[str]
    state: State
    removed: frozenset[RelationshipKey] = frozenset()


class Model:
    """One named store. `states[r]` is revision r, committed at `times_us[r]`; those before `oldest` are forgotten."""

    def __init__(self) -> None:
        self.states = [State()]
        self.times_us = [0]
        self.oldest = 0

    def become(self, state: State, now_us: int) -> None:
        self.states.append(state)
        self.times_us.append(now_us)

    def copy(self) -> Model:
        """What a backup of it restores to."""
        copied = Model()
        copied.states, copied.times_us, copied.oldest = list(self.states), list(self.times_us), self.oldest
        return copied

    def look_after(self, now_us: int, retention_us: int) -> None:
        """Upkeep: what has been over for as long as the window goes, in a revision; what is older is forgotten."""
        until_us = now_us - retention_us
        over = [k for k, s in self.now.facts.items() if s.relationship.qualifiers.is_over(until_us)]
        if over:
            self.become(self.without(over), now_us)
        self.oldest = max(
            revision for revision, time_us in enumerate(self.times_us) if time_us <= until_us or not time_us
        )

    @property
    def head(self) -> int:
        return len(self.states) - 1

    @property
    def now(self) -> State:
        return self.states[-1]

    def write(
        self,
        updates: Sequence[Update],
        preconditions: Sequence[Precondition],
        replacing: RelationshipFilter | None,
        caller: Caller,
        now_us: int,
    ) -> Written:
        before = self.now
        faults: set[str] = set()
        if before.schema_text is None:
            faults.add("SCHEMA_NOT_FOUND")
        keys = [update.relationship.key for update in updates]
        if len(set(keys)) != len(keys) or (not updates and replacing is None):
            faults.add("INVALID_ARGUMENT")
        removed: set[RelationshipKey] = set()
        if replacing is not None:
            faults |= removal_faults(before, replacing)
            written_anew = {each.relationship.key for each in updates if each.operation is not Operation.DELETE}
            removed = {s.relationship.key for s in before.matching(replacing)}
            removed -= {key for key in written_anew if is_final(before, key)}
        for update in updates:
            if update.operation is Operation.DELETE:
                faults |= without_place(before, update.relationship)
            else:
                faults |= misfits(before, update.relationship)
        if not caller.may_write_managed and any(is_managed(before, key) for key in (*keys, *removed)):
            faults.add("MANAGED_RELATION")
        deleted = {each.relationship.key for each in updates if each.operation is Operation.DELETE}
        if any(is_final(before, key) for key in deleted | removed):
            faults.add("FINAL_RELATION")
        faults |= precondition_faults(before, preconditions, now_us)
        facts = {key: stored for key, stored in before.facts.items() if key not in removed}
        for update in updates:
            if update.operation is Operation.DELETE:
                facts.pop(update.relationship.key, None)
        provenance = Provenance(caller.principal, caller.run, self.head + 1)
        written = []
        for update in updates:
            key = update.relationship.key
            if update.operation is Operation.DELETE:
                continue
            there = facts.get(key)
            if update.operation is Operation.CREATE and there and there.relationship.qualifiers.counts_at(now_us):
                faults.add("RELATIONSHIP_EXISTS")
            written.append(key)
            if there and is_final(before, key):
                continue
            if there and weakens(before, update.relationship, there.relationship, now_us):
                faults.add("SUBTRACTED_WEAKENED")
            facts[key] = StoredRelationship(update.relationship, provenance)
        after = replace(before, facts=facts)
        faults |= single_faults(after, written, now_us)
        return Written(frozenset(faults), after, frozenset(removed - set(written)))

    def delete(
        self, filter: RelationshipFilter, preconditions: Sequence[Precondition], caller: Caller, now_us: int
    ) -> Written:
        """As if without a limit; who deletes with one tells `without` which were removed."""
        before = self.now
        faults = removal_faults(before, filter) | precondition_faults(before, preconditions, now_us)
        if before.schema_text is None:
            faults.add("SCHEMA_NOT_FOUND")
        removed = frozenset(s.relationship.key for s in before.matching(filter))
        if not caller.may_write_managed and any(is_managed(before, key) for key in removed):
            faults.add("MANAGED_RELATION")
        if any(is_final(before, key) for key in removed):
            faults.add("FINAL_RELATION")
        return Written(frozenset(faults), self.without(removed), removed)

    def without(self, removed: Iterable[RelationshipKey]) -> State:
        gone = set(removed)
        return replace(self.now, facts={k: s for k, s in self.now.facts.items() if k not in gone})

    def write_schema(self, text: str, now_us: int) -> Written:
        if text not in CAVEATS:
            return Written(frozenset({"SCHEMA_INVALID"}), self.now)
        after = replace(self.now, schema_text=text)
        placeless = {key: each for key, each in after.facts.items() if misfits(after, each.relationship)}
        over = {key for key, each in placeless.items() if each.relationship.qualifiers.is_over(now_us)}
        freed = any(is_final(self.now, key) and not is_final(after, key) for key in after.facts)
        if freed or placeless.keys() - over or single_faults(after, after.facts, now_us):
            return Written(frozenset({"SCHEMA_ORPHANS_RELATIONSHIPS"}), self.now)
        return Written(frozenset(), replace(after, facts={k: s for k, s in after.facts.items() if k not in over}))


# --- a question -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What one request is answered from, with its own facts laid over a revision, or the faults that refuse it."""

    faults: frozenset[str]
    state: State
    now_us: int

    @property
    def counting(self) -> list[Relationship]:
        return [s.relationship for s in self.state.facts.values() if s.relationship.qualifiers.counts_at(self.now_us)]


def seen(state: State, contextual: Sequence[Relationship], now_us: int) -> Seen:
    faults: set[str] = set()
    if state.schema_text is None:
        faults.add("SCHEMA_NOT_FOUND")
    if len({each.key for each in contextual}) != len(contextual):
        faults.add("INVALID_ARGUMENT")
    for each in contextual:
        faults |= misfits(state, each)
        if is_managed(state, each.key):
            faults.add("MANAGED_RELATION")
        there = state.facts.get(each.key)
        if there and state.schema_text is not None and weakens(state, each, there.relationship, now_us):
            faults.add("SUBTRACTED_WEAKENED")
    nobody = Provenance("", "", 0)
    laid_over = {**state.facts, **{each.key: StoredRelationship(each, nobody) for each in contextual}}
    after = replace(state, facts=laid_over)
    faults |= single_faults(after, [each.key for each in contextual], now_us)
    return Seen(frozenset(faults), after, now_us)


def name_faults(schema: plan.Schema, type: str, name: str) -> set[str]:
    definition = schema.definitions.get(type)
    if definition is None:
        return {"UNKNOWN_TYPE"}
    known = not name or name in definition.relations or name in definition.permissions
    return set() if known else {"UNKNOWN_RELATION"}


class Judged:
    """Every goal about one subject in what a request sees, by the judge."""

    def __init__(
        self, seen: Seen, subject: SubjectRef, context: Mapping[str, object], also: Sequence[ObjectRef]
    ) -> None:
        """`also`: objects that may be asked about and occur in no fact."""
        self.seen = seen
        self.subject = subject
        relationships = [stored.relationship for stored in seen.state.facts.values()]
        self.judge = Judge(seen.state.schema, relationships, subject, seen.now_us, context)
        self.judge.objects |= {each for each in also if each.type in seen.state.schema.definitions}
        self.table = self.judge.table()

    def answer(self, resource: ObjectRef, name: str) -> tuple[int | None, tuple[str, ...]]:
        """(verdict, missing); None where it is undefined or hangs on a caveat that fails."""
        verdict = self.table[resource, name, self.subject]
        return verdict, self.judge.missing(resource, name) if verdict == 1 else ()

    def require_tells(self, expansion: Expansion, depth: int) -> None:
        """That every set of an expansion is, for the subject, what the judge says: its definition, with the judge's
        values put in for what it refers to, comes to the judge's own value, and no fact is missing or made up."""
        sets = {(each.resource, each.relation): each.definition for each in expansion.sets}
        assert len(sets) == len(expansion.sets), "a set is opened twice"
        for (resource, relation), definition in sets.items():
            if self.subject == (*resource, relation):
                continue  # every set contains the userset of its own name
            for side in (0, 1):
                told = self._node(definition, resource, side)
                judged = (self.judge.low, self.judge.high)[side].get((resource, relation, self.subject), 0)
                assert told == judged, f"{resource}#{relation} holds {self.subject}: told {told}, judged {judged}"
            for node in _nodes(definition):
                self._require_complete(node, resource, sets, depth)

    def _require_complete(
        self, node: ExpandNode, resource: ObjectRef, sets: Mapping[tuple[ObjectRef, str], ExpandNode], depth: int
    ) -> None:
        if isinstance(node, ExpandReference):
            assert node.truncated or (node.resource, node.relation) in sets, f"{node} is nowhere"
            assert depth or not node.truncated, f"{node} is cut, though nothing was asked to be"
        elif isinstance(node, (ExpandLeaf, ExpandExists, ExpandArrow)):
            facts = node.targets if isinstance(node, ExpandArrow) else node.subjects
            there = [r for r in self.seen.counting if (r.resource, r.relation) == (resource, node.relation)]
            assert [each.relationship for each in facts] == sorted(there, key=lambda r: r.subject)

    def _node(self, node: ExpandNode, resource: ObjectRef, side: int) -> int:
        values = (self.judge.low, self.judge.high)[side]
        match node:
            case ExpandReference(of, relation):
                return values.get((of, relation, self.subject), 0)
            case ExpandUnion(children):
                return max(self._node(child, resource, side) for child in children)
            case ExpandIntersection(children):
                return min(self._node(child, resource, side) for child in children)
            case ExpandExclusion(base, subtracted):
                return min(self._node(base, resource, side), 2 - self._node(subtracted, resource, 1 - side))
            case ExpandLeaf(_, subjects):
                return max((self._member(each, values, side) for each in subjects), default=0)
            case ExpandExists(_, subjects):
                return max((self.judge.caveat(each.relationship)[side] for each in subjects), default=0)
            case ExpandArrow(_, _, every, targets):
                reached = [min(self._fact(t, side), self._behind(t, values)) for t in targets]
                return (min if every else max)(reached, default=0)
            case ExpandAlong(child, relations):
                assert isinstance(child, ExpandReference)
                return values.get((resource, plan.Along(child.relation, relations), self.subject), 0)
            case ExpandSubjectFilter(permission):
                return 0 if self.subject.relation else values.get((self.subject.object, permission, self.subject), 0)
            case ExpandSelf(itself):
                return 2 if self.subject == (*itself, "") else 0
            case ExpandNobody():
                return 0

    def _fact(self, fact: ExpandSubject, side: int) -> int:
        return self.judge.caveat(fact.relationship)[side]

    def _behind(self, fact: ExpandSubject, values: Mapping[object, int]) -> int:
        set = fact.userset
        return values.get((set.resource, set.relation, self.subject), 0) if set is not None else 0

    def _member(self, fact: ExpandSubject, values: Mapping[object, int], side: int) -> int:
        subject = fact.relationship.subject
        if subject == self.subject or (subject.is_wildcard and self._is_plain_of(subject.type)):
            return self._fact(fact, side)
        return min(self._fact(fact, side), self._behind(fact, values))

    def _is_plain_of(self, type: str) -> bool:
        return self.subject.type == type and not self.subject.relation


def _nodes(node: ExpandNode) -> list[ExpandNode]:
    children: tuple[ExpandNode, ...] = ()
    if isinstance(node, (ExpandUnion, ExpandIntersection)):
        children = node.children
    elif isinstance(node, ExpandExclusion):
        children = (node.base, node.subtracted)
    elif isinstance(node, ExpandAlong):
        children = (node.child,)
    elif isinstance(node, (ExpandLeaf, ExpandArrow)):
        facts = node.subjects if isinstance(node, ExpandLeaf) else node.targets
        children = tuple(each.userset for each in facts if each.userset is not None)
    return [node, *(deeper for child in children for deeper in _nodes(child))]
