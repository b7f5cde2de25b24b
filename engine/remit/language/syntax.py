"""The syntax tree: what the parser saw, before anything is known of what the names mean.

Every node carries its span for messages; spans, like redundant parentheses, do not take part in equality, so that
`parse(print(tree)) == tree` can be stated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from remit.language.source import NO_SOURCES, SourceMap
from remit.language.source import NOWHERE as NOWHERE
from remit.language.source import Span as Span

# --- expressions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NilSyntax:
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class SelfSyntax:
    """`self`, only under `use self`; elsewhere it is an ordinary name."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return "self"


@dataclass(frozen=True, slots=True)
class NameSyntax:
    name: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return self.name


class Operator(Enum):
    """In order of binding, tightest first: `+`, then `&`, then `-`; all left-associative."""

    UNION = "+"
    INTERSECTION = "&"
    EXCLUSION = "-"


@dataclass(frozen=True, slots=True)
class BinarySyntax:
    operator: Operator
    left: ExpressionSyntax
    right: ExpressionSyntax
    parenthesized: bool = field(default=False, compare=False, kw_only=True)  # the writer put parentheses around it
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ArrowSyntax:
    """`left->name` (function None), `left.any(name)`, `left.all(name)`. `left` is a name in every schema that compiles;
    the parser also accepts chained arrows, which the checker refuses with a position. Under `use delegation`,
    `subject->name` is an arrow whose left is the name `subject`."""

    left: ExpressionSyntax
    name: str
    function: str | None = None  # None, "any" or "all"
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        """`left` is no operator, so it needs no parentheses."""
        return f"{self.left}->{self.name}" if self.function is None else f"{self.left}.{self.function}({self.name})"


@dataclass(frozen=True, slots=True)
class ExistsSyntax:
    """`relation.exists()` under `use delegation`."""

    relation: NameSyntax
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.relation}.exists()"


@dataclass(frozen=True, slots=True)
class AlongSyntax:
    """`child.along(r1, r2, …)` under `use delegation`."""

    child: NameSyntax
    relations: tuple[NameSyntax, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.child}.along({', '.join(map(str, self.relations))})"


ExpressionSyntax = NilSyntax | SelfSyntax | NameSyntax | BinarySyntax | ArrowSyntax | ExistsSyntax | AlongSyntax


def operands_of(node: ExpressionSyntax) -> tuple[ExpressionSyntax, ...]:
    """The operands of an operator as the plan has them: neighbours of one kind are joined, whatever their parentheses.
    What an arrow, `exists` or `along` is asked of is no operand."""
    if not isinstance(node, BinarySyntax):
        return ()
    if node.operator is Operator.EXCLUSION:
        return node.left, node.right
    operands: list[ExpressionSyntax] = []
    for side in (node.left, node.right):
        joins = isinstance(side, BinarySyntax) and side.operator is node.operator
        operands += operands_of(side) if joins else (side,)
    return tuple(operands)


def nodes_of(expression: ExpressionSyntax) -> Iterator[ExpressionSyntax]:
    """The expression and everything below it but the names inside arrows, `exists` and `along`, each before its own
    operands."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, BinarySyntax):
            waiting += (node.right, node.left)


# --- members of a definition ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PermissionReferenceSyntax:
    """`type#permission`, in the parentheses of `with arguments(…)` or `with matching(…)`."""

    type: str
    permission: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.type}#{self.permission}"


def listed_permissions(references: Sequence[PermissionReferenceSyntax]) -> str:
    """In their parentheses; "" for none."""
    return f"({', '.join(map(str, references))})" if references else ""


@dataclass(frozen=True, slots=True)
class TypeSyntax:
    """One subject type: `user`, `user:*`, `group#member`, `user#...`, each optionally `with` traits. `declared` are the
    permissions that documents of a built-in caveat may name."""

    type: str
    relation: str | None = None  # "..." stays as it was written
    wildcard: bool = False
    caveat: str | None = None
    declared: tuple[PermissionReferenceSyntax, ...] = ()
    expiration: bool = False
    not_before: bool = False
    caveat_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class RelationSyntax:
    name: str
    types: tuple[TypeSyntax, ...]
    single: bool = False
    final: bool = False
    managed: bool = False
    comments: tuple[str, ...] = ()  # the comments above it, each as written with its markers
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class PermissionSyntax:
    name: str
    expression: ExpressionSyntax
    annotation: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class PartialReferenceSyntax:
    """`...name` inside a definition or a partial."""

    name: str
    comments: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


MemberSyntax = RelationSyntax | PermissionSyntax | PartialReferenceSyntax


# --- the top level ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UseSyntax:
    """`use flag`."""

    flag: str
    comments: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ImportSyntax:
    """`import "path"`, relative to the file it stands in. `declared` are the permissions that documents beside the
    relations of a library may name: `import "remit:…" with arguments(…)`."""

    path: str
    declared: tuple[PermissionReferenceSyntax, ...] = ()
    comments: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class DefinitionSyntax:
    name: str
    members: tuple[MemberSyntax, ...]
    comments: tuple[str, ...] = ()
    trailing_comments: tuple[str, ...] = ()  # after the last member
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class PartialSyntax:
    name: str
    members: tuple[MemberSyntax, ...]
    comments: tuple[str, ...] = ()
    trailing_comments: tuple[str, ...] = ()  # after the last member
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ParameterTypeSyntax:
    """`int`, `list<string>`, `map<any>`: a name and, for list and map, its one child."""

    name: str
    child: ParameterTypeSyntax | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ParameterSyntax:
    name: str
    type: ParameterTypeSyntax
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class CaveatSyntax:
    """`caveat name(parameters) { expression }`. `expression` is the CEL text, stripped; `expression_span` says where
    it begins, so that a CEL error's position maps back."""

    name: str
    parameters: tuple[ParameterSyntax, ...]
    expression: str
    comments: tuple[str, ...] = ()
    expression_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    name_span: Span = field(default=NOWHERE, compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


TopLevelSyntax = UseSyntax | ImportSyntax | DefinitionSyntax | PartialSyntax | CaveatSyntax


@dataclass(frozen=True, slots=True)
class SchemaSyntax:
    """One source text, in the order it was written. `trailing_comments` stand after the last item. `sources` knows the
    file, line and column of every span in the tree, also where imports brought in other files: pass it to `Issue`."""

    items: tuple[TopLevelSyntax, ...]
    trailing_comments: tuple[str, ...] = ()
    sources: SourceMap = field(default=NO_SOURCES, compare=False, kw_only=True)
