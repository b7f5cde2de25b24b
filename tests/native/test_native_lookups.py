"""Law: the core's lookups are those of `lookups.py`, entry for entry, with facts of a request over its graph, too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

import pytest

from remit.errors import Cancelled, StepBudgetSpent
from remit.eval import native
from remit.eval.lookups import Entry, LookupPage, Place, order_of
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Answer
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed, Overlay
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.language import plan
from remit.language.compiler import compile_schema
from remit.model import (
    Change,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    ResourceLookup,
    StoredRelationship,
    SubjectLookup,
    SubjectRef,
    Verdict,
)
from remit.notation import parse_relationship
from tests.support.lookup_worlds import LookupWorld, place, told_of, whole
from tests.support.native.worlds import HubWorlds, dear_from, needs_core, split
from tests.support.random_worlds import NOW_US
from tests.support.seeds import Seeds

pytestmark = needs_core


@dataclass(frozen=True)
class View:
    """What an evaluator is asked over."""

    schema: plan.Schema
    graph: GraphView
    native: NativeGraph | None
    changed: Changed | None = None
    revision: int = 0
    now_us: int = NOW_US


def page_of(
    evaluator: NativeEvaluator | PlainEvaluator, view: View, lookup: ResourceLookup | SubjectLookup, place: Place
) -> LookupPage:
    if isinstance(lookup, ResourceLookup):
        return evaluator.lookup_resources(view, lookup, place)
    return evaluator.lookup_subjects(view, lookup, place)


def in_pages(view: View, lookup: ResourceLookup | SubjectLookup, limit: int) -> LookupPage:
    evaluator = NativeEvaluator(PlainEvaluator())
    entries: list[Entry] = []
    after: str | None = ""
    while after is not None:
        page = page_of(evaluator, view, lookup, place(after, limit))
        assert len(page.entries) <= limit
        assert page.next_after is None or order_of(page.next_after) > order_of(after)
        entries += page.entries
        after = page.next_after
    return LookupPage(tuple(entries), None, 0)


def told_of_core(found: native.LookedUp | None) -> object:
    return None if found is None else (told_of(found.decided), found.left)


def compare(world: LookupWorld, seed: int) -> Counter[object]:
    """Every lookup of a world: over a graph of all facts, and over one that lacks some which the request
    brings, with others in it that the request takes away."""
    stored, (changed,) = split(world.random, world.world.relationships, requests=1)
    views = []
    for facts, laid_over in ((world.world.relationships, None), (stored, changed)):
        graph = NativeGraph(facts)
        native.install(graph, world.schema)
        base: GraphView = Graph(facts)
        views.append(View(world.schema, base if laid_over is None else Overlay(base, laid_over), graph, laid_over))
    kinds: Counter[object] = Counter()
    for lookup in world.lookups():
        for view in views:
            expected = told_of(page_of(PlainEvaluator(), view, lookup, whole()))
            assert view.native is not None
            with dear_from(seed % 12):
                soon = native.look_up(view.native, lookup, whole(), now_us=NOW_US, changed=view.changed)
            decided = native.look_up(view.native, lookup, whole(), now_us=NOW_US, changed=view.changed)
            kinds["decided"] += decided is not None
            assert told_of_core(soon) == told_of_core(decided), f"seed {seed}: {lookup} over {view.changed}"
            for page in (
                page_of(NativeEvaluator(PlainEvaluator()), view, lookup, whole()),
                in_pages(view, lookup, world.random.choice((1, 2, 3))),
            ):
                assert told_of(page) == expected, f"seed {seed}: {lookup} over {view.changed}"
        kinds += Counter(answer.verdict for _, answer in page.entries if isinstance(answer, Answer))
    return kinds


@pytest.mark.seeds(600, shards=4)
def test_the_core_finds_what_the_meaning_finds(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(LookupWorld(seed), seed)
    for kind in (*Verdict, "decided"):
        seeds.require(kinds[kind] >= 3, f"{kind} in {kinds}")


def hub_world(seed: int) -> LookupWorld:
    """Of subjects that much leads to, among them who is in more relations than are kept together."""
    random = Random(seed)
    worlds = HubWorlds(random, caveats=random.random() < 0.3)
    world = worlds.world()
    known = SubjectRef(*worlds.objects[-1])
    subject = known if random.random() < 0.5 else world.subject
    return LookupWorld(seed, replace(world, subject=subject), worlds.objects)


@pytest.mark.seeds(120, shards=2)
def test_what_much_leads_to_is_found_as_the_meaning_finds_it(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(hub_world(seed), seed)
    for kind in (*Verdict, "decided"):
        seeds.require(kinds[kind] >= 3, f"{kind} in {kinds}")


@pytest.mark.long
@pytest.mark.seeds(100_000, shards=8, fresh=True)
def test_the_core_finds_what_the_meaning_finds_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(LookupWorld(seed), seed)
        compare(hub_world(seed), seed)


# --- what it may cost -------------------------------------------------------------------------------------------

SCHEMA = """
definition user {}

