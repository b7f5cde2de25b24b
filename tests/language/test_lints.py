"""Warnings: each has a schema that earns it at a place, a near twin that does not, and a comment that silences it."""

from __future__ import annotations

import pytest

from remit.language import compile_schema
from remit.language.lints import LINTS

HEAD = "use delegation\nuse self\n"
USER = "definition user { permission live = self }\n"
TEAM = "definition team { relation member: user }\n"
RUN = "definition run {\nrelation boss: run | user\npermission live = self\n}\n"


def define(name: str, *members: str) -> str:
    return f"definition {name} {{\n" + "\n".join(members) + "\n}\n"


# code → (a schema that earns it, `«…»` at the caret, `//!` where the silencing comment goes; a twin without the fault)
EARNED = {
    "relation-name-references-parent": (
        USER + define("doc", "//!", "relation «view_doc»: user"),
        USER + define("doc", "relation doc_view: user"),
    ),
    "relation-name-references-parent of a permission under a prefix": (
        USER + define("acme/doc", "relation viewer: user", "//!", "permission «view_doc» = viewer"),
        USER + define("acme/doc", "relation viewer: user", "permission view_acme = viewer"),
    ),
    "permission-references-itself": (
        USER + define("doc", "relation viewer: user", "//!", "permission view = viewer + «view»"),
        USER
        + define("doc", "relation parent: doc", "relation viewer: user", "permission view = viewer + parent->view"),
    ),
    "arrow-references-unreachable-relation": (
        USER
        + define(
            "doc", "relation parent: doc", "relation viewer: user", "//!", "permission view = viewer + «parent->see»"
        ),
        USER
        + define("doc", "relation parent: doc", "relation viewer: user", "permission view = viewer + parent->view"),
    ),
    "arrow-references-unreachable-relation by all()": (
        USER
        + define(
            "doc",
            "relation parent: doc",
            "relation viewer: user",
            "//!",
            "permission view = viewer + «parent.all(see)»",
        ),
        USER
        + define("doc", "relation parent: doc", "relation viewer: user", "permission view = viewer + parent.any(view)"),
    ),
    "arrow-references-unreachable-relation of the subject": (
        USER + define("doc", "relation viewer: user", "//!", "permission view = viewer + «subject->lives»"),
        USER + define("doc", "relation viewer: user", "permission view = viewer + subject->live"),
    ),
    "arrow-references-relation": (
        USER + TEAM + define("doc", "relation team: team", "//!", "permission view = «team->member»"),
        USER
        + define("team", "relation member: user", "permission membership = member")
        + define("doc", "relation team: team", "permission view = team->membership"),
    ),
    "arrow-walks-subject-relation": (
        USER
        + define("team", "relation member: user", "permission all = member")
        + define("doc", "relation team: team#member", "//!", "permission view = «team->all»"),
        USER
        + define("team", "relation member: user", "permission all = member")
        + define("doc", "relation team: team", "permission view = team->all"),
    ),
    "mixed-operators-without-parentheses": (
        USER + define("doc", "relation a: user", "relation b: user", "//!", "permission view = «a - b + a»"),
        USER + define("doc", "relation a: user", "relation b: user", "permission view = a - (b + a)"),
    ),
    "mixed-operators-without-parentheses of a chain": (
        USER + define("doc", "relation a: user", "//!", "permission view = «(a + (a & a)) + a & a - a»"),
        USER + define("doc", "relation a: user", "permission view = a - a - a"),
    ),
    "overlooked-wildcard": (
        USER
        + define("team", "relation member: user")
        + define("org", "relation member: user:* | team#member")
        + define("doc", "//!", "relation reader: «org#member»"),
        USER
        + define("team", "relation member: user")
        + define("org", "relation member: user | team#member")
        + define("doc", "relation reader: org#member"),
    ),
    "permission-never-satisfied": (
        USER + TEAM + define("doc", "relation a: user", "relation b: team", "//!", "permission «view» = a & b"),
        USER + TEAM + define("doc", "relation a: user", "relation b: team | user", "permission view = a & b"),
    ),
    "permission-never-satisfied by a chain without a root": (
        "definition ping { relation boss: ping }\n"
        + define("door", "relation may: ping", "//!", "permission «open» = may.along(boss)"),
        "definition ping { relation boss: ping | king }\ndefinition king {}\n"
        + define("door", "relation may: ping | king", "permission open = may.along(boss)"),
    ),
    "authority-does-not-narrow": (
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "permission view = viewer.along(boss)",
            "//!",
            "permission «peek» = viewer",
        ),
        USER + RUN + define("doc", "relation viewer: user | run", "permission view = viewer.along(boss)"),
    ),
    "along-leaves-links-out": (
        USER
        + define("run", "relation boss: run | user", "relation kind: kind")
        + define("kind", "relation made: run")
        + define(
            "doc",
            "relation viewer: user | run | kind",
            "permission view = viewer.along(boss, kind)",
            "//!",
            "permission peek = «viewer.along(boss)»",
        ),
        USER
        + define("run", "relation boss: run | user", "relation kind: kind")
        + "definition kind {}\n"
        + define("step", "relation before: step | user")
        + define(
            "doc",
            "relation viewer: user | run | kind",
            "relation walker: step | user",
            "permission view = viewer.along(boss, kind)",
            "permission walk = walker.along(before)",
        ),
    ),
    "authority-does-not-narrow where anyone may": (
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "permission view = viewer.along(boss)",
            "//!",
            "permission «open» = viewer.exists()",
        ),
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "permission open = viewer.exists()",
            "permission view = viewer.along(boss) & open",
        ),
    ),
    "authority-does-not-narrow where any live run may": (
        USER
        + RUN
        + define("doc", "relation viewer: user | run", "permission view = viewer.along(boss)")
        + define("door", "//!", "permission «open» = subject->live"),
        USER
        + RUN
        + define("doc", "relation viewer: user | run", "permission view = viewer.along(boss)")
        + define("door", "permission alive = subject->live", "permission open = alive.along(boss)"),
    ),
    "authority-does-not-narrow under the name of what links are asked": (
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "permission alive = viewer & subject->live",
            "permission view = alive.along(boss)",
        )
        + define("desk", "relation clerk: user | run", "//!", "permission «live» = clerk"),
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "permission alive = viewer & subject->live",
            "permission view = alive.along(boss)",
        )
        + define("desk", "relation clerk: user | run", "permission live = clerk.along(boss)"),
    ),
    "authority-does-not-narrow by an exclusion": (
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "relation denied: user",
            "//!",
            "permission «view» = viewer.along(boss) - denied",
        ),
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "relation denied: user",
            "permission link = viewer - denied",
            "permission view = link.along(boss)",
        ),
    ),
    "authority-does-not-narrow by an exclusion behind a name": (
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "relation denied: run:*",
            "//!",
            "permission «allowed» = viewer.along(boss) - denied",
            "permission view = allowed",
        ),
        USER
        + RUN
        + define(
            "doc",
            "relation viewer: user | run",
            "relation closed: doc",
            "permission allowed = viewer.along(boss) - closed.exists()",
            "permission view = allowed",
        ),
    ),
}


