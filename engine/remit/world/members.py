"""Who has it, by name: the members of a set, as a `validation` block lists them.

Expand gives the sets behind a set, and with them every subject that some fact names. Each is then weighed twice: for
what facts say of it *by name*, and for what they say of it as *anyone* (a wildcard). A wildcard itself is weighed as a
subject of its type that no fact names, and those it leaves out are the named ones that fare worse than that.
As in SpiceDB a caveat is never decided here, whatever its context: it makes a member conditional, and that is reported.

Law: what is listed of a subject, by name or as anyone, is together Check's answer with every caveat left open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from remit.eval.budget import Budget
from remit.eval.equations import Goal
from remit.eval.expand import expand
from remit.eval.semantics import Evaluation
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
)
from remit.graph.plain import Graph
from remit.graph.view import GraphView, NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.language import plan
from remit.language.caveats import Caveat
from remit.language.parameters import ParameterType
from remit.model import WILDCARD, CaveatUse, ObjectRef, Qualifiers, SubjectRef, Verdict
from remit.world.expected import Member, SetKey, Subject

NO, CONDITIONAL, YES = Verdict.NO.value, Verdict.CONDITIONAL.value, Verdict.YES.value
_NOWHERE: frozenset[SetKey] = frozenset()

# No valid id holds a NUL, so no fact names it.
_UNNAMED_ID = "\0anyone"


def find_members(
    schema: plan.Schema, graph: Graph, resource: ObjectRef, name: str, *, now_us: int
) -> tuple[Member, ...]:
    """Everyone who has `resource#name`, sorted. Raises what Check and Expand raise.

    Cost: O(subjects × edges reached), for worlds that a person reads."""
    return _Weighing(schema, graph, resource, name, now_us).members()


class Weight(NamedTuple):
    """What one set says of one subject, and through which facts' sets."""

    named: int = NO
    anyone: int = NO
    through: frozenset[SetKey] = _NOWHERE
    anyone_through: frozenset[SetKey] = _NOWHERE


_NOTHING = Weight()


