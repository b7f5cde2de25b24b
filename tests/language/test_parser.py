"""Laws of the parser: SpiceDB's precedence, SpiceDB's texts, Remit's forms under their flags, and clear refusals."""

from __future__ import annotations

import sys
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language import syntax as sx
from remit.language.expressions import CHAIN_MAX, DEPTH_MAX, PARENTHESES_MAX
from remit.language.parser import parse
from remit.language.printer import print_schema
from remit.language.source import Source
from remit.language.tokens import FLAGS
from tests.support.places import CONFORMANCE
from tests.support.refusals import refused
from tests.support.syntax_strategies import schemas

SCHEMAS = CONFORMANCE / "spicedb-schema"


def read(text):
    return parse(Source("schema.zed", text))


def permission(expression, uses=""):
    return read(f"{uses}\ndefinition d {{\n permission p = {expression}\n}}").items[-1].members[0].expression


# --- what SpiceDB says ------------------------------------------------------------------------------------------


def conformance(folder):
    texts = sorted((SCHEMAS / folder).glob("*.zed"))
    absent = pytest.param(None, marks=pytest.mark.skip(reason=f"no conformance data at {SCHEMAS}"))
    return [pytest.param(text, id=text.stem) for text in texts] or [absent]


@pytest.mark.parametrize("path", conformance("accept"))
def test_what_spicedb_accepts_parses_and_prints_to_the_same_tree(path):
    tree = read(path.read_text())
    assert tree.items
    assert read(print_schema(tree)) == tree


@pytest.mark.parametrize("path", conformance("reject"))
def test_what_spicedb_rejects_is_refused_at_a_place(path):
    refused(path.read_text())


# --- laws over random texts and trees ---------------------------------------------------------------------------


def spans(node):
    """Every node below, with its span, as the parser nests them."""
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        for child in value if isinstance(value, tuple) else (value,):
            if hasattr(child, "span") and hasattr(child, "__dataclass_fields__"):
                yield child
                yield from spans(child)


@settings(max_examples=60)
@given(schemas(), st.integers(0, 1000))
def test_a_nodes_span_is_where_it_stands(tree, base):
    source = Source("schema.zed", print_schema(tree), base)
    parsed = parse(source)
    assert [source] == list(parsed.sources.sources)
    for node in spans(parsed):
        written = parsed.sources.slice(node.span)
        assert written, node
        assert not written[0].isspace()
        assert not written[-1].isspace()
        match node:
            case sx.NameSyntax(name):
                assert written == name
            case sx.TypeSyntax(type_):
                assert written.startswith(type_)
                assert parsed.sources.slice(node.caveat_span) == (node.caveat or "")
            case sx.PermissionReferenceSyntax():
                assert written == str(node)
            case sx.CaveatSyntax(name):
                assert parsed.sources.slice(node.expression_span) == node.expression
                assert parsed.sources.slice(node.name_span) == name
            case sx.DefinitionSyntax(name) | sx.PartialSyntax(name):
                assert parsed.sources.slice(node.name_span) == name
                assert written.endswith("}")
            case sx.RelationSyntax(name) | sx.PermissionSyntax(name) | sx.ArrowSyntax(_, name):
                assert parsed.sources.slice(node.name_span) == name
            case sx.BinarySyntax(operator):
                assert operator.value in written


@settings(max_examples=120)
@given(schemas(), st.data())
def test_a_damaged_schema_is_refused_at_a_place_inside_it_or_prints_to_what_it_says(tree, data):
    text = print_schema(tree)
    at = data.draw(st.integers(0, len(text)))
    width = data.draw(st.integers(0, 5))
    damaged = text[:at] + data.draw(st.text("{}()|;:=#*.\"'/\n ax", max_size=3)) + text[at + width :]
    damaged = damaged.replace("\n", data.draw(st.sampled_from(["\n", "\r\n", "\r"]))).replace(
        "\t", data.draw(st.sampled_from(["\t", "  ", " \t"]))
    )
    try:
        read_tree = read(damaged)
    except SchemaInvalid:
        refused(damaged)
    else:
        assert read(print_schema(read_tree)) == read_tree


