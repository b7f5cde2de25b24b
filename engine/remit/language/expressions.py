"""A permission's expression: operators, parentheses, arrows, and what `use delegation` adds.

Parsed with a stack of our own instead of Python's, so that the depth is ours to bound: the tree is never deeper than
DEPTH_MAX, and whoever walks it may recurse.
Law: the tree says what the text says under SpiceDB's precedence, `+` tightest, then `&`, then `-`, left-associative."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from remit.errors import SchemaInvalid
from remit.language.reader import Reader
from remit.language.source import Span
from remit.language.syntax import (
    AlongSyntax,
    ArrowSyntax,
    BinarySyntax,
    ExistsSyntax,
    ExpressionSyntax,
    NameSyntax,
    NilSyntax,
    Operator,
    SelfSyntax,
)
from remit.language.tokens import DELEGATION, TokenKind

# A walker may spend four frames a level and stay inside Python's default limit of 1000. Schemas written by hand stay
# below ten; of the peers' examples the deepest has six.
DEPTH_MAX = 200
# Parentheses around one another mean no more than one pair and leave no node behind; their stack is our own.
PARENTHESES_MAX = 1_000
# Unions of hundreds of names are real (generated role schemas). `+` and `&` are associative, so a longer chain is read
# as a chain of parenthesised groups of this many: three levels of groups hold a quarter of a million names.
CHAIN_MAX = 64

_OPERATORS = {
    TokenKind.PLUS: Operator.UNION,
    TokenKind.AMPERSAND: Operator.INTERSECTION,
    TokenKind.MINUS: Operator.EXCLUSION,
}
_ARROW_FUNCTIONS = ("any", "all")
_DELEGATION_FUNCTIONS = ("exists", "along")
CONTINUATION = "to go on behind a line's end, end the line with the operator"
_OPERAND = "a relation, a permission, `nil` or `(`"


class _Operand(NamedTuple):
    node: ExpressionSyntax
    depth: int
    span: Span  # with the parentheses around it, if any


@dataclass(slots=True)
class _Frame:
    """What one pair of parentheses holds so far: operands, and the operators between them."""

    start: int
    operands: list[_Operand] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)


def parse_expression(reader: Reader) -> ExpressionSyntax:
    """Reads one expression; what follows it is the caller's. Cost: O(tokens)."""
    frames = [_Frame(reader.token.start)]
    while True:
        if reader.at(TokenKind.LEFT_PAREN):
            if len(frames) > PARENTHESES_MAX:
                raise _too_deep(reader, reader.token.span, PARENTHESES_MAX)
            frames.append(_Frame(reader.advance().start))
            continue
        operand = _operand(reader)
        while True:
            frame = frames[-1]
            frame.operands.append(operand)
            if operator := _OPERATORS.get(reader.token.kind):
                frame.operators.append(operator)
                reader.advance()
                break
            if len(frames) == 1:
                return _fold(reader, frame).node
            if not reader.at(TokenKind.RIGHT_PAREN):
                raise reader.unexpected(
                    "an operator or `)`", advice=CONTINUATION if reader.at(TokenKind.LINE_END) else ""
                )
            reader.advance()
            operand = _parenthesized(_fold(reader, frames.pop()), Span(frame.start, reader.last_end))


def _parenthesized(inner: _Operand, span: Span) -> _Operand:
    node = inner.node
    if isinstance(node, BinarySyntax):
        node = BinarySyntax(node.operator, node.left, node.right, parenthesized=True, span=node.span)
    return _Operand(node, inner.depth, span)


def _fold(reader: Reader, frame: _Frame) -> _Operand:
    """One tree of a frame's operands: each operator in its turn joins the neighbours it stands between."""
    operands, operators = frame.operands, frame.operators
    for operator in Operator:
        reader.effort.step(len(operands))
        runs = [[operands[0]]]
        rest = []
        for between, operand in zip(operators, operands[1:], strict=True):
            if between is operator:
                runs[-1].append(operand)
            else:
                rest.append(between)
                runs.append([operand])
        operands, operators = [_chain(reader, operator, run) for run in runs], rest
    return operands[0]


def _chain(reader: Reader, operator: Operator, run: list[_Operand]) -> _Operand:
    while len(run) > CHAIN_MAX and operator is not Operator.EXCLUSION:
        groups = [_joined(reader, operator, run[at : at + CHAIN_MAX]) for at in range(0, len(run), CHAIN_MAX)]
        run = [_parenthesized(group, group.span) for group in groups]
    return _joined(reader, operator, run)