class _Weighing:
    def __init__(self, schema: plan.Schema, graph: Graph, resource: ObjectRef, name: str, now_us: int) -> None:
        open_schema = replace(schema, caveats={_OPEN.name: _OPEN_CAVEAT})
        self.evaluation = Evaluation(open_schema, _OpenCaveats(graph), now_us=now_us, budget=Budget())
        self.schema = schema
        self.root: SetKey = (resource, name)
        sets = expand(schema, graph, resource, name, now_us=now_us).sets
        self.definitions: dict[SetKey, ExpandNode] = {(each.resource, each.relation): each.definition for each in sets}
        self.subjects = tuple(sorted(_subjects_of(self.definitions.values(), graph)))

    def members(self) -> tuple[Member, ...]:
        weights = self._weigh()[self.root]
        members = []
        for subject in self.subjects:
            weight = weights[subject]
            anyone = weights[_anyone_like(subject)].anyone if not subject.is_userset else NO
            if subject.is_wildcard:
                if anyone:
                    excluded = self._excluded(subject, anyone, weights)
                    members.append(_member(subject, anyone, weight.anyone_through, excluded))
            elif weight.anyone > anyone:
                # A wildcard less another one that spares this subject: it is left over, and so it has a name.
                through = weight.through | weight.anyone_through
                members.append(_member(subject, max(weight.named, weight.anyone), through))
            elif weight.named:
                members.append(_member(subject, weight.named, weight.through))
        return tuple(sorted(members))

    def _excluded(self, wildcard: SubjectRef, anyone: int, weights: Mapping[SubjectRef, Weight]) -> tuple[Subject, ...]:
        """The named subjects of the wildcard's type who fare worse than anyone does."""
        return tuple(
            Subject(subject, held == CONDITIONAL)
            for subject in self.subjects
            if subject.type == wildcard.type and not subject.is_userset and not subject.is_wildcard
            if (held := max(weights[subject].named, weights[subject].anyone)) < anyone
        )

    def _weigh(self) -> dict[SetKey, dict[SubjectRef, Weight]]:
        """The weights of every subject in every set: from nothing, until they no longer change.

        Deep sets stand last in an expansion, so going backwards most worlds are done in two rounds. What Check says
        bounds each weight, so no cycle can hold up a weight that has lost its ground."""
        weights = {key: dict.fromkeys(self.subjects, _NOTHING) for key in self.definitions}
        for _ in range(2 * len(self.definitions) + 2):
            settled = True
            for key, definition in reversed(self.definitions.items()):
                for subject in self.subjects:
                    weight = self._bounded(key, subject, self._node(definition, key, subject, weights))
                    settled = settled and weight == weights[key][subject]
                    weights[key][subject] = weight
            if settled:
                break
        return weights

    def _bounded(self, key: SetKey, subject: SubjectRef, weight: Weight) -> Weight:
        if weight.named == weight.anyone == NO:
            return _NOTHING
        verdict = self._ask(Goal(*key, _stand_in(subject)))
        named, anyone = min(weight.named, verdict), min(weight.anyone, verdict)
        return Weight(
            named, anyone, weight.through if named else _NOWHERE, weight.anyone_through if anyone else _NOWHERE
        )

    def _ask(self, goal: Goal) -> int:
        """What Check says; of a goal that is undefined, no more than the least it could be."""
        return self.evaluation.solve(goal)[0]

    # --- one subject in one node --------------------------------------------------------------------------------

    def _node(
        self, node: ExpandNode, key: SetKey, subject: SubjectRef, weights: Mapping[SetKey, Mapping[SubjectRef, Weight]]
    ) -> Weight:
        def inside(child: ExpandNode) -> Weight:
            return self._node(child, key, subject, weights)

        def within(edge: ExpandSubject) -> Weight:
            """What the set that a fact leads to says, as far as the fact itself holds."""
            if edge.userset is None:
                return _NOTHING
            return _limited(weights[edge.userset.resource, edge.userset.relation][subject], _held(edge))

        match node:
            case ExpandReference(resource, name):
                return weights[resource, name][subject]
            case ExpandUnion(children):
                return _union(map(inside, children))
            case ExpandIntersection(children):
                return _intersection(map(inside, children))
            case ExpandExclusion(base, subtracted):
                return _exclusion(inside(base), inside(subtracted))
            case ExpandLeaf(relation, facts):
                place = (key[0], relation)
                return _union(each for fact in facts for each in (_fact(fact, place, subject), within(fact)))
            case ExpandArrow(_, _, every, targets):
                return (_intersection if every else _union)(map(within, targets))
            case ExpandExists(relation, facts):
                held = max(map(_held, facts), default=NO)
                return Weight(anyone=held, anyone_through=frozenset({(key[0], relation)} if held else ()))
            case ExpandSubjectFilter(permission):
                asked = _stand_in(subject)
                if asked.is_userset or not self.schema.definitions[asked.type].has(permission):
                    return _NOTHING
                return Weight(anyone=self._ask(Goal(asked.object, permission, asked)))
            case ExpandAlong(child, relations):
                assert isinstance(child, ExpandReference), "a chain is walked by a relation or permission"
                along = plan.Along(child.relation, relations)
                return _limited(inside(child), self._ask(Goal(key[0], along, _stand_in(subject))))
            case ExpandSelf(resource):
                itself = subject == (resource.type, resource.id, "")
                return Weight(named=YES, through=frozenset({key})) if itself else _NOTHING
            case ExpandNobody():
                return _NOTHING


def _fact(fact: ExpandSubject, place: SetKey, subject: SubjectRef) -> Weight:
    """What one fact says of a subject: it names it, or it names everyone."""
    named = fact.relationship.subject
    if named.is_wildcard:
        applies = subject.type == named.type and not subject.is_userset
        return Weight(anyone=_held(fact), anyone_through=frozenset({place})) if applies else _NOTHING
    return Weight(named=_held(fact), through=frozenset({place})) if named == subject else _NOTHING


def _union(weights: Iterable[Weight]) -> Weight:
    found = list(weights)
    return Weight(
        max((each.named for each in found), default=NO),
        max((each.anyone for each in found), default=NO),
        _NOWHERE.union(*(each.through for each in found)),
        _NOWHERE.union(*(each.anyone_through for each in found)),
    )


def _intersection(weights: Iterable[Weight]) -> Weight:
    """A subject that one side names and the other holds as anyone is named: it is in the intersection for itself."""
    found = list(weights)
    if not found:
        return _NOTHING
    anyone = min(each.anyone for each in found)
    held = min(max(each.named, each.anyone) for each in found)
    named = held if any(each.named for each in found) else NO
    through = [each.through for each in found if each.named]
    # A wildcard that makes a named subject conditional is part of the reason.
    through += [each.anyone_through for each in found if not each.named and each.anyone == CONDITIONAL]
    return Weight(
        named,
        anyone,
        _NOWHERE.union(*through) if named else _NOWHERE,
        _NOWHERE.union(*(each.anyone_through for each in found)) if anyone else _NOWHERE,
    )


