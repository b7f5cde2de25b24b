"""What a hold on an object, or the leaving of a person, would stop: asked of the store as it is, and as it would be.

What could be touched at all is found by a walk (`below.py`). Whether it works, before and after, is asked of the
schema's own permissions, with a tool and a person made up for it who are registered and not held: a run works where
`stage_live` of that tool is a yes of it, which is that every link of its chain is live.
Law: what is told to stop works now; and after the hold, or the leaving, just that has stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from remit.engine.agents.below import NEEDING, below
from remit.engine.agents.performing import REGISTRY, new_id
from remit.engine.agents.supposing import if_gone, if_held, supposing
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.request_view import RequestView
from remit.errors import RemitError
from remit.eval.evaluator import Evaluator
from remit.eval.semantics import Answer
from remit.interrupt import Interrupt, paced
from remit.model import PLAIN, ObjectRef, Question, RelationshipKey, SubjectRef, Verdict

# Of one answer: natively about a second of work.
OBJECTS_MAX = 10_000
_JUDGED_AT_ONCE = 256

TYPES = (
    "run",
    "agent",
    "agent_version",
    "user",
    "system",
    "tool",
    "dataset",
    "profile",
    "credential",
    "domain",
    "estate",
)
"""Of what is told, in this order. A team stops nothing by itself, and of types that others have added nobody here knows
what it is to work."""


@dataclass(frozen=True, slots=True)
class Stops:
    """What works and would not, by type, in the order of `TYPES`, nearest first. `more`: there may be others, beyond
    what one answer looks at, or of those whose question was not finished."""

    objects: Mapping[str, tuple[ObjectRef, ...]]
    more: bool

    def counts(self) -> dict[str, int]:
        """How many of each type of which there are any."""
        return {type: len(found) for type, found in self.objects.items()}


class _Asked(NamedTuple):
    """A question, and how it is answered of what works."""

    question: Question
    wanted: Verdict = Verdict.YES


class Stopping:
    """Judges what would stop, in a view of any store. Safe from many threads."""

    def __init__(self, evaluator: Evaluator, limits: Limits) -> None:
        self._evaluator = evaluator
        self._limits = limits

    def of_hold(self, view: RequestView, object: ObjectRef, interrupt: Interrupt) -> Stops:
        """What a hold on the object would stop. Cost: O(relationships that lead to what stands below), and at least
        two questions for each object, `OBJECTS_MAX` at most. Raises what the interrupt raises."""
        madeup = _MadeUp(object)
        before = supposing(view, madeup.facts)
        return self._between(before, if_held(before, object, madeup.hold), object, madeup, interrupt)

    def of_leaving(self, view: RequestView, person: ObjectRef, interrupt: Interrupt) -> Stops:
        """What would stop if no directory knew the person any more. Likewise."""
        madeup = _MadeUp(person)
        before = supposing(view, madeup.facts)
        return self._between(before, if_gone(before, person), person, madeup, interrupt)

    def _between(
        self, before: RequestView, after: RequestView, top: ObjectRef, madeup: _MadeUp, interrupt: Interrupt
    ) -> Stops:
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        found = below(before.graph, top, NEEDING, before.now_us, OBJECTS_MAX, look)
        objects = [each for each in found.objects if each.type in TYPES]
        stopped: dict[str, list[ObjectRef]] = {type: [] for type in TYPES}
        more = found.more
        for begin in range(0, len(objects), _JUDGED_AT_ONCE):
            some = objects[begin : begin + _JUDGED_AT_ONCE]
            working = self._working(before, some, madeup, interrupt)
            ending = self._working(after, some, madeup, interrupt)
            for object, works, will_work in zip(some, working, ending, strict=True):
                more = more or works is None or will_work is None
                if works and will_work is False:
                    stopped[object.type].append(object)
        return Stops({type: tuple(each) for type, each in stopped.items() if each}, more)

    def _working(
        self, view: RequestView, objects: Sequence[ObjectRef], madeup: _MadeUp, interrupt: Interrupt
    ) -> list[bool | None]:
        """Whether each works; None where that was not finished."""
        asked = [madeup.asked(view, each) for each in objects]
        questions = [each.question for of_object in asked for each in of_object]
        answers = iter(self._evaluator.check_many(view, questions, self._limits.steps_max, interrupt))
        return [_works(of_object, [next(answers) for _ in of_object]) for of_object in asked]


def _works(asked: Sequence[_Asked], answers: Sequence[Answer | RemitError]) -> bool | None:
    pairs = zip(asked, answers, strict=True)
    as_wanted = [None if isinstance(answer, RemitError) else answer.verdict is each.wanted for each, answer in pairs]
    if not asked or False in as_wanted:
        return False
    return None if None in as_wanted else True


class _MadeUp:
    """What nobody else has the names of: a tool and a person with whom all is well, and a hold."""

    def __init__(self, top: ObjectRef) -> None:
        id = new_id("made-up")
        self.hold = ObjectRef("hold", id)
        self.tool, self.person = ObjectRef("tool", id), ObjectRef("user", id)
        domain = ObjectRef("domain", id)
        facts = [
            (self.tool, "registered", REGISTRY),
            (self.tool, "descriptor", ObjectRef("descriptor", id)),
            (self.tool, "untagged", REGISTRY),
            (self.tool, "domain", domain),
            (domain, "estate", ObjectRef("estate", id)),
            (self.person, "registered", REGISTRY),
        ]
        if top.type == "profile":
            facts.append((top, "holder", self.person))
        self.facts = {RelationshipKey(resource, name, SubjectRef(*to)): PLAIN for resource, name, to in facts}

    def asked(self, view: RequestView, object: ObjectRef) -> list[_Asked]:
        """What says that an object works, all of it together; nothing where it cannot."""
        person = SubjectRef(*self.person)
        match object.type:
            case "run" | "user" | "system":
                return [_Asked(Question(self.tool, "stage_live", SubjectRef(*object)))]
            case "agent":
                return [_Asked(Question(object, "live", SubjectRef(*object)))]
            case "agent_version":
                agents = _agents_of(view, object)
                links = [object, *agents] if agents else []  # of no agent it is no link of any chain
                return [_Asked(Question(link, "live", SubjectRef(*link))) for link in links]
            case "tool" | "dataset":
                return [_Asked(Question(object, "live_link", person))]
            case "profile":
                return [_Asked(Question(object, "holds", person))]
            case "credential":
                return [_Asked(Question(object, "usable", person))]
        assert object.type in ("domain", "estate"), "each of `TYPES` has its question"
        return [_Asked(Question(object, "stopped", person), Verdict.NO)]


def _agents_of(view: RequestView, version: ObjectRef) -> list[ObjectRef]:
    edges = view.graph.edges(version, "version_of")
    return [agent.object for agent, qualifiers in edges if qualifiers.counts_at(view.now_us)]
