"""The chains of `bench/chains.py` for those who have no `along`: every link's authority written out as an object.

With `along`, a chain is asked at every link what it may do now. Without, the nearest that arrows can say is a mandate:
one object for each run and tool, below the mandate of the run above. It gives the same answers and is asked as deep,
and it is what a team would build on SpiceDB or OpenFGA. What it cannot do is the point of `along`: a person's or an
agent's own grant, intent, hold or registration is not asked again; whoever changes one must find and rewrite every
mandate that rested on it, in time.
Law: a mandate is sound exactly where its link of the chain may use the tool."""

from __future__ import annotations

from collections.abc import Iterator

from bench.chains import Break, Chain, Chains, run_of
from bench.known_question import KnownQuestion, known
from remit.model import ObjectRef, Relationship, SubjectRef

SCHEMA = """
definition mandate {
	relation above: mandate
	relation rooted: run:*
	relation holder: run
	relation granted: run:*
	relation held: run:*
	permission sound = (granted & (rooted + above->sound)) - held
	permission use = holder & sound
}
"""
_ANY_RUN = SubjectRef("run", "*")


class Mandates:
    """One for each link of each chain."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def relationships(self) -> Iterator[Relationship]:
        for number, chain in enumerate(self._chains.each()):
            for link in range(1, chain.depth + 1):
                yield from _facts(number, chain, link)

    def questions(self, count: int, seed: str) -> list[KnownQuestion]:
        """The same links that `Chains.questions` asks about."""
        return [self._asked(number, link) for number, link in self._chains.random_links(count, seed)]

    def allowed(self, depth: int) -> list[KnownQuestion]:
        return [self._asked(number, depth) for number in self._chains.sound_at(depth)]

    def _asked(self, number: int, link: int) -> KnownQuestion:
        allowed = self._chains.each()[number].is_allowed(link)
        return known(mandate_of(number, link), "use", SubjectRef(*run_of(number, link)), allowed)


def mandate_of(chain: int, link: int) -> ObjectRef:
    return ObjectRef("mandate", f"m{chain}-{link}")


def link_below(mandate: ObjectRef, above: ObjectRef, run: ObjectRef) -> list[Relationship]:
    """What is written when a run is spawned: its mandate, below another."""
    return [
        Relationship(mandate, "above", SubjectRef(*above)),
        Relationship(mandate, "holder", SubjectRef(*run)),
        Relationship(mandate, "granted", _ANY_RUN),
    ]


def _facts(number: int, chain: Chain, link: int) -> Iterator[Relationship]:
    mandate = mandate_of(number, link)
    broken = chain.broken if link == chain.broken_at else Break.NOTHING
    if link == 1:
        yield Relationship(mandate, "rooted", _ANY_RUN)
    else:
        yield Relationship(mandate, "above", SubjectRef(*mandate_of(number, link - 1)))
    yield Relationship(mandate, "holder", SubjectRef(*run_of(number, link)))
    if broken not in (Break.NOT_GRANTED, Break.NO_INTENT):
        yield Relationship(mandate, "granted", _ANY_RUN)
    if broken is Break.HELD:
        yield Relationship(mandate, "held", _ANY_RUN)
