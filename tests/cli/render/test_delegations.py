"""Who stands alone: without them nothing behind is reached any more; and the graph as GraphML and DOT has all of it."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from remit.cli.render.delegations import StandsAlone, dot, graphml, standing_alone
from remit.model import ObjectRef, Relationship, SubjectRef
from remit.notation import parse_relationship

RUNS = [ObjectRef("run", f"r{each}") for each in range(6)]
PRINCIPALS = [ObjectRef("user", "anne"), ObjectRef("system", "clock")]
VERSIONS = [ObjectRef("agent_version", f"v{each}") for each in range(2)]
AGENTS = [ObjectRef("agent", f"a{each}") for each in range(2)]


def link(below: ObjectRef, relation: str, above: ObjectRef) -> Relationship:
    return Relationship(below, relation, SubjectRef(*above))


links = st.one_of(
    st.builds(link, st.sampled_from(RUNS), st.just("delegated_by"), st.sampled_from([*RUNS, *PRINCIPALS])),
    st.builds(link, st.sampled_from(RUNS), st.just("instance_of"), st.sampled_from(VERSIONS)),
    st.builds(link, st.sampled_from(VERSIONS), st.just("version_of"), st.sampled_from(AGENTS)),
)


@given(chains=st.lists(links, max_size=20))
def test_without_who_stands_alone_nothing_behind_is_reached(chains: list[Relationship]) -> None:
    expected = []
    for principal in PRINCIPALS:
        reached = _reached(chains, principal)
        for run in RUNS:
            lost = reached - _reached(chains, principal, without=run) - {run}
            runs, agents = (sum(each.type == type for each in lost) for type in ("run", "agent"))
            if runs:
                expected.append(StandsAlone(principal, run, runs, agents))
    found = standing_alone(chains)
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert [each.runs for each in found] == sorted((each.runs for each in found), reverse=True)


def _reached(chains: list[Relationship], start: ObjectRef, without: ObjectRef | None = None) -> set[ObjectRef]:
    reached: set[ObjectRef] = set()
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if each in reached or each == without:
            continue
        reached.add(each)
        for fact in chains:
            above, below = fact.subject.object, fact.resource
            if fact.relation != "delegated_by":
                above, below = below, above
            if above == each:
                waiting.append(below)
    return reached


def test_a_long_chain_is_counted_without_going_deep() -> None:
    runs = [ObjectRef("run", f"r{each}") for each in range(5_000)]
    chains = [link(runs[0], "delegated_by", PRINCIPALS[0])]
    chains += [link(below, "delegated_by", above) for above, below in itertools.pairwise(runs)]
    found = standing_alone(chains)
    assert (found[0].run, found[0].runs, len(found)) == (runs[0], 4_999, 4_999)


FACTS = [
    'run:"a\\b"#delegated_by@user:anne',
    'run:<c>&#delegated_by@run:"a\\b"',
    "run:<c>&#instance_of@agent_version:v",
]


def test_the_graph_is_drawn_whole_whatever_ids_hold() -> None:
    chains = [parse_relationship(each) for each in FACTS]
    assert dot(chains).splitlines() == [
        "digraph delegations {",
        "  rankdir=LR;",
        '  "user:anne" [shape=ellipse];',
        '  "run:\\"a\\\\b\\"" [shape=box];',
        '  "run:<c>&" [shape=box];',
        '  "agent_version:v" [shape=component];',
        '  "user:anne" -> "run:\\"a\\\\b\\"" [label="delegated_by"];',
        '  "run:\\"a\\\\b\\"" -> "run:<c>&" [label="delegated_by"];',
        '  "run:<c>&" -> "agent_version:v" [label="instance_of"];',
        "}",
    ]
    root = ElementTree.fromstring(graphml(chains))
    names = {each.get("id") for each in root.iter() if each.tag.endswith("}node")}
    assert names == {"user:anne", 'run:"a\\b"', "run:<c>&", "agent_version:v"}
    assert sum(each.tag.endswith("}edge") for each in root.iter()) == 3


def test_nothing_is_drawn_as_nothing() -> None:
    assert standing_alone([]) == []
    assert dot([]).splitlines() == ["digraph delegations {", "  rankdir=LR;", "}"]
