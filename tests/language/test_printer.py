"""Laws of the canonical text: it says what the tree says, and it is its own canonical text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.language import syntax as sx
from remit.language.expressions import CHAIN_MAX
from remit.language.libraries import AGENTS, library_text
from remit.language.parser import parse
from remit.language.printer import print_expression, print_schema
from remit.language.source import Source
from tests.support.places import AGENTS_BEFORE_PROFILES
from tests.support.syntax_strategies import expressions, schemas


def read(text):
    return parse(Source("schema.zed", text))


@settings(max_examples=150)
@given(schemas())
def test_parse_of_print_is_identity(tree):
    text = print_schema(tree)
    assert read(text) == tree
    assert print_schema(read(text)) == text


@settings(max_examples=100)
@given(expressions(frozenset({"delegation", "self"})))
def test_parentheses_that_change_nothing_are_not_part_of_the_tree(expression):
    """The printed text with every operand wrapped again reads as the same tree."""
    header = "use delegation\nuse self\ndefinition a {\n permission p = "

    def wrapped(node):
        if isinstance(node, sx.BinarySyntax):
            return f"(({wrapped(node.left)}) {node.operator.value} ({wrapped(node.right)}))"
        return f"({print_expression(node)})"

    tree = read(f"{header}{wrapped(expression)}\n}}")
    assert tree == read(f"{header}{print_expression(expression)}\n}}")
    assert tree.items[-1].members[0].expression == expression


@given(st.sampled_from("+&-"), st.integers(CHAIN_MAX - 2, 3 * CHAIN_MAX))
@settings(max_examples=30)
def test_a_long_chain_nested_to_the_left_prints_as_itself(operator, length):
    expression = sx.NameSyntax("a")
    for _ in range(length):
        expression = sx.BinarySyntax(sx.Operator(operator), expression, sx.NameSyntax("b"))
    tree = sx.SchemaSyntax((sx.DefinitionSyntax("a", (sx.PermissionSyntax("p", expression),)),))
    assert read(print_schema(tree)) == tree


def test_mixed_operators_stand_in_parentheses_and_equal_ones_do_not():
    tree = read("definition d {\n permission p = a + b + c & d - e + (f) + (g + h)\n}")
    assert print_schema(tree) == "definition d {\n\tpermission p = ((a + b + c) & d) - (e + f + (g + h))\n}\n"


def test_the_canonical_layout_has_tabs_and_a_blank_line_between_kinds():
    untidy = """\
use not_before;use expiration;
use delegation
// Everyone.
definition   user{ /* inside */
// before the end
}
definition acme / doc {
    /**
     * who reads
     */
    managed single relation  reader : user:* with expiration and not_before | team #member // trailing
    managed   final relation team:team
    permission read:user|team=reader.exists()   +team . any( member )
    ; permission link = read.along(reader,
        team)
}
caveat is_open ( hours list< int > , kind string ) {
  kind == "}"
}
// the end"""
    assert (
        print_schema(read(untidy))
        == """\
use not_before
use expiration
use delegation

// Everyone.
/* inside */
definition user {
\t// before the end
}

definition acme/doc {
\t/**
\t * who reads
\t */
\t// trailing
\tsingle managed relation reader: user:* with not_before and expiration | team#member
\tfinal managed relation team: team

\tpermission read: user | team = reader.exists() + team.any(member)
\tpermission link = read.along(reader, team)
}

caveat is_open(hours list<int>, kind string) {
\tkind == "}"
}

// the end
"""
    )


@pytest.mark.parametrize("path", ["a.zed", "it's.zed", 'the "best".zed'])
def test_an_import_is_quoted_by_what_its_path_does_not_hold(path):
    tree = sx.SchemaSyntax((sx.UseSyntax("import"), sx.ImportSyntax(path)))
    assert read(print_schema(tree)) == tree


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
@settings(max_examples=60)
def test_a_long_member_goes_on_below_after_an_operator_and_no_line_is_longer_than_it_must(lengths):
    types = ["t" * length for length in lengths]
    text = f"definition t {{\n\trelation r: {' | '.join(types)}\n}}\n"
    printed = print_schema(read(text))
    first, *more = printed.splitlines()[1:-1]
    assert all(line.startswith("\t\t") for line in more)
    assert all(line.endswith(" |") for line in [first, *more][:-1])
    lines = [line.expandtabs(4) for line in (first, *more)]
    assert all(len(line) <= 120 for line in lines)
    for line, following in pairwise(lines):
        word = following.split()[0] + (" |" if "|" in following else "")
        assert len(line) + 1 + len(word) > 120, "what fits stays"
    assert " ".join(printed.split()) == " ".join(text.split())


@pytest.mark.parametrize("text", [library_text(AGENTS), AGENTS_BEFORE_PROFILES.read_text()], ids=["now", "before"])
def test_the_shipped_schemas_are_canonical(text):
    assert print_schema(read(text)) == text


def test_an_empty_tree_is_an_empty_text():
    assert print_schema(sx.SchemaSyntax(())) == ""
    assert read("") == sx.SchemaSyntax(())
