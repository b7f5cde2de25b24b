"""Agents that act for agents, in crews in crews, and tools that are given to crews: authority by unions that lead back
to themselves, as teams write it who have no `along`.

Most questions are about a tool of a small crew. A few tools are given to everybody, and whoever is in no crew has to be
looked for among all of them: from the tool's side that is the whole fleet, from the agent's side a handful of names.
Law: the same seed and size give the same fleet, on every machine; the answers are reckoned from the agent upwards."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from bench.known_question import KnownQuestion, known
from remit.model import ObjectRef, Relationship, SubjectRef

SCHEMA = """
definition assistant {
	relation delegate: assistant
	permission acting = delegate + delegate->acting
}

definition crew {
	relation lead: assistant
	relation member: assistant | assistant#acting
	relation part: crew
	permission everyone = lead + member + part->everyone
}

definition instrument {
	relation holder: assistant | crew#everyone
	relation toolbox: instrument
	permission use = holder + toolbox->use
}
"""

TOOLS_IN_TOOLBOX = 8
_DELEGATES = 3  # of an assistant, in a family four deep
_FAMILY = 40
_FAMILIES_OF_CREW = 4
_PARTS = 4  # of a crew
_FACTS_OF_FAMILY = 44  # with its part of what crews and tools need
_FOR_ALL_SHARE = 0.03  # of the tools: given to the crew that all others are parts of
_WITHOUT_CREW_SHARE = 0.2  # of the families


class Fleet:
    """About as many facts as `relationships`, never more. Raises ValueError where that is too few for two crews."""

    def __init__(self, relationships: int, seed: int) -> None:
        random = Random(f"fleet {seed}")
        self._families = relationships // _FACTS_OF_FAMILY
        self._crews = self._families // _FAMILIES_OF_CREW
        if self._crews < 2:
            raise ValueError(f"{relationships} left for agents in crews, too few for two crews")
        self._crew_of = [
            -1 if random.random() < _WITHOUT_CREW_SHARE else random.randrange(self._crews)
            for _ in range(self._families)
        ]
        self._holders = [
            0 if random.random() < _FOR_ALL_SHARE else random.randrange(self._crews) for _ in range(self._families)
        ]

    def relationships(self) -> Iterator[Relationship]:
        """Every fact, the families first."""
        for family, crew in enumerate(self._crew_of):
            for place in range(1, _FAMILY):
                above = _assistant(family, (place - 1) // _DELEGATES)
                yield Relationship(ObjectRef(*above), "delegate", SubjectRef(*_assistant(family, place)))
            if crew >= 0:
                head = _assistant(family, 0)
                yield Relationship(_crew(crew), "member", SubjectRef(*head))
                yield Relationship(_crew(crew), "member", SubjectRef(*head, "acting"))
        for crew in range(1, self._crews):
            yield Relationship(_crew(_whole(crew)), "part", SubjectRef(*_crew(crew)))
        for tool, crew in enumerate(self._holders):
            yield Relationship(_tool(tool), "holder", SubjectRef(*_crew(crew), "everyone"))
            if tool % TOOLS_IN_TOOLBOX:
                yield Relationship(_tool(tool), "toolbox", SubjectRef(*_tool(tool - tool % TOOLS_IN_TOOLBOX)))

    def may_use(self, tool: int, family: int) -> bool:
        """Whoever is of a family may what its head may: all of it acts for the head, who is in the crew."""
        crew = self._crew_of[family]
        holders = {self._holders[tool], self._holders[tool - tool % TOOLS_IN_TOOLBOX]}
        while crew > 0 and crew not in holders:
            crew = _whole(crew)
        return crew in holders

    def questions(self, count: int, seed: str) -> list[KnownQuestion]:
        """Random tools. Every other one is asked about somebody of a crew that holds it, where there is one."""
        chooser = Random(f"fleet questions {seed}")
        by_crew: dict[int, list[int]] = {}
        for family, crew in enumerate(self._crew_of):
            by_crew.setdefault(crew, []).append(family)
        chosen = []
        for number in range(count):
            tool, family = chooser.randrange(self._families), chooser.randrange(self._families)
            if number % 2:
                family = chooser.choice(by_crew.get(self._holders[tool], [family]))
            assistant = SubjectRef(*_assistant(family, chooser.randrange(_FAMILY)))
            chosen.append(known(_tool(tool), "use", assistant, self.may_use(tool, family)))
        return chosen


def _whole(crew: int) -> int:
    """The crew that it is a part of."""
    return (crew - 1) // _PARTS


def _assistant(family: int, place: int) -> ObjectRef:
    return ObjectRef("assistant", f"a{family}-{place}")


def _crew(number: int) -> ObjectRef:
    return ObjectRef("crew", f"c{number}")


def _tool(number: int) -> ObjectRef:
    return ObjectRef("instrument", f"t{number}")
