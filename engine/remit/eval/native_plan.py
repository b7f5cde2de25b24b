"""A compiled schema as the core takes it: nested tuples, of which `remit-core/src/schema/plan.rs` is made.

Law: schemas with the same plan are the same tuples, and nothing that a question may hang on is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from remit.language import plan

if TYPE_CHECKING:
    from remit import _core


def schema_of(schema: plan.Schema) -> _core.SchemaTuple:
    """Its definitions; each caveat as its name, its parameters with their types, and its checked expression; and
    whether it uses arguments."""
    caveats = [
        (name, [(parameter, str(type)) for parameter, type in caveat.parameters.items()], caveat.checked())
        for name, caveat in schema.caveats.items()
    ]
    return definitions_of(schema), caveats, schema.uses_arguments


def definitions_of(schema: plan.Schema) -> list[_core.DefinitionTuple]:
    """Each definition as its name, its relations, its permissions with their expressions, and what documents beside its
    relationships may ask."""
    return [
        (
            definition.name,
            list(definition.relations),
            [(name, expression_of(each.expression)) for name, each in definition.permissions.items()],
            [
                asking_of(name, each)
                for name, relation in definition.relations.items()
                for each in relation.subject_types
                if each.caveat is not None and each.declared
            ],
        )
        for definition in schema.definitions.values()
    ]


def asking_of(relation: str, alternative: plan.SubjectType) -> _core.AskingTuple:
    """Which relationships are written as it, and the permissions that their documents may name."""
    assert alternative.caveat is not None, "what has no document asks nothing"
    subjects = alternative.type, alternative.relation, alternative.wildcard
    times = alternative.expiration, alternative.not_before
    return relation, subjects, alternative.caveat, times, list(alternative.declared)


def expression_of(expression: plan.Expression) -> _core.ExpressionTuple:
    """What it is, and its fields."""
    match expression:
        case plan.Nil():
            return ("nil",)
        case plan.Self():
            return ("self",)
        case plan.Name(name):
            return "name", name
        case plan.Union(children):
            return "union", [expression_of(child) for child in children]
        case plan.Intersection(children):
            return "intersection", [expression_of(child) for child in children]
        case plan.Exclusion(base, subtracted):
            return "exclusion", expression_of(base), expression_of(subtracted)
        case plan.Arrow(relation, name, every):
            return "arrow", relation, name, every
        case plan.SubjectArrow(name):
            return "subject", name
        case plan.Exists(relation):
            return "exists", relation
        case plan.Along(child, relations):
            return "along", child, list(relations)
        case _:
            assert_never(expression)
