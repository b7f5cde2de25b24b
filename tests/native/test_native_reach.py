"""Law: what no relationship can lead to is NO without a look, until one is written that leads there; and what groups
hold is met from the side of who asks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from remit.eval import native
from remit.graph.native import NativeGraph
from remit.language import compile_schema
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import parse_relationship, parse_subject
from tests.support.native.worlds import cache_of, needs_core

pytestmark = needs_core

SCHEMA = compile_schema(
    """
    use delegation
    use self
    definition hold {}
    definition user { permission live = self }
    definition run {
      relation boss: run | user
      relation hold: hold
      permission live = self & hold.exists()
    }
    definition group { relation member: user | run | group#member }
    definition doc {
      relation parent: doc
      relation viewer: user | user:* | run | group#member
      relation banned: user | run
      relation hold: hold
      permission direct = viewer
      permission inherited = parent->direct
      permission both = viewer & banned
      permission held = hold.exists()
      permission alive = subject->live
      permission chained = direct.along(boss)
      permission left = viewer - banned
    }
    """
).schema

# Of each question the facts it needs, the last of which is the first of its kind.
LEADS: list[tuple[str, str, Sequence[str]]] = [
    ("direct", "run:r", ["doc:d#viewer@run:r"]),
    ("direct", "user:anne", ["doc:d#viewer@user:*"]),
    ("direct", "run:r", ["doc:d#viewer@group:g#member", "group:g#member@run:r"]),
    ("direct", "run:r", ["group:g#member@run:r", "doc:d#viewer@group:g#member"]),
    ("direct", "group:g#member", ["doc:d#viewer@group:g#member"]),
    ("inherited", "run:r", ["doc:d#parent@doc:above", "doc:above#viewer@run:r"]),
    ("inherited", "run:r", ["doc:above#viewer@run:r", "doc:d#parent@doc:above"]),
    ("both", "run:r", ["doc:d#viewer@run:r", "doc:d#banned@run:r"]),
    ("held", "run:r", ["doc:d#hold@hold:h"]),
    ("alive", "run:r", ["run:r#hold@hold:h"]),
    ("chained", "run:r", ["doc:d#viewer@run:r", "doc:d#viewer@user:anne", "run:r#boss@user:anne"]),
    ("left", "run:r", ["doc:d#viewer@run:r"]),
]


def asked(graph: NativeGraph, permission: str, subject: SubjectRef) -> native.Answered:
    answered = native.check(graph, ObjectRef("doc", "d"), permission, subject, now_us=0)
    assert answered is not None
    return answered


@pytest.mark.parametrize("cached", [0, 64])
@pytest.mark.parametrize(("permission", "subject", "facts"), LEADS, ids=str)
def test_the_first_relationship_that_leads_there_is_seen(
    permission: str, subject: str, facts: Sequence[str], cached: int
) -> None:
    graph = NativeGraph()
    native.install(graph, SCHEMA, 1)
    who = parse_subject(subject)
    with cache_of(cached):
        for fact in facts:
            for _ in range(2):
                assert asked(graph, permission, who).verdict is Verdict.NO
            graph.add(parse_relationship(fact))
        for _ in range(2):
            assert asked(graph, permission, who).verdict is Verdict.YES


def test_what_nothing_leads_to_takes_no_step() -> None:
    lines = [f"doc:d#viewer@group:{n}#member" for n in range(9)] + [f"group:{n}#member@user:anne" for n in range(9)]
    graph = NativeGraph(parse_relationship(line) for line in [*lines, "doc:d#banned@user:anne"])
    native.install(graph, SCHEMA, 1)
    with cache_of(0):
        for permission in ("direct", "inherited", "both", "alive", "chained", "left"):
            answered = asked(graph, permission, SubjectRef("run", "r"))
            assert (answered.verdict, answered.steps) == (Verdict.NO, 0)


def test_groups_within_groups_cost_what_the_subject_is_in() -> None:
    """Five hundred groups beneath the one that a document is shared with; somebody in one at the bottom, and nobody."""
    lines = ["doc:d#viewer@group:1#member", "group:499#member@user:anne", "group:600#member@user:bob"]
    lines += [f"group:{number // 2}#member@group:{number}#member" for number in range(2, 500)]
    graph = NativeGraph(parse_relationship(line) for line in lines)
    native.install(graph, SCHEMA, 1)
    with cache_of(0):
        for name, expected in (("anne", Verdict.YES), ("bob", Verdict.NO), ("nobody", Verdict.NO)):
            answered = asked(graph, "direct", SubjectRef("user", name))
            assert answered.verdict is expected
            assert answered.steps < 40