def _exclusion(base: Weight, subtracted: Weight) -> Weight:
    left = YES - max(subtracted.named, subtracted.anyone)
    named, anyone = min(base.named, left), min(base.anyone, left)
    # What takes away only perhaps is part of why the rest is conditional.
    through = base.through | subtracted.through if subtracted.named == CONDITIONAL else base.through
    return Weight(named, anyone, through if named else _NOWHERE, base.anyone_through if anyone else _NOWHERE)


def _limited(weight: Weight, most: int) -> Weight:
    named, anyone = min(weight.named, most), min(weight.anyone, most)
    return Weight(named, anyone, weight.through if named else _NOWHERE, weight.anyone_through if anyone else _NOWHERE)


def _held(fact: ExpandSubject) -> int:
    return YES if fact.relationship.qualifiers.caveat is None else CONDITIONAL


def _member(subject: SubjectRef, held: int, through: Iterable[SetKey], excluded: tuple[Subject, ...] = ()) -> Member:
    return Member(Subject(subject, held == CONDITIONAL), excluded, tuple(sorted(through)))


# --- who is weighed ---------------------------------------------------------------------------------------------


def _subjects_of(definitions: Collection[ExpandNode], graph: Graph) -> set[SubjectRef]:
    """Everyone whom a fact of the sets names, and for each type of plain subject, anyone of that type.

    Where a set asks the subject itself, facts elsewhere make it differ from anyone: then everything of those types."""
    nodes = [node for definition in definitions for node in _nodes_of(definition)]
    named = {subject for node in nodes for subject in _named_in(node)}
    anyone = {_anyone_like(subject) for subject in named if not subject.is_userset}
    if any(isinstance(node, ExpandSubjectFilter | ExpandAlong) for node in nodes):
        objects = {each for fact in graph.relationships() for each in (fact.resource, fact.subject.object)}
        named |= {SubjectRef(*each) for each in objects if SubjectRef(each.type, WILDCARD) in anyone}
    return named | anyone


def _nodes_of(node: ExpandNode) -> Iterator[ExpandNode]:
    yield node
    match node:
        case ExpandUnion(children) | ExpandIntersection(children):
            for child in children:
                yield from _nodes_of(child)
        case ExpandExclusion(base, subtracted):
            yield from _nodes_of(base)
            yield from _nodes_of(subtracted)
        case _:
            return  # the others hold no node, or refer to sets that stand beside them


def _named_in(node: ExpandNode) -> Iterable[SubjectRef]:
    match node:
        case ExpandLeaf(_, facts):
            return [fact.relationship.subject for fact in facts]
        case ExpandSelf(resource):
            return [SubjectRef(resource.type, resource.id)]
        case _:
            return ()


def _anyone_like(subject: SubjectRef) -> SubjectRef:
    return SubjectRef(subject.type, WILDCARD)


def _stand_in(subject: SubjectRef) -> SubjectRef:
    """Whom to ask about: for a wildcard, someone of its type whom no fact names."""
    return SubjectRef(subject.type, _UNNAMED_ID) if subject.is_wildcard else subject


# --- caveats left open ------------------------------------------------------------------------------------------

_OPEN = CaveatUse("open")
_OPEN_CAVEAT = Caveat(_OPEN.name, {"decided": ParameterType("bool")}, "decided")


@dataclass(frozen=True, slots=True)
class _OpenCaveats:
    """A graph in which every caveat is one that nobody has decided."""

    graph: GraphView

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        qualifiers = self.graph.find(resource, relation, subject)
        return None if qualifiers is None else _opened(qualifiers)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        return ((subject, _opened(found)) for subject, found in self.graph.usersets(resource, relation))

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        return ((subject, _opened(found)) for subject, found in self.graph.edges(resource, relation))

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        return self.graph.nodes_of(subject)

    def ids_of(self, type: str) -> Iterable[str]:
        return self.graph.ids_of(type)

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        self.graph.forget(interrupt)


def _opened(qualifiers: Qualifiers) -> Qualifiers:
    return qualifiers if qualifiers.caveat is None else qualifiers._replace(caveat=_OPEN)