definition document {
  relation viewer: user
}
"""
LOOKUP = ResourceLookup("document", "viewer", SubjectRef("user", "zoe"))


def documents(count: int) -> NativeGraph:
    graph = NativeGraph(parse_relationship(f"document:d{number}#viewer@user:zoe") for number in range(count))
    native.install(graph, compile_schema(SCHEMA).schema)
    return graph


def test_a_long_list_comes_in_order_whatever_its_pages_are() -> None:
    graph = documents(30_000)
    expected = sorted(f"d{number}" for number in range(30_000))
    whole_list = native.look_up(graph, LOOKUP, place("", 50_000), now_us=NOW_US)
    assert whole_list is not None
    assert [id for id, _ in whole_list.decided.entries] == expected
    after: str | None = expected[14_998]
    assert after is not None
    page = native.look_up(graph, LOOKUP, place(after, 3), now_us=NOW_US)
    assert page is not None
    assert ([id for id, _ in page.decided.entries], page.decided.next_after) == (
        expected[14_999:15_002],
        expected[15_001],
    )


def test_a_page_anywhere_in_a_long_list_is_that_part_of_it() -> None:
    """Wherever the page before was: back, on, and far ahead. Some are found twice, and some not to be listed."""
    schema = compile_schema(
        "definition user {}\n"
        "definition group { relation member: user }\n"
        "definition document {\nrelation viewer: user | group#member\nrelation barred: user\n"
        "permission view = viewer - barred\n}"
    ).schema
    count = 9_000
    lines = ["group:all#member@user:zoe"]
    for number in range(count):
        lines += [f"document:d{number}#viewer@user:zoe", f"document:plan#viewer@user:u{number}"]
        if not number % 3:
            lines += [f"document:d{number}#viewer@group:all#member", f"document:d{number}#barred@user:zoe"]
            lines += [f"group:all#member@user:u{number}", f"document:plan#barred@user:u{number}"]
    lines += ["document:plan#viewer@group:all#member"]
    graph = NativeGraph(parse_relationship(line) for line in lines)
    native.install(graph, schema)
    left = [number for number in range(count) if number % 3]
    lists: list[tuple[ResourceLookup | SubjectLookup, list[str]]] = [
        (ResourceLookup("document", "view", SubjectRef("user", "zoe")), sorted([*(f"d{n}" for n in left), "plan"])),
        (SubjectLookup(ObjectRef("document", "plan"), "view", "user"), sorted([*(f"u{n}" for n in left), "zoe"])),
    ]
    random = Random(7)
    for lookup, ids in lists:
        at = 0
        for _ in range(60):
            at = random.choice((at, at + 100, at + 1_990, max(at - 50, 0), random.randrange(len(ids)))) % len(ids)
            limit = random.choice((1, 100, 100, 2_500))
            page = native.look_up(graph, lookup, place(ids[at], limit), now_us=NOW_US)
            assert page is not None
            assert [id for id, _ in page.decided.entries] == ids[at + 1 : at + 1 + limit]
            at += limit


OF_A_TIME = """
use expiration
use delegation
use not_before

