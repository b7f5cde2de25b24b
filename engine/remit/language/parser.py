"""Text → syntax tree: recursive descent over the tokens, one method a construct, in the order of the language.

It accepts what SpiceDB's parser accepts, and Remit's own forms under their `use` flags; what the names mean is the
checker's. Reading stops at the first mistake.
Law: parse(print(tree)) == tree, and every node's span is where it stands in the source."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from remit.arguments.side import SIDES, Side
from remit.errors import SchemaInvalid
from remit.language.effort import Effort
from remit.language.expressions import CONTINUATION, DEPTH_MAX, parse_expression
from remit.language.reader import Reader
from remit.language.source import Source, SourceMap, Span
from remit.language.syntax import (
    CaveatSyntax,
    DefinitionSyntax,
    ImportSyntax,
    MemberSyntax,
    ParameterSyntax,
    ParameterTypeSyntax,
    PartialReferenceSyntax,
    PartialSyntax,
    PermissionReferenceSyntax,
    PermissionSyntax,
    RelationSyntax,
    SchemaSyntax,
    TopLevelSyntax,
    TypeSyntax,
    UseSyntax,
)
from remit.language.tokens import ARGUMENTS, DELEGATION, FLAGS, TokenKind
from remit.suggest import did_you_mean

_MODIFIERS = ("single", "final", "managed")
_JOINING = (TokenKind.PLUS, TokenKind.AMPERSAND, TokenKind.MINUS, TokenKind.PIPE)
_TRAITS = ("not_before", "expiration")

# What other languages call the operators.
_OPERATOR_WORDS = {
    "or": "did you mean `+`?",
    "and": "did you mean `&`?",
    "but": "did you mean `-`?",
    "not": "did you mean `-`?",
}

_Node = TypeVar("_Node", bound=TopLevelSyntax | MemberSyntax)


def parse(
    source: Source, *, forbidden_words: frozenset[str] = frozenset(), effort: Effort | None = None
) -> SchemaSyntax:
    """The tree of one text; raises SchemaInvalid with one issue, the first mistake. Cost: O(characters).

    `forbidden_words` may not be used as names, for the sake of other files (see imports.py)."""
    return _Parser(source, forbidden_words, effort).schema()


class _Parser:
    def __init__(self, source: Source, forbidden_words: frozenset[str], effort: Effort | None) -> None:
        self.source = source
        self.reader = Reader(source, forbidden_words, effort)
        self.has_definition = False

    # --- the top level ------------------------------------------------------------------------------------------

    def schema(self) -> SchemaSyntax:
        items: list[TopLevelSyntax] = []
        self._skip_empty_statements()
        while not self.reader.at(TokenKind.TEXT_END):
            items.append(self._top_level())
            self._skip_empty_statements()
        return SchemaSyntax(tuple(items), self.reader.take_comments(), sources=SourceMap((self.source,)))

    def _top_level(self) -> TopLevelSyntax:
        """One item. As in SpiceDB, the next may begin on the same line."""
        reader = self.reader
        comments = reader.take_comments()
        item: TopLevelSyntax
        if reader.at_name("use"):
            item = self._use(comments)
        elif reader.at_keyword("import"):
            item = self._import(comments)
        elif reader.at_keyword("definition") or reader.at_keyword("partial"):
            item = self._block(comments)
        elif reader.at_keyword("caveat"):
            item = self._caveat(comments)
        else:
            if reader.at_name("import", "partial"):
                raise reader.flag_missing(f"`{reader.token.text}`", reader.token.text)
            known = [word for word in ("definition", "caveat", "partial", "import", "use") if self._is_known(word)]
            raise reader.unexpected(_one_of(known), known)
        if reader.at(TokenKind.LINE_END, TokenKind.SEMICOLON, TokenKind.TEXT_END):
            return self._ended(item)
        return item

    def _is_known(self, word: str) -> bool:
        return word not in FLAGS or word in self.reader.flags

    def _use(self, comments: tuple[str, ...]) -> UseSyntax:
        reader = self.reader
        start = reader.advance()
        flag = reader.token
        if not reader.at(TokenKind.NAME, TokenKind.KEYWORD):
            raise reader.unexpected("a flag after `use`", FLAGS)
        if flag.text not in FLAGS:
            options = f"known flags: {', '.join(f'`{one}`' for one in sorted(FLAGS))}"
            suggestion = did_you_mean(flag.text, FLAGS) or options
            raise reader.refuse("unknown-flag", f"unknown flag `{flag.text}`", suggestion=suggestion)
        if self.has_definition:
            message = f"`use {flag.text}` stands after a definition"
            raise reader.refuse("misplaced-use", message, start.span, "move it above the first definition or caveat")
        reader.enable(flag.text)
        reader.advance()
        return UseSyntax(flag.text, comments, span=Span(start.start, flag.end))

    def _import(self, comments: tuple[str, ...]) -> ImportSyntax:
        start = self.reader.advance()
        if not self.reader.at(TokenKind.STRING):
            raise self.reader.unexpected('a path in quotes, as in `import "common/user.zed"`')
        path = self.reader.advance()
        declared: tuple[PermissionReferenceSyntax, ...] = ()
        if self.reader.at_keyword("with"):
            self.reader.advance()
            if not self.reader.at_name(Side.ARGUMENTS.value):
                raise self.reader.unexpected("`arguments(…)`, which says it for `matching` as well")
            self.reader.advance()
            declared = self._declared(Side.ARGUMENTS.value)
        return ImportSyntax(path.text, declared, comments, span=Span(start.start, self.reader.last_end))

    def _caveat(self, comments: tuple[str, ...]) -> CaveatSyntax:
        reader = self.reader
        self.has_definition = True
        start = reader.advance()
        name, name_span = reader.path("the caveat's name")
        reader.expect(TokenKind.LEFT_PAREN, f"and the parameters of `{name}`")
        parameters = [self._parameter()]
        while reader.accept(TokenKind.COMMA):
            parameters.append(self._parameter())
        reader.expect(TokenKind.RIGHT_PAREN, "or `,` and another parameter")
        if not reader.at(TokenKind.LEFT_BRACE):
            raise reader.unexpected("`{` on the same line and the expression")
        expression, expression_span = reader.expression()
        if not expression:
            message = f"caveat `{name}` has no expression"
            raise reader.refuse("empty-caveat", message, suggestion="write a condition in CEL between the braces")
        reader.expect(TokenKind.RIGHT_BRACE)
        return CaveatSyntax(
            name,
            tuple(parameters),
            expression,
            comments,
            expression_span=expression_span,
            name_span=name_span,
            span=Span(start.start, reader.last_end),
        )

    def _parameter(self) -> ParameterSyntax:
        name = self.reader.name("a parameter's name")
        type_ = self._parameter_type(name.text)
        return ParameterSyntax(name.text, type_, span=Span(name.start, self.reader.last_end))

    def _parameter_type(self, parameter: str) -> ParameterTypeSyntax:
        """`list<map<int>>`: names inward, then the closing signs outward."""
        reader = self.reader
        names = [reader.name(f"the type of `{parameter}`")]
        while reader.accept(TokenKind.LESS):
            if len(names) >= DEPTH_MAX:
                raise reader.refuse("nested-too-deep", f"the type of `{parameter}` is nested deeper than {DEPTH_MAX}")
            names.append(reader.name(f"the type inside `{names[-1].text}<…>`"))
        type_ = ParameterTypeSyntax(names[-1].text, span=names[-1].span)
        for name in reversed(names[:-1]):
            if reader.at(TokenKind.COMMA):
                message = f"`{name.text}<…>` takes one type"
                raise reader.refuse("unexpected-token", message, suggestion="a map's keys are always strings")
            reader.expect(TokenKind.GREATER)
            type_ = ParameterTypeSyntax(name.text, type_, span=Span(name.start, reader.last_end))
        return type_

    # --- definitions and partials -------------------------------------------------------------------------------

    def _block(self, comments: tuple[str, ...]) -> DefinitionSyntax | PartialSyntax:
        reader = self.reader
        start = reader.advance()
        is_definition = start.text == "definition"
        self.has_definition = self.has_definition or is_definition  # SpiceDB allows `use` behind a partial
        name, name_span = reader.path(f"the {start.text}'s name")
        if not reader.at(TokenKind.LEFT_BRACE):
            raise reader.unexpected(f"`{{` on the same line as `{start.text} {name}`")
        opening_comments = reader.take_comments()
        opening = reader.advance()
        comments += opening_comments + reader.take_trailing()
        members: list[MemberSyntax] = []
        self._skip_empty_statements()
        while not reader.at(TokenKind.RIGHT_BRACE):
            if reader.at(TokenKind.TEXT_END):
                message = f"{start.text} `{name}` has no closing `}}`"
                raise reader.refuse("unexpected-token", message, opening.span)
            members.append(self._member())
            self._skip_empty_statements()
        trailing_comments = reader.take_comments()
        reader.advance()
        node = DefinitionSyntax if is_definition else PartialSyntax
        span = Span(start.start, reader.last_end)
        return node(name, tuple(members), comments, trailing_comments, name_span=name_span, span=span)

    def _member(self) -> MemberSyntax:
        reader = self.reader
        comments = reader.take_comments()
        member: MemberSyntax
        if reader.at_name(*_MODIFIERS) or reader.at_keyword("relation"):
            member = self._relation(comments)
        elif reader.at_keyword("permission"):
            member = self._permission(comments)
        elif reader.at(TokenKind.ELLIPSIS):
            member = self._partial_reference(comments)
        elif reader.at_keyword("definition") or reader.at_keyword("caveat"):
            message = f"a {reader.token.text} cannot stand inside another definition"
            raise reader.refuse("unexpected-token", message, suggestion="is a `}` missing above?")
        else:
            known = ["relation", "permission"] + (list(_MODIFIERS) if DELEGATION in reader.flags else [])
            advice = CONTINUATION if reader.at(*_JOINING) else ""
            raise reader.unexpected("`relation`, `permission`, `...partial` or `}`", known, advice)
        if not reader.at(TokenKind.LINE_END, TokenKind.SEMICOLON, TokenKind.RIGHT_BRACE, TokenKind.TEXT_END):
            words = _OPERATOR_WORDS if isinstance(member, PermissionSyntax) else {}
            raise reader.unexpected("the end of the line", advice=words.get(reader.token.text, ""))
        return self._ended(member)

    def _relation(self, comments: tuple[str, ...]) -> RelationSyntax:
        reader = self.reader
        start = reader.token
        modifiers: list[str] = []
        while reader.at_name(*_MODIFIERS):
            word = reader.token.text
            if DELEGATION not in reader.flags:
                raise reader.flag_missing(f"`{word}`", DELEGATION)
            if word in modifiers:
                raise reader.refuse("repeated-modifier", f"`{word}` is said twice", suggestion="leave one out")
            modifiers.append(word)
            reader.advance()
        if not reader.at_keyword("relation"):
            raise reader.unexpected(f"`relation` after `{modifiers[-1]}`", ("relation", *_MODIFIERS))
        reader.advance()
        name = reader.name("the relation's name")
        if reader.at(TokenKind.EQUALS):
            message = f"relation `{name.text}` cannot be computed"
            raise reader.refuse("unexpected-token", message, suggestion="did you mean `permission`?")
        reader.expect(TokenKind.COLON, f"and the types of `{name.text}`")
        types = [self._type()]
        while reader.accept(TokenKind.PIPE):
            types.append(self._type())
        return RelationSyntax(
            name.text,
            tuple(types),
            single="single" in modifiers,
            final="final" in modifiers,
            managed="managed" in modifiers,
            comments=comments,
            name_span=name.span,
            span=Span(start.start, reader.last_end),
        )

    def _type(self) -> TypeSyntax:
        reader = self.reader
        start = reader.token.start
        type_, _ = reader.path("a type")
        relation, is_wildcard = None, False
        if reader.accept(TokenKind.COLON):
            reader.expect(TokenKind.STAR, f"after `{type_}:`")
            is_wildcard = True
        elif reader.accept(TokenKind.HASH):
            is_ellipsis = reader.at(TokenKind.ELLIPSIS)
            relation = (reader.advance() if is_ellipsis else reader.name(f"a relation of `{type_}`")).text
        node = TypeSyntax(type_, relation, is_wildcard, span=Span(start, reader.last_end))
        return self._traits(node) if reader.at_keyword("with") else node

    def _traits(self, node: TypeSyntax) -> TypeSyntax:
        """`with caveat and not_before and expiration`: the caveat first, the times in any order."""
        reader = self.reader
        reader.advance()
        caveat, caveat_span = None, node.caveat_span
        declared: tuple[PermissionReferenceSyntax, ...] = ()
        traits: set[str] = set()
        while True:
            trait = reader.token.text
            if reader.token.kind is TokenKind.KEYWORD and trait in _TRAITS:
                if trait in traits:
                    raise reader.refuse("repeated-trait", f"`{trait}` is said twice", suggestion="leave one out")
                traits.add(trait)
                reader.advance()
            elif traits or caveat is not None:
                raise self._misplaced_trait(caveat)
            else:
                caveat, caveat_span = reader.path("a caveat, `expiration` or `not_before`")
                if caveat in SIDES and reader.at(TokenKind.LEFT_PAREN):
                    declared = self._declared(caveat)
            if reader.at_name("and"):
                raise reader.flag_missing("`and` in a type's traits", "expiration")
            if not reader.at_keyword("and"):
                break
            reader.advance()
        return replace(
            node,
            caveat=caveat,
            declared=declared,
            expiration="expiration" in traits,
            not_before="not_before" in traits,
            caveat_span=caveat_span,
            span=Span(node.span.start, reader.last_end),
        )

    def _declared(self, caveat: str) -> tuple[PermissionReferenceSyntax, ...]:
        """`(user#contact, binding#bound)`, behind the name of a built-in caveat."""
        reader = self.reader
        if ARGUMENTS not in reader.flags:
            raise reader.flag_missing(f"`with {caveat}(…)`", ARGUMENTS)
        reader.expect(TokenKind.LEFT_PAREN, f"and the permissions that `{caveat}` may ask")
        if reader.at(TokenKind.RIGHT_PAREN):
            advice = f"where it asks none, write `{caveat}` without parentheses"
            raise reader.unexpected("a permission such as `user#contact`", advice=advice)
        declared = [self._permission_reference()]
        while reader.accept(TokenKind.COMMA):
            declared.append(self._permission_reference())
        reader.accept(TokenKind.LINE_END)  # a list of some length has its `)` on a line of its own
        reader.expect(TokenKind.RIGHT_PAREN, "or `,` and another permission")
        return tuple(declared)

    def _permission_reference(self) -> PermissionReferenceSyntax:
        reader = self.reader
        start = reader.token.start
        type_, _ = reader.path("the type of a permission")
        reader.expect(TokenKind.HASH, f"and a permission of `{type_}`")
        name = reader.name(f"a permission of `{type_}`")
        return PermissionReferenceSyntax(type_, name.text, span=Span(start, reader.last_end))

    def _misplaced_trait(self, caveat: str | None) -> SchemaInvalid:
        """Behind an `and` stands something that is no trait."""
        reader = self.reader
        if reader.at_name(*_TRAITS):
            return reader.flag_missing(f"`with {reader.token.text}`", reader.token.text)
        expected = " or ".join(f"`{trait}`" for trait in _TRAITS if trait in reader.flags)
        if not reader.at(TokenKind.NAME) or did_you_mean(reader.token.text, _TRAITS):
            return reader.unexpected(f"{expected} after `and`", _TRAITS)
        if caveat is None:
            message = f"caveat `{reader.token.text}` stands after a time"
            return reader.refuse("misplaced-caveat", message, suggestion="write the caveat first, then the times")
        message = f"a second caveat, `{reader.token.text}`, beside `{caveat}`"
        return reader.refuse("misplaced-caveat", message, suggestion="write one caveat that holds both conditions")

    def _permission(self, comments: tuple[str, ...]) -> PermissionSyntax:
        reader = self.reader
        start = reader.advance()
        name = reader.name("the permission's name")
        annotation: list[str] = []
        if reader.accept(TokenKind.COLON):
            annotation.append(reader.path("a type")[0])
            while reader.accept(TokenKind.PIPE):
                annotation.append(reader.path("a type")[0])
        reader.expect(TokenKind.EQUALS, f"and the expression of `{name.text}`")
        expression = parse_expression(reader)
        span = Span(start.start, reader.last_end)
        return PermissionSyntax(name.text, expression, tuple(annotation), comments, name_span=name.span, span=span)

    def _partial_reference(self, comments: tuple[str, ...]) -> PartialReferenceSyntax:
        start = self.reader.advance()
        self.reader.accept(TokenKind.LINE_END)  # SpiceDB lets the name follow on the next line
        name, _ = self.reader.path("a partial's name after `...`")
        return PartialReferenceSyntax(name, comments, span=Span(start.start, self.reader.last_end))

    # --- statements and their comments --------------------------------------------------------------------------

    def _skip_empty_statements(self) -> None:
        while self.reader.at(TokenKind.LINE_END, TokenKind.SEMICOLON):
            self.reader.advance()

    def _ended(self, node: _Node) -> _Node:
        """The node with the comments inside it and behind it on its line; takes the terminator that follows."""
        reader = self.reader
        comments = reader.take_comments()
        if reader.at(TokenKind.SEMICOLON):
            reader.advance()
            comments += reader.take_trailing()
        return replace(node, comments=node.comments + comments) if comments else node


def _one_of(words: list[str]) -> str:
    quoted = [f"`{word}`" for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
