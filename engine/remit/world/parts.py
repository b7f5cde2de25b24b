"""The parts of a schema that can be right or wrong by themselves: what coverage counts.

They are the relations, each subject type of a relation, the permissions, each operand of a permission's expression, and
the caveats. An expression of one operand has none: it is its permission.
Law: every part has the file and line where it was written, and two trees with the same texts have the same parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from remit.language.declarations import Declarations, Declared, declarations_of
from remit.language.printer import print_expression
from remit.language.source import Span
from remit.language.syntax import (
    ExpressionSyntax,
    NilSyntax,
    PermissionSyntax,
    RelationSyntax,
    SchemaSyntax,
    operands_of,
)
from remit.language.translation import translate_subject_type

Path = tuple[int, ...]
"""Where an operand stands in a compiled expression: the number of the child at each level."""

PartKey = tuple[object, ...]
"""What a part is known by: its kind, its definition and name, and for the finer ones which of them."""


class PartKind(Enum):
    """What kind of part. The values are stable words for programs."""

    RELATION = "relation"
    SUBJECT_TYPE = "subject-type"
    PERMISSION = "permission"
    OPERAND = "operand"
    CAVEAT = "caveat"


@dataclass(frozen=True, slots=True)
class Part:
    """`name` is the relation, permission or caveat; `text` is the part as the schema writes it. `line` and `column`
    count from 1. A part that nobody can be in, whatever is written, is never yes."""

    kind: PartKind
    key: PartKey
    definition: str  # empty for a caveat
    name: str
    text: str
    file: str
    line: int
    column: int
    can_be_yes: bool = True

    def __str__(self) -> str:
        match self.kind:
            case PartKind.SUBJECT_TYPE:
                return f"`{self.text}` in relation `{self.name}` of `{self.definition}`"
            case PartKind.OPERAND:
                return f"`{self.text}` in permission `{self.name}` of `{self.definition}`"
            case PartKind.CAVEAT:
                return f"caveat `{self.name}`"
            case _:
                return f"{self.kind.value} `{self.name}` of `{self.definition}`"


def parts_of(tree: SchemaSyntax) -> tuple[Part, ...]:
    """The parts of a tree that compiles, in its order, without those of libraries, which are Remit's own to cover.
    Cost: O(tree)."""
    declarations = declarations_of(tree)
    parts: list[Part] = []
    for definition in declarations.definitions.values():
        if tree.sources.of(definition.syntax.name_span).library is not None:
            continue
        for member in definition.members.values():
            if isinstance(member, RelationSyntax):
                parts += _relation(tree, definition, member)
            else:
                parts += _permission(tree, definition, member)
    return (*parts, *_caveats(tree, declarations))


def _relation(tree: SchemaSyntax, definition: Declared, relation: RelationSyntax) -> Iterator[Part]:
    about = (definition.name, relation.name)
    yield _part(tree, PartKind.RELATION, (PartKind.RELATION, *about), about, relation.name, relation.name_span)
    for type_ in relation.types:
        subject_type = translate_subject_type(type_)
        key = (PartKind.SUBJECT_TYPE, *about, subject_type)
        yield _part(tree, PartKind.SUBJECT_TYPE, key, about, str(subject_type), type_.span)


def _permission(tree: SchemaSyntax, definition: Declared, permission: PermissionSyntax) -> Iterator[Part]:
    about = (definition.name, permission.name)
    whole = permission.expression
    yield _part(
        tree, PartKind.PERMISSION, (PartKind.PERMISSION, *about), about, permission.name, permission.name_span,
        can_be_yes=not isinstance(whole, NilSyntax),
    )  # fmt: skip
    for path, operand in _operands(whole, ()):
        yield _part(
            tree, PartKind.OPERAND, (PartKind.OPERAND, *about, path), about, print_expression(operand), operand.span,
            can_be_yes=not isinstance(operand, NilSyntax),
        )  # fmt: skip


def _operands(expression: ExpressionSyntax, path: Path) -> Iterator[tuple[Path, ExpressionSyntax]]:
    """Everything inside an expression, by the paths that it has once compiled."""
    for index, operand in enumerate(operands_of(expression)):
        yield (*path, index), operand
        yield from _operands(operand, (*path, index))


def _caveats(tree: SchemaSyntax, declarations: Declarations) -> Iterator[Part]:
    for caveat in declarations.caveats.values():
        key = (PartKind.CAVEAT, caveat.name)
        yield _part(tree, PartKind.CAVEAT, key, ("", caveat.name), caveat.name, caveat.name_span)


def _part(
    tree: SchemaSyntax,
    kind: PartKind,
    key: PartKey,
    about: tuple[str, str],
    text: str,
    span: Span,
    *,
    can_be_yes: bool = True,
) -> Part:
    place = tree.sources.place(span.start)
    return Part(kind, key, *about, text, place.file, place.line, place.column, can_be_yes)
