"""Laws of verifying a world: what is true is silent, and what is not is told with what was found instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import RemitError
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language.compiler import compile_schema
from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Qualifiers,
    Relationship,
    ResourceLookup,
    SubjectLookup,
    SubjectRef,
    Verdict,
)
from remit.notation import parse_relationship, parse_time
from remit.world import Finding, World, verify
from remit.world.expected import Member, Subject, format_member, parse_expected_member
from remit.world.lists import find_list
from remit.world.members import find_members

NOW_US = parse_time("2027-01-01T00:00:00Z")

SCHEMA = """\
schema: |-
  use expiration
  caveat on_ip(ip ipaddress, cidr string) { ip.in_cidr(cidr) }
  caveat small(amount int) { amount < 10 }
  definition user {}
  definition group { relation member: user | group#member }
  definition doc {
    relation viewer: user | user:* | group#member | user with on_ip | user:* with small | user with expiration
    relation writer: user | group#member
    relation banned: user | user with small | user:* | user:* with small | group#member
    relation parent: doc
    permission view = viewer + writer
    permission safe = view - banned
    permission both = viewer & writer
    permission odd = viewer - (viewer - banned)
    permission above = parent->view
    permission all_above = parent.all(view)
  }
"""


def world_of(tmp_path: Path, *facts: str, rest: str = "") -> World:
    path = tmp_path / "world.yaml"
    lines = "".join(f"  {fact}\n" for fact in facts)
    path.write_text(f"{SCHEMA}relationships: |-\n{lines}{rest}")
    return World.read(path)


def lines_after(count: int) -> int:
    """The line of the first character after a world's facts."""
    return SCHEMA.count("\n") + 2 + count


# --- assertions -------------------------------------------------------------------------------------------------


def test_what_holds_is_silent_and_what_does_not_is_told(tmp_path: Path) -> None:
    facts = [
        "doc:a#viewer@user:anne",
        'doc:a#viewer@user:ben[on_ip:{"cidr":"10.0.0.0/8"}]',
        "doc:a#viewer@user:past[expiration:2026-12-31T23:59:59Z]",
        "doc:a#viewer@user:future[expiration:2027-01-01T00:00:01Z]",
    ]
    truths = {
        "assertTrue": ["doc:a#view@user:anne", 'doc:a#view@user:ben with {"ip":"10.1.1.1"}', "doc:a#view@user:future"],
        "assertCaveated": ["doc:a#view@user:ben"],
        "assertFalse": ["doc:a#view@user:past", 'doc:a#view@user:ben with {"ip":"11.1.1.1"}', "doc:b#view@user:anne"],
    }

    def block(moved: dict[str, list[str]]) -> str:
        return "assertions:\n" + "".join(
            f"  {key}:\n" + "".join(f"    - '{question}'\n" for question in questions)
            for key, questions in moved.items()
        )

    assert verify(world_of(tmp_path, *facts, rest=block(truths)), NOW_US) == []
    keys = list(truths)
    for turn in (1, 2):
        turned = dict(zip(keys[turn:] + keys[:turn], truths.values(), strict=True))
        assert len(verify(world_of(tmp_path, *facts, rest=block(turned)), NOW_US)) == 7


def test_a_finding_says_where_what_was_expected_and_what_was_found(tmp_path: Path) -> None:
    rest = "assertions:\n  assertTrue:\n    - doc:a#view@user:ben\n    - doc:a#vew@user:ben\n"
    world = world_of(tmp_path, 'doc:a#viewer@user:ben[on_ip:{"cidr":"10.0.0.0/8"}]', rest=rest)
    conditional, unanswered = verify(world, NOW_US)
    line = lines_after(1) + 2
    assert (conditional.line, conditional.expected, conditional.found, conditional.missing) == (
        line,
        "yes",
        "conditional",
        ("ip",),
    )
    file = tmp_path / "world.yaml"
    assert conditional.render() == (
        f"{file}:{line}: `doc:a#view@user:ben` should be yes, but is conditional (missing: ip)"
    )
    assert unanswered.found == "UNKNOWN_RELATION"
    assert "did you mean `view`?" in unanswered.render()


def test_a_fact_the_schema_does_not_allow_is_told_and_does_not_count(tmp_path: Path) -> None:
    rest = "assertions:\n  assertTrue: ['doc:a#view@doc:b']\n"
    findings = verify(world_of(tmp_path, "doc:a#viewer@doc:b", "doc:a#view@user:a", rest=rest), NOW_US)
    assert [(finding.line, finding.kind.value) for finding in findings] == [
        (lines_after(0), "relationship"),
        (lines_after(1), "relationship"),
        (lines_after(2) + 1, "assertion"),
    ]
    assert all("would not be written" in finding.message for finding in findings[:2])


def test_the_world_is_asked_at_its_own_time(tmp_path: Path) -> None:
    rest = "assertions:\n  assertTrue: ['doc:a#view@user:anne']\n"
    fact = "doc:a#viewer@user:anne[expiration:2027-01-01T00:00:00Z]"
    assert verify(world_of(tmp_path, fact, rest=rest), NOW_US) != []
    assert verify(world_of(tmp_path, fact, rest=rest), NOW_US - 1) == []
    assert verify(world_of(tmp_path, fact, rest=f"{rest}now: 2026-12-31T00:00:00Z\n"), NOW_US) == []


# --- members ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "facts", "members"),
    [
        ("doc:a#view", [], []),
        (
            "doc:a#view",
            ["doc:a#viewer@user:fred", "doc:a#writer@user:fred", "doc:a#writer@user:tom"],
            ["[user:fred] is <doc:a#viewer>/<doc:a#writer>", "[user:tom] is <doc:a#writer>"],
        ),
        (
            "doc:a#view",
            ["doc:a#viewer@group:g#member", "group:g#member@user:tom", "group:g#member@group:h#member"],
            [
                "[group:g#member] is <doc:a#viewer>",
                "[group:h#member] is <group:g#member>",
                "[user:tom] is <group:g#member>",
            ],
        ),
        ("doc:a#view", ["doc:a#viewer@user:past[expiration:2026-01-01T00:00:00Z]"], []),
        ("doc:a#view", ['doc:a#viewer@user:tom[on_ip:{"cidr":"::/0"}]'], ["[user:tom[...]] is <doc:a#viewer>"]),
        (
            "doc:a#view",
            ['doc:a#viewer@user:tom[on_ip:{"cidr":"::/0"}]', "doc:a#writer@user:tom"],
            ["[user:tom] is <doc:a#viewer>/<doc:a#writer>"],
        ),
        # A caveat is never decided here, however complete its context is.
        ("doc:a#viewer", ["doc:a#viewer@user:*[small]"], ["[user:*[...]] is <doc:a#viewer>"]),
        (
            "doc:a#view",
            ["doc:a#viewer@user:*", "doc:a#writer@user:tom"],
            ["[user:*] is <doc:a#viewer>", "[user:tom] is <doc:a#writer>"],
        ),
        (
            "doc:a#both",
            ["doc:a#viewer@user:*", "doc:a#writer@user:tom"],
            ["[user:tom] is <doc:a#writer>"],
        ),
        (
            "doc:a#both",
            ["doc:a#viewer@user:*[small]", "doc:a#writer@user:tom"],
            ["[user:tom[...]] is <doc:a#viewer>/<doc:a#writer>"],
        ),
        (
            "doc:a#safe",
            ["doc:a#viewer@user:*", "doc:a#viewer@user:tom", "doc:a#banned@user:tom", "doc:a#banned@user:eve[small]"],
            ["[user:* - {user:eve[...], user:tom}] is <doc:a#viewer>"],
        ),
        (
            "doc:a#safe",
            ["doc:a#viewer@user:tom", "doc:a#banned@user:tom[small]"],
            ["[user:tom[...]] is <doc:a#banned>/<doc:a#viewer>"],
        ),
        ("doc:a#safe", ["doc:a#viewer@user:tom", "doc:a#banned@user:*"], []),
        (
            "doc:a#safe",
            ["doc:a#viewer@user:tom", "doc:a#banned@user:*[small]"],
            ["[user:tom[...]] is <doc:a#viewer>"],
        ),
        # Everyone, but for those whom someone is not excluded from: only tom is left.
        ("doc:a#odd", ["doc:a#viewer@user:*", "doc:a#banned@user:tom"], ["[user:tom] is <doc:a#viewer>"]),
        (
            "doc:a#above",
            ["doc:a#parent@doc:b", "doc:a#parent@doc:c", "doc:b#viewer@user:tom", "doc:c#viewer@user:tom"],
            ["[user:tom] is <doc:b#viewer>/<doc:c#viewer>"],
        ),
        (
            "doc:a#all_above",
            ["doc:a#parent@doc:b", "doc:a#parent@doc:c", "doc:b#viewer@user:tom", "doc:c#viewer@user:*"],
            ["[user:tom] is <doc:b#viewer>"],
        ),
        (
            "group:g#member",
            ["group:g#member@group:h#member", "group:h#member@group:g#member", "group:h#member@user:tom"],
            [
                "[group:g#member] is <group:h#member>",
                "[group:h#member] is <group:g#member>",
                "[user:tom] is <group:h#member>",
            ],
        ),
    ],
)
def test_the_members_of_a_set_are_listed_as_spicedb_lists_them(
    tmp_path: Path, about: str, facts: list[str], members: list[str]
) -> None:
    world = world_of(tmp_path, *facts)
    resource, name = about.split("#")
    found = find_members(world.schema, world.graph(), ObjectRef(*resource.split(":")), name, now_us=NOW_US)
    assert [format_member(member) for member in found] == members
    listed = "".join(f'    - "{member}"\n' for member in members) or "    []\n"
    assert verify(world_of(tmp_path, *facts, rest=f"validation:\n  {about}:\n{listed}"), NOW_US) == []


