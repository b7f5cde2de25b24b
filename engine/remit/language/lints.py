"""Warnings: schemas that compile and probably do not mean what their writer hopes.

The first five are SpiceDB's, by its names. A comment above a relation, permission, caveat or definition silences one of
them there: `// remit-ignore-warning: name` (SpiceDB's `spicedb-ignore-warning` is read too).
Law: a warning changes nothing; the plan is the same with and without it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from remit.language import plan
from remit.language.caveats import is_cidr
from remit.language.declarations import Declarations, Declared, Findings, Member
from remit.language.effort import Effort
from remit.language.printer import print_expression
from remit.language.reach import Reach
from remit.language.source import Issue, Span
from remit.language.syntax import (
    AlongSyntax,
    ArrowSyntax,
    BinarySyntax,
    ExpressionSyntax,
    NameSyntax,
    PermissionSyntax,
    RelationSyntax,
    nodes_of,
)
from remit.language.wildcards import Holders, userset_of

LINTS: Mapping[str, str] = {
    "relation-name-references-parent": "a name that ends in the type's own name says it twice",
    "permission-references-itself": "a permission that reads itself adds nothing by it",
    "arrow-references-unreachable-relation": "an arrow to a name that nothing it leads to has is always NO",
    "arrow-references-relation": "an arrow that points at another type's relation ties the two types together",
    "arrow-walks-subject-relation": "an arrow looks at a userset's object and ignores its relation",
    "mixed-operators-without-parentheses": "`+` binds tighter than `&`, and `&` tighter than `-`; few expect it",
    "permission-never-satisfied": "nobody can be in this permission, whatever is written",
    "authority-does-not-narrow": "a run may hold this without the links above it holding it",
    "along-leaves-links-out": "another `along` follows more of these links' relations, and asks more of the chain",
    "overlooked-wildcard": "a userset brings a wildcard in from elsewhere, which SpiceDB may overlook or refuse",
    "invalid-cidr": "an `in_cidr` whose network cannot be read fails whenever it is asked",
}
"""Every warning by its stable name, and why it is one."""


def lint(
    declarations: Declarations, schema: plan.Schema, reach: Reach, holders: Holders, effort: Effort
) -> tuple[Issue, ...]:
    """The warnings of a schema that compiles; `reach` is without identity, `holders` are its wildcards'. Cost: O(reach
    of the schema)."""
    linter = _Linter(declarations, schema, reach, holders, effort)
    for definition in declarations.definitions.values():
        for member in definition.members.values():
            linter.member(definition, member)
    linter.authority()
    linter.caveats()
    return linter.found.issues


class _Linter:
    def __init__(
        self, declarations: Declarations, schema: plan.Schema, reach: Reach, holders: Holders, effort: Effort
    ) -> None:
        self.declarations = declarations
        self.schema = schema
        self.effort = effort
        self.found = Findings(declarations.tree, effort)
        self.reach = reach
        self.wildcard_holders = holders
        # A relation → the userset it allows first.
        self.usersets: dict[tuple[str, str], plan.SubjectType | None] = {}

    def _warn(self, definition: Declared, member: Member, code: str, message: str, span: Span, advice: str) -> None:
        if code not in _silenced(definition.syntax.comments) | _silenced(member.comments):
            self.found.warning(code, message, span, advice)

    # --- one member at a time -----------------------------------------------------------------------------------

    def member(self, definition: Declared, member: Member) -> None:
        self.effort.step()
        kind = "permission" if isinstance(member, PermissionSyntax) else "relation"
        own_name = definition.name.rpartition("/")[2]
        if member.name.endswith(own_name):
            message = f"{kind} `{member.name}` repeats the name of its type `{definition.name}`"
            shorter = member.name.removesuffix(own_name).rstrip("_")
            advice = f"call it `{shorter}`" if shorter else "name it for what it means"
            self._warn(definition, member, "relation-name-references-parent", message, member.name_span, advice)
        if isinstance(member, PermissionSyntax):
            self._permission(definition, member)
        else:
            self._relation(definition, member)

    def _relation(self, definition: Declared, relation: RelationSyntax) -> None:
        for type_ in relation.types:
            self.effort.step()
            name = userset_of(type_)
            wildcard = self.wildcard_holders.get((type_.type, name)) if name is not None else None
            if wildcard is not None and type_.type != definition.name:
                message = f"`{type_.type}#{name}` brings `{wildcard}` in from another definition"
                advice = f"allow `{wildcard}` on `{relation.name}` itself"
                self._warn(definition, relation, "overlooked-wildcard", message, type_.span, advice)

    def _permission(self, definition: Declared, permission: PermissionSyntax) -> None:
        for node in nodes_of(permission.expression):
            self.effort.step()
            if isinstance(node, NameSyntax) and node.name == permission.name:
                message = f"permission `{permission.name}` reads itself"
                advice = "leave it out; behind a `-` it leaves the answer undefined"
                self._warn(definition, permission, "permission-references-itself", message, node.span, advice)
            elif self.declarations.is_subject_arrow(node) and isinstance(node, ArrowSyntax):
                self._subject_arrow(definition, permission, node)
            elif isinstance(node, ArrowSyntax):
                self._arrow(definition, permission, node)
            elif isinstance(node, AlongSyntax):
                self._along(definition, permission, node)
        if mixed := _mixed(permission.expression):
            message = f"`{permission.name}` mixes operators without parentheses"
            advice = f"it is read as `{print_expression(permission.expression)}`; write it so, or as you mean it"
            self._warn(definition, permission, "mixed-operators-without-parentheses", message, mixed.span, advice)
        compiled = self.schema.definitions[definition.name].permissions[permission.name]
        # A bare `nil` is written on purpose.
        if compiled.expression != plan.Nil() and self.reach.is_empty(definition.name, permission.name):
            message = f"nobody can be in permission `{permission.name}` of `{definition.name}`"
            advice = "the types on its two sides never meet, or it only ever asks itself"
            self._warn(definition, permission, "permission-never-satisfied", message, permission.name_span, advice)

    def _arrow(self, definition: Declared, permission: PermissionSyntax, arrow: ArrowSyntax) -> None:
        assert isinstance(arrow.left, NameSyntax), "the checker refuses chained arrows"
        relation = self.schema.definitions[definition.name].relations[arrow.left.name]
        holders = self.reach.holders_among(definition.name, relation.name, arrow.name)
        shown = print_expression(arrow)
        if not holders:
            message = f"`{shown}` is always NO: `{arrow.name}` is on no type that `{relation.name}` leads to"
            names = sorted({f"`{subject.type}`" for subject in relation.subject_types})
            self.effort.step(len(names))
            advice = f"it leads to {', '.join(names[:_LISTED_MAX])}" + (", …" if len(names) > _LISTED_MAX else "")
            self._warn(definition, permission, "arrow-references-unreachable-relation", message, arrow.span, advice)
        for target in holders:
            self.effort.step()
            if target != definition.name and arrow.name in self.schema.definitions[target].relations:
                message = f"`{shown}` points at a relation of `{target}`"
                advice = f"give `{target}` a permission that says what the relation grants, and point at that"
                self._warn(definition, permission, "arrow-references-relation", message, arrow.span, advice)
                break
        if (subject := self._first_userset(definition.name, relation)) is not None:
            message = f"`{shown}` ignores `#{subject.relation}` of `{subject.type}#{subject.relation}`"
            advice = "an arrow looks at the object alone; allow the plain type, or ask the userset by a permission"
            self._warn(definition, permission, "arrow-walks-subject-relation", message, arrow.span, advice)

    def _first_userset(self, definition: str, relation: plan.Relation) -> plan.SubjectType | None:
        key = definition, relation.name
        if key not in self.usersets:
            self.effort.step(len(relation.subject_types))
            self.usersets[key] = next((each for each in relation.subject_types if each.relation), None)
        return self.usersets[key]

    def _subject_arrow(self, definition: Declared, permission: PermissionSyntax, arrow: ArrowSyntax) -> None:
        if not self.reach.holders(arrow.name):
            message = f"`subject->{arrow.name}` is always NO: no type has `{arrow.name}`"
            advice = "declare it on the types that act"
            self._warn(definition, permission, "arrow-references-unreachable-relation", message, arrow.span, advice)

    def _along(self, definition: Declared, permission: PermissionSyntax, along: AlongSyntax) -> None:
        """A chain is the same for all that is asked of it, unless somebody says why not."""
        named = frozenset(relation.name for relation in along.relations)
        others = self.schema.chain_relations - named
        if not others:
            return
        definitions = self.schema.definitions
        links = set(self.reach.plain_of(definition.name, along.child.name, definitions))
        waiting = list(links)
        while waiting:
            relations = definitions[waiting.pop()].relations
            for target in (each.type for name in named & relations.keys() for each in relations[name].subject_types):
                self.effort.step()
                if target not in links:
                    links.add(target)
                    waiting.append(target)
        left = frozenset(name for name in others if any(name in definitions[type_].relations for type_ in links))
        if left:
            message = f"`{print_expression(along)}` does not follow {_listed(left)}, which another `along` does"
            advice = "name all the relations that make the chain, or say in a comment why those are left out"
            self._warn(definition, permission, "along-leaves-links-out", message, along.span, advice)

    # --- authority that does not narrow -------------------------------------------------------------------------

    def authority(self) -> None:
        """What a link of a chain could hold although a link above it does not."""
        chained = frozenset(
            definition.name
            for definition in self.schema.definitions.values()
            if not self.schema.chain_relations.isdisjoint(definition.relations)
        )
        if not chained:
            return
        links = chained | {
            subject.type
            for type_ in chained
            for relation in self.schema.definitions[type_].relations.values()
            if relation.name in self.schema.chain_relations
            for subject in relation.subject_types
        }
        outside = Reach(self.schema, identity=False, along=False, effort=self.effort)
        # `exists()` holds for everyone at once, so subtracting it stops every link alike.
        named = Reach(self.schema, identity=False, exists=False, effort=self.effort)
        # What a subject may do with itself alone is no authority over anything.
        over_others = Reach(self.schema, identity=False, along=False, selves=False, effort=self.effort)
        narrowing: list[tuple[str, str]] = []
        for definition, permission in self._entries(links):
            held = outside.plain_of(definition.name, permission.name, chained)
            if not over_others.plain_of(definition.name, permission.name, (definition.name,)):
                held -= {definition.name}
            if held:
                message = (
                    f"{_listed(held)} can be in `{permission.name}` of `{definition.name}` by no `along`: nothing asks "
                    "whether the links above may"
                )
                advice = "name what a link needs, and make this `….along(…)` of it"
                self._warn(definition, permission, "authority-does-not-narrow", message, permission.name_span, advice)
            else:
                narrowing.append((definition.name, permission.name))
        for at, by, exclusion in self._exclusions(narrowing):
            stopped = named.plain_of_expression(at.name, exclusion.subtracted, links)
            if stopped and self.reach.plain_of_expression(at.name, exclusion.base, chained):
                message = (
                    f"`{by.name}` subtracts outside `along` what can hold {_listed(stopped)}: it stops the acting "
                    "subject alone, and not a run below one that it holds"
                )
                advice = "subtract it inside the permission that `along` asks of every link"
                self._warn(at, by, "authority-does-not-narrow", message, by.name_span, advice)

    def _entries(self, links: frozenset[str]) -> Iterator[tuple[Declared, PermissionSyntax]]:
        """The permissions that no other uses, of themselves or of a link: those that are asked from outside."""
        used: set[tuple[str, str]] = set()
        asked_of_subjects: set[str] = set()
        for definition in self.schema.definitions.values():
            for permission in definition.permissions.values():
                for node in plan.nodes_of(permission.expression):
                    self.effort.step()
                    asked_of_subjects.update(plan.reads_of(node).subject)
                    # A folder that asks its parent is not used by anything else for it.
                    used.update(set(self.reach.asked_by(definition.name, node)) - {(definition.name, permission.name)})
            for relation_ in definition.relations.values():
                used.update((subject.type, subject.relation) for subject in relation_.subject_types if subject.relation)
        for declared in self.declarations.definitions.values():
            for syntax in declared.permissions:
                is_asked_of_a_link = declared.name in links and syntax.name in asked_of_subjects
                if (declared.name, syntax.name) not in used and not is_asked_of_a_link:
                    yield declared, syntax

    def _exclusions(
        self, permissions: list[tuple[str, str]]
    ) -> Iterator[tuple[Declared, PermissionSyntax, plan.Exclusion]]:
        """Every exclusion that the answer of one of the permissions rests on without an `along` in between, and where
        it stands."""
        seen = set(permissions)
        waiting = list(permissions)
        while waiting:
            type_, name = waiting.pop()
            declared = self.declarations.definitions[type_]
            syntax = declared.permission(name)
            if syntax is None:
                continue
            for node in plan.nodes_of(self.schema.definitions[type_].permissions[name].expression):
                self.effort.step()
                if isinstance(node, plan.Along):
                    continue
                if isinstance(node, plan.Exclusion):
                    yield declared, syntax, node
                for goal in self.reach.asked_by(type_, node):
                    if goal not in seen:
                        seen.add(goal)
                        waiting.append(goal)

    # --- caveats ------------------------------------------------------------------------------------------------

    def caveats(self) -> None:
        for caveat in self.declarations.caveats.values():
            if "invalid-cidr" in _silenced(caveat.comments):
                continue
            self.effort.step()
            for found in _CIDR_LITERAL.finditer(caveat.expression):
                if not is_cidr(found[2]):
                    start = caveat.expression_span.start + found.start(2)
                    message = f"`{found[2]}` is not a network, and the caveat fails whenever it is asked about one"
                    span = Span(start, start + len(found[2]))
                    self.found.warning("invalid-cidr", message, span, "write one such as `10.0.0.0/8`")


_LISTED_MAX = 10  # types in a message

_CIDR_LITERAL = re.compile(r"\.in_cidr\(\s*(['\"])([^'\"\\\n]*)\1\s*\)")
_IGNORE = re.compile(r"(?:spicedb|remit)-ignore-warning:\s*([a-z-]+(?:\s*,\s*[a-z-]+)*)")


def _silenced(comments: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        name.strip() for comment in comments for found in _IGNORE.findall(comment) for name in found.split(",")
    )


def _mixed(expression: ExpressionSyntax) -> BinarySyntax | None:
    """The first operator that holds one of another kind with no parentheses around it."""
    for node in nodes_of(expression):
        if isinstance(node, BinarySyntax):
            for side in (node.left, node.right):
                if isinstance(side, BinarySyntax) and side.operator is not node.operator and not side.parenthesized:
                    return node
    return None


def _listed(types: frozenset[str]) -> str:
    return ", ".join(f"`{type_}`" for type_ in sorted(types))
