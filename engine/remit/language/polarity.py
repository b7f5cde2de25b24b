"""Which way up the parts of a schema are read: what gives, and what takes away.

What holds an answer back are the relations whose relationships, taken away, may turn a no into a yes. Those stand
behind a `-`, however far: through names, arrows, usersets, `subject->`, `along` and what constraint documents ask.
Behind two of them a relationship grants again. A relation every edge of which must hold (`.all`, the links of a chain)
holds back by each edge that it has beside another.

Which way constraint documents stand is counted from the permissions that no other asks: what those are made of stands
even, and each `-` on the way turns it. A permission that is only ever subtracted says who is stopped, so what it is
made of stands odd, though it can be asked by itself.
Laws: sound, never tight. Where taking a relationship away raises some answer, its relation holds back. Where it lowers
one that no other is made of, its relation is read EVEN; where it raises one, ODD."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from remit.arguments.side import Side
from remit.language.effort import Effort
from remit.language.plan import (
    Along,
    Arrow,
    Exclusion,
    Expression,
    Member,
    Relation,
    Schema,
    operands_of,
    reads_of,
)
from remit.language.reach import Reach

EVEN, ODD = 1, 2  # bits: a member may be read both ways
_BOTH = EVEN | ODD


class Subtracted(NamedTuple):
    """`relations` hold answers back. Of these, `counted` do so whoever asks: by there being an edge, or by what an edge
    leads to; the others hold back only who is in them."""

    relations: frozenset[Member]
    counted: frozenset[Member]


def find_subtracted(schema: Schema, reach: Reach, effort: Effort) -> Subtracted:
    """Cost: O(schema): each permission is looked at twice at most."""
    found: set[Member] = set()
    counted: set[Member] = set()
    behind: set[Member] = set()  # what is asked behind a `-`
    waiting: list[Member] = []

    def ask(members: Iterator[Member]) -> None:
        for member in members:
            effort.step()
            if member not in behind:
                behind.add(member)
                waiting.append(member)

    for type, definition in schema.definitions.items():
        for relation in definition.relations.values():
            documents = list(_asked_by_documents(schema, relation, effort))
            counted.update(member for member, _ in documents if member == schema.describing)
            ask(member for member, way in documents if way & ODD)
        for permission in definition.permissions.values():
            for node, is_behind in _nodes(permission.expression, effort):
                counted.update(_edges_of_all(type, node, reach))
                if is_behind:
                    counted.update(_edges(type, node, schema))
                    ask(_asked(type, node, reach))
    while waiting:
        type, name = waiting.pop()
        definition = schema.definitions[type]
        if name in definition.relations:
            found.add((type, name))
            ask(_usersets(definition.relations[name], effort))
            ask(member for member, _ in _asked_by_documents(schema, definition.relations[name], effort))
            continue
        for node, is_before in _nodes(definition.permissions[name].expression, effort):
            if not is_before:
                counted.update(_edges(type, node, schema))
                ask(_asked(type, node, reach))
    return Subtracted(frozenset(found | counted), frozenset(counted))


# --- which way a member is read ---------------------------------------------------------------------------------


class Reading(NamedTuple):
    """A member that reads another, itself read in that way, and whether it turns it: then the other is read in the
    opposite way."""

    reader: Member
    way: int
    turns: bool


Ways = Mapping[tuple[Member, int], Reading | None]
"""Each way in which each member is read, and by which other; None of what nothing else reads."""


def find_ways(schema: Schema, reach: Reach, effort: Effort) -> Ways:
    """Breadth first from what nobody else reads, so that what is told of a member is its shortest way there. Of members
    that read one another in a circle which nobody else reads, each is where it begins. Cost: O(schema)."""
    read = {
        (type, name): tuple(_read_by(schema, reach, type, name, effort))
        for type, definition in schema.definitions.items()
        for name in (*definition.relations, *definition.permissions)
    }
    beginnings = _beginnings({member: [other for other, _ in reads] for member, reads in read.items()}, effort)
    found: dict[tuple[Member, int], Reading | None] = {(member, EVEN): None for member in beginnings}
    waiting = deque(found)
    while waiting:
        reader, way = waiting.popleft()
        for member, relative in read[reader]:
            for turns in (False, True):
                effort.step()
                other = way ^ _BOTH if turns else way
                if relative & (ODD if turns else EVEN) and (member, other) not in found:
                    found[member, other] = Reading(reader, way, turns)
                    waiting.append((member, other))
    return found


def _read_by(schema: Schema, reach: Reach, type: str, name: str, effort: Effort) -> Iterator[tuple[Member, int]]:
    """What a member reads, and which way: EVEN where they rise together, ODD where one falls as the other rises."""
    definition = schema.definitions[type]
    if (relation := definition.relations.get(name)) is not None:
        yield from ((member, EVEN) for member in _usersets(relation, effort))
        yield from _asked_by_documents(schema, relation, effort)
        return
    for node, is_behind in _nodes(definition.permissions[name].expression, effort):
        way = ODD if is_behind else EVEN
        yield from ((member, way) for member in _asked(type, node, reach))
        yield from ((member, way) for member in _edges(type, node, schema))
        yield from ((member, _BOTH) for member in _edges_of_all(type, node, reach))


def _beginnings(read: Mapping[Member, Sequence[Member]], effort: Effort) -> list[Member]:
    """The members of each circle that nothing outside of it reads; one that reads nobody who reads it is a circle of
    its own. Tarjan's strongly connected components, on a stack of our own."""
    numbers: dict[Member, int] = {}
    lowest: dict[Member, int] = {}
    open_: dict[Member, None] = {}  # met, and of no component yet
    component_of: dict[Member, int] = {}
    for root in read:
        path = [(root, iter(read[root]))] if root not in numbers else []
        while path:
            effort.step()
            member, others = path[-1]
            if member not in numbers:
                numbers[member] = lowest[member] = len(numbers)
                open_[member] = None
            for other in others:
                if other not in numbers:
                    path.append((other, iter(read[other])))
                    break
                if other in open_:
                    lowest[member] = min(lowest[member], numbers[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[member])
                if lowest[member] == numbers[member]:
                    while member not in component_of:
                        component_of[open_.popitem()[0]] = numbers[member]
    entered: set[int] = set()
    for member, others_read in read.items():
        effort.step(len(others_read))
        entered.update(component_of[other] for other in others_read if component_of[other] != component_of[member])
    return [member for member, component in component_of.items() if component not in entered]


# --- what reads what --------------------------------------------------------------------------------------------


def _nodes(expression: Expression, effort: Effort) -> Iterator[tuple[Expression, bool]]:
    """Every node of an expression, with whether the expression falls where the node rises."""
    waiting = [(expression, False)]
    while waiting:
        effort.step()
        node, is_behind = waiting.pop()
        yield node, is_behind
        for place, operand in enumerate(operands_of(node)):
            waiting.append((operand, is_behind ^ (place == 1 and isinstance(node, Exclusion))))


def _asked(type: str, node: Expression, reach: Reach) -> Iterator[Member]:
    """What a node asks of its resource, of what relations lead to, and of the subject."""
    yield from reach.asked_by(type, node)
    for name in reads_of(node).subject:
        yield from ((holder, name) for holder in reach.holders(name))


def _edges(type: str, node: Expression, schema: Schema) -> Iterator[Member]:
    """The relations of the definition whose edges count for a node, beside what they lead to."""
    reads = reads_of(node)
    relations = schema.definitions[type].relations
    yield from ((type, relation) for relation, _ in reads.targets)
    yield from ((type, relation) for relation in reads.edges if relation in relations)


def _edges_of_all(type: str, node: Expression, reach: Reach) -> Iterator[Member]:
    """The relations each edge of which must hold for a node to."""
    match node:
        case Arrow(relation, all=True):
            yield type, relation
        case Along(_, relations):
            yield from ((holder, relation) for relation in relations for holder in reach.holders(relation))


def _usersets(relation: Relation, effort: Effort) -> Iterator[Member]:
    for subject in relation.subject_types:
        effort.step()
        if subject.relation:
            yield subject.type, subject.relation


def _asked_by_documents(schema: Schema, relation: Relation, effort: Effort) -> Iterator[tuple[Member, int]]:
    """What the constraint documents beside a relation may ask, and which way. A document that covers asks for what it
    wants, one that matches for either, by `unrelated`. Both are judged by what describes a tool: a description more
    may make a call one that can be judged, and so whatever its documents come to."""
    for subject in relation.subject_types if schema.uses_arguments else ():
        side = schema.side_of(subject.caveat) if subject.caveat is not None else None
        if side is None:
            continue
        effort.step(1 + len(subject.declared))
        way = EVEN if side is Side.ARGUMENTS else _BOTH
        yield from ((member, way) for member in subject.declared)
        if schema.describing is not None:
            yield schema.describing, _BOTH
