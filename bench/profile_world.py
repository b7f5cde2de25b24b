"""Agents whose tools are said in profiles: many profiles on one tool, chains of runs, many consents of one person.

The schema is the shipped `remit:agents@1`. A run holds a profile of its own and declares it; what stands above it (its
version and agent, the person at the root) holds a broad one. All runs are of one version, as in a service, so that tens
of thousands of relationships lead to what each chain goes through.
Law: a chain is sound or broken at one link, and a consent stands or is withdrawn; that is all it takes to know."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from bench.known_question import KnownQuestion, known
from bench.lists import KnownList
from remit.language.libraries import AGENTS
from remit.model import ObjectRef, Relationship, ResourceLookup, SubjectRef

SCHEMA = f'use import\n\nimport "{AGENTS}"\n'

TOOLS_OF_A_PROFILE = 6
CHAINS = 60  # of each depth: a third sound, a third with a profile that is held, a third with none for the tool
DEPTHS = (4, 16)
BUSY = ObjectRef("user", "busy")  # gives all the consents, and is at the root of a run under some of them
ASKED_CONSENTS = 60
_SPREAD = 7919  # a prime, so that who is asked about is among the first and the last


class Sizes(NamedTuple):
    """`profiles` on the tool; `consents` of one person, and as many of the directory that they are in; `runs` of that
    person that nobody asks about."""

    profiles: int
    consents: int
    runs: int


class ProfileWorld:
    """Facts under the schema, and what is asked about them."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.schema = SCHEMA
        self._chains = [_Chain(depth, number) for depth in DEPTHS for number in range(CHAINS)]

    def relationships(self) -> Iterator[Relationship]:
        """Every fact once."""
        yield from _registry()
        for number in range(self.sizes.profiles):
            yield from _offers(_tool(0), ObjectRef("profile", f"p{number}"))
        for number in range(self.sizes.consents):
            for giver in (BUSY, ObjectRef("directory", "people")):
                consent = ObjectRef("consent", f"{giver.type}-{number}")
                yield Relationship(giver, "consent", SubjectRef(*consent))
                yield Relationship(consent, "agent", _AGENT)
        profiles = count()
        for chain in self._chains:
            yield from chain.relationships(f"p{next(profiles) * _SPREAD % self.sizes.profiles}")
        for number in range(ASKED_CONSENTS):
            yield from self._consented(number)
        for number in range(self.sizes.runs):
            yield from conversation(number, BUSY)

    def _consented(self, number: int) -> Iterator[Relationship]:
        """A run under one of the consents, of the person and of the directory in turn; every third is withdrawn."""
        giver = (BUSY.type, "directory")[number % 2]
        consent = ObjectRef("consent", f"{giver}-{number * _SPREAD % self.sizes.consents}-{number}")
        run = ObjectRef("run", f"consented-{number}")
        given_by = BUSY if giver == BUSY.type else ObjectRef("directory", "people")
        yield Relationship(given_by, "consent", SubjectRef(*consent))
        yield Relationship(consent, "agent", _AGENT)
        yield Relationship(consent, "run", SubjectRef(*run))
        if number % 3 == 0:
            yield Relationship(consent, "withdrawn", SubjectRef("directory", "people"))
        yield from _rooted(run, BUSY)
        yield from _holds(run, "broad")

    # --- questions and their answers --------------------------------------------------------------------------------

    def workloads(self) -> dict[str, list[KnownQuestion]]:
        """A workload's name is the same whatever the sizes."""
        found = {}
        for depth in DEPTHS:
            chains = [chain for chain in self._chains if chain.depth == depth]
            found[f"use, {depth} deep, allowed"] = [each.asked() for each in chains if each.is_sound]
            found[f"use, {depth} deep, denied"] = [each.asked() for each in chains if not each.is_sound]
        consented = [
            known(_tool(0), "use", SubjectRef("run", f"consented-{number}"), number % 3 != 0)
            for number in range(ASKED_CONSENTS)
        ]
        found["consent, given"] = [each for each in consented if each.expected.name == "YES"]
        found["consent, withdrawn"] = [each for each in consented if each.expected.name == "NO"]
        return found

    def lists(self) -> dict[str, list[KnownList]]:
        """Tools that the last run of a sound chain may use."""
        lists = [
            KnownList(ResourceLookup("tool", "use", SubjectRef(*chain.run(chain.depth))), ("t0",))
            for chain in self._chains
            if chain.is_sound
        ]
        return {"tools of a run": lists}


