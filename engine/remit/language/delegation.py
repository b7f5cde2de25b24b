"""The rules that take the whole plan, because they ask who can reach what: `along`, `subject->`, type annotations.

An operator that answers NO for lack of something is safe where it grants and dangerous where it is subtracted or where
it is the whole of a chain's check; these rules refuse the dangerous places.
Law: of two schemas that differ only in spelling, both are refused or neither."""

from __future__ import annotations

from collections.abc import Iterable

from remit.language import plan
from remit.language.declarations import Declarations, Declared, Findings
from remit.language.printer import print_expression
from remit.language.reach import Reach
from remit.language.source import Issue
from remit.language.suggest import did_you_mean
from remit.language.syntax import (
    AlongSyntax,
    BinarySyntax,
    ExpressionSyntax,
    NameSyntax,
    Operator,
    PermissionSyntax,
    nodes_of,
)
from remit.language.translation import translate_expression


def check_reach(declarations: Declarations, schema: plan.Schema) -> tuple[Issue, ...]:
    """Every mistake that shows only in the plan; empty where there is none. Cost: O(reach of the schema)."""
    checker = _DelegationChecker(declarations, schema)
    for definition in declarations.definitions.values():
        for permission in definition.permissions:
            for node in nodes_of(permission.expression):
                if isinstance(node, AlongSyntax):
                    checker.along(definition, node)
                if isinstance(node, BinarySyntax) and node.operator is Operator.EXCLUSION:
                    checker.exclusion(definition, node)
            if "typechecking" in declarations.flags and permission.annotation:
                checker.annotation(definition, permission)
    return checker.found.issues


class _DelegationChecker:
    def __init__(self, declarations: Declarations, schema: plan.Schema) -> None:
        self.declarations = declarations
        self.schema = schema
        self.found = Findings(declarations.tree)
        # A userset is always in its own name (`doc:1#viewer` in `viewer` of `doc:1`). It acts for nobody, so it does
        # not count here; otherwise nothing could ever be subtracted from a relation.
        self.reach = Reach(schema, identity=False)
        # What SpiceDB counts for type annotations: `self` is not among it.
        self.typed = Reach(schema, identity=False, selves=False) if "typechecking" in declarations.flags else self.reach

    # --- along --------------------------------------------------------------------------------------------------

    def along(self, definition: Declared, along: AlongSyntax) -> None:
        links = self._links(definition, along)
        for relation in along.relations:
            permissive = sorted(type_ for type_ in links if relation.name in self.schema.definitions[type_].permissions)
            if permissive:
                message = f"`along` follows relations, and `{relation.name}` is a permission of `{permissive[0]}`"
                self.found.error("along-permission", message, relation.span, "name the relations it is made of")
            elif not any(relation.name in self.schema.definitions[type_].relations for type_ in links):
                reached = ", ".join(f"`{type_}`" for type_ in sorted(links)) or "nothing"
                message = (
                    f"`along` follows `{relation.name}`, which no type that can be in `{along.child.name}` declares; "
                    f"that reaches {reached}"
                )
                names = {name for type_ in links for name in self.schema.definitions[type_].relations}
                advice = did_you_mean(relation.name, names) or "leave it out, or let a type that declares it in"
                self.found.error("along-unreachable-relation", message, relation.span, advice)

    def _links(self, definition: Declared, along: AlongSyntax) -> set[str]:
        """The types a chain may be made of: those in the child, and those that its relations lead to."""
        links = set(self.reach.subjects(definition.name, along.child.name).plain)
        waiting = list(links)
        while waiting:
            relations = self.schema.definitions[waiting.pop()].relations
            for name in along.relations:
                for target in relations[name.name].subject_types if name.name in relations else ():
                    if target.type not in links:
                        links.add(target.type)
                        waiting.append(target.type)
        return links

    # --- exclusion ----------------------------------------------------------------------------------------------

    def exclusion(self, definition: Declared, node: BinarySyntax) -> None:
        """`subject->p` is NO for a subject that has no `p` or is a userset; subtracted, that would let it pass."""
        base = translate_expression(self.declarations, node.left)
        reaching = self.reach.subjects_of(definition.name, base)
        for operand in nodes_of(node.right):
            if isinstance(operand, BinarySyntax):
                continue
            for asked in sorted(self._asked_by(definition.name, translate_expression(self.declarations, operand))):
                without = sorted(type_ for type_ in reaching.plain if not self.schema.definitions[type_].has(asked))
                usersets = sorted(f"{type_}#{relation}" for type_, relation in reaching.usersets)
                if not without and not usersets:
                    continue
                who = ", ".join(f"`{one}`" for one in (*without, *usersets)[:5])
                direct = self.declarations.is_subject_arrow(operand)
                how = "" if direct else f" (by `{_shown(operand)}`)"
                message = (
                    f"`subject->{asked}`{how} is subtracted, and would not stop {who}, which cannot be asked `{asked}`"
                )
                advice = f"declare `{asked}` on each, or keep them out of what it is subtracted from"
                self.found.error("subject-arrow-subtracted", message, operand.span, advice)

    def _asked_by(self, type_: str, expression: plan.Expression) -> set[str]:
        """Every `p` of a `subject->p` that the value of an expression may rest on, whatever names lie between."""
        asked: set[str] = set()
        seen: set[tuple[str, str]] = set()
        waiting = [(type_, expression)]
        while waiting:
            at, whole = waiting.pop()
            for node in plan.nodes_of(whole):
                asked.update(plan.reads_of(node).subject)
                for goal in self.schema.asked_by(at, node):
                    permission = self.schema.definitions[goal[0]].permissions.get(goal[1])
                    if permission and goal not in seen:
                        seen.add(goal)
                        waiting.append((goal[0], permission.expression))
        return asked

    # --- annotations --------------------------------------------------------------------------------------------

    def annotation(self, definition: Declared, permission: PermissionSyntax) -> None:
        """`permission view: user = …` under `use typechecking`. As in SpiceDB it may name more than can be there, not
        less, and `self` does not count."""
        reaching = self.typed.subjects(definition.name, permission.name).plain
        missing = sorted(reaching - set(permission.annotation))
        if missing:
            message = (
                f"permission `{permission.name}` says it holds {_listed(permission.annotation)}, "
                f"and {_listed(missing)} can be in it"
            )
            advice = f"write `{permission.name}: {' | '.join((*permission.annotation, *missing))}`"
            self.found.error("incomplete-annotation", message, permission.name_span, advice)


def _shown(operand: ExpressionSyntax) -> str:
    return operand.name if isinstance(operand, NameSyntax) else print_expression(operand)


def _listed(types: Iterable[str]) -> str:
    return ", ".join(f"`{type_}`" for type_ in types)