def by_splitting(tokens):
    """The precedence said once more, the other way round: split at the last of the loosest operators there are."""
    for operator in "-&+":
        places = [at for at, token in enumerate(tokens) if token == operator]
        if places:
            left, right = tokens[: places[-1]], tokens[places[-1] + 1 :]
            return sx.BinarySyntax(sx.Operator(operator), by_splitting(left), by_splitting(right))
    (name,) = tokens
    return sx.NameSyntax(name)


@given(st.lists(st.sampled_from("+&-"), max_size=12))
def test_plus_binds_tightest_then_and_then_minus_all_to_the_left(operators):
    tokens = ["a"] + [token for operator in operators for token in (operator, "b")]
    assert permission(" ".join(tokens)) == by_splitting(tokens)


def test_the_precedence_spicedb_documents():
    assert permission("a - b + c") == permission("a - (b + c)")
    assert permission("a + b & c - d") == permission("((a + b) & c) - d")
    assert permission("a - b - c") == permission("(a - b) - c") != permission("a - (b - c)")


# --- depth ------------------------------------------------------------------------------------------------------


def depth_of(node):
    return 1 + max([depth_of(node.left), depth_of(node.right)]) if isinstance(node, sx.BinarySyntax) else 1


@pytest.mark.parametrize(
    "deepened",
    [
        lambda n: "(" * n + "a" + " & b)" * n,
        lambda n: "(a + " * n + "a" + ")" * n,
        lambda n: " - ".join(["a"] * n),
        lambda n: "a" + "->b" * n,
        lambda n: "a" + ".all(b)" * n,
    ],
)
def test_depth_is_bounded_and_said(deepened):
    permission(deepened(DEPTH_MAX - 1))
    for depth in (DEPTH_MAX + 1, 50 * DEPTH_MAX):
        issue = refused(f"definition d {{\n permission p = {deepened(depth)}\n}}")
        assert (issue.code, issue.line) == ("nested-too-deep", 2)
        assert f" {DEPTH_MAX}" in issue.message or f" {PARENTHESES_MAX}" in issue.message


@pytest.mark.parametrize("depth", [300, PARENTHESES_MAX])
def test_parentheses_around_one_another_mean_one_pair(depth):
    assert permission("(" * depth + "a + b" + ")" * depth) == permission("(a + b)")
    issue = refused(f"definition d {{\n permission p = {'(' * (PARENTHESES_MAX + 1)}a\n}}")
    assert (issue.code, issue.line) == ("nested-too-deep", 2)


@pytest.mark.parametrize(
    "quoted", ["'common/user.zed'", '"common/user.zed"', '"""common/user.zed"""', "'''common/user.zed'''"]
)
def test_an_import_may_stand_in_any_quotes_of_spicedb(quoted):
    tree = parse(Source("test", f"use import\nimport {quoted}\ndefinition d {{}}"))
    assert [item.path for item in tree.items if isinstance(item, sx.ImportSyntax)] == ["common/user.zed"]


def test_a_parameters_type_is_bounded_too():
    nested = "list<" * (DEPTH_MAX - 1) + "int" + ">" * (DEPTH_MAX - 1)
    assert read(f"caveat c(a {nested}) {{ true }}")
    assert refused(f"caveat c(a list<{nested}>) {{ true }}").code == "nested-too-deep"


@pytest.mark.parametrize("operator", ["+", "&"])
def test_a_union_of_thousands_stays_shallow_and_keeps_its_order(operator):
    def names(node):
        return [*names(node.left), *names(node.right)] if isinstance(node, sx.BinarySyntax) else [node.name]

    written = [f"r{number}" for number in range(5000)]
    expression = permission(f" {operator} ".join(written))
    assert names(expression) == written
    assert depth_of(expression) <= DEPTH_MAX
    assert depth_of(permission(f" {operator} ".join(["a"] * CHAIN_MAX))) == CHAIN_MAX


