"""What the core says of an expansion, as the trees it means.

`engine/core/remit-py/src/expansions.rs` makes the tuples that are read here.
Law: an expansion that comes this way equals the one that `expand.py` makes of the same relationships."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    ExpandSet,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.graph.native import qualifiers_of
from remit.interrupt import Interrupt
from remit.model import ObjectRef, Relationship, SubjectRef

if TYPE_CHECKING:
    from remit._core import NodeTuple, QualifiersTuple, ReferenceTuple, SetTuple, SubjectTuple

_FACTS_AT_ONCE = 1_024


def expansion_of(sets: Sequence[SetTuple], interrupt: Interrupt) -> Expansion:
    """Raises what the interrupt raises. Cost: O(nodes)."""
    return Expansion(tuple([_set(*each, interrupt) for each in sets]))


def _set(type: str, id: str, relation: str, definition: NodeTuple, interrupt: Interrupt) -> ExpandSet:
    interrupt()
    resource = ObjectRef(type, id)
    return ExpandSet(resource, relation, _node(definition, resource, interrupt))


def _node(node: NodeTuple, resource: ObjectRef, interrupt: Interrupt) -> ExpandNode:
    match node:
        case "reference", reference:
            return _reference(*reference)
        case "union", children:
            return ExpandUnion(tuple([_node(child, resource, interrupt) for child in children]))
        case "intersection", children:
            return ExpandIntersection(tuple([_node(child, resource, interrupt) for child in children]))
        case "exclusion", base, subtracted:
            return ExpandExclusion(_node(base, resource, interrupt), _node(subtracted, resource, interrupt))
        case "leaf", relation, facts:
            return ExpandLeaf(relation, _subjects(resource, relation, facts, interrupt))
        case "exists", relation, facts:
            return ExpandExists(relation, _subjects(resource, relation, facts, interrupt))
        case "arrow", relation, permission, every, facts:
            return ExpandArrow(relation, permission, every, _subjects(resource, relation, facts, interrupt))
        case "along", child, relations:
            return ExpandAlong(_reference(*child), relations)
        case "subject", permission:
            return ExpandSubjectFilter(permission)
        case ("self",):
            return ExpandSelf(resource)
        case ("nobody",):
            return ExpandNobody()
    raise AssertionError(f"the core tells of `{node[0]}`, which is no node")


def _subjects(
    resource: ObjectRef, relation: str, facts: Sequence[SubjectTuple], interrupt: Interrupt
) -> tuple[ExpandSubject, ...]:
    """The subjects of a relation. A relation may have a million facts, so the interrupt is called now and then."""
    found: list[ExpandSubject] = []
    for start in range(0, len(facts), _FACTS_AT_ONCE):
        interrupt()
        found += [_subject(resource, relation, *fact) for fact in facts[start : start + _FACTS_AT_ONCE]]
    return tuple(found)


def _subject(
    resource: ObjectRef,
    relation: str,
    type: str,
    id: str,
    name: str,
    qualifiers: QualifiersTuple,
    userset: ReferenceTuple | None,
) -> ExpandSubject:
    relationship = Relationship(resource, relation, SubjectRef(type, id, name), qualifiers_of(qualifiers))
    return ExpandSubject(relationship, _reference(*userset) if userset is not None else None)


def _reference(type: str, id: str, relation: str, truncated: bool) -> ExpandReference:
    return ExpandReference(ObjectRef(type, id), relation, truncated)
