"""What a page of a lookup may cost, and where it goes on. What lookups mean is held by `tests/laws/test_lookups.py`."""

from __future__ import annotations

import pytest

from remit.errors import Cancelled, StepBudgetSpent
from remit.eval.lookups import LookupPage, Place, lookup_resources
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.interrupt import Interrupt, never_interrupted
from remit.language.compiler import compile_schema
from remit.model import ObjectRef, ResourceLookup, SubjectRef
from remit.notation import parse_relationship

SCHEMA = """
definition user {}

definition group {
  relation member: user
}

definition document {
  relation viewer: group#member
}
"""
ZOE = SubjectRef("user", "zoe")
LOOKUP = ResourceLookup("document", "viewer", ZOE)


def evaluation(groups: dict[str, int]) -> Evaluation:
    """Documents, each with so many groups of which the last has zoe."""
    facts = ["group:last#member@user:zoe"]
    for id, count in groups.items():
        facts += [f"document:{id}#viewer@group:g{number}#member" for number in range(count)]
        facts.append(f"document:{id}#viewer@group:last#member")
    graph = Graph(map(parse_relationship, facts))
    return Evaluation(compile_schema(SCHEMA).schema, graph, now_us=0)


def page(
    groups: dict[str, int], after: str = "", steps_max: int = 100, interrupt: Interrupt = never_interrupted
) -> LookupPage:
    return lookup_resources(evaluation(groups), LOOKUP, Place(after, 10, steps_max, interrupt), groups)


def test_a_page_ends_before_what_it_could_not_finish() -> None:
    groups = dict.fromkeys("abcd", 20)
    found: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        each = page(groups, after, steps_max=60)
        found += [id for id, _ in each.entries]
        after, pages = each.next_after, pages + 1
        assert after in (None, found[-1])
    assert found == list("abcd")
    assert pages > 1


def test_only_what_check_would_not_finish_either_fails_for_its_steps() -> None:
    groups = {"a": 20, "b": 200, "c": 20}
    resource = ObjectRef("document", "b")
    with pytest.raises(StepBudgetSpent):
        evaluation(groups).check(resource, "viewer", ZOE, Place("", 1, 60, never_interrupted).budget())
    first = page(groups, steps_max=60)
    assert ([id for id, _ in first.entries], first.next_after) == (["a"], "a")
    second = page(groups, "a", steps_max=60)
    assert [(id, type(answer)) for id, answer in second.entries] == [("b", StepBudgetSpent)]
    assert second.next_after == "b"
    assert [id for id, _ in page(groups, "b", steps_max=60).entries] == ["c"]


def test_a_caller_who_has_gone_ends_the_page() -> None:
    def gone() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        page(dict.fromkeys("abcd", 300), steps_max=10_000, interrupt=gone)