# --- flags, keywords, names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flags_words_are_names_without_it_and_keywords_with_it(flag):
    for word in FLAGS[flag]:
        text = f"definition {word} {{\n relation {word}: {word}/{word}#{word}\n permission p = {word}->{word}\n}}"
        (definition,) = read(text).items
        assert definition.members[0].name == word
        assert definition.members[1].expression == sx.ArrowSyntax(sx.NameSyntax(word), word)
        issue = refused(f"use {flag}\n{text}")
        assert f"`{word}` is a keyword" in issue.message
        assert f"use {flag}" in issue.suggestion


@pytest.mark.parametrize("word", ["single", "final", "managed", "along", "exists", "any", "all", "use", "subject"])
def test_words_known_by_their_place_stay_names_even_under_delegation(word):
    for uses in ("", "use delegation\n"):
        text = f"{uses}definition d {{\n relation {word}: {word}\n permission p = {word} + {word}->{word}\n}}"
        assert read(text).items[-1].members[0].name == word


@pytest.mark.parametrize("word", ["definition", "caveat", "relation", "permission", "nil", "with"])
def test_keywords_are_never_names(word):
    assert f"`{word}` is a keyword" in refused(f"definition d {{\n relation {word}: user\n}}").message


def test_delegation_forms_are_read_under_their_flag():
    uses = "use delegation"
    r, s = sx.NameSyntax("r"), sx.NameSyntax("s")
    assert permission("r.exists()", uses) == sx.ExistsSyntax(r)
    assert permission("r.along(r,\n s)", uses) == sx.AlongSyntax(r, (r, s))
    assert permission("r.along()", uses) == sx.AlongSyntax(r, ())
    assert permission("subject->p", uses) == sx.ArrowSyntax(sx.NameSyntax("subject"), "p")
    for count in range(4):
        for modifiers in permutations(("single", "final", "managed"), count):
            relation = read(f"{uses}\ndefinition d {{ {' '.join(modifiers)} relation r: d }}").items[1].members[0]
            said = {word for word in ("single", "final", "managed") if getattr(relation, word)}
            assert said == set(modifiers)


def test_traits_are_read_in_any_order_behind_the_caveat():
    uses = "use not_before\nuse expiration\n"

    def type_of(traits, flags=uses):
        return read(f"{flags}definition d {{\n relation r: user with {traits}\n}}").items[-1].members[0].types[0]

    full = sx.TypeSyntax("user", caveat="a/c", expiration=True, not_before=True)
    assert type_of("a/c and not_before and expiration") == full
    assert type_of("a/c and expiration and not_before") == full
    assert type_of("expiration") == sx.TypeSyntax("user", expiration=True)
    assert type_of("not_before", "use not_before\n") == sx.TypeSyntax("user", not_before=True)
    assert type_of("expiration", "") == sx.TypeSyntax("user", caveat="expiration")
    asked = (sx.PermissionReferenceSyntax("user", "contact"), sx.PermissionReferenceSyntax("a/b", "c"))
    told = sx.TypeSyntax("user", caveat="matching", declared=asked, expiration=True)
    assert type_of("matching(user#contact, a/b#c) and expiration", uses + "use arguments\n") == told
    assert type_of("matching", "") == sx.TypeSyntax("user", caveat="matching")


# --- statements and comments ------------------------------------------------------------------------------------


def test_a_statement_goes_on_behind_an_operator_and_ends_elsewhere():
    spread = "definition d {\n relation r: a |\n b#... |\n c:*\n\n permission p =\n r +\n (\n r ->\n q) ;;\n}\n"
    assert read(spread) == read("definition d { relation r: a | b#... | c:*; permission p = r + r->q }")
    assert len(read("use self use expiration definition a {} definition b {}; ; caveat c(x int) { x == 1 }").items) == 5


def test_every_comment_is_kept_and_stands_with_what_it_speaks_of():
    tree = read("""\
// use
use partial // flag
// partial
partial p { // behind the brace
  // before the end
} // behind the end
/* one */ definition /* two */ d /* three */ { /* four */
  /* five */ relation /* six */ r: a /* seven */ | // eight
    // nine
    b ; // ten
  // eleven
  permission q = r // twelve
  ...p /* thirteen */
  // fourteen
}
// last""")
    use, partial, definition = tree.items
    relation, permission_, reference = definition.members
    assert use.comments == ("// use", "// flag")
    assert partial.comments == ("// partial", "// behind the brace", "// behind the end")
    assert partial.trailing_comments == ("// before the end",)
    assert definition.comments == ("/* one */", "/* two */", "/* three */", "/* four */")
    assert relation.comments == ("/* five */", "/* six */", "/* seven */", "// eight", "// nine", "// ten")
    assert permission_.comments == ("// eleven", "// twelve")
    assert reference.comments == ("/* thirteen */",)
    assert definition.trailing_comments == ("// fourteen",)
    assert tree.trailing_comments == ("// last",)


