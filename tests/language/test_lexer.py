"""Laws of the lexer: any text at all ends in tokens or in one refusal, whose place is inside the text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language.lexer import Lexer
from remit.language.parser import parse
from remit.language.source import Source
from remit.language.tokens import TokenKind
from tests.support.refusals import refused

PIECES = [
    *"{}()|+&-=:;#*/.,<>@\"'\\!?%$ \t\r\n\x00\ufeff\u00a0é漢²",
    "...",
    "->",
    "//",
    "/*",
    "*/",
    '"""',
    "'''",
    "\r\n",
    *[
        "use",
        "definition",
        "caveat",
        "relation",
        "permission",
        "partial",
        "import",
        "with",
        "and",
        "nil",
        "self",
        "user",
        "any",
        "all",
    ],
    *["expiration", "not_before", "delegation", "single", "managed", "exists", "along", "...p", "user:*", "a#b", "r'"],
]
soups = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
spaced_soups = st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join)
texts = st.text(max_size=60) | soups | spaced_soups


def tokens_of(text, base=0):
    lexer = Lexer(Source("schema.zed", text, base))
    tokens = []
    while not tokens or tokens[-1].kind is not TokenKind.TEXT_END:
        tokens.append(lexer.next())
    return tokens


@settings(max_examples=400)
@given(texts)
def test_any_text_parses_or_is_refused_at_a_place_inside_it(text):
    try:
        parse(Source("schema.zed", text))
    except SchemaInvalid:
        assert refused(text).severity == "error"


@given(texts, st.integers(0, 100))
@example('""""""', 0)
@example('"" \'\' "a"', 7)
def test_tokens_stand_in_order_where_they_say(text, base):
    try:
        tokens = tokens_of(text, base)
    except SchemaInvalid:
        return
    last = base
    for token in tokens:
        assert last <= token.start <= token.end <= base + len(text)
        written = text[token.start - base : token.end - base]
        quote = 0 if token.kind is not TokenKind.STRING else 3 if written.startswith(('"""', "'''")) else 1
        assert token.text == written[quote : len(written) - quote]
        last = token.end


@given(st.text(st.characters(categories=["L", "Nd"]) | st.just("_"), min_size=1))
def test_letters_and_digits_of_any_script_make_one_word(word):
    assert [token.text for token in tokens_of(word)] == [word, ""]


def test_a_lines_end_is_a_token_only_behind_what_can_end_a_statement():
    kinds = {piece: len(tokens_of(piece + "\n\n")) for piece in ["a", "}", ")", "*", "...", "'a'", "+", "{", "|", ";"]}
    assert {piece for piece, count in kinds.items() if count == 3} == {"a", "}", ")", "*", "...", "'a'"}


def test_a_reserved_word_is_a_keyword_from_then_on():
    lexer = Lexer(Source("", "self self"))
    assert lexer.next().kind is TokenKind.NAME
    lexer.reserve(frozenset({"self"}))
    assert lexer.next().kind is TokenKind.KEYWORD


def test_comments_on_the_line_of_a_token_are_told_from_those_before_the_next():
    lexer = Lexer(Source("", "a, // one\n// two\n /* three\n    3 */ /*four*/ b"))
    lexer.next(), lexer.next()
    assert lexer.next().text == "b"
    assert lexer.comments == ["// one", "// two", "/* three\n   3 */", "/*four*/"]
    assert lexer.trailing == 1


def test_a_byte_order_mark_and_windows_line_ends_change_nothing():
    text = "// c\n/* a\n b */\ndefinition user {\n\trelation x: user // y\n}\n"
    plain = parse(Source("", text))
    assert parse(Source("", "\ufeff" + text.replace("\n", "\r\n"))) == plain
    assert parse(Source("", text.replace("\n", "\r"))) == plain


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "part"),
    [
        ("definition user {\n\trelation a: user\u00a0| b\n}", 2, 18, "unexpected-character", "U+00A0 (no-break space)"),
        ("definition a {\n permission b = c − d\n}", 2, 19, "unexpected-character", "did you mean `-`?"),
        ("definition a {\n permission b = “c”\n}", 2, 17, "unexpected-character", 'did you mean `"`?'),
        ("definition \x00 {}", 1, 12, "unexpected-character", "U+0000"),
        ("// fine\n\ud800", 2, 1, "unexpected-character", "U+D800"),
        ("definition a {} /* b", 1, 17, "unterminated-comment", "no closing `*/`"),
        ("use import\nimport 'a.zed\n", 2, 8, "unterminated-string", "not closed on its line"),
        ("caveat c(a int) {\n a == 1\n", 1, 17, "unterminated-expression", "no closing `}`"),
        ("caveat c(a int) { {a} ", 1, 17, "unterminated-expression", "no closing `}`"),
        ("caveat c(a string) {\n a == 'b\n}", 2, 7, "unterminated-string", "is not closed"),
        ('caveat c(a string) {\n a == """b\n}', 2, 7, "unterminated-string", "is not closed"),
        ('caveat c(a string) {\n a == "b\\"}', 2, 7, "unterminated-string", "is not closed"),
    ],
)
def test_what_cannot_be_read_is_named_where_it_stands(text, line, column, code, part):
    issue = refused(text)
    assert (issue.line, issue.column, issue.code) == (line, column, code)
    assert part in issue.render()


@pytest.mark.parametrize(
    "expression",
    [
        "a == '}'",
        'a == "}"',
        "a == '\\'}'",
        "a == r'\\' && b",
        'a == """ } " "" \\""" """',
        "a == '''\n}\n'''",
        'a == R"""\\""" && b == br\'}\'',
        "a == {'b': {'c': 1}}.b // }\n",
        "// only then\n a",
        "a / b == 1",
    ],
)
def test_braces_in_strings_and_comments_of_cel_do_not_count(expression):
    text = f"caveat c(a int) {{\n  {expression}\n}}\ndefinition d {{}}"
    caveat, definition = parse(Source("", text)).items
    assert caveat.expression == expression.strip()
    assert text[caveat.expression_span.start : caveat.expression_span.end] == caveat.expression
    assert definition.name == "d"


ADVERSARIES = {
    "words": "a",
    "comments on one line": "/**/",
    "comments": "/*\n*/",
    "open comments": "/*",
    "quotes": '"',
    "words before quotes": "caveat c(a int) {" + "abc" * 50,
    "braces": "caveat c(a int) {",
    "spaces": " ",
    "line ends": "\n",
    "dots": "...",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ADVERSARIES.values(), ids=ADVERSARIES)
def test_no_repetition_makes_reading_slow(piece):
    """Half a megabyte of it: at quadratic cost this would be minutes, and the timeout ends it."""
    text = piece * (500_000 // len(piece))
    try:
        parse(Source("", text))
    except SchemaInvalid as error:
        assert len(error.message) < 1000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("body", ["{", "'a' ", '"\\"" ', 'a"""b\'\'\'c""" ', "// \n", "abc", "r'\\' "])
def test_no_expression_makes_finding_its_end_slow(body):
    text = "caveat c(a int) {" + body * (300_000 // len(body)) + "}"
    if body == "{":
        assert refused(text).code == "unterminated-expression"
    elif body.startswith("//"):
        assert refused(text).code == "empty-caveat"
    else:
        assert parse(Source("", text)).items[0].expression == (body * (300_000 // len(body))).strip()
