"""Law: a lookup is Check asked the other way around, for every value of every object.

The worlds are those of `random_worlds.py`: every operator, cycles of both signs, caveats, times. A lookup is compared
three times: what the walks of `candidates.py` find with what trying everybody finds, that with Check of each object
there is and of one that is not, and its pages of any size with the whole."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.lookups import Entry, LookupPage, order_of
from remit.eval.semantics import Answer
from remit.model import WILDCARD, ResourceLookup, SubjectLookup, Verdict
from tests.support.constrained_worlds import constrained_world
from tests.support.lookup_worlds import UNSEEN, LookupWorld, place, told, told_of, whole
from tests.support.random_worlds import RandomWorld
from tests.support.seeds import Seeds


def compare(seed: int, of: RandomWorld | None = None) -> Counter[object]:
    """Every comparison of one world, the seed's own or another; what came out, so that the laws are known not to be
    vacuous."""
    world = LookupWorld(seed, of)
    kinds: Counter[object] = Counter()
    for lookup in world.lookups():
        found = world.quick(lookup, whole())
        assert found.next_after is None
        assert told_of(found) == told_of(world.by_definition(lookup)), f"seed {seed}: {lookup}"
        assert [id for id, _ in found.entries] == sorted({id for id, _ in found.entries}, key=order_of)
        if isinstance(lookup, ResourceLookup):
            invert_resources(world, lookup, found, seed)
        else:
            invert_subjects(world, lookup, found, seed)
        in_pages(world, lookup, found, seed)
        for id, answer in found.entries:
            kinds[answer.verdict if isinstance(answer, Answer) else type(answer)] += 1
            kinds[WILDCARD] += id == WILDCARD
    return kinds


def invert_resources(world: LookupWorld, lookup: ResourceLookup, found: LookupPage, seed: int) -> None:
    listed = dict(found.entries)
    ids = world.occurring(lookup.resource_type)
    if lookup.subject.type == lookup.resource_type:
        ids.add(lookup.subject.id)
    assert listed.keys() <= ids, f"seed {seed}: {lookup}"
    for id in ids:
        said = told(listed.get(id, Answer(Verdict.NO)))
        assert said == told(world.check(lookup, id)), f"seed {seed}: {lookup} {id}"


def invert_subjects(world: LookupWorld, lookup: SubjectLookup, found: LookupPage, seed: int) -> None:
    listed = dict(found.entries)
    everybody = listed.get(WILDCARD, Answer(Verdict.NO))
    for id in (UNSEEN, *world.occurring(lookup.subject_type)):
        said = told(listed.get(id, everybody))
        assert said == told(world.check(lookup, id)), f"seed {seed}: {lookup} {id}"
    excluded = [id for id, answer in listed.items() if isinstance(answer, Answer) and answer.verdict is Verdict.NO]
    assert not excluded or WILDCARD in listed, f"seed {seed}: {lookup} leaves out of nothing"


def in_pages(world: LookupWorld, lookup: ResourceLookup | SubjectLookup, found: LookupPage, seed: int) -> None:
    limit = world.random.choice((1, 2, 3))
    entries: list[Entry] = []
    after: str | None = ""
    while after is not None:
        page = world.quick(lookup, place(after, limit))
        assert len(page.entries) <= limit
        assert page.next_after is None or order_of(page.next_after) > order_of(after)
        entries += page.entries
        after = page.next_after
    assert told_of(LookupPage(tuple(entries), None, 0)) == told_of(found), f"seed {seed}: {lookup} by {limit}"


@pytest.mark.seeds(480, shards=4)
def test_a_lookup_is_check_asked_the_other_way_around(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed)
    for kind in (*Verdict, NegativeCycle, CaveatFailed, WILDCARD):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


@pytest.mark.seeds(160, shards=2)
def test_what_waits_for_a_call_is_conditional_in_every_list(seeds: Seeds) -> None:
    """A lookup brings no call, so whatever a document comes to, nothing is left out."""
    waiting = 0
    for seed in seeds:
        world = constrained_world(seed).world
        compare(seed, world)
        for lookup in LookupWorld(seed, world).lookups():
            entries = LookupWorld(seed, world).quick(lookup, place("", 1_000)).entries
            waiting += sum(isinstance(each, Answer) and "arguments" in each.missing for _, each in entries)
    seeds.require(waiting >= 3, waiting)


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=8, fresh=True)
def test_a_lookup_is_check_asked_the_other_way_around_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(seed)
