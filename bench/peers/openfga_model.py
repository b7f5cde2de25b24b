"""A schema as OpenFGA's authorization model: the same types, relations and set expressions in its words.

Law: what it has no word for (caveats, `along`, `exists`, `subject->`, `.all`) is refused by name, never weakened."""

from __future__ import annotations

from bench.peers.peer import CannotAsk
from remit.language import compile_schema
from remit.language.plan import (
    Arrow,
    Definition,
    Exclusion,
    Expression,
    Intersection,
    Name,
    Relation,
    SubjectType,
    Union,
)

SCHEMA_VERSION = "1.1"

Json = dict[str, object]


def model_of(schema: str) -> list[Json]:
    """`type_definitions`, as protobuf's JSON. Raises CannotAsk."""
    return [_type(definition) for definition in compile_schema(schema).schema.definitions.values()]


def _type(definition: Definition) -> Json:
    relations: Json = {name: {"this": {}} for name in definition.relations}
    relations |= {name: _userset(each.expression) for name, each in definition.permissions.items()}
    direct = {
        name: {"directly_related_user_types": [_reference(each) for each in _plain(relation)]}
        for name, relation in definition.relations.items()
    }
    return {"type": definition.name, "relations": relations, "metadata": {"relations": direct}}


def _plain(relation: Relation) -> tuple[SubjectType, ...]:
    for each in relation.subject_types:
        if each.caveat or each.expiration or each.not_before:
            raise CannotAsk(
                f"relation `{relation.name}` carries a caveat or a time, which its model has not in this form"
            )
    return relation.subject_types


def _reference(subject: SubjectType) -> Json:
    if subject.wildcard:
        return {"type": subject.type, "wildcard": {}}
    return {"type": subject.type, "relation": subject.relation} if subject.relation else {"type": subject.type}


def _userset(expression: Expression) -> Json:
    match expression:
        case Name(name):
            return {"computed_userset": {"relation": name}}
        case Union(children):
            return {"union": {"child": [_userset(child) for child in children]}}
        case Intersection(children):
            return {"intersection": {"child": [_userset(child) for child in children]}}
        case Exclusion(base, subtracted):
            return {"difference": {"base": _userset(base), "subtract": _userset(subtracted)}}
        case Arrow(relation, name, all=False):
            return {"tuple_to_userset": {"tupleset": {"relation": relation}, "computed_userset": {"relation": name}}}
        case _:
            raise CannotAsk(f"its model has no word for `{expression}`")