definition user {}

definition document {
  relation viewer: user | user:* | user with expiration | user with not_before
  permission seen = viewer.exists()
}
"""


def page_at(view: View, lookup: ResourceLookup | SubjectLookup, after: str) -> list[tuple[str, object]]:
    return told_of(page_of(NativeEvaluator(PlainEvaluator()), view, lookup, place(after, 2)))


def test_a_list_kept_for_later_pages_is_of_the_times_that_it_holds_at() -> None:
    schema = compile_schema(OF_A_TIME).schema
    facts = [parse_relationship(f"document:d{number}#viewer@user:u{number}") for number in range(5)]
    facts += [parse_relationship(f"document:plan#viewer@user:u{number}") for number in range(5)]
    for number, begins_us, ends_us in ((6, None, NOW_US + 100), (7, NOW_US + 200, None)):
        qualifiers = Qualifiers(not_before_us=begins_us, expiration_us=ends_us)
        user = SubjectRef("user", f"u{number}")
        facts += [Relationship(ObjectRef("document", id), "viewer", user, qualifiers) for id in (f"d{number}", "plan")]
    graph = NativeGraph(facts)
    native.install(graph, schema)
    lookups = (
        ResourceLookup("document", "seen", SubjectRef("user", "zoe")),
        SubjectLookup(ObjectRef("document", "plan"), "viewer", "user"),
    )
    times = (
        NOW_US,
        NOW_US + 150,
        NOW_US + 250,
        NOW_US + 50,
        NOW_US,
    )  # as threads may ask, whose clocks were read before
    for lookup in lookups:
        lists = set()
        for now_us in times:
            view = View(schema, Graph(facts), graph, now_us=now_us)
            after = "d1" if isinstance(lookup, ResourceLookup) else "u1"
            for _ in range(2):  # the second is of what was kept
                entries: list[tuple[str, object]] = []
                at = after
                while found := page_at(view, lookup, at):
                    entries += found
                    at = found[-1][0]
                assert entries == [
                    entry
                    for entry in told_of(page_of(PlainEvaluator(), view, lookup, whole()))
                    if order_of(entry[0]) > order_of(after)
                ]
            lists.add(tuple(id for id, _ in entries))
        assert len(lists) == 3


def test_a_list_of_subjects_kept_for_later_pages_ends_with_a_write() -> None:
    facts = [parse_relationship(f"document:plan#viewer@user:u{number}") for number in range(6)]
    graph = NativeGraph(facts)
    schema = compile_schema(SCHEMA).schema
    native.install(graph, schema)
    lookup = SubjectLookup(ObjectRef("document", "plan"), "viewer", "user")
    before = graph.store.bytes()
    for _ in range(2):
        assert [id for id, _ in page_at(View(schema, Graph(facts), graph), lookup, "u2")] == ["u3", "u4"]
    assert graph.store.bytes() > before, "it counts as memory of the store"
    gone = StoredRelationship(facts[3], Provenance("anne", "", 1))
    graph.apply([Change(gone, None)], 1)
    view = View(schema, Graph(facts[:3] + facts[4:]), graph, revision=1)
    assert [id for id, _ in page_at(view, lookup, "u2")] == ["u4", "u5"]


def test_a_walk_that_is_too_long_is_not_finished() -> None:
    with pytest.raises(StepBudgetSpent, match="not finished within 100 steps"):
        native.look_up(documents(200), LOOKUP, Place("", 10, 100, lambda: None), now_us=NOW_US)


def test_a_caller_who_has_gone_is_noticed_on_the_way() -> None:
    def gone() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        native.look_up(documents(60_000), LOOKUP, Place("", 10, 1_000_000, gone), now_us=NOW_US)
