"""Checked syntax → plan: names stay, parentheses vanish, and operators of one kind become one node of many operands.

Nothing is judged here; what the checker lets through has exactly one plan.
Law: two trees that differ only in spans, comments' markers and redundant parentheses give equal plans."""

from __future__ import annotations

import re
from collections.abc import Mapping

from remit.language import plan
from remit.language.caveats import Caveat, Programs
from remit.language.declarations import Declarations, Declared
from remit.language.effort import Effort
from remit.language.parameters import ParameterType
from remit.language.syntax import (
    AlongSyntax,
    ArrowSyntax,
    BinarySyntax,
    CaveatSyntax,
    ExistsSyntax,
    ExpressionSyntax,
    NameSyntax,
    NilSyntax,
    Operator,
    ParameterTypeSyntax,
    PermissionSyntax,
    RelationSyntax,
    SelfSyntax,
    TypeSyntax,
    operands_of,
)


def translate(declarations: Declarations, programs: Programs, text: str, expansion: str, effort: Effort) -> plan.Schema:
    """The plan of declarations that `check` has found nothing wrong with, their caveats compiled. Cost: O(tree)."""
    definitions = {
        name: _definition(declarations, declared, effort) for name, declared in declarations.definitions.items()
    }
    caveats = {name: _caveat(caveat, programs, effort) for name, caveat in declarations.caveats.items()}
    return plan.Schema(
        definitions,
        caveats,
        text,
        expansion,
        _chain_relations(definitions, effort),
        uses_arguments=declarations.uses_arguments,
    )


def _definition(declarations: Declarations, declared: Declared, effort: Effort) -> plan.Definition:
    permissions = {
        permission.name: _permission(declarations, permission, effort) for permission in declared.permissions
    }
    relations = {relation.name: _relation(relation, effort) for relation in declared.relations}
    return plan.Definition(declared.name, relations, permissions, doc_of(declared.syntax.comments))


def _relation(relation: RelationSyntax, effort: Effort) -> plan.Relation:
    effort.step(1 + len(relation.types))
    return plan.Relation(
        relation.name,
        tuple(translate_subject_type(type_) for type_ in relation.types),
        relation.single,
        relation.final,
        relation.managed,
        doc_of(relation.comments),
    )


def translate_subject_type(type_: TypeSyntax) -> plan.SubjectType:
    """`type#...` is the plain type, as in SpiceDB; what is declared is a set."""
    return plan.SubjectType(
        type_.type,
        "" if type_.relation in (None, "...") else type_.relation,
        type_.wildcard,
        type_.caveat,
        type_.expiration,
        type_.not_before,
        tuple(sorted({(each.type, each.permission) for each in type_.declared})),
    )


def _permission(declarations: Declarations, permission: PermissionSyntax, effort: Effort) -> plan.Permission:
    return plan.Permission(
        permission.name,
        translate_expression(declarations, permission.expression, effort),
        permission.annotation,
        doc_of(permission.comments),
    )


def translate_expression(declarations: Declarations, syntax: ExpressionSyntax, effort: Effort) -> plan.Expression:
    """Parentheses vanish, and `+` and `&` join their neighbours of the same kind, as in SpiceDB."""
    effort.step()
    match syntax:
        case NilSyntax():
            return plan.Nil()
        case SelfSyntax():
            return plan.Self()
        case NameSyntax(name):
            return plan.Name(name)
        case ArrowSyntax(NameSyntax(left), name, function):
            if declarations.is_subject_arrow(syntax):
                return plan.SubjectArrow(name)
            return plan.Arrow(left, name, all=function == "all")
        case ExistsSyntax(relation):
            return plan.Exists(relation.name)
        case AlongSyntax(child, relations):
            return plan.Along(child.name, tuple(relation.name for relation in relations))
        case ArrowSyntax():
            raise AssertionError(f"the checker lets no {syntax!r} through")
        case BinarySyntax(operator):
            operands = tuple(translate_expression(declarations, operand, effort) for operand in operands_of(syntax))
            match operator:
                case Operator.UNION:
                    return plan.Union(operands)
                case Operator.INTERSECTION:
                    return plan.Intersection(operands)
                case Operator.EXCLUSION:
                    return plan.Exclusion(*operands)


def _caveat(caveat: CaveatSyntax, programs: Programs, effort: Effort) -> Caveat:
    effort.step()
    parameters = {parameter.name: _parameter_type(parameter.type) for parameter in caveat.parameters}
    return Caveat(caveat.name, parameters, caveat.expression, doc_of(caveat.comments), programs)


def _parameter_type(syntax: ParameterTypeSyntax) -> ParameterType:
    return ParameterType(syntax.name, _parameter_type(syntax.child) if syntax.child else None)


def _chain_relations(definitions: Mapping[str, plan.Definition], effort: Effort) -> frozenset[str]:
    found: set[str] = set()
    for definition in definitions.values():
        for permission in definition.permissions.values():
            for node in plan.nodes_of(permission.expression):
                effort.step()
                if isinstance(node, plan.Along):
                    found.update(node.relations)
    return frozenset(found)


_MARKERS = re.compile(r"^\s*(?:/\*\*?|\*/|\*(?!/)|//+)?\s?|\s*\*/\s*$")
_DIRECTIVE = re.compile(r"\s*(?:spicedb|remit)-ignore-warning:")


def doc_of(comments: tuple[str, ...]) -> str:
    """The comments above something as prose: without their markers, directives to the lints left out."""
    lines = [_MARKERS.sub("", line).rstrip() for comment in comments for line in comment.splitlines()]
    return "\n".join(line for line in lines if not _DIRECTIVE.match(line)).strip()
