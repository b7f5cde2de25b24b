"""OpenFGA's modeling language, schema 1.1 and 1.2, text → `Model`.

    model
      schema 1.1
    type document
      relations
        define viewer: [user, group#member with office_hours] or editor or viewer from parent
    condition office_hours(hour: int) { hour >= 8 && hour < 18 }

It is a language of lines: a definition ends with its line, unless a bracket is open. `#` begins a comment at the
beginning of a line and behind white space.
Law: what is not of the language is refused with its place; nothing is skipped."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from remit.errors import SchemaInvalid
from remit.language.source import Issue, Source, SourceMap, Span, refusal
from remit.notation import shortened
from remit.openfga.model import (
    Combination,
    Combined,
    Computed,
    Condition,
    Direct,
    From,
    Model,
    Parameter,
    Relation,
    Restriction,
    Rewrite,
    Type,
)

SCHEMA_VERSIONS = ("1.1", "1.2")
DEPTH_MAX = 100  # of parentheses

_TOKEN = re.compile(
    r"(?P<space>[^\S\n]+)|(?P<comment>(?<![^\s])#[^\n]*)|(?P<line>\n)"
    r"|(?P<word>[^\s\[\](){},:#<>*]+)|(?P<mark>[\[\](){},:#<>*])"
)
_OPENS, _CLOSES = "[(", "])"
# What stands in an expression of CEL and may hold a brace that is none.
_CEL = re.compile(r"//[^\n]*|'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|[{}]", re.DOTALL)
RESERVED = frozenset(("or", "and", "but", "from", "with", "self", "this"))


class _Token(NamedTuple):
    kind: str  # word, mark, line or end
    text: str
    span: Span


class Module(NamedTuple):
    """One text: its types and conditions, and the name of the module where it is one of several."""

    name: str
    schema_version: str
    types: tuple[Type, ...]
    conditions: tuple[Condition, ...]


def parse_model(text: str, *, name: str = "model.fga") -> Model:
    """A model that is one text. Raises SchemaInvalid, naming the place."""
    source = Source(name, text)
    module = parse_module(source)
    if not module.schema_version:
        span = Span(0, 0)
        problem = "a model begins with `model` and, below it, `schema 1.1`"
        advice = "this is a module: give the `fga.mod` that lists it" if module.name else ""
        raise refusal([Issue("error", "openfga-syntax", problem, span, source, advice)])
    return Model(module.types, module.conditions, sources=SourceMap((source,)))


def parse_module(source: Source) -> Module:
    """What a text holds, whole model or module. Raises SchemaInvalid."""
    return _Parser(source).parse()


class _Parser:
    """Recursive descent; an expression is as deep as its parentheses, which are bounded."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0  # in the text
        self.open = 0  # brackets: within them a line's end is white space
        self.token = self._scan()

    def parse(self) -> Module:
        self._skip_lines()
        name = version = ""
        if self._is_word("model"):
            self._next()
            self._skip_lines()
            self._word("schema")
            written = self.token
            version = self._name("the version of the schema")
            if version not in SCHEMA_VERSIONS:
                raise self._error(f"schema {shortened(version)} is not read: 1.1 and 1.2 are", written.span)
            self._line_end()
        elif self._is_word("module"):
            self._next()
            name = self._name("the module's name")
            self._line_end()
        types: list[Type] = []
        conditions: list[Condition] = []
        while self.token.kind != "end":
            if self._is_word("type") or self._is_word("extend"):
                types.append(self._type())
            elif self._is_word("condition"):
                conditions.append(self._condition())
            else:
                self._unexpected("`type`, `extend type` or `condition`")
            self._skip_lines()
        return Module(name, version, tuple(types), tuple(conditions))

    # --- types --------------------------------------------------------------------------------------------------

    def _type(self) -> Type:
        is_extension = self._is_word("extend")
        if is_extension:
            self._next()
        self._word("type")
        span = self.token.span
        name = self._name("the type's name")
        self._line_end()
        relations: list[Relation] = []
        if self._is_word("relations"):
            self._next()
            self._line_end()
            while self._is_word("define"):
                relations.append(self._relation())
        return Type(name, tuple(relations), is_extension, span=span)

    def _relation(self) -> Relation:
        self._word("define")
        span = self.token.span
        name = self._name("the relation's name")
        self._mark(":")
        rewrite = self._rewrite(0)
        self._line_end()
        return Relation(name, rewrite, span=span)

    def _rewrite(self, depth: int) -> Rewrite:
        """`term (or term)*`, `term (and term)*` or `term but not term`."""
        start = self.token.span.start
        operands = [self._term(depth)]
        combination: Combination | None = None
        while (found := self._combination()) is not None:
            if combination is not None and (found is not combination or found is Combination.BUT_NOT):
                raise self._error(
                    f"`{found.value}` behind `{combination.value}` may be read in two ways: write parentheses",
                    self.token.span,
                )
            combination = found
            for word in found.value.split():
                self._word(word)
            operands.append(self._term(depth))
        if combination is None:
            return operands[0]
        return Combined(combination, tuple(operands), span=Span(start, self.token.span.start))

    def _combination(self) -> Combination | None:
        first = self.token.text if self.token.kind == "word" else ""
        return next((each for each in Combination if each.value.split()[0] == first), None)

    def _term(self, depth: int) -> Rewrite:
        span = self.token.span
        if self._is_mark("["):
            return self._direct()
        if self._is_mark("("):
            if depth == DEPTH_MAX:
                raise self._error(f"parentheses are nested more than {DEPTH_MAX} deep", span)
            self._mark("(")
            inside = self._rewrite(depth + 1)
            self._mark(")")
            return inside
        relation = self._relation_name()
        if self._is_word("from"):
            self._next()
            return From(relation, self._relation_name(), span=span)
        return Computed(relation, span=span)

    def _direct(self) -> Direct:
        start = self.token.span
        self._mark("[")
        restrictions = [self._restriction()]
        while self._is_mark(","):
            self._next()
            restrictions.append(self._restriction())
        self._mark("]")
        return Direct(tuple(restrictions), span=start)

    def _restriction(self) -> Restriction:
        span = self.token.span
        type_ = self._name("a type")
        relation, is_wildcard, condition = "", False, ""
        if self._is_mark(":"):
            self._next()
            self._mark("*")
            is_wildcard = True
        elif self._is_mark("#"):
            self._next()
            relation = self._relation_name()
        if self._is_word("with"):
            self._next()
            condition = self._name("the condition's name")
        return Restriction(type_, relation, is_wildcard, condition, span=span)

    def _relation_name(self) -> str:
        if self.token.text in RESERVED:
            self._unexpected("the name of a relation")
        return self._name("the name of a relation")

    # --- conditions ---------------------------------------------------------------------------------------------

    def _condition(self) -> Condition:
        self._word("condition")
        span = self.token.span
        name = self._name("the condition's name")
        self._mark("(")
        parameters = [self._parameter()]
        while self._is_mark(","):
            self._next()
            parameters.append(self._parameter())
        self._mark(")")
        self._skip_lines()
        if not self._is_mark("{"):
            self._unexpected("`{`")
        expression = self._expression()
        return Condition(name, tuple(parameters), expression, span=span)

    def _parameter(self) -> Parameter:
        span = self.token.span
        name = self._name("a parameter's name")
        self._mark(":")
        return Parameter(name, self._parameter_type(), span=span)

    def _parameter_type(self) -> str:
        name = self._name("a parameter's type")
        if not self._is_mark("<"):
            return name
        self._next()
        child = self._name("a parameter's type")
        self._mark(">")
        return f"{name}<{child}>"

    def _expression(self) -> str:
        """The text up to the brace that closes the one at hand. Braces in CEL's strings and comments are none."""
        start, depth = self.token.span.end, 1
        for found in _CEL.finditer(self.source.text, start - self.source.base):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if depth == 0:
                self.at = found.end()
                expression = self.source.text[start - self.source.base : found.start()]
                self.token = self._scan()
                return expression.strip()
        raise self._error("this `{` is not closed", self.token.span)

    # --- tokens -------------------------------------------------------------------------------------------------

    def _scan(self) -> _Token:
        text, base = self.source.text, self.source.base
        while self.at < len(text):
            found = _TOKEN.match(text, self.at)
            assert found is not None, "every character is white space, a mark or part of a word"
            self.at = found.end()
            kind = str(found.lastgroup)
            span = Span(base + found.start(), base + found.end())
            if kind == "mark":
                self.open += (found[0] in _OPENS) - (found[0] in _CLOSES)
            if kind in ("space", "comment") or (kind == "line" and self.open > 0):
                continue
            return _Token(kind, found[0], span)
        return _Token("end", "", Span(base + len(text), base + len(text)))

    def _next(self) -> None:
        self.token = self._scan()

    def _skip_lines(self) -> None:
        while self.token.kind == "line":
            self._next()

    def _line_end(self) -> None:
        if self.token.kind not in ("line", "end"):
            self._unexpected("the end of the line")
        self._skip_lines()

    def _is_word(self, text: str) -> bool:
        return self.token.kind == "word" and self.token.text == text

    def _is_mark(self, text: str) -> bool:
        return self.token.kind == "mark" and self.token.text == text

    def _word(self, text: str) -> None:
        if not self._is_word(text):
            self._unexpected(f"`{text}`")
        self._next()

    def _mark(self, text: str) -> None:
        if not self._is_mark(text):
            self._unexpected(f"`{text}`")
        self._next()

    def _name(self, what: str) -> str:
        if self.token.kind != "word":
            self._unexpected(what)
        name = self.token.text
        self._next()
        return name

    def _unexpected(self, expected: str) -> NoReturn:
        found = {"line": "the end of the line", "end": "the end of the text"}.get(self.token.kind)
        raise self._error(
            f"expected {expected}, but found {found or f'`{shortened(self.token.text)}`'}", self.token.span
        )

    def _error(self, message: str, span: Span) -> SchemaInvalid:
        return refusal([Issue("error", "openfga-syntax", message, span, self.source)])
