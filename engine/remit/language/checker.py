"""The schema judged by its names: everything SpiceDB's compiler and type system refuse, each at its place.

All findings are reported, not the first; what depends on a name that is not known is not judged further. What needs to
know who can reach what (the rules of delegation, type annotations) is in `delegation.py`.
Law: a tree without findings compiles to a plan in which every name exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from remit.arguments.side import SIDES
from remit.language.caveats import ExpressionIssue, Program, Programs
from remit.language.declarations import SUBJECT, Declarations, Declared, Findings
from remit.language.effort import Effort
from remit.language.parameters import GENERIC, NAMES, ParameterType
from remit.language.source import Issue, Span
from remit.language.syntax import (
    AlongSyntax,
    ArrowSyntax,
    BinarySyntax,
    CaveatSyntax,
    DefinitionSyntax,
    ExistsSyntax,
    ExpressionSyntax,
    NameSyntax,
    NilSyntax,
    ParameterTypeSyntax,
    PermissionReferenceSyntax,
    PermissionSyntax,
    RelationSyntax,
    SelfSyntax,
    TopLevelSyntax,
    TypeSyntax,
    listed_permissions,
    nodes_of,
)
from remit.language.tokens import ARGUMENTS, DELEGATION
from remit.language.wildcards import Holders, find_overlooked, userset_of
from remit.notation import CAVEAT_PATTERN, NAME_PATTERN, TYPE_LENGTH_MAX, TYPE_PATTERN

# A word that a flag would give a meaning, and the flag.
_FLAGGED_WORDS = {
    "self": "self",
    "expiration": "expiration",
    "not_before": "not_before",
    SUBJECT: DELEGATION,
    **dict.fromkeys(SIDES, ARGUMENTS),
}


def check(declarations: Declarations, holders: Holders, effort: Effort) -> tuple[tuple[Issue, ...], Programs]:
    """Every mistake in a tree whose imports and partials are expanded, none where there is none, and what became of its
    caveats' expressions; `holders` are its wildcards'. Cost: O(tree), and CEL's compiler for each caveat."""
    checker = _Checker(declarations, holders, effort)
    checker.check()
    return checker.found.issues, checker.programs


