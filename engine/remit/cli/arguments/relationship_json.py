"""Relationships as JSON objects, as `remit import` reads them."""

from __future__ import annotations

from remit.errors import InvalidContext, InvalidRelationship
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef
from remit.notation import (
    canonical_json,
    checked_caveat,
    checked_name,
    checked_object,
    checked_subject,
    normalized_context,
    parse_context,
    parse_relationship,
    parse_time,
    shortened,
)

Json = dict[str, object]


def parse_relationship_json(text: str) -> Relationship:
    """The relationship in an object: its text under `relationship`, or else its parts. Raises InvalidRelationship,
    InvalidReference and InvalidContext."""
    try:
        shape = parse_context(text)
    except InvalidContext as error:
        raise InvalidRelationship(f"`{shortened(text)}` is not a JSON object: {error.message}") from error
    if "relationship" in shape:
        return parse_relationship(_text(shape, "relationship"))
    resource, subject = _object(shape, "resource"), _object(shape, "subject")
    return Relationship(
        checked_object(ObjectRef(_text(resource, "type"), _text(resource, "id"))),
        checked_name(_text(shape, "relation")),
        checked_subject(
            SubjectRef(_text(subject, "type"), _text(subject, "id"), _text(subject, "relation", "")), wildcard=True
        ),
        Qualifiers(
            _caveat(_object(shape, "caveat")) if "caveat" in shape else None,
            parse_time(_text(shape, "not_before"), round_up=True) if "not_before" in shape else None,
            parse_time(_text(shape, "expiration")) if "expiration" in shape else None,
        ),
    )


def _caveat(shape: Json) -> CaveatUse:
    context = normalized_context(_object(shape, "context")) if "context" in shape else {}
    return CaveatUse(checked_caveat(_text(shape, "name")), canonical_json(context))


def _text(shape: Json, key: str, default: str | None = None) -> str:
    value = shape.get(key, default)
    if not isinstance(value, str):
        raise InvalidRelationship(f"`{key}` is missing from `{shortened(str(shape))}`, or is not text")
    return value


def _object(shape: Json, key: str) -> Json:
    value = shape.get(key)
    if not isinstance(value, dict):
        raise InvalidRelationship(f"`{key}` is missing from `{shortened(str(shape))}`, or is not an object")
    return value
