"""Constraints on relations of a tool, and what the tool says of its arguments: the two have to fit when either is
written.

A constraint that speaks of paths where the tool takes an address can be judged by no call, so it would stop all that it
was written to let through, and nobody would know before. On relations of other objects (tags, domains, data) it is
judged as it comes: whose calls are meant there is not known.
Law: of what is refused here every call is unjudged; what is not refused may still be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from remit.arguments.document import parse_document
from remit.arguments.fitting import fits
from remit.arguments.side import Side
from remit.arguments.tool_schema import Descriptor
from remit.arguments.tree import Misfit
from remit.engine.admission import Scanning, declared_beside
from remit.engine.descriptors import Descriptors
from remit.errors import ConstraintsUnfit, DocumentInvalid
from remit.language.plan import Member, Schema
from remit.model import CaveatUse, Operation, Relationship, RelationshipFilter, RelationshipKey, Update
from remit.store.port import WriteTransaction

_TOLD_MAX = 20  # of those that do not fit


class UnfitConstraint(NamedTuple):
    """A relationship, the argument of whose constraint is of another type than it needs. `pointer` is a JSON Pointer
    into the arguments, in which `*` is every item of a list."""

    relationship: RelationshipKey
    pointer: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.relationship}`: the argument `{self.pointer}` {self.reason}"


# What a constraint is found to be of a descriptor: what is given and covered by one document is so by the same.
_Found = dict[tuple[CaveatUse, tuple[Member, ...]], Misfit | None]


def unfit_constraints(
    schema: Schema, relationships: Iterable[Relationship], descriptor: Descriptor, found: _Found | None = None
) -> Iterator[UnfitConstraint]:
    """Of relationships of a tool those whose constraints do not fit a descriptor. `found` is what is known of that
    descriptor already. Cost: O(their documents)."""
    found = {} if found is None else found
    for relationship in relationships:
        use = relationship.qualifiers.caveat
        side = schema.side_of(use.name) if use is not None else None
        declared = declared_beside(schema, relationship)
        if use is None or side is None or declared is None:
            continue
        if (use, declared) not in found:
            found[use, declared] = _misfit(use, side, declared, descriptor)
        if misfit := found[use, declared]:
            yield UnfitConstraint(relationship.key, misfit.pointer, misfit.reason)


def _misfit(use: CaveatUse, side: Side, declared: tuple[Member, ...], descriptor: Descriptor) -> Misfit | None:
    try:
        document = parse_document(use.context_json, side, declared)
    except DocumentInvalid:
        return None  # it was read when it was written, under another schema: nothing can be said of its types
    return fits(document, descriptor.types)


def check_tool_constraints(
    view: WriteTransaction,
    schema: Schema,
    updates: Sequence[Update],
    descriptors: Descriptors,
    now_us: int,
    scanning: Scanning,
) -> None:
    """That what was just written fits: each constraint on a tool the descriptors that are accepted, and each descriptor
    that was accepted the constraints that stand. A descriptor of which no record is there fits everything: by it no
    call is judged. Raises ConstraintsUnfit, FilterTooBroad, NotSmall, and what the interrupt raises."""
    if not schema.uses_arguments or schema.describing is None:
        return
    tool, accepts = schema.describing
    found: dict[str, _Found] = {}
    for index, (operation, relationship) in enumerate(updates):
        resource, field = relationship.resource, f"updates[{index}]"
        if operation is Operation.DELETE or resource.type != tool:
            continue
        all_of_it = RelationshipFilter(resource_type=tool, resource_id=resource.id)
        if relationship.relation == accepts:
            accepted: Iterable[Relationship] = (relationship,)
            constrained: Iterable[Relationship] = (
                each.relationship for each in scanning.matching(view, all_of_it, field)
            )
        else:
            use = relationship.qualifiers.caveat
            if use is None or schema.side_of(use.name) is None:
                continue
            of_it = RelationshipFilter(resource_type=tool, resource_id=resource.id, relation=accepts)
            accepted = (each.relationship for each in scanning.matching(view, of_it, field))
            constrained = (relationship,)
        for each in accepted:
            descriptor = descriptors.staged(view, each.subject.id)
            if descriptor is None or each.qualifiers.is_over(now_us):
                continue
            of_this = found.setdefault(each.subject.id, {})
            unfit = list(islice(unfit_constraints(schema, constrained, descriptor, of_this), _TOLD_MAX))
            if unfit:
                raise ConstraintsUnfit(f"`{each.subject.object}`", unfit, field=field)
