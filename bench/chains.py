"""Agents at work under the agent schema before profiles: people delegate to runs, runs to runs, each in its own chain.

Most chains are sound; some are broken at one link, which is held, was not granted the tool, or has no intent that
covers it. Whoever is below the break may not, whoever is above it may: that is all it takes to know the answers.
Law: the same seed and size give the same chains, on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import cycle
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.known_question import KnownQuestion, known
from remit.model import ObjectRef, Relationship, SubjectRef

SCHEMA_FILE = Path(__file__).parent.parent / "schema" / "agents.zed"

AGENTS = 20
TOOLS = 10
CHAINS_OF_A_PERSON = 4
_SOUND_SHARE = 0.7


class Break(Enum):
    """What is wrong with a link."""

    NOTHING = "nothing"
    HELD = "held"
    NOT_GRANTED = "not granted"
    NO_INTENT = "no intent"


class Chain(NamedTuple):
    """Runs 1 to `depth` below a person, all of them about one tool. Link `broken_at` (of 1 to depth) has the break."""

    depth: int
    tool: int
    broken: Break
    broken_at: int

    def is_allowed(self, link: int) -> bool:
        return self.broken is Break.NOTHING or link < self.broken_at


class Chains:
    """As many whole chains as fit into `relationships` facts, their depths 1 to `depth_max` in turn."""

    def __init__(self, relationships: int, depth_max: int, seed: int) -> None:
        self.depth_max = depth_max
        self._chains: list[Chain] = []
        random = Random(f"chains {seed}")
        left = relationships - sum(1 for _ in _registry())
        for depth in cycle(range(1, depth_max + 1)):
            chain = _random_chain(depth, random)
            left -= sum(1 for _ in self._facts(len(self._chains), chain))
            if left < 0:
                break
            self._chains.append(chain)
        if len(self._chains) < 2 * depth_max:
            raise ValueError(f"{relationships} left for agents, too few for chains of every depth up to {depth_max}")

    def relationships(self) -> Iterator[Relationship]:
        """Every fact, the registry first."""
        yield from _registry()
        for number, chain in enumerate(self._chains):
            yield from self._facts(number, chain)

    # --- questions and their answers --------------------------------------------------------------------------------

    def questions(self, count: int, seed: str) -> list[KnownQuestion]:
        """Random links of random chains: of every depth, sound and broken."""
        return [self._asked(number, link) for number, link in self.random_links(count, seed)]

    def allowed(self, depth: int) -> list[KnownQuestion]:
        """Links that deep that may."""
        return [self._asked(number, depth) for number in self.sound_at(depth)]

    def denied(self) -> list[KnownQuestion]:
        """The last link of each broken chain."""
        broken = [(number, chain) for number, chain in enumerate(self._chains) if chain.broken is not Break.NOTHING]
        return [self._asked(number, chain.depth) for number, chain in broken]

    def each(self) -> Sequence[Chain]:
        """The chains, by number."""
        return self._chains

    def random_links(self, count: int, seed: str) -> Iterator[tuple[int, int]]:
        """(number of a chain, one of its links)."""
        chooser = Random(f"chain questions {seed}")
        for _ in range(count):
            number = chooser.randrange(len(self._chains))
            yield number, chooser.randint(1, self._chains[number].depth)

    def sound_at(self, depth: int) -> list[int]:
        """Numbers of the chains that have a link so deep, which may."""
        return [number for number, chain in enumerate(self._chains) if depth <= chain.depth and chain.is_allowed(depth)]

    def _asked(self, number: int, link: int) -> KnownQuestion:
        chain = self._chains[number]
        return known(_tool(chain.tool), "use", SubjectRef(*run_of(number, link)), chain.is_allowed(link))

    # --- facts ------------------------------------------------------------------------------------------------------

    def _facts(self, number: int, chain: Chain) -> Iterator[Relationship]:
        person = ObjectRef("user", f"p{number // CHAINS_OF_A_PERSON}")
        if number % CHAINS_OF_A_PERSON == 0:
            yield Relationship(person, "registered", SubjectRef("directory", "people"))
            yield Relationship(ObjectRef("team", "staff"), "member", SubjectRef(*person))
        above = person
        for link in range(1, chain.depth + 1):
            run = run_of(number, link)
            broken = chain.broken if link == chain.broken_at else Break.NOTHING
            yield from _link(number, chain.tool, run, above, number + link, broken)
            above = run

    def spawned(self, number: int, link: int, run: ObjectRef) -> tuple[list[Relationship], KnownQuestion]:
        """A new run below a link that may, and the question that is yes because of it."""
        tool = self._chains[number].tool
        facts = list(_link(number, tool, run, run_of(number, link), number, Break.NOTHING))
        return facts, known(_tool(tool), "use", SubjectRef(*run), True)


def _link(
    number: int, tool_number: int, run: ObjectRef, above: ObjectRef, agent: int, broken: Break
) -> Iterator[Relationship]:
    tool = _tool(tool_number)
    yield Relationship(run, "delegated_by", SubjectRef(*above))
    yield Relationship(run, "instance_of", _version(agent % AGENTS))
    yield Relationship(run, "intent", SubjectRef("intent", f"i{number}"))
    if broken is Break.HELD:
        yield Relationship(run, "hold", SubjectRef("hold", f"h{number}"))
    if broken is not Break.NOT_GRANTED:
        yield Relationship(tool, "may_use", SubjectRef(*run))
    if broken is not Break.NO_INTENT:
        yield Relationship(tool, "in_intent", SubjectRef(*run))


def _random_chain(depth: int, random: Random) -> Chain:
    breaks = [each for each in Break if each is not Break.NOTHING]
    broken = Break.NOTHING if random.random() < _SOUND_SHARE else random.choice(breaks)
    return Chain(depth, random.randrange(TOOLS), broken, random.randint(1, depth))


def _registry() -> Iterator[Relationship]:
    """What all chains share: the estate, the agents and their versions, the tools."""
    yield Relationship(ObjectRef("domain", "office"), "estate", SubjectRef("estate", "house"))
    yield Relationship(ObjectRef("user", "owner"), "registered", SubjectRef("directory", "people"))
    for number in range(AGENTS):
        agent, version = ObjectRef("agent", f"a{number}"), ObjectRef(*_version(number)[:2])
        yield Relationship(agent, "registered", SubjectRef("directory", "agents"))
        yield Relationship(agent, "owner", SubjectRef("user", "owner"))
        yield Relationship(agent, "domain", SubjectRef("domain", "office"))
        yield Relationship(version, "version_of", SubjectRef(*agent))
        yield Relationship(version, "certified", SubjectRef("directory", "reviews"))
    for number in range(TOOLS):
        tool = _tool(number)
        yield Relationship(tool, "registered", SubjectRef("directory", "tools"))
        yield Relationship(tool, "domain", SubjectRef("domain", "office"))
        yield Relationship(tool, "may_use", SubjectRef("team", "staff", "member"))
        yield Relationship(tool, "may_use", SubjectRef("agent_version", "*"))
        for agent_number in range(AGENTS):
            yield Relationship(tool, "may_use", SubjectRef("agent", f"a{agent_number}"))


def _tool(number: int) -> ObjectRef:
    return ObjectRef("tool", f"t{number}")


def _version(number: int) -> SubjectRef:
    return SubjectRef("agent_version", f"a{number}.1")


def run_of(chain: int, link: int) -> ObjectRef:
    return ObjectRef("run", f"r{chain}-{link}")