def test_each_way_a_list_of_members_can_be_wrong_is_told(tmp_path: Path) -> None:
    rest = """\
validation:
  doc:a#safe:
    - "[user:gone] is <doc:a#viewer>"
    - "[user:tom] is <doc:a#writer>"
    - "[user:* - {user:eve}] is <doc:a#viewer>"
  doc:a#nothing: []
"""
    world = world_of(
        tmp_path, "doc:a#viewer@user:*", "doc:a#viewer@user:tom", "doc:a#writer@user:amy", "doc:a#banned@user:sam",
        rest=rest,
    )  # fmt: skip
    first = lines_after(4)
    assert [(finding.line - first, finding.message) for finding in verify(world, NOW_US)] == [
        (1, "`user:amy` has `doc:a#safe` by <doc:a#writer>, but is not listed"),
        (2, "`user:gone` is listed, but does not have `doc:a#safe`"),
        (3, "`user:tom` should have `doc:a#safe` by <doc:a#writer>, but has it by <doc:a#viewer>"),
        (4, "`user:* - {user:eve}` is listed, but it is `user:* - {user:sam}` that has `doc:a#safe`"),
        (5, "`doc:a#nothing` cannot be listed: relation or permission `nothing` is not defined on `doc`"),
    ]


names = st.sampled_from(["anne", "ben", "a,b", "x>y", "*a", "u/v:w@x"])
plain_subjects = st.builds(SubjectRef, st.just("user"), names, st.just(""))
set_keys = st.tuples(st.builds(ObjectRef, st.just("doc"), names), st.sampled_from(["viewer", "w_2"]))
members = st.builds(
    Member,
    st.builds(Subject, st.one_of(plain_subjects, st.just(SubjectRef("user", "*"))), st.booleans()),
    st.lists(st.builds(Subject, plain_subjects, st.booleans()), max_size=3, unique=True).map(sorted).map(tuple),
    st.lists(set_keys, min_size=1, max_size=3, unique=True).map(sorted).map(tuple),
)


