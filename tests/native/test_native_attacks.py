"""Law: whatever history it lives through, whoever asks meanwhile and however deep the question, an engine over the
native core says what one without it says, word for word, of exactly the revision and time that it names."""

from __future__ import annotations

from collections import Counter

import pytest
from native_histories import Shared, engines_side_by_side, graphs_side_by_side
from native_worlds import cache_of, needs_core

from remit import native
from remit.language import compile_schema
from remit.model import Change, ObjectRef, Provenance, StoredRelationship, SubjectRef, Verdict
from remit.notation import parse_relationship

pytestmark = needs_core


def test_a_graph_that_grows_and_shrinks_holds_what_its_twin_holds() -> None:
    assert sum(graphs_side_by_side(seed, rounds=10) for seed in range(3)) >= 2_000


@pytest.mark.parametrize("cached", [0, 4096])
def test_engines_with_and_without_the_core_say_the_same(cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in (1, 2):
            counts += engines_side_by_side(seed, 25, monkeypatch)
    for kind in (Verdict.NO, Verdict.YES, "UnknownRelation"):
        assert counts[kind] >= 3, f"too few answers of kind {kind} to mean anything: {counts}"


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
    graph = native.NativeGraph(facts)
    graph.install(DEEP)

    def verdict(id: str, permission: str, subject: str) -> Verdict:
        asked = (ObjectRef("doc", id), permission, SubjectRef("run", subject))
        answered = graph.check(*asked, now_us=0, interrupt=lambda: None)
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