class _Chain(NamedTuple):
    depth: int
    number: int

    @property
    def is_sound(self) -> bool:
        return self.number % 3 == 0

    @property
    def broken_at(self) -> int:
        return 1 + self.number % self.depth

    def run(self, link: int) -> ObjectRef:
        return ObjectRef("run", f"r{self.depth}-{self.number}-{link}")

    def asked(self) -> KnownQuestion:
        return known(_tool(0), "use", SubjectRef(*self.run(self.depth)), self.is_sound)

    def relationships(self, profile: str) -> Iterator[Relationship]:
        person = ObjectRef("user", f"p{self.depth}-{self.number}")
        consent = ObjectRef("consent", f"c{self.depth}-{self.number}")
        yield Relationship(person, "registered", SubjectRef("directory", "people"))
        yield Relationship(ObjectRef("profile", "broad"), "holder", SubjectRef(*person))
        yield Relationship(person, "consent", SubjectRef(*consent))
        yield Relationship(consent, "agent", _AGENT)
        yield Relationship(consent, "run", SubjectRef(*self.run(1)))
        yield from _rooted(self.run(1), person)
        for link in range(1, self.depth + 1):
            if link > 1:
                yield from below(self.run(link), self.run(link - 1))
            broken = not self.is_sound and link == self.broken_at
            yield from _holds(self.run(link), ("elsewhere", "held")[self.number % 2] if broken else profile)


def below(run: ObjectRef, above: ObjectRef) -> Iterator[Relationship]:
    """Two of the four facts of a run below a run; `holds` has the others."""
    yield Relationship(run, "delegated_by", SubjectRef(*above))
    yield Relationship(run, "instance_of", _VERSION)


def conversation(number: int, above: ObjectRef) -> list[Relationship]:
    """All that is written for a run below a run, whatever its profile has in it."""
    run = ObjectRef("run", f"01JDQ{number:021}")  # as long as the ids that a server makes
    return [*below(run, above), *_holds(run, "desk")]


def _rooted(run: ObjectRef, person: ObjectRef) -> Iterator[Relationship]:
    yield from below(run, person)
    yield Relationship(run, "spawned_by", SubjectRef("credential", "k"))


def _holds(run: ObjectRef, profile: str) -> Iterator[Relationship]:
    for relation in ("holder", "declarer"):
        yield Relationship(ObjectRef("profile", profile), relation, SubjectRef(*run))


def _registry() -> Iterator[Relationship]:
    """What all chains share."""
    agent, version = ObjectRef(*_AGENT[:2]), ObjectRef(*_VERSION[:2])
    yield Relationship(ObjectRef("domain", "office"), "estate", SubjectRef("estate", "house"))
    yield Relationship(ObjectRef("user", "owner"), "registered", SubjectRef("directory", "people"))
    yield Relationship(BUSY, "registered", SubjectRef("directory", "people"))
    yield Relationship(ObjectRef("credential", "k"), "registered", SubjectRef("directory", "keys"))
    yield Relationship(agent, "registered", SubjectRef("directory", "agents"))
    yield Relationship(agent, "owner", SubjectRef("user", "owner"))
    yield Relationship(agent, "domain", SubjectRef("domain", "office"))
    yield Relationship(version, "version_of", SubjectRef(*agent))
    yield Relationship(version, "certified", SubjectRef("directory", "reviews"))
    for number in range(TOOLS_OF_A_PROFILE):
        tool = _tool(number)
        yield Relationship(tool, "registered", SubjectRef("directory", "tools"))
        yield Relationship(tool, "domain", SubjectRef("domain", "office"))
        yield Relationship(tool, "descriptor", SubjectRef("descriptor", "accepted"))
        yield Relationship(tool, "untagged", SubjectRef("directory", "tools"))
    for profile in ("broad", "held"):
        yield from _offers(_tool(0), ObjectRef("profile", profile))
    for number in range(1, TOOLS_OF_A_PROFILE):
        yield from _offers(_tool(number), ObjectRef("profile", "elsewhere"))
    for number in range(TOOLS_OF_A_PROFILE):
        yield from _offers(_tool(number), ObjectRef("profile", "desk"))
    yield Relationship(ObjectRef("profile", "held"), "hold", SubjectRef("hold", "h"))
    for holder in (_AGENT, _VERSION, SubjectRef(*BUSY)):
        yield Relationship(ObjectRef("profile", "broad"), "holder", holder)


def _offers(tool: ObjectRef, profile: ObjectRef) -> Iterator[Relationship]:
    yield Relationship(tool, "may_use", SubjectRef(*profile, "holds"))
    yield Relationship(tool, "in_intent", SubjectRef(*profile, "declares"))


def _tool(number: int) -> ObjectRef:
    return ObjectRef("tool", f"t{number}")


_AGENT = SubjectRef("agent", "closer")
_VERSION = SubjectRef("agent_version", "closer.1")
