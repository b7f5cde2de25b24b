"""What a permission is made of, as SpiceDB's tree: sets of sets down to the facts of relations, each where it occurs.

Unlike ours it is a tree of one message, in which a set that is used twice stands twice. So it may be larger than what
it is made of, and deeper than a reader of protobuf follows: both are refused by name.
Law: where a tree is given it means what the expansion means; every tree can be read with the default limits."""

from __future__ import annotations

from typing import assert_never

from authzed.api.v1 import core_pb2

from remit.errors import InvalidArgument, StepBudgetSpent
from remit.eval.budget import Budget
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
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.model import ObjectRef, SubjectRef
from remit.wire.spicedb.facts import encode_object, encode_subject

# Readers stop at a hundred nested messages: a tree stands in a response, each level takes two, and a leaf's subjects
# are three deep.
DEPTH_MAX = 47

_UNION = core_pb2.AlgebraicSubjectSet.OPERATION_UNION
_INTERSECTION = core_pb2.AlgebraicSubjectSet.OPERATION_INTERSECTION
_EXCLUSION = core_pb2.AlgebraicSubjectSet.OPERATION_EXCLUSION


def encode_tree(expansion: Expansion, budget: Budget) -> core_pb2.PermissionRelationshipTree:
    """Of an expansion that is DEPTH_MAX deep, or whole. Cost: O(nodes and subjects of the tree). Raises StepBudgetSpent
    where it is too large or too deep, and InvalidArgument for operators that SpiceDB has not."""
    root = expansion.sets[0]
    tree = core_pb2.PermissionRelationshipTree()
    _Encoding(expansion, budget).put_set(tree, root.resource, root.relation, 1)
    return tree


class _Encoding:
    def __init__(self, expansion: Expansion, budget: Budget) -> None:
        self._sets: dict[tuple[ObjectRef, str], ExpandSet] = {
            (each.resource, each.relation): each for each in expansion.sets
        }
        self._budget = budget

    def put_set(self, tree: core_pb2.PermissionRelationshipTree, resource: ObjectRef, name: str, depth: int) -> None:
        definition = self._sets[resource, name].definition
        if isinstance(definition, ExpandReference):
            # `permission view = viewer` is a union of one in SpiceDB's eyes.
            definition = ExpandUnion((definition,))
        self._put(tree, definition, resource, name, depth)

    def _put(
        self, tree: core_pb2.PermissionRelationshipTree, node: ExpandNode, resource: ObjectRef, name: str, depth: int
    ) -> None:
        """Fills the tree with a node of the definition of `resource#name`."""
        self._budget.spend()
        if depth > DEPTH_MAX:
            raise StepBudgetSpent(
                f"the tree is deeper than {DEPTH_MAX} levels, which is as far as readers of it follow: ask "
                "remit.v1.Permissions/Expand, or for a part of it",
                name="depth",
                limit=DEPTH_MAX,
                given=depth,  # or more
            )
        if isinstance(node, ExpandReference):
            self.put_set(tree, node.resource, node.relation, depth)
            return
        tree.expanded_object.CopyFrom(encode_object(resource))
        tree.expanded_relation = name
        match node:
            case ExpandUnion(children):
                self._put_children(tree, _UNION, children, resource, name, depth)
            case ExpandIntersection(children):
                self._put_children(tree, _INTERSECTION, children, resource, name, depth)
            case ExpandExclusion(base, subtracted):
                self._put_children(tree, _EXCLUSION, (base, subtracted), resource, name, depth)
            case ExpandArrow(_, _, every, targets):
                # A target whose type has no such permission holds nobody.
                sets = [target.userset if target.userset is not None else ExpandNobody() for target in targets]
                self._put_children(tree, _INTERSECTION if every else _UNION, tuple(sets), resource, name, depth)
            case ExpandLeaf(_, subjects):
                tree.leaf.SetInParent()
                self._put_subjects(tree, [each.relationship.subject for each in subjects])
            case ExpandSelf(itself):
                self._put_subjects(tree, [SubjectRef(*itself)])
            case ExpandNobody():
                tree.leaf.SetInParent()
            case ExpandExists() | ExpandAlong() | ExpandSubjectFilter():
                raise InvalidArgument(
                    f"`{resource.type}#{name}` is made with an operator that SpiceDB's tree cannot show: ask "
                    "remit.v1.Permissions/Expand",
                    field="permission",
                )
            case _:
                assert_never(node)

    def _put_children(
        self,
        tree: core_pb2.PermissionRelationshipTree,
        operation: core_pb2.AlgebraicSubjectSet.Operation.ValueType,
        children: tuple[ExpandNode, ...],
        resource: ObjectRef,
        name: str,
        depth: int,
    ) -> None:
        tree.intermediate.operation = operation
        for child in children:
            self._put(tree.intermediate.children.add(), child, resource, name, depth + 1)

    def _put_subjects(self, tree: core_pb2.PermissionRelationshipTree, subjects: list[SubjectRef]) -> None:
        """Terminal subjects first, as SpiceDB has them."""
        for subject in sorted(subjects, key=lambda each: bool(each.relation)):
            self._budget.spend()
            tree.leaf.subjects.append(encode_subject(subject))
