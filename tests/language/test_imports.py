"""Laws of imports: one tree out of many files, each brought once, each mistake shown in the file it stands in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language import syntax as sx
from remit.language.imports import IMPORT_DEPTH_MAX, ImportFailed, beside, expand
from remit.language.parser import parse
from remit.language.printer import print_schema
from remit.language.source import Source
from tests.support.syntax_strategies import schemas

USES = "use import\nuse partial\n"


def expanded(files, root="main.zed"):
    def resolver(path, importing_file):
        name = beside(path, importing_file)
        if name not in files:
            raise ImportFailed(f"no file `{name}`")
        return name, files[name]

    return expand(Source(root, files[root]), resolver)


def refused(files):
    """The first issue of files that must be refused; every issue renders."""
    with pytest.raises(SchemaInvalid) as caught:
        expanded(files)
    for issue in caught.value.issues:
        assert "^" in issue.render()
    return caught.value.issues[0]


def names(tree):
    return [item.name for item in tree.items if not isinstance(item, sx.UseSyntax)]


@settings(max_examples=60)
@given(schemas())
def test_a_text_without_imports_and_partials_expands_to_itself(tree):
    kept = tuple(
        item
        for item in tree.items
        if isinstance(item, sx.UseSyntax | sx.CaveatSyntax)
        or (
            isinstance(item, sx.DefinitionSyntax)
            and not any(isinstance(member, sx.PartialReferenceSyntax) for member in item.members)
        )
    )
    tree = sx.SchemaSyntax(kept, tree.trailing_comments)
    assert expand(Source("a.zed", print_schema(tree))) == tree


any_graph = st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=6, max_size=6)
# Half of the graphs have no cycle, since nearly all of the others have one.
graphs = any_graph | any_graph.map(lambda graph: [[m for m in targets if m > n] for n, targets in enumerate(graph)])


@settings(max_examples=60)
@given(graphs)
def test_any_graph_of_files_is_brought_once_each_or_refused_as_a_cycle(graph):
    """File n imports the files graph[n]; each file holds one definition."""
    files = {
        f"f{n}.zed": "use import\n" + "".join(f"import 'f{m}.zed'\n" for m in targets) + f"definition d{n} {{}}"
        for n, targets in enumerate(graph)
    }
    reached, is_circular = set(), False

    def visit(n, above):
        nonlocal is_circular
        is_circular = is_circular or n in above
        if n not in reached and not is_circular:
            reached.add(n)
            for m in graph[n]:
                visit(m, (*above, n))

    visit(0, ())
    files["main.zed"] = files.pop("f0.zed").replace("f0.zed", "main.zed")
    files = {name: text.replace("f0.zed", "main.zed") for name, text in files.items()}
    if is_circular:
        assert refused(files).code == "import-cycle"
    else:
        tree = expanded(files)
        assert sorted(names(tree)) == sorted(f"d{n}" for n in reached)
        assert parse(Source("", print_schema(tree))) == tree


def test_what_is_imported_stands_in_place_of_the_import_and_flags_come_first():
    tree = expanded(
        {
            "main.zed": "use import\nuse self\n// gone\nimport 'a.zed'\ndefinition m {}\n// end",
            "a.zed": "use expiration\nuse self\n// kept\ndefinition a { relation r: a with expiration }\n// dropped",
        }
    )
    assert print_schema(tree) == (
        "use import\nuse self\nuse expiration\n\n// kept\ndefinition a {\n\trelation r: a with expiration\n}\n\n"
        "definition m {}\n\n// end\n"
    )


def test_every_span_finds_the_file_it_was_written_in():
    files = {
        "main.zed": USES + "import 'lib/b.zed'\ndefinition m {\n relation own: m\n ...p\n}",
        "lib/b.zed": "use import\nuse partial\nimport 'c.zed'\npartial p {\n relation brought: m\n}",
        "lib/c.zed": "definition c {}",
    }
    tree = expanded(files)
    places = {}
    for item in tree.items[2:]:
        places[item.name] = tree.sources.place(item.name_span.start)
        assert tree.sources.slice(item.name_span) == item.name
        for member in item.members:
            places[member.name] = tree.sources.place(member.name_span.start)
    assert {name: (place.file, place.line, place.column) for name, place in places.items()} == {
        "c": ("lib/c.zed", 1, 12),
        "m": ("main.zed", 4, 12),
        "own": ("main.zed", 5, 11),
        "brought": ("lib/b.zed", 5, 11),
    }
    assert [source.name for source in tree.sources.sources] == ["main.zed", "lib/b.zed", "lib/c.zed"]


def test_a_mistake_in_an_imported_file_is_shown_there():
    issue = refused({"main.zed": "use import\nimport 'a.zed'", "a.zed": "\ndefiniton a {}"})
    assert (issue.file, issue.line, issue.column) == ("a.zed", 2, 1)
    assert "definiton a {}" in issue.render()


def test_a_circle_is_said_whole():
    files = {"main.zed": "use import\nimport 'a.zed'", "a.zed": "use import\n\nimport './/main.zed'"}
    issue = refused(files)
    assert (issue.code, issue.file, issue.line) == ("import-cycle", "a.zed", 3)
    assert issue.message == "circular import: `main.zed` imports `a.zed` imports `main.zed`"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../a.zed", "leaves its folder"),
        ("a/../../b.zed", "leaves its folder"),
        ("/etc/passwd", "is absolute"),
        ("C:/a.zed", "is absolute"),
        ("http://x/a.zed", "is absolute"),
        ("a\\..\\..\\b.zed", "holds a backslash"),
        ("", "is empty"),
        ("a\x00.zed", "cannot be printed"),
    ],
)
def test_a_path_that_leaves_its_folder_is_refused_before_anything_is_read(path, why):
    asked = []

    def resolver(path, importing_file):
        asked.append(path)
        return path, ""

    with pytest.raises(SchemaInvalid, match=why) as caught:
        expand(Source("main.zed", f'use import\nimport "{path}"'), resolver)
    assert caught.value.issues[0].line == 2
    assert asked == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportFailed("no file `a.zed`"), "no file `a.zed`"),
        (FileNotFoundError(2, "No such file or directory"), "no such file or directory"),
        (OSError("gone"), "gone"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "invalid start byte"),
    ],
)
def test_what_a_resolver_cannot_read_is_said_at_the_import(error, said):
    def resolver(path, importing_file):
        raise error

    with pytest.raises(SchemaInvalid) as caught:
        expand(Source("main.zed", "use import\nimport 'a.zed'"), resolver)
    issue = caught.value.issues[0]
    assert (issue.code, issue.line, issue.column) == ("import-failed", 2, 1)
    assert said in issue.message


def test_without_a_resolver_an_import_is_refused_and_the_rest_is_not():
    with pytest.raises(SchemaInvalid) as caught:
        expand(Source("main.zed", "use import\nimport 'a.zed'"))
    assert caught.value.issues[0].code == "import-unavailable"
    assert names(expand(Source("main.zed", "use import\ndefinition a {}"))) == ["a"]


def test_a_resolver_that_never_ends_is_ended():
    def resolver(path, importing_file):
        return importing_file + "x", "use import\nimport 'a.zed'"

    with pytest.raises(SchemaInvalid) as caught:
        expand(Source("main.zed", "use import\nimport 'a.zed'"), resolver)
    assert caught.value.issues[0].code == "import-too-deep"
    assert str(IMPORT_DEPTH_MAX) in caught.value.message


def test_a_word_that_another_files_flag_reserves_is_refused_as_a_name():
    files = {
        "main.zed": "use import\nuse self\nimport 'a.zed'\ndefinition m {}",
        "a.zed": "definition a {\n relation self: a\n permission p = self\n}",
    }
    issue = refused(files)
    assert (issue.code, issue.file, issue.line, issue.column) == ("reserved-word", "a.zed", 2, 11)
    assert "`use self`" in issue.message
    files["main.zed"] = files["main.zed"].replace("use self\n", "")
    assert names(expanded(files)) == ["a", "m"]


@pytest.mark.parametrize(
    ("path", "importing_file", "name"),
    [
        ("a.zed", "main.zed", "a.zed"),
        ("./b//a.zed", "main.zed", "b/a.zed"),
        ("a.zed", "lib/b.zed", "lib/a.zed"),
        ("c/a.zed", "/srv/lib/b.zed", "/srv/lib/c/a.zed"),
    ],
)
def test_a_path_counts_from_the_folder_of_the_file_it_stands_in(path, importing_file, name):
    assert beside(path, importing_file) == name