@given(members)
def test_parse_undoes_format_of_members(member: Member) -> None:
    assert parse_expected_member(format_member(member)) == member


# --- members and Check ------------------------------------------------------------------------------------------

LAW_SCHEMA = compile_schema(
    """
use delegation
use self
caveat maybe(so bool) { so }
definition user {
  relation delegated_by: user
  relation known: doc
  permission live = self & known.exists()
}
definition group { relation member: user | group#member }
definition doc {
  relation viewer: user | user:* | group#member | user with maybe | user:* with maybe | group#member with maybe
  relation writer: user | group#member | user with maybe
  relation banned: user | user:* | group#member | user with maybe | user:* with maybe
  relation parent: doc | doc with maybe
  permission view = viewer + writer + parent->view
  permission safe = view - banned
  permission both = viewer & writer
  permission odd = viewer - (viewer - banned)
  permission above = parent.all(safe)
  permission living = (view & subject->live) - banned
  permission chained = safe.along(delegated_by)
  permission open = view & banned.exists()
  permission own = self + nil
}
"""
).schema
DOCS, GROUPS, USERS = ("a", "b"), ("g", "h"), ("u", "v", "w")


def _facts() -> st.SearchStrategy[Relationship]:
    doc = st.builds(ObjectRef, st.just("doc"), st.sampled_from(DOCS))
    user = st.builds(SubjectRef, st.just("user"), st.sampled_from(USERS), st.just(""))
    group = st.builds(SubjectRef, st.just("group"), st.sampled_from(GROUPS), st.just("member"))
    everyone = st.just(SubjectRef("user", "*"))
    maybe = st.sampled_from([PLAIN, PLAIN, Qualifiers(CaveatUse("maybe"))])
    above, below = st.just(ObjectRef("doc", "a")), st.just(SubjectRef("doc", "b"))
    return st.one_of(
        st.builds(Relationship, doc, st.sampled_from(["viewer", "banned"]), st.one_of(user, everyone, group), maybe),
        st.builds(Relationship, doc, st.just("writer"), st.one_of(user, group), maybe),
        st.builds(Relationship, above, st.just("parent"), below, maybe),
        st.builds(Relationship, group.map(lambda g: g.object), st.just("member"), st.one_of(user, group)),
        st.builds(Relationship, user.map(lambda u: u.object), st.just("delegated_by"), user),
        st.builds(Relationship, user.map(lambda u: u.object), st.just("known"), st.just(SubjectRef("doc", "a"))),
    )


