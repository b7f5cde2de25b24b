"""Whose answers some changed edges may have changed: found by walking from the edges up, instead of asking everybody.

An edge has a part in the goals of its own node, in what is above that node, and so on up to the permission that is
asked about; there it is the resources that are met. On the way it is carried whom the edge is about: its subject, who
is in its userset, or everybody. And where a permission asks the subject about itself, or follows its chain, the edge is
about a subject and about every resource.
Law: nobody is left out, neither a resource nor a subject of it, whose Check is another than before, nor a resource
whose list names others than before; that some are met whose answer is the same costs time and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.eval.budget import GOAL_BYTES, Budget
from remit.eval.candidates import Beneath
from remit.eval.drivers import Slot, drivers_of
from remit.graph.overlay import Overlay
from remit.graph.view import GraphView
from remit.language import plan
from remit.model import WILDCARD, ObjectRef, Qualifiers, RelationshipKey, SubjectLookup, SubjectRef


class State(NamedTuple):
    """What there is to be asked: relationships, and the time."""

    graph: GraphView
    now_us: int


class Edge(NamedTuple):
    """What stood at a triple in one state, and what stands there in the next; None for nothing."""

    before: Qualifiers | None
    now: Qualifiers | None


Changed = Mapping[RelationshipKey, Edge]


class _Whom(NamedTuple):
    """A subject; or a userset: itself and everybody in it. With `below`, all whose chain leads to them as well."""

    subject: SubjectRef
    below: bool = False


_EVERYBODY = _Whom(SubjectRef("", WILDCARD))


# --- who asks for what ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Askers:
    """The permissions that ask for a slot, each as a slot."""

    here: list[Slot] = field(default_factory=list)  # of the same object
    along: list[Slot] = field(default_factory=list)  # of the same object, of every link of a chain
    behind: dict[Slot, list[Slot]] = field(default_factory=dict)  # by the relation whose edges lead to the object
    usersets: list[Slot] = field(default_factory=list)  # relations that take usersets of this name
    of_subject: list[Slot] = field(default_factory=list)  # of any object: where this one is the acting subject's


@dataclass(slots=True)
class _Askings:
    """The permissions that read the edges of a relation for themselves."""

    targets: list[tuple[Slot, str, bool]] = field(default_factory=list)  # what they ask of what it leads to, and of all
    exists: list[Slot] = field(default_factory=list)
    chains: list[Slot] = field(default_factory=list)


class Dependents:
    """What hangs on what, of all that a permission hangs on."""

    def __init__(self, schema: plan.Schema, top: Slot, budget: Budget) -> None:
        """Cost: O(schema), but for arrows: each asks the types that its relation leads to. Takes no steps, and raises
        what the budget's interrupt does."""
        self._definitions = schema.definitions
        self._budget = budget
        self.top = top
        self.askers: dict[Slot, _Askers] = {}
        self.askings: dict[Slot, _Askings] = {}
        self._waiting: list[Slot] = []
        self._with: dict[str, list[str]] = {}  # a name → the types that have it
        for type, definition in schema.definitions.items():
            for name in (*definition.relations, *definition.permissions):
                budget.look()
                self._with.setdefault(name, []).append(type)
        self._of(top)
        while self._waiting:
            self._read(*self._waiting.pop())

    def may_concern(self, key: RelationshipKey) -> bool:
        """Whether an edge can have a part in it at all: whether it is read, or names an object that may be a resource
        for it, which occurs by that. Cost: O(1)."""
        slot, type = (key.resource.type, key.relation), self.top[0]
        return slot in self.askers or slot in self.askings or type in (key.resource.type, key.subject.type)

    def _of(self, slot: Slot) -> _Askers:
        if slot not in self.askers:
            self.askers[slot] = _Askers()
            self._waiting.append(slot)
        return self.askers[slot]

    def _asking(self, type: str, relation: str) -> _Askings:
        return self.askings.setdefault((type, relation), _Askings())

    def _read(self, type: str, name: str) -> None:
        slot, definition = (type, name), self._definitions[type]
        if (relation := definition.relations.get(name)) is not None:
            for each in relation.subject_types:
                self._budget.look()
                if each.relation and self._definitions[each.type].has(each.relation):
                    self._of((each.type, each.relation)).usersets.append(slot)
            return
        for node in plan.nodes_of(definition.permissions[name].expression):
            self._budget.look()
            match node:
                case plan.Name(child):
                    self._of((type, child)).here.append(slot)
                case plan.Along(child, relations):
                    self._of((type, child)).along.append(slot)
                    for relation_name in relations:
                        for link in self._with.get(relation_name, ()):
                            self._asking(link, relation_name).chains.append(slot)
                case plan.Arrow(through, child, every):
                    self._asking(type, through).targets.append((slot, child, every))
                    for target in {each.type for each in definition.relations[through].subject_types}:
                        self._budget.look()
                        if self._definitions[target].has(child):
                            self._of((target, child)).behind.setdefault((type, through), []).append(slot)
                case plan.SubjectArrow(child):
                    for acting in self._with.get(child, ()):
                        self._of((acting, child)).of_subject.append(slot)
                case plan.Exists(through):
                    self._asking(type, through).exists.append(slot)


