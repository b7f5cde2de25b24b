"""Who an Expand found, as protobuf.

The sets of an expansion are a flat list already; only a definition's operators nest. Here nothing may be left out (the
tree must mean what Check means), so a definition whose operators nest deeper than a reader of protobuf follows is an
error that says so.
Law: `decode(encode(x)) == x`; every encoding can be read with the default limit of a hundred nested messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from remit.errors import AnswerTooLarge, InvalidArgument
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
from remit.model import ObjectRef
from remit.v1 import core_pb2, permissions_pb2
from remit.wire.facts import MadeRelationship, decode_relationship, encode_object, encode_relationship

# A leaf's fact may hold a context of CONTEXT_DEPTH_MAX levels, three messages each, below leaf, subject, relationship,
# caveat and Struct. 100 - 3 * 20 - 4 = 36 for the node itself; each operator takes two. So sixteen operators may nest.
_NESTING_MAX = 36
_DEFINITION_NESTING = 3  # ExpandResponse, ExpandSet, and the node


def encode_sets(
    expansion: Expansion, response: permissions_pb2.ExpandResponse, made: MadeRelationship = lambda _: None
) -> None:
    """Into the response, where each set is made: one that is made elsewhere and added is there twice. `made` is called
    with each relationship as it becomes part of the answer. Cost: O(nodes). Raises AnswerTooLarge where a definition
    nests too deeply for any reader, and what `made` raises."""
    for opened in expansion.sets:
        _encode_set(opened, response.sets.add(), made)


def decode_sets(messages: Iterable[permissions_pb2.ExpandSet]) -> Expansion:
    """Raises InvalidArgument for what this version does not know."""
    return Expansion(
        tuple(ExpandSet(_object(each.resource), each.relation, _decode_node(each.definition)) for each in messages)
    )


def _encode_set(opened: ExpandSet, message: permissions_pb2.ExpandSet, made: MadeRelationship) -> None:
    message.resource.CopyFrom(encode_object(opened.resource))
    message.relation = opened.relation
    if not _encode_node(opened.definition, message.definition, _DEFINITION_NESTING, made):
        raise AnswerTooLarge(
            f"the definition of `{opened.resource.type}#{opened.relation}` nests too many operators for one message: "
            "give parts of it names of their own",
            definition=f"{opened.resource.type}#{opened.relation}",
        )


def _encode_node(node: ExpandNode, message: permissions_pb2.ExpandNode, nesting: int, made: MadeRelationship) -> bool:
    """Fills the message; whether it fits."""
    if nesting > _NESTING_MAX:
        return False
    match node:
        case ExpandReference():
            message.reference.CopyFrom(_encode_reference(node))
        case ExpandUnion(children):
            return _encode_children(children, message.union, nesting, made)
        case ExpandIntersection(children):
            return _encode_children(children, message.intersection, nesting, made)
        case ExpandExclusion(base, subtracted):
            return _encode_node(base, message.exclusion.base, nesting + 2, made) and _encode_node(
                subtracted, message.exclusion.subtracted, nesting + 2, made
            )
        case ExpandLeaf(relation, subjects):
            message.leaf.relation = relation
            message.leaf.subjects.extend(_encode_subject(each, made) for each in subjects)
        case ExpandExists(relation, subjects):
            message.exists.relation = relation
            message.exists.subjects.extend(_encode_subject(each, made) for each in subjects)
        case ExpandArrow(relation, permission, all, targets):
            arrow = message.arrow
            arrow.relation, arrow.permission, arrow.all = relation, permission, all
            arrow.targets.extend(_encode_subject(each, made) for each in targets)
        case ExpandAlong(child, relations):
            message.along.relations.extend(relations)
            return _encode_node(child, message.along.child, nesting + 2, made)
        case ExpandSubjectFilter(permission):
            message.subject_filter.permission = permission
        case ExpandSelf(resource):
            message.self.CopyFrom(encode_object(resource))
        case ExpandNobody():
            message.nobody.SetInParent()
        case _:
            assert_never(node)
    return True


def _encode_children(
    children: tuple[ExpandNode, ...], message: permissions_pb2.ExpandNodes, nesting: int, made: MadeRelationship
) -> bool:
    message.SetInParent()
    return all(_encode_node(child, message.children.add(), nesting + 2, made) for child in children)


def _encode_subject(subject: ExpandSubject, made: MadeRelationship) -> permissions_pb2.ExpandSubject:
    message = permissions_pb2.ExpandSubject(relationship=encode_relationship(subject.relationship))
    made(message.relationship)
    if subject.userset is not None:
        message.userset.CopyFrom(_encode_reference(subject.userset))
    return message


def _encode_reference(reference: ExpandReference) -> permissions_pb2.ExpandReference:
    return permissions_pb2.ExpandReference(
        resource=encode_object(reference.resource), relation=reference.relation, truncated=reference.truncated
    )


def _decode_node(message: permissions_pb2.ExpandNode) -> ExpandNode:
    match message.WhichOneof("node"):
        case "reference":
            return _decode_reference(message.reference)
        case "union":
            return ExpandUnion(tuple(_decode_node(child) for child in message.union.children))
        case "intersection":
            return ExpandIntersection(tuple(_decode_node(child) for child in message.intersection.children))
        case "exclusion":
            return ExpandExclusion(_decode_node(message.exclusion.base), _decode_node(message.exclusion.subtracted))
        case "leaf":
            return ExpandLeaf(message.leaf.relation, tuple(_decode_subject(each) for each in message.leaf.subjects))
        case "exists":
            exists = message.exists
            return ExpandExists(exists.relation, tuple(_decode_subject(each) for each in exists.subjects))
        case "arrow":
            arrow = message.arrow
            targets = tuple(_decode_subject(each) for each in arrow.targets)
            return ExpandArrow(arrow.relation, arrow.permission, arrow.all, targets)
        case "along":
            return ExpandAlong(_decode_node(message.along.child), tuple(message.along.relations))
        case "subject_filter":
            return ExpandSubjectFilter(message.subject_filter.permission)
        case "self":
            return ExpandSelf(_object(message.self))
        case "nobody":
            return ExpandNobody()
        case unknown:
            raise InvalidArgument(f"`{unknown}` is no kind of set", field="sets")


def _decode_subject(message: permissions_pb2.ExpandSubject) -> ExpandSubject:
    relationship = decode_relationship(message.relationship, "relationship")
    return ExpandSubject(relationship, _decode_reference(message.userset) if message.HasField("userset") else None)


def _decode_reference(message: permissions_pb2.ExpandReference) -> ExpandReference:
    return ExpandReference(_object(message.resource), message.relation, message.truncated)


def _object(message: core_pb2.ObjectReference) -> ObjectRef:
    return ObjectRef(message.type, message.id)
