"""What the compiler refuses, as a table: the text, the code, and the words under the caret.

`«…»` marks where the caret must stand; the marks are taken out before compiling. Beside each refusal stand schemas that
are nearly the same and compile."""

from __future__ import annotations

import pytest

from remit.errors import SchemaInvalid
from remit.language import compile_schema
from remit.language.source import Issue

USER = "definition user {}\n"
GROUP = "definition group { relation member: user | group#member }\n"
CAVEAT = "caveat limit(amount int) { amount < 10 }\n"


def issues_of(text: str) -> tuple[Issue, ...]:
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema(text)
    return caught.value.issues  # type: ignore[return-value]


def lines(*members: str) -> str:
    return "{\n" + "\n".join(members) + "\n}\n"


REFUSED = {
    # --- names ---
    "invalid definition name": ("definition «User» {}", "invalid-name"),
    "name ending in an underscore": ("definition «user_» {}", "invalid-name"),
    "name of 65 characters": (f"definition «{'a' * 65}» {{}}", "invalid-name"),
    "prefix with a capital": ("definition «Acme/user» {}", "invalid-name"),
    "relation name with a leading digit": (USER + "definition d { relation «1a»: user }", "invalid-name"),
    "permission name with a capital": (USER + "definition d { permission «View» = nil }", "invalid-name"),
    "definition twice": (USER + "definition «user» {}", "duplicate-definition"),
    "caveat with a definition's name": (USER + "caveat «user»(a int) { a == 1 }", "duplicate-definition"),
    "caveat twice": (CAVEAT + "caveat «limit»(a int) { a == 1 }", "duplicate-definition"),
    "relation twice": (USER + "definition d " + lines("relation a: user", "relation «a»: user"), "duplicate-member"),
    "permission twice": ("definition d " + lines("permission a = nil", "permission «a» = nil"), "duplicate-member"),
    "permission with a relation's name": (
        USER + "definition d " + lines("relation a: user", "permission «a» = nil"),
        "duplicate-member",
    ),
    "relation named subject": (
        "use delegation\n" + USER + "definition d { relation «subject»: user }",
        "reserved-name",
    ),
    "permission named subject": ("use delegation\ndefinition d { permission «subject» = nil }", "reserved-name"),
    # --- subject types ---
    "unknown type": (USER + "definition d { relation a: «usr» }", "unknown-type"),
    "unknown wildcard type": (USER + "definition d { relation a: «usr:*» }", "unknown-type"),
    "unknown relation of a userset": (
        USER + GROUP + "definition d { relation a: «group#members» }",
        "unknown-relation",
    ),
    "unknown relation of its own userset": ("definition d { relation a: «d#b» }", "unknown-relation"),
    "subject type twice": (USER + "definition d { relation a: user | «user» }", "duplicate-subject-type"),
    "subject type twice, once with an ellipsis": (
        USER + "definition d { relation a: user | «user#...» }",
        "duplicate-subject-type",
    ),
    "subject type twice with a caveat": (
        USER + CAVEAT + "definition d { relation a: user | user with limit | «user with limit» }",
        "duplicate-subject-type",
    ),
    "unknown caveat": (USER + CAVEAT + "definition d { relation a: user with «limits» }", "unknown-caveat"),
    "expiration without its flag": (USER + "definition d { relation a: user with «expiration» }", "unknown-caveat"),
    "wildcard from another definition": (
        USER + "definition group { relation member: user:* }\n" + "definition d { relation a: user | «group#member» }",
        "transitive-wildcard",
    ),
    "wildcard from another definition, two steps away": (
        USER
        + "definition team { relation all: user:* }\n"
        + "definition group "
        + lines("relation own: team", "relation every: user:*", "relation member: user | group#every")
        + "definition d { relation a: «group#member» }",
        "transitive-wildcard",
    ),
    # --- expressions ---
    "unknown name": (
        USER + "definition d " + lines("relation viewer: user", "permission a = «viewr»"),
        "unknown-relation",
    ),
    "unknown name below operators": (
        USER + "definition d " + lines("relation a: user", "permission b = a + (a & (a - «c»))"),
        "unknown-relation",
    ),
    "unknown left of an arrow": ("definition d { permission a = «parent»->a }", "unknown-relation"),
    "permission left of an arrow": (
        USER + "definition d " + lines("relation a: user", "permission b = a", "permission c = «b»->c"),
        "permission-on-arrow-left",
    ),
    "permission left of any()": (
        USER + "definition d " + lines("relation a: user", "permission b = a", "permission c = «b».any(c)"),
        "permission-on-arrow-left",
    ),
    "wildcard left of an arrow": (
        USER + "definition d " + lines("relation a: user | user:*", "permission b = «a»->b"),
        "wildcard-on-arrow-left",
    ),
    "wildcard left of all(), through a userset": (
        USER + "definition d " + lines("relation a: d#b", "relation b: user:*", "permission c = «a».all(c)"),
        "wildcard-on-arrow-left",
    ),
    "chained arrow": ("definition d " + lines("relation a: d", "permission b = «a->a»->b"), "chained-arrow"),
    "alias of itself": ("definition d { permission «a» = a }", "permission-cycle"),
    "cycle of aliases": (
        "definition d " + lines("permission x = a", "permission «a» = b", "permission b = c", "permission c = a"),
        "permission-cycle",
    ),
    "subject arrow without its flag": ("definition d { permission a = «subject»->a }", "unknown-relation"),
    "self without its flag": ("definition d { permission a = «self» }", "unknown-relation"),
    # --- caveats ---
    "unknown parameter type": ("caveat c(a «integer») { a == 1 }", "unknown-parameter-type"),
    "list of nothing": ("caveat c(a «list») { size(a) == 1 }", "unknown-parameter-type"),
    "list of an unknown type": ("caveat c(a list<«strng»>) { size(a) == 1 }", "unknown-parameter-type"),
    "parameter twice": ("caveat c(a int, «a int») { a == 1 }", "duplicate-parameter"),
    "unused parameter": ("caveat c(a int, «b int») { a == 1 }", "unused-parameter"),
    "parameter with CEL's name": ("caveat c(«int int») { int == 1 }", "reserved-parameter-name"),
    "no bool": ("caveat c(a int) { «a» }", "expression-not-bool"),
    "unknown name in CEL": ("caveat c(a int) {\n\ta == 1 &&\n\t  a == «b»\n}", "cel"),
    "wrong types in CEL": ("caveat c(a int) { a «==» 'x' }", "cel"),
    # --- annotations ---
    "annotation that leaves a type out": (
        "use typechecking\n"
        + USER
        + "definition bot {}\ndefinition d "
        + lines("relation a: user | bot", "permission «b»: user = a"),
        "incomplete-annotation",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_schema_is_refused_at_the_words_that_are_wrong(case: str) -> None:
    marked, code = REFUSED[case]
    text = marked.replace("«", "").replace("»", "")
    start = marked.index("«")
    expected = marked[start + 1 : marked.index("»")]
    issues = issues_of(text)
    assert [issue.code for issue in issues] == [code]
    (issue,) = issues
    assert issue.severity == "error"
    assert issue.span.start == start
    assert text[issue.span.start :].startswith(expected[: issue.span.end - issue.span.start])
    assert issue.line == text[:start].count("\n") + 1
    assert issue.column == start - (text.rfind("\n", 0, start) + 1) + 1
    assert "^" in issue.render()


SUGGESTED = {
    "definition d { relation a: usr }\ndefinition user {}": "did you mean `user`?",
    USER + "definition d " + lines("relation viewer: user", "permission a = viewr"): "did you mean `viewer`?",
    USER + CAVEAT + "definition d { relation a: user with limits }": "did you mean `limit`?",
    USER + "definition d { relation a: user with expiration }": "write `use expiration` at the top of the schema",
    "definition d { permission a = self }": "write `use self` at the top of the schema",
    "definition d { permission a = subject->b }": "write `use delegation` at the top of the schema",
    "use delegation\ndefinition d { permission a = subject }": "the acting subject is asked by `subject->permission`",
    "caveat c(a strng) { a == 'x' }": "did you mean `string`?",
}


@pytest.mark.parametrize("text", SUGGESTED)
def test_a_refusal_says_what_was_probably_meant(text: str) -> None:
    assert issues_of(text)[0].suggestion == SUGGESTED[text]


def test_every_mistake_is_told_at_once_in_the_order_of_the_text() -> None:
    text = (
        "definition d "
        + lines("relation a: nobody", "relation a: d", "permission b = c + d->e", "permission f = f")
        + "caveat k(x int) { x }\n"
    )
    issues = issues_of(text)
    assert [issue.code for issue in issues] == [
        "unknown-type",
        "duplicate-member",
        "unknown-relation",
        "unknown-relation",
        "permission-cycle",
        "expression-not-bool",
    ]
    with pytest.raises(SchemaInvalid, match=r"type `nobody` is not defined") as caught:
        compile_schema(text, name="main.zed")
    assert caught.value.message.startswith("main.zed:2:13: error: ")


ACCEPTED = {
    "nothing at all": "",
    "names of one letter and of 64": f"definition {'a' * 64} {{}}\ndefinition b {{}}",
    "deep prefixes": "definition a/b/c/user {}\ndefinition d { relation a: a/b/c/user }",
    "wildcard within one definition": USER + "definition d " + lines("relation a: user:*", "relation b: d#a"),
    "wildcard behind a permission": USER
    + "definition g "
    + lines("relation a: user:*", "permission b = a")
    + "definition d { relation c: g#b }",
    "one subject type with each of its qualifiers": "use expiration\nuse not_before\n"
    + USER
    + CAVEAT
    + "definition d {\nrelation a: user | user:* | user with limit | user with expiration"
    + " | user with limit and expiration | user with not_before\n}",
    "a permission that reads itself": USER + "definition d " + lines("relation a: user", "permission b = a + b"),
    "permissions in a cycle with something else": USER
    + "definition d "
    + lines("relation a: user", "permission b = c + a", "permission c = b + a"),
    "arrow to a name that is nowhere": "definition d " + lines("relation a: d", "permission b = a->c"),
    "userset left of an arrow": USER
    + GROUP
    + "definition d "
    + lines("relation a: group#member", "permission b = a->member"),
    "a caveat named with capitals": "caveat Is_OK(a bool) { a }\n"
    + USER
    + "definition d { relation r: user with Is_OK }",
    "annotation that names more": "use typechecking\n"
    + USER
    + "definition bot {}\ndefinition d "
    + lines("relation a: user", "permission b: user | bot = a"),
    "annotation and self": "use typechecking\nuse self\n"
    + USER
    + "definition d "
    + lines("relation a: user", "permission b: user = a + self"),
    "annotation without its flag": USER
    + "definition bot {}\ndefinition d "
    + lines("relation a: bot", "permission b: user = a"),
    "relation named subject without delegation": "definition d "
    + lines("relation subject: d", "permission a = subject->a"),
    "along and exists as names": "use delegation\ndefinition d "
    + lines("relation along: d", "relation exists: d", "permission a = along + exists"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_spicedb_accepts_compiles(case: str) -> None:
    compile_schema(ACCEPTED[case])
