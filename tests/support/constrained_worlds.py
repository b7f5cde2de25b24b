"""Random worlds in which documents stand beside relationships: what each comes to is drawn, and not judged.

So every shape that judging may give is met on every operator, whatever documents can be written today. Documents here
are numbers, `{"document":3}`; `judged_by` puts what was drawn in the place of the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.eval import calls
from remit.eval.calls import JudgedCall
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.model import Call, CaveatUse, Relationship
from tests.support.random_worlds import NOW_US, OBJECTS, RandomWorld, random_world

CALL = Call("pay", b"{}")
_NAMES = {
    "doc": ("r0", "r1", "p0", "p1", "p2"),
    "run": ("r0", "r1", "boss", "p0", "p1", "p2"),
    "user": ("p0", "p1", "p2"),
}

Documents = Mapping[str, Judged]
"""What each document comes to, by its text."""


@dataclass(frozen=True)
class ConstrainedWorld:
    """A random world with documents, and what they come to for the one call that is asked about."""

    world: RandomWorld
    documents: Documents

    def judged(self, relationship: Relationship) -> Judged:
        use = relationship.qualifiers.caveat
        assert use is not None
        return self.documents[use.context_json]

    def evaluation(self, graph: GraphView | None = None, *, call: bool = True) -> Evaluation:
        return Evaluation(
            self.world.schema,
            graph or Graph(self.world.relationships),
            now_us=NOW_US,
            context=self.world.context,
            call=JudgedCall(CALL) if call else None,
        )

    def completions(self, most: int) -> Iterator[ConstrainedWorld]:
        """The world for every way in which what is unjudged may be decided; none where there are more than so many."""
        unjudged = sorted({leaf for judged in self.documents.values() for leaf in _unjudged(judged)})
        if 2 ** len(unjudged) > most:
            return
        for truths in product((True, False), repeat=len(unjudged)):
            chosen = dict(zip(unjudged, truths, strict=True))
            yield replace(self, documents={text: _decided(judged, chosen) for text, judged in self.documents.items()})


def constrained_world(seed: int, *, unjudged: int = 10) -> ConstrainedWorld:
    """The world of a seed; `unjudged` of hundred leaves of its documents are."""
    random = Random(seed)
    world = random_world(seed)
    documents = {json.dumps({"document": n}, separators=(",", ":")): _drawn(random, 3, unjudged) for n in range(5)}
    texts = sorted(documents)

    def constrained(relationship: Relationship) -> Relationship:
        if random.random() > 0.5:
            return relationship
        use = CaveatUse(random.choice(("arguments", "matching")), random.choice(texts))
        return replace(relationship, qualifiers=relationship.qualifiers._replace(caveat=use))

    relationships = [constrained(each) for each in world.relationships]
    schema = replace(world.schema, uses_arguments=True)
    return ConstrainedWorld(replace(world, schema=schema, relationships=relationships), documents)


@contextmanager
def judged_by(documents: Documents) -> Iterator[None]:
    """What each document comes to is looked up."""

    def parse(text: str, *_: object) -> SimpleNamespace:
        return SimpleNamespace(text=text, constraints=1)

    with (
        patch.object(calls, "parse_document", parse),
        patch.object(calls, "judge", lambda document, call: documents[document.text]),
    ):
        yield


def _drawn(random: Random, depth: int, unjudged: int) -> Judged:
    if depth and random.random() < 0.6:
        kind = random.choice(("every", "any", "unless"))
        if kind == "unless":
            return Unless(_drawn(random, depth - 1, unjudged))
        parts = tuple(_drawn(random, depth - 1, unjudged) for _ in range(random.randint(0, 3)))
        return Every(parts) if kind == "every" else Any(parts)
    drawn = random.randrange(100)
    if drawn < unjudged:
        return Unjudged(f"/{random.randrange(3)}", "it is of another type")
    if drawn < unjudged + (100 - unjudged) // 2:
        return Known(random.random() < 0.5, "so it is written")
    object = random.choice(OBJECTS)
    return Related(object, random.choice(_NAMES[object.type]), "/to")


def _unjudged(judged: Judged) -> Iterator[Unjudged]:
    if isinstance(judged, Unjudged):
        yield judged
    for part in _parts(judged):
        yield from _unjudged(part)


def _decided(judged: Judged, truths: Mapping[Unjudged, bool]) -> Judged:
    match judged:
        case Unjudged():
            return Known(truths[judged], "so it was chosen")
        case Every(parts):
            return Every(tuple(_decided(part, truths) for part in parts))
        case Any(parts):
            return Any(tuple(_decided(part, truths) for part in parts))
        case Unless(part):
            return Unless(_decided(part, truths))
        case _:
            return judged


def _parts(judged: Judged) -> tuple[Judged, ...]:
    if isinstance(judged, Every | Any):
        return judged.parts
    return (judged.part,) if isinstance(judged, Unless) else ()