class _Checker:
    def __init__(self, declarations: Declarations, holders: Holders, effort: Effort) -> None:
        self.declarations = declarations
        self.definitions = declarations.definitions
        self.effort = effort
        self.found = Findings(declarations.tree, effort)
        self.programs = Programs()
        self.wildcard_holders = holders
        self.overlooked_wildcards = find_overlooked(declarations, self.wildcard_holders, effort)
        # By name: the definitions that declare a relation of it, and those that declare a permission.
        self.with_relation: dict[str, list[Declared]] = {}
        self.with_permission: set[str] = set()
        self.chain_relations: set[str] = set()  # those that some `along` names, judged once each

    def check(self) -> None:
        self._top_level_names()
        self._caveats()
        for definition in self.definitions.values():
            self.with_permission.update(permission.name for permission in definition.permissions)
            for relation in definition.relations:
                self.with_relation.setdefault(relation.name, []).append(definition)
        for definition in self.definitions.values():
            self._member_names(definition)
            for relation in definition.relations:
                self._relation(definition, relation)
            for permission in definition.permissions:
                for node in nodes_of(permission.expression):
                    self.effort.step()
                    self._operand(definition, permission, node)
            self._alias_cycles(definition)

    # --- names --------------------------------------------------------------------------------------------------

    def _top_level_names(self) -> None:
        seen: dict[str, str] = {}
        imported: dict[str, str] = {}
        for item in self.declarations.tree.items:
            library = self._library_of(item)
            if library is not None and isinstance(item, (DefinitionSyntax, CaveatSyntax)):
                imported[item.name] = library
        for item in self.declarations.tree.items:
            self.effort.step()
            if not isinstance(item, (DefinitionSyntax, CaveatSyntax)):
                continue
            kind = "definition" if isinstance(item, DefinitionSyntax) else "caveat"
            pattern = TYPE_PATTERN if isinstance(item, DefinitionSyntax) else CAVEAT_PATTERN
            if len(item.name) > TYPE_LENGTH_MAX or not pattern.fullmatch(item.name):
                self._name_refused(kind, item.name, item.name_span)
            if isinstance(item, CaveatSyntax) and self.declarations.side_of(item.name) is not None:
                message = f"caveat `{item.name}` has the name of one that `use {ARGUMENTS}` brings"
                self.found.error("reserved-name", message, item.name_span, "give it another name")
            library = imported.get(item.name)
            if library is not None and self._library_of(item) is None:
                message = f"{kind} `{item.name}` has the name of one that `{library}` brings in"
                advice = "give it another name: what a library defines is used as it is"
                self.found.error("duplicate-definition", message, item.name_span, advice)
            elif library is None and item.name in seen:
                message = f"{kind} `{item.name}` has the name of a {seen[item.name]} above"
                self.found.error("duplicate-definition", message, item.name_span, "give one of them another name")
            seen.setdefault(item.name, kind)

    def _library_of(self, item: TopLevelSyntax) -> str | None:
        source = self.declarations.tree.sources.of(item.span)
        return source.name if source.library is not None else None

    def _member_names(self, definition: Declared) -> None:
        seen: dict[str, str] = {}
        for member in definition.syntax.members:
            self.effort.step()
            if not isinstance(member, (RelationSyntax, PermissionSyntax)):
                continue
            kind = "relation" if isinstance(member, RelationSyntax) else "permission"
            if not NAME_PATTERN.fullmatch(member.name):
                self._name_refused(kind, member.name, member.name_span)
            if member.name == SUBJECT and self.declarations.uses_delegation:
                message = f"{kind} `{SUBJECT}` has the name that `use delegation` gives to the acting subject"
                self.found.error("reserved-name", message, member.name_span, "give it another name")
            if member.name in seen:
                message = f"{kind} `{member.name}` has the name of a {seen[member.name]} of `{definition.name}` above"
                self.found.error("duplicate-member", message, member.name_span, "give one of them another name")
            seen.setdefault(member.name, kind)

    def _name_refused(self, kind: str, name: str, span: Span) -> None:
        advice = "names are up to 64 of `a-z`, `0-9` and `_`, from a letter to a letter or digit"
        self.found.error("invalid-name", f"`{name}` is no name for a {kind}", span, advice)

    # --- relations ----------------------------------------------------------------------------------------------

    def _relation(self, definition: Declared, relation: RelationSyntax) -> None:
        if not relation.types:
            message = f"relation `{relation.name}` of `{definition.name}` allows no subject type"
            self.found.error("missing-subject-type", message, relation.name_span)
        seen: set[object] = set()
        for type_ in relation.types:
            self.effort.step()
            self._subject_type(definition, relation, type_)
            if relation.final:
                self._final_type(definition, relation, type_)
            branch = (
                type_.type,
                userset_of(type_),
                type_.wildcard,
                type_.caveat,
                type_.expiration,
                type_.not_before,
            )
            if branch in seen:
                message = f"relation `{relation.name}` of `{definition.name}` allows `{source_of(type_)}` twice"
                advice = "name all permissions in one of them" if type_.declared else "leave one of them out"
                self.found.error("duplicate-subject-type", message, type_.span, advice)
            seen.add(branch)

    def _final_type(self, definition: Declared, relation: RelationSyntax, type_: TypeSyntax) -> None:
        """What a caveat or a time qualifies may come to an end, or be written again with other ones."""
        if type_.caveat is None and not type_.expiration and not type_.not_before:
            return
        message = (
            f"`{source_of(type_)}` gives the final relation `{relation.name}` of `{definition.name}` a condition, and "
            "what is final is so whoever asks and whenever"
        )
        self.found.error("final-relation-qualified", message, type_.span, "leave out what stands after `with`")

    def _subject_type(self, definition: Declared, relation: RelationSyntax, type_: TypeSyntax) -> None:
        target = self.definitions.get(type_.type)
        if target is None:
            message = f"type `{type_.type}` is not defined"
            self.found.unknown("unknown-type", message, type_.type, self.definitions, type_.span)
        elif (name := userset_of(type_)) is not None:
            if name not in target.members:
                message = f"relation or permission `{name}` is not defined on `{target.name}`"
                self.found.unknown("unknown-relation", message, name, target.members, type_.span)
            # SpiceDB's rule: within one definition a userset may bring a wildcard with it, from another it may not.
            # Where it may not notice, there is a warning instead: see `wildcards.py`.
            elif (
                target is not definition
                and name not in self.overlooked_wildcards
                and (wildcard := self._wildcard_in(target.name, name))
            ):
                message = (
                    f"`{target.name}#{name}` holds `{wildcard}`, and a relation of another definition may not "
                    "bring a wildcard in"
                )
                self.found.error(
                    "transitive-wildcard", message, type_.span, f"allow `{wildcard}` on `{relation.name}` itself"
                )
        is_built_in = self.declarations.side_of(type_.caveat) is not None
        if type_.caveat is not None and not is_built_in and type_.caveat not in self.declarations.caveats:
            message = f"caveat `{type_.caveat}` is not defined"
            advice = self.found.guess(type_.caveat, self.declarations.caveats) or _flag_advice(type_.caveat)
            self.found.error("unknown-caveat", message, type_.caveat_span, advice)
        for reference in type_.declared:
            self.effort.step()
            self._permission_reference(reference)
        for trait, stands in (("expiration", type_.expiration), ("not_before", type_.not_before)):
            if stands and trait not in self.declarations.flags:
                message = f"`with {trait}` is not known without its flag"
                self.found.error("flag-missing", message, type_.span, _flag_advice(trait))

    def _permission_reference(self, reference: PermissionReferenceSyntax) -> None:
        """What a document may name. One that an import gives to many relations is judged, and told, once."""
        target = self.definitions.get(reference.type)
        if target is None:
            message = f"type `{reference.type}` is not defined"
            self.found.unknown("unknown-type", message, reference.type, self.definitions, reference.span)
        elif reference.permission not in target.members:
            message = f"relation or permission `{reference.permission}` is not defined on `{target.name}`"
            self.found.unknown("unknown-relation", message, reference.permission, target.members, reference.span)

    def _wildcard_in(self, definition: str, relation: str) -> str:
        """A wildcard that a relation holds, itself or by the usersets it allows, or ""."""
        return self.wildcard_holders.get((definition, relation), "")

    # --- permissions --------------------------------------------------------------------------------------------

    def _operand(self, definition: Declared, permission: PermissionSyntax, node: ExpressionSyntax) -> None:
        match node:
            case NameSyntax(name):
                if name not in definition.members:
                    self._unknown_member(definition, name, node.span)
            case ArrowSyntax():
                self._arrow(definition, permission, node)
            case ExistsSyntax(relation):
                self._needs_relation(definition, relation, "exists-on-permission", "`exists()` asks a relation")
            case AlongSyntax():
                self._along(definition, permission, node)
            case NilSyntax() | SelfSyntax() | BinarySyntax():
                pass
            case _:
                assert_never(node)

    def _arrow(self, definition: Declared, permission: PermissionSyntax, arrow: ArrowSyntax) -> None:
        if not isinstance(arrow.left, NameSyntax):
            message = "an arrow begins at a relation, not at another arrow"
            advice = "give the first arrow a permission of its own on the type it leads to, and point at that"
            self.found.error("chained-arrow", message, arrow.left.span, advice)
            return
        if self.declarations.is_subject_arrow(arrow):
            if arrow.name == permission.name:
                self._self_reference(permission, arrow.span)
            return
        found = self._needs_relation(
            definition, arrow.left, "permission-on-arrow-left", "an arrow begins at a relation"
        )
        if found and (wildcard := self._wildcard_in(definition.name, arrow.left.name)):
            message = f"relation `{arrow.left.name}` holds `{wildcard}`, and an arrow cannot be walked from everyone"
            advice = "split the relation: one that leads to objects, one that holds the wildcard"
            self.found.error("wildcard-on-arrow-left", message, arrow.left.span, advice)

    def _along(self, definition: Declared, permission: PermissionSyntax, along: AlongSyntax) -> None:
        if along.child.name not in definition.members:
            self._unknown_member(definition, along.child.name, along.child.span)
        if along.child.name == permission.name:
            self._self_reference(permission, along.span)
        if not along.relations:
            message = "`along()` names no relation to follow from link to link"
            self.found.error("along-empty", message, along.span, "name the chain's relations: `along(delegated_by)`")
        seen: set[str] = set()
        for relation in along.relations:
            if relation.name in seen:
                message = f"`along` names `{relation.name}` twice"
                self.found.error("along-repeats", message, relation.span, "leave one of them out")
            elif relation.name not in self.with_relation:
                self._unknown_chain_relation(relation)
            seen.add(relation.name)
        # A chain is followed without asking anything of the request, so what makes it must be plain.
        for name in seen - self.chain_relations:
            self.chain_relations.add(name)
            for known in self.with_relation.get(name, ()):
                if chained := known.relation(name):
                    self._chain_relation(known, chained)

    def _unknown_chain_relation(self, relation: NameSyntax) -> None:
        if relation.name in self.with_permission:
            message = f"`along` follows relations, and `{relation.name}` is a permission"
            self.found.error("along-permission", message, relation.span, "name the relations it is made of")
            return
        message = f"relation `{relation.name}` is not defined on any type"
        self.found.unknown("unknown-relation", message, relation.name, self.with_relation, relation.span)

    def _chain_relation(self, definition: Declared, relation: RelationSyntax) -> None:
        for type_ in relation.types:
            self.effort.step()
            carried = [
                what
                for what, stands in (
                    ("a wildcard", type_.wildcard),
                    ("a userset", userset_of(type_) is not None),
                    ("a caveat", type_.caveat is not None),
                    ("a time", type_.expiration or type_.not_before),
                )
                if stands
            ]
            if carried:
                message = (
                    f"`{source_of(type_)}` gives the chain relation `{relation.name}` of `{definition.name}` "
                    f"{' and '.join(carried)}, and the links of a chain are plain"
                )
                self.found.error("chain-relation-qualified", message, type_.span, f"allow `{type_.type}` alone")

    def _self_reference(self, permission: PermissionSyntax, span: Span) -> None:
        message = f"permission `{permission.name}` asks itself"
        self.found.error("self-reference", message, span, "give what is asked of each link a name of its own")

    def _needs_relation(self, definition: Declared, name: NameSyntax, code: str, law: str) -> bool:
        if name.name not in definition.members:
            self._unknown_member(definition, name.name, name.span)
            return False
        if definition.relation(name.name) is None:
            self.found.error(code, f"{law}, and `{name.name}` of `{definition.name}` is a permission", name.span)
            return False
        return True

    def _unknown_member(self, definition: Declared, name: str, span: Span) -> None:
        message = f"relation or permission `{name}` is not defined on `{definition.name}`"
        if name == SUBJECT and self.declarations.uses_delegation:
            advice = "the acting subject is asked by `subject->permission`"
        else:
            advice = self.found.guess(name, definition.members)
            if not advice and _FLAGGED_WORDS.get(name) not in self.declarations.flags:
                advice = _flag_advice(name)
        self.found.error("unknown-relation", message, span, advice)

    def _alias_cycles(self, definition: Declared) -> None:
        """`permission a = b` with `permission b = a`, of whatever length: what each means is only the others."""
        aliases = {
            permission.name: permission.expression.name
            for permission in definition.permissions
            if isinstance(permission.expression, NameSyntax)
        }
        reported: set[str] = set()
        for name in aliases:
            path: dict[str, None] = {}
            at = name
            while at in aliases and at not in path and at not in reported:
                self.effort.step()
                path[at] = None
                at = aliases[at]
            if at in path:
                cycle = list(path)
                cycle = cycle[cycle.index(at) :]
                first = definition.members[cycle[0]]
                message = f"permissions of `{definition.name}` are one another: {' = '.join((*cycle, cycle[0]))}"
                self.found.error("permission-cycle", message, first.name_span, "one of them must say who is in it")
            reported.update(path)

    # --- caveats ------------------------------------------------------------------------------------------------

    def _caveats(self) -> None:
        found = [(caveat, self._parameters(caveat)) for caveat in self.declarations.caveats.values()]
        whole = [(caveat, parameters) for caveat, parameters in found if parameters is not None]
        self.programs = Programs(parameters for _, parameters in whole)
        for caveat, parameters in whole:
            self.effort.interrupt()
            program = self.programs.of(parameters, caveat.expression)
            for issue in () if isinstance(program, Program) else program:
                self._expression_issue(caveat, issue)

    def _parameters(self, caveat: CaveatSyntax) -> dict[str, ParameterType] | None:
        """By name; None where the type of one is not known."""
        parameters: dict[str, ParameterType] = {}
        is_whole = True
        for parameter in caveat.parameters:
            self.effort.step()
            if parameter.name in parameters:
                message = f"caveat `{caveat.name}` has parameter `{parameter.name}` twice"
                self.found.error("duplicate-parameter", message, parameter.span, "leave one of them out")
            type_ = self._parameter_type(parameter.type)
            is_whole = is_whole and type_ is not None
            if type_ is not None:
                parameters.setdefault(parameter.name, type_)
        return parameters if is_whole else None

    def _parameter_type(self, syntax: ParameterTypeSyntax) -> ParameterType | None:
        if syntax.name not in NAMES:
            message = f"parameter type `{syntax.name}` is not known"
            advice = self.found.guess(syntax.name, NAMES) or f"there are {', '.join(NAMES)}"
            self.found.error("unknown-parameter-type", message, syntax.span, advice)
            return None
        child = self._parameter_type(syntax.child) if syntax.child else None
        if syntax.child and child is None:
            return None
        if (child is not None) != (syntax.name in GENERIC):
            message = f"parameter type `{syntax.name}` {'holds no other' if child else 'says what it holds'}"
            advice = f"write `{syntax.name}`" if child else f"write `{syntax.name}<any>`, or what it holds"
            self.found.error("unknown-parameter-type", message, syntax.span, advice)
            return None
        return ParameterType(syntax.name, child)

    def _expression_issue(self, caveat: CaveatSyntax, issue: ExpressionIssue) -> None:
        span = caveat.name_span
        if issue.parameter:
            span = next(parameter.span for parameter in caveat.parameters if parameter.name == issue.parameter)
        elif caveat.parameters:
            span = _span_within(caveat, issue)
        self.found.error(issue.code, f"caveat `{caveat.name}`: {issue.message}", span, _advice_on(issue))


