"""Where taking a relationship away raises some answer, its relation is among those that hold answers back; and where it
moves one that no other is made of, its relation stands that way.

The relations of each random world are declared as what they hold, so that the compiler finds as little as it may."""

from __future__ import annotations

import pytest

from remit.language.effort import Effort
from remit.language.polarity import EVEN, ODD, find_subtracted, find_ways
from remit.language.reach import Reach
from remit.model import Relationship
from tests.support.judge import Judge
from tests.support.random_worlds import NOW_US, RandomWorld, declared_as_held, random_world
from tests.support.seeds import Seeds


def bounds(world: RandomWorld, facts: list[Relationship]) -> Judge:
    judge = Judge(world.schema, facts, world.subject, NOW_US, world.context)
    judge.table()
    return judge


@pytest.mark.seeds(120, shards=3)
def test_what_is_not_found_raises_nothing_when_it_goes(seeds: Seeds) -> None:
    """Neither what an answer is at least nor what it is at most."""
    spared = raising = 0
    for seed in seeds:
        world = random_world(seed)
        schema = declared_as_held(world)
        found = find_subtracted(schema, Reach(schema, identity=False), Effort()).relations
        before = bounds(world, world.relationships)
        for gone in world.relationships:
            after = bounds(world, [each for each in world.relationships if each is not gone])
            raised = [
                cell
                for cell in after.low
                if after.low[cell] > before.low.get(cell, 0) or after.high[cell] > before.high.get(cell, 0)
            ]
            if (gone.resource.type, gone.relation) in found:
                raising += bool(raised)
            else:
                spared += 1
                assert not raised, f"seed {seed}: without {gone.key}, {raised[0]} rises"
    seeds.require(spared > 30 and raising > 1, f"{spared} spared, {raising} raising")


@pytest.mark.seeds(120, shards=3)
def test_what_moves_an_answer_that_no_other_is_made_of_stands_that_way(seeds: Seeds) -> None:
    lowered = raised = 0
    for seed in seeds:
        world = random_world(seed)
        schema = declared_as_held(world)
        ways = find_ways(schema, Reach(schema, identity=False), Effort())
        tops = {member for (member, _), reading in ways.items() if reading is None}
        before = bounds(world, world.relationships)
        for gone in world.relationships:
            after = bounds(world, [each for each in world.relationships if each is not gone])
            place = gone.resource.type, gone.relation
            for cell in after.low.keys() & before.low.keys():
                if (cell[0].type, cell[1]) not in tops:
                    continue
                moves = [after.low[cell] - before.low[cell], after.high[cell] - before.high[cell]]
                for way, moved in ((EVEN, min(moves) < 0), (ODD, max(moves) > 0)):
                    assert not moved or (place, way) in ways, f"seed {seed}: without {gone.key}, {cell} moves"
                lowered += min(moves) < 0
                raised += max(moves) > 0
    seeds.require(lowered > 30 and raised > 1, f"{lowered} lowered, {raised} raised")
