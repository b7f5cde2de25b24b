"""Law: whatever history it lives through, whoever asks meanwhile and however deep the question, an engine over the
native core says what one without it says, word for word, of exactly the revision and time that it names."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.eval import native
from remit.graph.native import NativeGraph
from remit.language import compile_schema
from remit.model import Change, ObjectRef, Provenance, StoredRelationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.native.histories import Shared, engines_side_by_side, graphs_side_by_side
from tests.support.native.worlds import cache_of, needs_core
from tests.support.seeds import Seeds

pytestmark = needs_core


@pytest.mark.seeds(3)
def test_a_graph_that_grows_and_shrinks_holds_what_its_twin_holds(seeds: Seeds) -> None:
    changed = sum(graphs_side_by_side(seed, rounds=10) for seed in seeds)
    seeds.require(changed >= 2_000, f"{changed} changes")


@pytest.mark.seeds(2)
@pytest.mark.parametrize("cached", [0, 4096])
def test_engines_with_and_without_the_core_say_the_same(
    seeds: Seeds, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in seeds:
            counts += engines_side_by_side(seed, 25, monkeypatch)
    for kind in (Verdict.NO, Verdict.YES, "UnknownRelation"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def test_an_answer_is_true_of_its_revision_and_time_whoever_writes_meanwhile() -> None:
    assert Shared(seed=1).live(revisions=120) >= 200


# --- deep and round ----------------------------------------------------------------------------------------------

DEPTH = 10_000
DEEP = compile_schema(
    """
    use delegation
    definition run { relation boss: run }
    definition group {
      relation member: run | group#member
      permission all = member
    }
    definition doc {
      relation viewer: run | group#member | group#all
      relation parent: doc
      permission every = viewer + parent.all(every)
      permission use = viewer.along(boss)
    }
    """
).schema


def test_no_operator_has_a_depth_at_which_it_ends() -> None:
    lines = ["doc:0#viewer@group:0#all", "doc:0#viewer@run:r", f"group:{DEPTH}#member@run:0"]
    for number in range(DEPTH):
        above = number + 1
        lines += [f"group:{number}#member@group:{above}#member", f"doc:{above}#parent@doc:{number}"]
        lines += [f"run:{number}#boss@run:{above}", f"doc:wide#viewer@run:{number}"]
    facts = [parse_relationship(line) for line in [*lines, f"run:{DEPTH}#boss@run:0"]]
    graph = NativeGraph(facts)
    native.install(graph, DEEP)

    def verdict(id: str, permission: str, subject: str) -> Verdict:
        asked = (ObjectRef("doc", id), permission, SubjectRef("run", subject))
        answered = native.check(graph, *asked, now_us=0, interrupt=lambda: None)
        assert answered is not None
        return answered.verdict

    assert verdict("0", "viewer", "0") is Verdict.YES
    assert verdict("0", "viewer", "1") is Verdict.NO
    assert verdict(str(DEPTH), "every", "r") is Verdict.YES
    assert verdict(str(DEPTH), "every", "stranger") is Verdict.NO
    assert verdict("wide", "use", "0") is Verdict.NO, "the chain is a ring"
    graph.apply([Change(StoredRelationship(fact, Provenance("anne", "", 1)), None) for fact in facts])
    graph.check_invariants()
    assert len(graph) == 0


def test_a_closure_of_another_version_decides_nothing() -> None:
    """Found by attack: what was remembered before a write answered a goal that the cycle, once that was forgotten,
    had to walk; and found no such goal."""
    schema = compile_schema(
        """
        use delegation
        caveat small(x int) { x < 1 }
        definition run { relation boss: run }
        definition group { relation member: run | group#member }
        definition other { relation member: run with small }
        definition thing { relation holder: other#member }
        definition doc {
          relation viewer: run | group#member
          permission use = viewer.along(boss)
        }
        """
    ).schema
    runs = range(80)  # more than a session remembers the closures of
    facts = [parse_relationship(f"doc:1#viewer@group:{n}#member") for n in range(16)]
    facts += [parse_relationship(f"group:0#member@run:{n}") for n in runs]
    facts += [parse_relationship(f"run:{n}#boss@run:{(n + 1) % len(runs)}") for n in runs]
    facts += [parse_relationship("thing:1#holder@other:1#member")]
    graph = NativeGraph(facts)
    native.install(graph, schema, 1)
    document = ObjectRef("doc", "1")
    for number in reversed(runs):
        answered = native.check(graph, document, "viewer", SubjectRef("run", str(number)), now_us=0)
        assert answered is not None and answered.verdict is Verdict.YES
    for number in runs:
        graph.add(parse_relationship(f"other:1#member@run:{number}[small]"))
    answered = native.check(graph, document, "use", SubjectRef("run", "0"), now_us=0)
    assert answered is not None and answered.verdict is Verdict.NO