# --- refusals ---------------------------------------------------------------------------------------------------

MISTAKES = {
    "definiton user {}": (1, 1, "unexpected-token", "did you mean `definition`?"),
    "caveats c(a int) { true }": (1, 1, "unexpected-token", "did you mean `caveat`?"),
    "use self\nuse selv": (2, 5, "unknown-flag", "did you mean `self`?"),
    "use zzz": (1, 5, "unknown-flag", "`delegation`, `expiration`, `import`"),
    "use": (1, 4, "unexpected-token", "a flag after `use`"),
    "definition a {}\nuse self": (2, 1, "misplaced-use", "above the first definition"),
    "caveat c(a int) { true }\nuse self": (2, 1, "misplaced-use", "above the first definition"),
    "import 'a.zed'": (1, 1, "flag-missing", "add `use import`"),
    "partial p {}": (1, 1, "flag-missing", "add `use partial`"),
    "use import\nimport a.zed": (2, 8, "unexpected-token", "a path in quotes"),
    "@deprecated\ndefinition a {}": (1, 1, "unexpected-token", "no decorators"),
    "definition a\n{\n}": (1, 13, "unexpected-token", "on the same line"),
    "definition a {\n relation b: c\n": (1, 14, "unexpected-token", "definition `a` has no closing `}`"),
    "definition a {\n relation b: c\ndefinition d {}": (3, 1, "unexpected-token", "is a `}` missing above?"),
    "definition a/ {}": (1, 15, "unexpected-token", "the definition's name after `/`"),
    "definition a {\n relaton b: c\n}": (2, 2, "unexpected-token", "did you mean `relation`?"),
    "definition a {\n relation b = c\n}": (2, 13, "unexpected-token", "did you mean `permission`?"),
    "definition a {\n relation: c\n}": (2, 10, "unexpected-token", "expected the relation's name, found `:`"),
    "definition a {\n relation b: c relation d: e\n}": (2, 16, "unexpected-token", "the end of the line"),
    "definition a {\n relation b: c || d\n}": (2, 16, "unexpected-token", "`|` joins types"),
    "definition a {\n relation b: c#*\n}": (2, 16, "unexpected-token", "a relation of `c`"),
    "definition a {\n relation b: c:d\n}": (2, 16, "unexpected-token", "expected `*` after `c:`"),
    "definition a {\n single relation b: c\n}": (2, 2, "flag-missing", "add `use delegation`"),
    "use delegation\ndefinition a {\n single single relation b: c\n}": (3, 9, "repeated-modifier", "leave one out"),
    "use delegation\ndefinition a {\n managed permission b = c\n}": (3, 10, "unexpected-token", "after `managed`"),
    "use delegation\ndefinition a {\n singel relation b: c\n}": (3, 2, "unexpected-token", "did you mean `single`?"),
    "definition a {\n permission b = c and d\n}": (2, 19, "unexpected-token", "did you mean `&`?"),
    "definition a {\n permission b = c or d\n}": (2, 19, "unexpected-token", "did you mean `+`?"),
    "definition a {\n permission b == c\n}": (2, 15, "unexpected-token", "did you mean `=`?"),
    "definition a {\n permission b = c && d\n}": (2, 19, "unexpected-token", "did you mean `&`?"),
    "definition a {\n permission b = c\n + d\n}": (3, 2, "unexpected-token", "end the line with the operator"),
    "definition a {\n permission b = (c\n + d)\n}": (2, 19, "unexpected-token", "end the line with the operator"),
    "definition a {\n permission b = (c\n}": (2, 19, "unexpected-token", "expected an operator or `)`"),
    "definition a {\n permission b = c)\n}": (2, 18, "unexpected-token", "expected the end of the line, found `)`"),
    "definition a {\n permission b =\n}": (3, 1, "unexpected-token", "a relation, a permission, `nil` or `(`"),
    "definition a {\n permission b = (c->d)->e\n}": (2, 23, "unexpected-token", "found `->`"),
    "definition a {\n permission b = nil->e\n}": (2, 20, "unexpected-token", "found `->`"),
    "definition a {\n permission b = c.ani(d)\n}": (2, 19, "unexpected-token", "did you mean `any`?"),
    "definition a {\n permission b = c.exists()\n}": (2, 19, "flag-missing", "add `use delegation`"),
    "definition a {\n permission b = c.along(d)\n}": (2, 19, "flag-missing", "add `use delegation`"),
    "use delegation\ndefinition a {\n permission b = c->d.exists()\n}": (3, 22, "unexpected-token", "not of an arrow"),
    "use delegation\ndefinition a {\n permission b = c.exists(d)\n}": (3, 26, "unexpected-token", "takes nothing"),
    "use delegation\ndefinition a {\n permission b = c.exists()->d\n}": (3, 27, "unexpected-token", "found `->`"),
    "use delegation\ndefinition a {\n permission b = c.along(d,)\n}": (3, 27, "unexpected-token", "a chain relation"),
    "definition a {\n relation b: c with d and expiration\n}": (2, 23, "flag-missing", "add `use expiration`"),
    "use expiration\ndefinition a {\n relation b: c with expiration and d\n}": (
        (3, 36, "misplaced-caveat", "write the caveat first")
    ),
    "use expiration\ndefinition a {\n relation b: c with d and e\n}": (3, 27, "misplaced-caveat", "one caveat"),
    "use expiration\ndefinition a {\n relation b: c with expiration and expiration\n}": (
        (3, 36, "repeated-trait", "leave one out")
    ),
    "use expiration\ndefinition a {\n relation b: c with d and expiratoin\n}": (
        (3, 27, "unexpected-token", "did you mean `expiration`?")
    ),
    "use expiration\ndefinition a {\n relation b: c with d and not_before\n}": (
        (3, 27, "flag-missing", "add `use not_before`")
    ),
    "use expiration\ndefinition a {\n relation b: c with d and\n}": (3, 26, "unexpected-token", "after `and`"),
    "definition a {\n relation b: c with\n}": (2, 20, "unexpected-token", "a caveat"),
    "caveat c() { true }": (1, 10, "unexpected-token", "a parameter's name"),
    "caveat c(a) { true }": (1, 11, "unexpected-token", "the type of `a`"),
    "caveat c(a map<string, int>) { true }": (1, 22, "unexpected-token", "keys are always strings"),
    "caveat c(a int)\n{ true }": (1, 16, "unexpected-token", "on the same line"),
    "caveat c(a int) { // nothing\n }": (2, 2, "empty-caveat", "write a condition"),
    "definition a {\n ...\n}": (3, 1, "unexpected-token", "a partial's name"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_said_where_it_is_and_with_what_was_meant(text, expected):
    issue = refused(text)
    assert (issue.line, issue.column, issue.code) == expected[:3]
    assert expected[3] in issue.render()
    assert issue.message[0].islower() or issue.message[0] == "`"
    assert not issue.message.endswith(".")


def test_the_second_mistake_is_not_reported():
    first, second = ("definition a {\n relation b c\n}\n", "definiton b {}")
    assert refused(first + second).line == 2
    assert refused(second).line == 1


# --- cost -------------------------------------------------------------------------------------------------------


def test_reading_costs_the_same_for_each_line():
    """Counted in calls, not seconds, so that a busy machine does not matter."""

    def calls(lines):
        count = 0

        def counted(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        text = "definition d {\n" + "\trelation r: user | team#member // c\n\tpermission p = a + b->c\n" * lines + "}"
        sys.setprofile(counted)
        try:
            read(text)
        finally:
            sys.setprofile(None)
        return count

    counts = [calls(lines) for lines in (100, 200, 400)]
    for smaller, larger in pairwise(counts):
        assert larger <= 2 * smaller
