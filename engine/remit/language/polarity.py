"""What holds an answer back: the relations whose relationships, taken away, may turn a no into a yes.

Those are the ones that stand behind a `-`, however far: through names, arrows, usersets, `subject->` and `along`.
Behind two of them a relationship grants again. A relation every edge of which must hold (`.all`, the links of a chain)
holds back by each edge that it has beside another.
Law: sound, never tight. Where taking a relationship away raises some answer, its relation is among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from remit.language.effort import Effort
from remit.language.plan import Along, Arrow, Exclusion, Expression, Relation, Schema, operands_of, reads_of
from remit.language.reach import Reach

Member = tuple[str, str]  # a relation or permission, by its type and name


class Subtracted(NamedTuple):
    """`relations` hold answers back. Of these, `counted` do so whoever asks: by there being an edge, or by what an edge
    leads to; the others hold back only who is in them."""

    relations: frozenset[Member]
    counted: frozenset[Member]


def find_subtracted(schema: Schema, reach: Reach, effort: Effort) -> Subtracted:
    """The relations, by type and name. Cost: O(schema): each permission is looked at twice at most."""
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
            continue
        for node, is_before in _nodes(definition.permissions[name].expression, effort):
            if not is_before:
                counted.update(_edges(type, node, schema))
                ask(_asked(type, node, reach))
    return Subtracted(frozenset(found | counted), frozenset(counted))


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
