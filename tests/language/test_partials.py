"""Laws of partials: a definition with references means what it means with the members written out."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language import syntax as sx
from remit.language.imports import expand
from remit.language.parser import parse
from remit.language.partials import NESTING_MAX
from remit.language.printer import print_schema
from remit.language.source import Source


def read(text):
    return expand(Source("main.zed", "use partial\n" + text))


def refused(text):
    with pytest.raises(SchemaInvalid) as caught:
        read(text)
    for issue in caught.value.issues:
        assert "^" in issue.render()
    return caught.value.issues


any_graph = st.lists(st.lists(st.integers(0, 5), max_size=2, unique=True), min_size=6, max_size=6)
# Half of the graphs have no cycle, since nearly all of the others have one.
graphs = any_graph | any_graph.map(lambda graph: [[m for m in targets if m > n] for n, targets in enumerate(graph)])


@settings(max_examples=100)
@given(graphs, st.permutations(range(6)))
def test_any_graph_of_partials_is_spelled_out_or_refused(graph, order):
    """Partial n has its own relation and refers to those in graph[n]; a definition refers to each. Written in any
    order, it is refused exactly if there is a cycle or some partial comes by two ways."""

    def brought(n, above):
        """The relations in the order they come, or None for a cycle."""
        if n in above:
            return None
        parts = [brought(m, (*above, n)) for m in graph[n]]
        return None if None in parts else [f"r{n}", *chain.from_iterable(parts)]

    expected = {n: brought(n, ()) for n in range(6)}
    partials = [
        f"partial p{n} {{\n relation r{n}: d\n" + "".join(f" ...p{m}\n" for m in graph[n]) + "}\n" for n in order
    ]
    text = "".join(partials) + "".join(f"definition d{n} {{\n ...p{n}\n}}\n" for n in range(6))
    if None in expected.values():
        assert "partial-cycle" in {issue.code for issue in refused(text)}
    elif any(len(set(relations)) < len(relations) for relations in expected.values()):
        assert {issue.code for issue in refused(text)} == {"duplicate-member"}
    else:
        definitions = read(text).items[1:]
        assert {one.name: [member.name for member in one.members] for one in definitions} == {
            f"d{n}": relations for n, relations in expected.items()
        }


def test_members_stand_where_the_reference_stood():
    tree = read("""
definition d {
    relation a: d
    ...q
    permission z = a
}
partial q { ...p
    relation c: d }
partial p { // comment
    // kept
    relation b: d
}""")
    written = read("definition d {\nrelation a: d\n// kept\nrelation b: d\nrelation c: d\npermission z = a\n}")
    assert tree == written
    assert parse(Source("", print_schema(tree))) == tree


def test_a_prefixed_partial_may_be_named():
    tree = read("partial acme/p { relation r: d }\ndefinition d { ...acme/p }")
    assert [member.name for member in tree.items[1].members] == ["r"]


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "part"),
    [
        ("partial viewing {}\ndefinition d {\n ...viewin\n}", 4, 2, "unknown-partial", "did you mean `viewing`?"),
        ("partial p { ...p }", 2, 13, "partial-cycle", "partial `p` contains `p`"),
        ("partial p { ...q }\npartial q { ...p }", 3, 13, "partial-cycle", "`p` contains `q` contains `p`"),
        ("partial p {}\npartial p {}", 3, 9, "duplicate-partial", "defined twice"),
        ("partial p {}\ndefinition p {}", 3, 12, "duplicate-partial", "definition `p` has the name of a partial"),
        ("partial p {}\ncaveat p(a int) { true }", 3, 8, "duplicate-partial", "caveat `p` has the name of a partial"),
        (
            "partial p { relation r: d }\ndefinition d {\n ...p\n relation r: d\n}",
            *(4, 2, "duplicate-member", "brings `r`, which `d` already has"),
        ),
        (
            "partial p { relation r: d }\ndefinition d {\n ...p\n ...p\n}",
            *(5, 2, "duplicate-member", "brings `r`, which `d` already has"),
        ),
    ],
)
def test_what_cannot_be_spelled_out_is_refused_at_the_reference(text, line, column, code, part):
    issue = refused(text)[0]
    assert (issue.line, issue.column, issue.code) == (line, column, code)
    assert part in issue.render()


def test_every_mistake_is_said_once():
    issues = refused("partial p { ...x }\ndefinition a { ...p }\ndefinition b { ...p; ...y }")
    assert [(issue.code, issue.line) for issue in issues] == [("unknown-partial", 2), ("unknown-partial", 4)]


def test_nesting_is_bounded_and_doubling_costs_nothing():
    def nested(length):
        return "".join(f"partial p{n} {{ ...p{n + 1} }}\n" for n in range(length)) + f"partial p{length} {{}}"

    assert read(nested(NESTING_MAX - 1)).items == (sx.UseSyntax("partial"),)
    assert refused(nested(5 * NESTING_MAX))[0].code == "nested-too-deep"
    # Each partial twice in the next: 2^80 references, if they were followed one by one.
    assert read("".join(f"partial p{n} {{ ...p{n + 1}; ...p{n + 1} }}\n" for n in range(80)) + "partial p80 {}")
