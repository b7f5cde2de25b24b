"""Laws of libraries: imported and never copied, closed to whoever imports them, and shown where they were imported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language import Compiled, compile_kept, compile_schema, format_schema
from remit.language.imports import ImportFailed, beside
from remit.language.kept import Kept, keep, kept
from remit.language.libraries import AGENTS, LIBRARIES, library_text
from remit.language.source import Issue, Source
from remit.world.parts import parts_of

HEAD = f'use import\nuse delegation\n\nimport "{AGENTS}"\n'
OWN = """
// what we keep beside
definition document {
\trelation reader: user | agent | agent_version | run

\tpermission link = reader & subject->live

\tpermission read = link.along(delegated_by, instance_of, version_of)
}
"""


def refused(text: str) -> Issue:
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema(text, name="ours.zed")
    issue = caught.value.issues[0]
    assert isinstance(issue, Issue)
    assert "^" in issue.render()
    assert (caught.value.metadata["file"], caught.value.metadata["line"]) == (issue.file, str(issue.line))
    return issue


def files(**texts: str) -> Compiled:
    """The schema of `main` and the files it imports."""

    def resolver(path: str, importing_file: str) -> tuple[str, str]:
        name = beside(path, importing_file)
        if (text := texts.get(name.removesuffix(".zed"))) is None:
            raise ImportFailed(f"no file `{name}`")
        return name, text

    return compile_schema(texts["main"], name="main.zed", resolver=resolver)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_compiles_in_canonical_form_without_a_warning_and_imports_nothing(name: str) -> None:
    text = library_text(name)
    compiled = compile_schema(text)
    assert (compiled.warnings, compiled.schema.expansion) == ((), text)
    assert format_schema(text) == text


def test_what_is_imported_is_what_the_library_defines() -> None:
    ours, theirs = compile_schema(HEAD + OWN), compile_schema(library_text(AGENTS))
    assert ours.warnings == ()
    assert {**theirs.schema.definitions, "document": ours.schema.definitions["document"]} == ours.schema.definitions
    assert compile_schema(HEAD).schema.definitions == theirs.schema.definitions


def test_the_text_stays_as_it_was_written_and_the_expansion_imports_nothing() -> None:
    schema = compile_schema(HEAD + OWN).schema
    assert schema.text == HEAD + OWN
    assert AGENTS not in schema.expansion and "definition agent_version" in schema.expansion
    assert replace(compile_schema(schema.expansion).schema, text=schema.text) == schema
    assert format_schema(schema.expansion) == schema.expansion


def test_what_is_kept_means_the_same_and_says_what_was_written() -> None:
    schema = compile_schema(HEAD + OWN).schema
    assert compile_kept(schema.kept) == schema
    plain = compile_schema(
        OWN.replace("agent | agent_version | run", "user:*").split("\tpermission")[0] + "}\ndefinition user {}"
    )
    assert plain.schema.kept == plain.schema.text == plain.schema.expansion


@given(st.text(), st.text())
def test_kept_texts_are_both_found_again(source: str, expansion: str) -> None:
    if source == expansion and source.startswith("{"):
        return  # no schema
    assert kept(keep(source, expansion)) == (source, expansion)


@pytest.mark.parametrize(
    "forged",
    [
        "{",
        "{}",
        '{"source": 1, "expansion": ""}',
        '{"source": "definition user {}"}',
        "{" * 99_999,
        '{"a":' + "[" * 99_999,
    ],
)
def test_what_no_store_kept_is_taken_for_a_schema_and_is_none(forged: str) -> None:
    assert kept(forged) == Kept(forged, forged)
    with pytest.raises(SchemaInvalid):
        compile_kept(forged)


@pytest.mark.parametrize(
    "text", ['{"source": "definition user {}", "expansion": "definition user {}\\n"}', '{"source": 1}']
)
def test_a_writer_cannot_bring_an_expansion_of_its_own(text: str) -> None:
    assert refused(text).code == "unexpected-token"


def test_files_are_brought_in_and_a_library_they_share_is_still_imported_once() -> None:
    compiled = files(
        main=f'use import\nimport "people.zed"\nimport "{AGENTS}"\ndefinition ours {{ relation of: user }}\n// end\n',
        people=f'use import\nuse delegation\nimport "{AGENTS}"\nimport "{AGENTS}"\n{OWN}',
    )
    text = compiled.schema.text
    assert text.count(AGENTS) == 1 and "people.zed" not in text and text.endswith("// end\n")
    assert "definition document" in text and "definition agent" not in text
    sent = compile_schema(text).schema
    assert (sent.definitions, sent.expansion) == (compiled.schema.definitions, compiled.schema.expansion)


def test_a_file_of_a_librarys_name_is_a_file() -> None:
    def resolver(path: str, importing_file: str) -> tuple[str, str]:
        return AGENTS, "definition other {}"

    text = f'use import\nimport "./{AGENTS}"\nimport "{AGENTS}"\n'
    definitions = compile_schema(text, resolver=resolver).schema.definitions
    assert {"other", "agent"} <= definitions.keys()


# --- what is refused, and where -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [f"{HEAD}definition agent {{}}\n", f'use import\ndefinition agent {{}}\nimport "{AGENTS}"']
)
def test_an_imported_type_is_not_defined_again(text: str) -> None:
    issue = refused(text)
    assert issue.code == "duplicate-definition"
    assert issue.message == f"definition `agent` has the name of one that `{AGENTS}` brings in"
    assert (issue.file, text.splitlines()[issue.line - 1]) == ("ours.zed", "definition agent {}")


def test_a_caveat_and_a_partial_do_not_take_its_name_either() -> None:
    assert refused(f"{HEAD}caveat agent(a int) {{ a > 1 }}").line == 5
    issue = refused(f"use partial\n{HEAD}partial agent {{ relation r: user }}")
    assert (issue.code, issue.file, issue.line) == ("duplicate-partial", "ours.zed", 5)


@pytest.mark.parametrize(
    ("path", "advice"),
    [("remit:agent@1", f"did you mean `{AGENTS}`?"), ("remit:", "there is"), ("remit:../../etc/passwd", "there is")],
)
def test_a_library_that_there_is_not_is_told(path: str, advice: str) -> None:
    issue = refused(f'use import\n\nimport "{path}"')
    assert (issue.code, issue.line, issue.column) == ("unknown-library", 3, 1)
    assert issue.message == f"there is no library `{path}` in this Remit" and advice in issue.suggestion


def test_a_library_needs_the_flag_that_every_import_needs() -> None:
    assert refused(f'import "{AGENTS}"').code == "flag-missing"


def test_what_goes_wrong_inside_a_library_is_shown_at_its_import() -> None:
    """Another type's chain that leads along the owners of the library's agents: it is the library's `owner` that takes
    a userset, and the importer who can do something about it."""
    text = f"{HEAD}\ndefinition plot {{\n relation r: agent\n permission p = r.along(owner)\n}}\n"
    issue = refused(text)
    assert (issue.code, issue.file, issue.line, issue.column) == ("chain-relation-qualified", "ours.zed", 4, 1)
    assert issue.message.startswith(f"in `{AGENTS}`, line ")
    line = int(issue.message.removeprefix(f"in `{AGENTS}`, line ").partition(":")[0])
    assert "owner:" in library_text(AGENTS).splitlines()[line - 1]


def test_mistakes_beside_a_library_stand_where_they_were_written() -> None:
    issue = refused(f"{HEAD}\ndefinition a {{\n relation r: usr\n}}")
    assert (issue.file, issue.line, issue.column, issue.suggestion) == ("ours.zed", 7, 14, "did you mean `user`?")


def test_a_name_that_a_library_makes_a_keyword_is_refused_where_it_stands() -> None:
    issue = refused(f'use import\nimport "{AGENTS}"\ndefinition a {{\n relation self: user\n}}')
    assert (issue.code, issue.line) == ("reserved-word", 4)


def test_an_issue_of_a_lone_text_stays_where_it_is() -> None:
    issue = Issue("error", "syntax", "a message", refused("x").span, Source("a.zed", "x"))
    assert issue.at_import() is issue


def test_coverage_counts_what_the_files_say_and_not_what_a_library_does() -> None:
    assert {part.definition for part in parts_of(compile_schema(HEAD + OWN).tree)} == {"document"}
