"""Syntax tree → canonical text: one way to write each tree, whoever wrote it first.

Tabs, one member a line (one that is longer than 120 columns goes on below, after an operator), a blank line between
things of different kinds and before a comment. Parentheses stand where the tree needs them and wherever operators are
mixed, since few people remember that `+` binds tighter than `&`.
Law: parse(print(tree)) == tree for every tree that parses; printing what was printed changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from remit.arguments.side import Side
from remit.language.effort import Effort
from remit.language.expressions import CHAIN_MAX
from remit.language.syntax import (
    BinarySyntax,
    CaveatSyntax,
    DefinitionSyntax,
    ExpressionSyntax,
    ImportSyntax,
    MemberSyntax,
    ParameterTypeSyntax,
    PartialReferenceSyntax,
    PartialSyntax,
    PermissionSyntax,
    RelationSyntax,
    SchemaSyntax,
    TopLevelSyntax,
    TypeSyntax,
    UseSyntax,
    listed_permissions,
)

_INDENT = "\t"
_TAB_COLUMNS = 4
_COLUMNS_MAX = 120
_BREAKS_AFTER = frozenset(("|", "+", "&", "-", "="))


def print_schema(tree: SchemaSyntax, effort: Effort | None = None) -> str:
    """The canonical text, ending in one line's end ("" for an empty tree). Cost: O(length of the text · depth)."""
    effort = effort or Effort()
    lines: list[str] = []
    previous: TopLevelSyntax | None = None
    for item in tree.items:
        if previous is not None and _is_spaced(previous, item):
            lines.append("")
        lines.extend(_comments(item.comments, ""))
        lines.extend(_top_level(item, effort))
        previous = item
    if previous is not None and tree.trailing_comments:
        lines.append("")
    lines.extend(_comments(tree.trailing_comments, ""))
    return "".join(line + "\n" for line in lines)


def print_expression(expression: ExpressionSyntax) -> str:
    """One expression, on one line."""
    return _chain(expression)[0] if isinstance(expression, BinarySyntax) else str(expression)


def _chain(expression: BinarySyntax) -> tuple[str, int]:
    """A binary expression, and how many operands stand side by side in it. Parentheses around the left of a chain
    change nothing but its length, so they keep a long one from being read as groups (see CHAIN_MAX)."""
    left, operator, count = expression.left, expression.operator, 1
    if isinstance(left, BinarySyntax) and left.operator is operator:
        text, count = _chain(left)
        if count == CHAIN_MAX:
            text, count = f"({text})", 1
    else:
        text = _operand(left)
    return f"{text} {operator.value} {_operand(expression.right)}", count + 1


def _operand(operand: ExpressionSyntax) -> str:
    text = print_expression(operand)
    return f"({text})" if isinstance(operand, BinarySyntax) else text


# --- the top level ----------------------------------------------------------------------------------------------


def _is_spaced(previous: TopLevelSyntax, item: TopLevelSyntax) -> bool:
    """Only `use` stands close to `use`, and `import` to `import`."""
    is_close = isinstance(item, UseSyntax | ImportSyntax) and type(item) is type(previous)
    return bool(item.comments) or not is_close


def _top_level(item: TopLevelSyntax, effort: Effort) -> list[str]:
    effort.step()
    match item:
        case UseSyntax(flag):
            return [f"use {flag}"]
        case ImportSyntax(path, declared):
            quote = "'" if '"' in path else '"'
            asked = f" with {Side.ARGUMENTS.value}{listed_permissions(declared)}" if declared else ""
            return [f"import {quote}{path}{quote}{asked}"]
        case DefinitionSyntax(name, members):
            return _block(f"definition {name}", members, item.trailing_comments, effort)
        case PartialSyntax(name, members):
            return _block(f"partial {name}", members, item.trailing_comments, effort)
        case CaveatSyntax(name, parameters, expression):
            listed = ", ".join(f"{parameter.name} {_parameter_type(parameter.type)}" for parameter in parameters)
            # CEL stands as it was written: white space may be inside its strings.
            return [f"caveat {name}({listed}) {{", _INDENT + expression, "}"]


def _block(
    header: str, members: Sequence[MemberSyntax], trailing_comments: tuple[str, ...], effort: Effort
) -> list[str]:
    if not members and not trailing_comments:
        return [header + " {}"]
    lines = [header + " {"]
    for index, member in enumerate(members):
        if index and (member.comments or type(member) is not type(members[index - 1])):
            lines.append("")
        lines.extend(_comments(member.comments, _INDENT))
        wrapped = _wrapped(_member(member))
        effort.step(len(wrapped))
        lines.extend(wrapped)
    if members and trailing_comments:
        lines.append("")
    lines.extend(_comments(trailing_comments, _INDENT))
    return [*lines, "}"]


def _member(member: MemberSyntax) -> str:
    match member:
        case RelationSyntax(name, types):
            modifiers = (("single ", member.single), ("final ", member.final), ("managed ", member.managed))
            said = "".join(modifier for modifier, is_said in modifiers if is_said)
            return f"{said}relation {name}: {' | '.join(_type(one) for one in types)}"
        case PermissionSyntax(name, expression, annotation):
            annotated = f": {' | '.join(annotation)}" if annotation else ""
            return f"permission {name}{annotated} = {print_expression(expression)}"
        case PartialReferenceSyntax(name):
            return f"...{name}"


def _wrapped(member: str) -> list[str]:
    """A member on as many lines as it takes. Words hold no white space, so what stands alone is an operator."""
    lines: list[str] = []
    line, pending = _INDENT, ""
    for word in member.split(" "):
        pending = f"{pending} {word}" if pending else word
        if word in _BREAKS_AFTER:
            line, pending = _with(lines, line, pending), ""
    if pending:
        line = _with(lines, line, pending)
    return [*lines, line]


def _with(lines: list[str], line: str, words: str) -> str:
    """The line and the words; where that is too long, the words on a line of their own, and `lines` has the other."""
    is_begun = bool(line.strip())
    longer = f"{line} {words}" if is_begun else line + words
    if is_begun and len(longer.expandtabs(_TAB_COLUMNS)) > _COLUMNS_MAX:
        lines.append(line)
        return 2 * _INDENT + words
    return longer


def _type(node: TypeSyntax) -> str:
    suffix = ":*" if node.wildcard else f"#{node.relation}" if node.relation is not None else ""
    traits = [node.caveat + listed_permissions(node.declared)] if node.caveat is not None else []
    traits += ["not_before"] if node.not_before else []
    traits += ["expiration"] if node.expiration else []
    return node.type + suffix + (f" with {' and '.join(traits)}" if traits else "")


def _parameter_type(node: ParameterTypeSyntax) -> str:
    return node.name if node.child is None else f"{node.name}<{_parameter_type(node.child)}>"


def _comments(comments: Iterable[str], indent: str) -> list[str]:
    """Each line indented but the empty ones: the lexer takes the same indentation off again."""
    return [indent + line if line else line for comment in comments for line in comment.split("\n")]
