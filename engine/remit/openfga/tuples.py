"""OpenFGA's tuples → relationships of a translated schema.

A tuple is `{object, relation, user}`, perhaps with `condition: {name, context}`. Where its relation became two names
(see `translation.py`), it goes to the one that is written.
Law: a tuple that Remit cannot hold as it is is refused, with the value; none is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from remit.errors import InvalidRelationship
from remit.model import PLAIN, CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef
from remit.notation import canonical_json, checked_object, checked_subject, normalized_context, shortened
from remit.openfga.translation import Names


class NoPlace(InvalidRelationship):
    """A tuple that the model has no place for: OpenFGA keeps such ones from older models, and passes over them."""


KEYS = ("object", "relation", "user", "condition")


def read_tuple(written: Mapping[str, Any], names: Names) -> Relationship:
    """Raises InvalidRelationship, or InvalidReference for an id, naming what does not fit."""
    if not isinstance(written, Mapping) or not all(isinstance(written.get(key), str) for key in KEYS[:3]):
        _fail(written, "a tuple has `object`, `relation` and `user`, each a text")
    if unknown := [key for key in written if key not in KEYS]:
        _fail(written, f"a tuple has no `{shortened(str(unknown[0]))}`")
    type_, _, _ = written["object"].partition(":")
    direct = names.direct.get((type_, written["relation"]))
    if direct is None:
        raise NoPlace(
            f"`{shortened(_shown(written))}`: nothing may be written to `{shortened(written['relation'])}` of "
            f"`{shortened(type_)}`"
        )
    resource = read_object(written["object"], names)
    subject = read_user(written["user"], names, wildcard=True)
    return Relationship(resource, direct, subject, _qualifiers(written))


def read_object(text: str, names: Names) -> ObjectRef:
    """`type:id`, the type named as the schema has it. Raises InvalidReference or InvalidRelationship."""
    type_, separator, id = text.partition(":")
    if not separator:
        raise InvalidRelationship(f"`{shortened(text)}` is no object: write `type:id`")
    return checked_object(ObjectRef(_type(type_, names), id), field="object")


def read_user(text: str, names: Names, *, wildcard: bool = False) -> SubjectRef:
    """`type:id`, `type:id#relation` or, where it may be, `type:*`. Raises as `read_object`."""
    plain, separator, relation = text.partition("#")
    type_, colon, id = plain.partition(":")
    if not colon or (separator and not relation):
        raise InvalidRelationship(f"`{shortened(text)}` is no user: write `type:id`, `type:id#relation` or `type:*`")
    if relation:
        found = names.relations.get((type_, relation))
        if found is None:
            raise NoPlace(f"`{shortened(text)}`: `{shortened(type_)}` has no relation `{shortened(relation)}`")
        relation = found
    return checked_subject(SubjectRef(_type(type_, names), id, relation), wildcard=wildcard, field="user")


def _type(name: str, names: Names) -> str:
    found = names.types.get(name)
    if found is None:
        raise NoPlace(f"type `{shortened(name)}` is not defined in the model")
    return found


def _qualifiers(written: Mapping[str, Any]) -> Qualifiers:
    condition = written.get("condition")
    if not condition:
        return PLAIN
    if not isinstance(condition, Mapping) or not isinstance(condition.get("name"), str):
        _fail(written, "a condition has a `name` and perhaps a `context`")
    context = normalized_context(condition.get("context") or {})
    return Qualifiers(caveat=CaveatUse(condition["name"], canonical_json(context)))


def _fail(written: object, message: str) -> NoReturn:
    raise InvalidRelationship(f"the tuple `{shortened(_shown(written))}` cannot be read: {message}")


def _shown(written: object) -> str:
    if isinstance(written, Mapping):
        return f"{written.get('object')}#{written.get('relation')}@{written.get('user')}"
    return str(written)