def _advice_on(issue: ExpressionIssue) -> str:
    match issue.code:
        case "unused-parameter":
            return "use it, or leave it out"
        case "reserved-parameter-name":
            return "give it another name"
        case "caveat-without-parameters":
            return "a condition that depends on nothing is no condition"
        case "expression-not-bool":
            return "compare it with something"
    return ""


def _span_within(caveat: CaveatSyntax, issue: ExpressionIssue) -> Span:
    """CEL counts lines and columns within the expression; the schema counts characters."""
    lines = caveat.expression.split("\n")
    before = sum(len(line) + 1 for line in lines[: issue.line - 1])
    start = caveat.expression_span.start + min(before + issue.column - 1, len(caveat.expression))
    return Span(start, min(start + 1, max(caveat.expression_span.end, start)))


def _flag_advice(word: str) -> str:
    flag = _FLAGGED_WORDS.get(word)
    return f"write `use {flag}` at the top of the schema" if flag else ""


def source_of(type_: TypeSyntax) -> str:
    """A subject type as it is written."""
    subject = f"{type_.type}:*" if type_.wildcard else type_.type
    if (relation := userset_of(type_)) is not None:
        subject = f"{type_.type}#{relation}"
    traits: Sequence[str] = [
        *([type_.caveat + listed_permissions(type_.declared)] if type_.caveat else []),
        *(["not_before"] if type_.not_before else []),
        *(["expiration"] if type_.expiration else []),
    ]
    return f"{subject} with {' and '.join(traits)}" if traits else subject