def dependents_of(schema: plan.Schema, top: Slot, budget: Budget) -> Dependents:
    """Worked out once for a schema and a permission, and kept with it. Cost then: O(1)."""
    key = f"dependents of {top[0]}#{top[1]}"
    found = schema.worked_out.get(key)
    if not isinstance(found, Dependents):
        found = schema.worked_out[key] = Dependents(schema, top, budget)  # two threads may both do it, to the same end
    return found


# --- from the edges up ------------------------------------------------------------------------------------------


class Affected:
    """What some changed edges may have changed of one permission. One thread at a time."""

    def __init__(
        self, schema: plan.Schema, top: Slot, before: State, now: State, changed: Changed, budget: Budget
    ) -> None:
        """Cost: O(what is above the edges that count in either state). Raises what the budget does."""
        self._schema = schema
        self._before = before
        self._now = now
        self._budget = budget
        self._dependents = dependents_of(schema, top, budget)
        # Whatever is in either state: what leads up from an edge may be taken away together with it.
        gone = {key: edge.before for key, edge in changed.items() if edge.now is None}
        self._graph = Overlay(now.graph, gone, budget.look)
        self._above: dict[tuple[ObjectRef, str], set[_Whom]] = {}
        self._anywhere: dict[Slot, set[_Whom]] = {}
        self._queue: deque[tuple[ObjectRef | None, Slot, _Whom]] = deque()
        self._touched: set[ObjectRef] = set()
        self._ids: dict[tuple[_Whom, str, str], frozenset[str] | None] = {}
        self._links: list[str] | None = None
        for key, edge in changed.items():
            budget.spend()
            if self._matters(edge):
                self._begin(key)
        self._walk()

    # --- what was found -----------------------------------------------------------------------------------------

    @property
    def touched(self) -> set[ObjectRef]:
        """The objects of the permission's type that an edge that was changed names: each may be new, or be no more."""
        return self._touched

    def resources(self, type: str, relation: str) -> dict[str, Collection[str] | None]:
        """By id the resources that were met, and with each the subjects of a kind whose answers may differ; None for
        all. Raises what the budget does."""
        top, name = self._dependents.top
        found: dict[str, Collection[str] | None] = {}
        for (object, above), whom in self._above.items():
            if (object.type, above) == (top, name) and object.id != WILDCARD:
                found[object.id] = self._ids_of(whom, type, relation)
        return found

    def anywhere(self, type: str, relation: str) -> frozenset[str] | None:
        """The subjects of a kind whose answers may differ of every resource there is; None for all."""
        return self._ids_of(self._anywhere.get(self._dependents.top, ()), type, relation)

    # --- the walk -----------------------------------------------------------------------------------------------

    def _matters(self, edge: Edge) -> bool:
        """Whether it counts in one state and not in the other, or in both as something else."""
        before, now = edge
        counted = before is not None and before.counts_at(self._before.now_us)
        counts = now is not None and now.counts_at(self._now.now_us)
        return counted != counts or (counts and before != now)

    def _begin(self, key: RelationshipKey) -> None:
        """With what reads an edge itself."""
        object, relation, subject = key
        for each in (object, subject.object):
            if each.type == self._dependents.top[0] and each.id != WILDCARD:
                self._touched.add(each)
        whom = _EVERYBODY if subject.is_wildcard else _Whom(subject)
        self._add(object, (object.type, relation), whom)
        askings = self._dependents.askings.get((object.type, relation))
        if askings is None:
            return
        for slot, name, every in askings.targets:
            # Who had it of all targets had it of each; so one that comes or goes is about who has it of any.
            targets = {edge for edge, _ in self._graph.edges(object, relation)} if every else set()
            for target in {subject, *targets}:
                self._budget.spend()
                if self._schema.definitions[target.type].has(name):
                    self._add(object, slot, _Whom(SubjectRef(target.type, target.id, name)))
        for slot in askings.exists:
            self._add(object, slot, _EVERYBODY)
        for slot in askings.chains:
            self._add(None, slot, _Whom(SubjectRef(*object), below=True))

    def _walk(self) -> None:
        while self._queue:
            object, slot, whom = self._queue.popleft()
            askers = self._dependents.askers[slot]
            for above in askers.here:
                self._add(object, above, whom)
            for above in askers.along:
                self._add(object, above, whom if whom is _EVERYBODY else whom._replace(below=True))
            if object is None:
                for above in (*askers.usersets, *(each for behind in askers.behind.values() for each in behind)):
                    self._add(None, above, whom)
                for above in askers.of_subject:
                    self._add(None, above, whom)
                continue
            for above in askers.of_subject:
                self._add(None, above, _Whom(SubjectRef(*object)))
            if askers.usersets:
                for resource, relation in self._graph.nodes_of(SubjectRef(*object, slot[1])):
                    self._budget.spend()
                    self._add(resource, (resource.type, relation), whom)
            if askers.behind:
                self._add_behind(object, askers.behind, whom)

    def _add_behind(self, object: ObjectRef, behind: Mapping[Slot, list[Slot]], whom: _Whom) -> None:
        """What an arrow asks of the object, from wherever its relation leads to it, or to a userset of it."""
        names = {
            each.relation
            for type, relation in behind
            for each in self._schema.definitions[type].relations[relation].subject_types
            if each.type == object.type
        }
        for name in names | {""}:
            self._budget.spend()
            for resource, relation in self._graph.nodes_of(SubjectRef(*object, name)):
                self._budget.spend()
                for above in behind.get((resource.type, relation), ()):
                    self._add(resource, above, whom)

    def _add(self, object: ObjectRef | None, slot: Slot, whom: _Whom) -> None:
        """That `slot` of an object, of every object for None, may be another for someone."""
        if slot not in self._dependents.askers:
            return
        if object is None:
            known = self._anywhere.setdefault(slot, set())
        else:
            known = self._above.setdefault((object, slot[1]), set())
        if whom in known or _EVERYBODY in known:
            return
        self._budget.spend()
        self._budget.bytes += GOAL_BYTES + len(whom.subject.id)
        known.add(whom)
        self._queue.append((object, slot, whom))

    # --- whom it is about ---------------------------------------------------------------------------------------

    def _ids_of(self, whom: set[_Whom] | tuple[()], type: str, relation: str) -> frozenset[str] | None:
        if _EVERYBODY in whom:
            return None
        found: frozenset[str] = frozenset()
        for each in whom:
            key = (each, type, relation)
            if key not in self._ids:
                self._ids[key] = self._expanded(each, type, relation)
            ids = self._ids[key]
            if ids is None:
                return None
            self._budget.look()
            if not ids <= found:
                found = found | ids if found else ids  # most are of one userset, and share its ids
        return found

    def _expanded(self, whom: _Whom, type: str, relation: str) -> frozenset[str] | None:
        """The ids of a kind of subjects; None for everybody."""
        if whom.subject.is_wildcard:
            return None
        if not whom.below or relation:  # a userset has no chain
            return self._members(whom.subject, type, relation)
        links: set[ObjectRef] = set()
        for each in {type, *self._link_types()}:
            ids = self._members(whom.subject, each, "")
            if ids is None:
                return None
            links |= {ObjectRef(each, id) for id in ids}
        return frozenset(object.id for object in self._below(links) if object.type == type)

    def _members(self, subject: SubjectRef, type: str, relation: str) -> frozenset[str] | None:
        found = {subject.id} if (subject.type, subject.relation) == (type, relation) else set()
        if not subject.relation:
            return frozenset(found)
        lookup = SubjectLookup(subject.object, subject.relation, type, relation)
        for graph, now_us in (self._before, self._now):
            beneath = Beneath(self._schema, graph, lookup, now_us, self._budget)
            beneath.walk(drivers_of(self._schema, self._budget).leaves)
            if beneath.is_for_all:
                return None
            ids = beneath.named | beneath.selves
            self._budget.bytes += GOAL_BYTES * len(ids)
            found |= ids
        return frozenset(found)

    def _link_types(self) -> list[str]:
        """The types that a chain may lead through."""
        if self._links is None:
            types = set()
            for definition in self._schema.definitions.values():
                for relation in self._schema.chain_relations & definition.relations.keys():
                    types |= {definition.name, *(each.type for each in definition.relations[relation].subject_types)}
            self._links = sorted(types)
        return self._links

    def _below(self, links: set[ObjectRef]) -> Iterator[ObjectRef]:
        """The links, and all whose chain leads to one of them."""
        seen = set(links)
        queue = deque(links)
        while queue:
            link = queue.popleft()
            yield link
            self._budget.spend()
            for resource, relation in self._graph.nodes_of(SubjectRef(*link)):
                self._budget.spend()
                if relation in self._schema.chain_relations and resource not in seen:
                    seen.add(resource)
                    queue.append(resource)