def told_of(subject: SubjectRef, members: tuple[Member, ...]) -> Verdict:
    """What a list of members says of a subject."""
    told = Verdict.NO
    for member in members:
        listed, conditional = member.subject
        if listed == subject:
            told = max(told, Verdict.CONDITIONAL if conditional else Verdict.YES)
        elif listed.is_wildcard and listed.type == subject.type:
            excluded = dict(member.excluded)
            if subject not in excluded:
                told = max(told, Verdict.CONDITIONAL if conditional else Verdict.YES)
            elif excluded[subject]:
                told = max(told, Verdict.CONDITIONAL)
    return told


@settings(max_examples=60)
@given(st.lists(_facts(), max_size=12))
def test_what_a_list_tells_of_someone_is_what_check_says(facts: list[Relationship]) -> None:
    """No context is given anywhere, so to Check, too, every caveat is open."""
    graph = Graph(facts)
    evaluation = Evaluation(LAW_SCHEMA, graph, now_us=NOW_US)
    resource = ObjectRef("doc", "a")
    for permission in LAW_SCHEMA.definitions["doc"].permissions:
        members = find_members(LAW_SCHEMA, graph, resource, permission, now_us=NOW_US)
        for subject in [*(SubjectRef("user", id) for id in (*USERS, "unnamed")), SubjectRef("doc", "a")]:
            verdict = evaluation.check(resource, permission, subject).verdict
            listing = [format_member(member) for member in members]
            assert told_of(subject, members) is verdict, f"{subject} in {resource}#{permission}: {listing}"


@given(st.lists(st.sampled_from([parse_relationship(f"doc:a#viewer@user:{u}") for u in USERS]), unique=True))
def test_nothing_that_counts_no_longer_is_a_member(facts: list[Relationship]) -> None:
    ended = [Relationship(f.resource, f.relation, f.subject, Qualifiers(None, None, NOW_US)) for f in facts]
    assert find_members(LAW_SCHEMA, Graph(ended), ObjectRef("doc", "a"), "view", now_us=NOW_US) == ()
    assert len(find_members(LAW_SCHEMA, Graph(ended), ObjectRef("doc", "a"), "view", now_us=NOW_US - 1)) == len(facts)


def test_findings_are_errors_to_no_one(tmp_path: Path) -> None:
    """A world whose every line is wrong is still read and told about; verify itself never raises."""
    rest = "assertions:\n  assertTrue: ['no:a#b@c:d']\nvalidation:\n  no:a#b: []\n  doc:a#own: ['[no:x] is <no:y#z>']\n"
    try:
        findings = verify(world_of(tmp_path, "no:a#b@c:d", rest=rest), NOW_US)
    except RemitError as error:  # pragma: no cover
        pytest.fail(f"verify raised {error}")
    assert len(findings) == 4
    assert all(isinstance(finding, Finding) for finding in findings)


def test_a_list_is_whole_whatever_steps_its_pages_may_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    definition user {}
    definition group { relation member: user }
    definition doc { relation viewer: user | group#member }
    """
    facts = [f"doc:d#viewer@group:g{number}#member" for number in range(30)]
    facts += [f"group:g29#member@user:u{number:02}" for number in range(40)]
    schema, graph = compile_schema(text).schema, Graph(map(parse_relationship, facts))
    monkeypatch.setattr("remit.world.lists.STEPS_MAX", 500)
    who = SubjectLookup(ObjectRef("doc", "d"), "viewer", "user")
    assert find_list(schema, graph, who, now_us=NOW_US) == [f"user:u{number:02}" for number in range(40)]
    facts = [f"doc:d{number:02}#viewer@group:g{group}#member" for number in range(40) for group in range(20)]
    graph = Graph(map(parse_relationship, [*facts, "group:g19#member@user:u"]))
    what = ResourceLookup("doc", "viewer", SubjectRef("user", "u"))
    assert find_list(schema, graph, what, now_us=NOW_US) == [f"doc:d{number:02}" for number in range(40)]