def _joined(reader: Reader, operator: Operator, run: list[_Operand]) -> _Operand:
    joined = run[0]
    for operand in run[1:]:
        reader.effort.step()
        span = Span(joined.span.start, operand.span.end)
        depth = max(joined.depth, operand.depth) + 1
        if depth > DEPTH_MAX:
            raise _too_deep(reader, operand.span)
        joined = _Operand(BinarySyntax(operator, joined.node, operand.node, span=span), depth, span)
    return joined


def _too_deep(reader: Reader, span: Span, most: int = DEPTH_MAX) -> SchemaInvalid:
    message = f"the expression is nested deeper than {most}"
    return reader.refuse("nested-too-deep", message, span, "give parts of it names of their own")


# --- operands ---------------------------------------------------------------------------------------------------


def _operand(reader: Reader) -> _Operand:
    token = reader.token
    if reader.at_keyword("nil"):
        return _Operand(NilSyntax(span=reader.advance().span), 1, token.span)
    if reader.at_keyword("self"):
        return _Operand(SelfSyntax(span=reader.advance().span), 1, token.span)
    if not reader.at(TokenKind.NAME):
        raise reader.unexpected(_OPERAND)
    node: ExpressionSyntax = NameSyntax(reader.advance().text, span=token.span)
    depth = 1
    while reader.at(TokenKind.ARROW, TokenKind.DOT):
        depth += 1
        if depth > DEPTH_MAX:
            raise _too_deep(reader, reader.token.span)
        if reader.accept(TokenKind.ARROW):
            node = _arrow(reader, node, None)
        else:
            reader.advance()
            node = _function(reader, node)
        if isinstance(node, ExistsSyntax | AlongSyntax):
            break
    return _Operand(node, depth, node.span)


def _arrow(reader: Reader, left: ExpressionSyntax, function: str | None) -> ArrowSyntax:
    """The name an arrow asks for, and for `any` and `all` the parentheses around it."""
    if function:
        reader.expect(TokenKind.LEFT_PAREN, f"after `{function}`")
    name = reader.name("a relation or permission to ask for")
    if function:
        reader.expect(TokenKind.RIGHT_PAREN)
    span = Span(left.span.start, reader.last_end)
    return ArrowSyntax(left, name.text, function, name_span=name.span, span=span)


def _function(reader: Reader, left: ExpressionSyntax) -> ExpressionSyntax:
    token, function = reader.token, reader.token.text
    if reader.at_name(*_ARROW_FUNCTIONS):
        reader.advance()
        return _arrow(reader, left, function)
    if not reader.at_name(*_DELEGATION_FUNCTIONS):
        known = (*_ARROW_FUNCTIONS, *_DELEGATION_FUNCTIONS) if DELEGATION in reader.flags else _ARROW_FUNCTIONS
        raise reader.unexpected(" or ".join(f"`{one}`" for one in known) + " after `.`", known)
    if DELEGATION not in reader.flags:
        raise reader.flag_missing(f"`.{function}()`", DELEGATION)
    if not isinstance(left, NameSyntax):
        message = f"`.{function}()` is asked of a relation or permission of this definition, not of an arrow"
        raise reader.refuse("unexpected-token", message, token.span)
    reader.advance()
    return _exists(reader, left) if function == "exists" else _along(reader, left)


def _exists(reader: Reader, relation: NameSyntax) -> ExistsSyntax:
    reader.expect(TokenKind.LEFT_PAREN, "after `exists`")
    reader.expect(TokenKind.RIGHT_PAREN, "since `exists` takes nothing")
    return ExistsSyntax(relation, span=Span(relation.span.start, reader.last_end))


def _along(reader: Reader, child: NameSyntax) -> AlongSyntax:
    """An empty list is read as one: the checker says what it lacks."""
    reader.expect(TokenKind.LEFT_PAREN, "after `along`")
    relations: list[NameSyntax] = []
    if not reader.at(TokenKind.RIGHT_PAREN):
        while True:
            name = reader.name("a chain relation")
            relations.append(NameSyntax(name.text, span=name.span))
            if not reader.accept(TokenKind.COMMA):
                break
    reader.expect(TokenKind.RIGHT_PAREN, "or `,`")
    return AlongSyntax(child, tuple(relations), span=Span(child.span.start, reader.last_end))
