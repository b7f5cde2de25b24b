"""What a schema declares, by name, and a place to put what is found wrong with it: the checker's and the lints' ground.

Where a name is declared twice the first declaration counts, so that one mistake is one issue and the rest of the
schema is still judged.
Law: everything here is read off the tree; nothing is known to be right yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from remit.arguments.side import SIDES, Side
from remit.language.effort import Effort
from remit.language.source import Issue, Severity, Span
from remit.language.syntax import (
    ArrowSyntax,
    BinarySyntax,
    CaveatSyntax,
    DefinitionSyntax,
    ExpressionSyntax,
    NameSyntax,
    PermissionSyntax,
    RelationSyntax,
    SchemaSyntax,
    UseSyntax,
    nodes_of,
)
from remit.language.tokens import ARGUMENTS, DELEGATION
from remit.suggest import did_you_mean

Member = RelationSyntax | PermissionSyntax
_GUESSES_MAX = 100
SUBJECT = "subject"  # the acting subject, left of an arrow under `use delegation`


@dataclass(frozen=True, slots=True)
class Declared:
    """One definition and its members by name."""

    syntax: DefinitionSyntax
    members: Mapping[str, Member]

    @property
    def name(self) -> str:
        return self.syntax.name

    @property
    def relations(self) -> Iterator[RelationSyntax]:
        return (member for member in self.members.values() if isinstance(member, RelationSyntax))

    @property
    def permissions(self) -> Iterator[PermissionSyntax]:
        return (member for member in self.members.values() if isinstance(member, PermissionSyntax))

    def relation(self, name: str) -> RelationSyntax | None:
        member = self.members.get(name)
        return member if isinstance(member, RelationSyntax) else None

    def permission(self, name: str) -> PermissionSyntax | None:
        member = self.members.get(name)
        return member if isinstance(member, PermissionSyntax) else None


@dataclass(frozen=True, slots=True)
class Declarations:
    """Every definition, caveat and flag of a schema whose imports and partials are expanded."""

    tree: SchemaSyntax
    flags: frozenset[str]
    definitions: Mapping[str, Declared]
    caveats: Mapping[str, CaveatSyntax]

    @property
    def uses_delegation(self) -> bool:
        return DELEGATION in self.flags

    @property
    def uses_arguments(self) -> bool:
        return ARGUMENTS in self.flags

    def side_of(self, caveat: str | None) -> Side | None:
        """Of a built-in caveat; None for any other."""
        return SIDES.get(caveat) if self.uses_arguments and caveat is not None else None

    def is_subject_arrow(self, node: ExpressionSyntax) -> bool:
        """Whether the node is `subject->name`."""
        return (
            self.uses_delegation
            and isinstance(node, ArrowSyntax)
            and node.function is None
            and isinstance(node.left, NameSyntax)
            and node.left.name == SUBJECT
        )


def declarations_of(tree: SchemaSyntax, effort: Effort | None = None) -> Declarations:
    """Cost: O(tree)."""
    effort = effort or Effort()
    definitions: dict[str, Declared] = {}
    caveats: dict[str, CaveatSyntax] = {}
    for item in tree.items:
        if isinstance(item, DefinitionSyntax) and item.name not in definitions:
            members: dict[str, Member] = {}
            for member in item.members:
                effort.step()
                if isinstance(member, (RelationSyntax, PermissionSyntax)):
                    members.setdefault(member.name, member)
            definitions[item.name] = Declared(item, members)
        elif isinstance(item, CaveatSyntax):
            caveats.setdefault(item.name, item)
    flags = frozenset(item.flag for item in tree.items if isinstance(item, UseSyntax))
    return Declarations(tree, flags, definitions, caveats)


def require_terms(tree: SchemaSyntax, effort: Effort) -> None:
    """That an expanded tree has no more terms, and no longer expressions, than the effort allows. Raises LimitExceeded.
    Cost: O(tree)."""
    terms = 0
    for item in tree.items:
        terms += isinstance(item, DefinitionSyntax | CaveatSyntax)
        if isinstance(item, CaveatSyntax):
            effort.require_expression(item.name, len(item.expression))
        for member in item.members if isinstance(item, DefinitionSyntax) else ():
            if isinstance(member, PermissionSyntax):
                terms += 1 + sum(not isinstance(node, BinarySyntax) for node in nodes_of(member.expression))
            elif isinstance(member, RelationSyntax):
                terms += 1 + len(member.types) + sum(len(type_.declared) for type_ in member.types)
            effort.step()
            effort.require_terms(terms)
    effort.require_terms(terms)


@dataclass(slots=True)
class Findings:
    """The issues found so far, each once, in the order of their places."""

    tree: SchemaSyntax
    effort: Effort = field(default_factory=Effort)
    _guesses: int = 0
    _issues: dict[tuple[str, str, Span], Issue] = field(default_factory=dict)

    def error(self, code: str, message: str, span: Span, suggestion: str = "") -> None:
        self._add("error", code, message, span, suggestion)

    def warning(self, code: str, message: str, span: Span, suggestion: str = "") -> None:
        self._add("warning", code, message, span, suggestion)

    def unknown(self, code: str, message: str, word: str, candidates: Iterable[str], span: Span) -> None:
        """An error about a word that is near one of the candidates, or near none."""
        self.error(code, message, span, self.guess(word, candidates))

    def guess(self, word: str, candidates: Iterable[str]) -> str:
        """What was meant; nothing where so many were guessed before that nobody reads on."""
        self._guesses += 1
        if self._guesses > _GUESSES_MAX:
            return ""
        self.effort.interrupt()  # a guess takes a millisecond
        return did_you_mean(word, candidates)

    def _add(self, severity: Severity, code: str, message: str, span: Span, suggestion: str) -> None:
        self.effort.step()
        issue = Issue(severity, code, message, span, self.tree.sources, suggestion)
        self._issues.setdefault((code, message, span), issue)

    @property
    def issues(self) -> tuple[Issue, ...]:
        inside_out = sorted(self._issues.values(), key=lambda issue: (issue.span.start, issue.span.end))
        return tuple(issue.at_import() for issue in inside_out)