def warnings_of(text: str) -> list[tuple[str, int]]:
    return [(issue.code, issue.span.start) for issue in compile_schema(text).warnings]


def cleaned(text: str) -> str:
    return text.replace("«", "").replace("»", "").replace("//!\n", "")


@pytest.mark.parametrize("case", EARNED)
def test_a_warning_is_earned_at_its_place(case: str) -> None:
    marked, _ = EARNED[case]
    marked = HEAD + marked.replace("//!\n", "")
    assert warnings_of(cleaned(marked)) == [(case.split()[0], marked.index("«"))]


@pytest.mark.parametrize("case", EARNED)
def test_its_near_twin_is_not_warned_of(case: str) -> None:
    assert warnings_of(HEAD + EARNED[case][1]) == []


@pytest.mark.parametrize("prefix", ["remit", "spicedb"])
@pytest.mark.parametrize("case", EARNED)
def test_a_comment_silences_it(case: str, prefix: str) -> None:
    marked, _ = EARNED[case]
    comment = f"// {prefix}-ignore-warning: {case.split()[0]}"
    assert warnings_of(cleaned(HEAD + marked.replace("//!", comment))) == []
    other = "permission-references-itself" if "itself" not in case else "mixed-operators-without-parentheses"
    unrelated = f"// {prefix}-ignore-warning: {other}"
    assert len(warnings_of(cleaned(HEAD + marked.replace("//!", unrelated)))) == 1


def test_a_comment_above_a_definition_silences_all_of_it() -> None:
    text = HEAD + USER + "// remit-ignore-warning: relation-name-references-parent, arrow-references-relation\n"
    text += define("doc", "relation view_doc: user", "relation edit_doc: user")
    assert warnings_of(text) == []


def test_every_warning_has_a_case() -> None:
    assert {case.split()[0] for case in EARNED} | {"invalid-cidr"} == set(LINTS)


def test_a_network_that_cannot_be_read_is_warned_of() -> None:
    text = "caveat inside(ip ipaddress) {\n\tip.in_cidr('10.0.0.0/8') || ip.in_cidr(\"10.0.0\")\n}\n"
    assert warnings_of(text) == [("invalid-cidr", text.index('10.0.0"'))]
    assert warnings_of("// remit-ignore-warning: invalid-cidr\n" + text) == []


def test_a_bare_nil_is_said_on_purpose() -> None:
    assert warnings_of(define("doc", "permission view = nil")) == []


def test_a_schema_without_chains_is_not_judged_by_them() -> None:
    text = (
        HEAD
        + USER
        + define("run", "relation boss: run | user")
        + define("doc", "relation v: run", "permission view = v")
    )
    assert warnings_of(text) == []


def test_a_warning_says_what_to_do() -> None:
    text = HEAD + USER + define("doc", "relation a: user", "relation b: user", "permission view = a - b + a")
    (issue,) = compile_schema(text).warnings
    assert issue.severity == "warning"
    assert issue.suggestion == "it is read as `a - (b + a)`; write it so, or as you mean it"
