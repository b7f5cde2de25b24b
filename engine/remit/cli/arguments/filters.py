"""Filters as text: a relationship with parts left away.

    tool                          facts about any tool
    tool:erp.pay                  about this one
    tool:erp.*                    about those whose ids begin with `erp.`
    tool#may_use                  of this relation
    tool:erp.pay#may_use@run      whose subject is any run; without the relation: `tool:erp.pay#@run`
    @run:r-7                      whatever this run stands in
    @group:eng#member             this userset; `@user:anne#...` means anne herself, no userset of hers
    @user:*                       wildcards, not every user: that is `@user`

Law: the text of a relationship, its trailers left away, is a filter that matches it."""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import typer

from remit.errors import InvalidReference
from remit.model import WILDCARD, RelationshipFilter
from remit.notation import checked_id, checked_id_prefix, checked_name, checked_type, shortened


class _Half(NamedTuple):
    """What stands on one side of the `@`: `type:id#relation`, each part None where it is left away."""

    type: str | None
    id: str | None
    relation: str | None


def parse_filter(text: str) -> RelationshipFilter:
    """Raises InvalidReference."""
    left, at_sign, right = _cut(text)
    if not left and not right:
        raise InvalidReference(f"`{shortened(text)}` leaves everything open: leave the filter away to say so")
    resource, subject = _parse_half(left), _parse_half(right) if at_sign else _Half(None, None, None)
    id: str | None = None
    prefix: str | None = None
    if resource.id is not None and resource.id.endswith(WILDCARD):
        # A resource's id is never `*` alone, so `type:*` can only mean all of them, and `type:a*` those that begin so.
        prefix = checked_id_prefix(resource.id[:-1]) if resource.id != WILDCARD else None
    elif resource.id is not None:
        id = checked_id(resource.id)
    if subject.id is not None and subject.id != WILDCARD:
        checked_id(subject.id)
    if subject.relation is not None and subject.relation not in ("", "..."):
        checked_name(subject.relation)
    return RelationshipFilter(
        resource_type=_checked_type(resource),
        resource_id=id,
        resource_id_prefix=prefix,
        relation=checked_name(resource.relation) if resource.relation is not None else None,
        subject_type=_checked_type(subject),
        subject_id=subject.id,
        subject_relation="" if subject.relation == "..." else subject.relation,
    )


def merged_filter(text: str | None, options: RelationshipFilter) -> RelationshipFilter | None:
    """The filter of an argument and of options; None where neither says anything. Raises BadParameter for a part that
    is given twice."""
    given = {key: value for key, value in asdict(options).items() if value is not None}
    if text is not None:
        for key, value in asdict(parse_filter(text)).items():
            if value is not None:
                if key in given:
                    raise typer.BadParameter(f"the filter names its {key} twice: `{value}` and `{given[key]}`")
                given[key] = value
    if "resource_id" in given and "resource_id_prefix" in given:
        raise typer.BadParameter("a filter has a resource id or the beginning of one, not both")
    return RelationshipFilter(**given) if given else None


def _cut(text: str) -> tuple[str, str, str]:
    """At the `@` before the subject. Ids may hold some too, so a resource is followed by `#` before its subject."""
    before, hash_sign, after = text.partition("#")
    if text.startswith("@") or not hash_sign:
        return ("", "@", text[1:]) if text.startswith("@") else (text, "", "")
    relation, at_sign, subject = after.partition("@")
    if not relation:
        if not at_sign:
            raise InvalidReference(f"`{shortened(text)}` ends in `#`: name a relation or leave the `#` away")
        return before, at_sign, subject
    return f"{before}#{relation}", at_sign, subject


def _parse_half(text: str) -> _Half:
    reference, hash_sign, relation = text.partition("#")
    type, colon, id = reference.partition(":")
    if colon and not id:
        raise InvalidReference(f"`{shortened(text)}` ends its reference in `:`: name an id or leave the `:` away")
    if colon and not type:
        raise InvalidReference(f"`{shortened(text)}` names an id without a type: write `type:id`")
    return _Half(type or None, id if colon else None, relation if hash_sign else None)


def _checked_type(half: _Half) -> str | None:
    return None if half.type is None else checked_type(half.type)
