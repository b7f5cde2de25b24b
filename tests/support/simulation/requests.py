"""What a simulated caller asks and writes: few names, so that requests meet, and now and then something wrong.

A request is a function of a seed and of what is there: drawing each of its parts through Hypothesis took ten times as
long as answering it, and left most worlds empty. Times are microseconds after START_US, where the machines' clocks
begin; clocks advance by small steps, so that facts begin and end while they are looked at, sometimes exactly then."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Operation,
    Precondition,
    Qualifiers,
    Question,
    Relationship,
    RelationshipFilter,
    SubjectRef,
    Update,
)
from tests.support.simulation.schemas import BROKEN, SCHEMAS

T = TypeVar("T")

START_US = 1_800_000_000_000_000
TIMES_US = tuple(START_US + after for after in (1, 2, 3, 5, 8, 13, 21, 34, 55))

USERS = [ObjectRef("user", id) for id in "ab"]
GROUPS = [ObjectRef("group", id) for id in "gh"]
RUNS = [ObjectRef("run", id) for id in "rst"]
THINGS = [ObjectRef("thing", id) for id in ("x", "xy", "z")]
OBJECTS = [*USERS, *GROUPS, *RUNS, *THINGS]
NOBODY = ObjectRef("ghost", "boo")  # no schema knows its type

USES = [
    CaveatUse("small"),
    CaveatUse("small", '{"most":10}'),
    CaveatUse("small", '{"amount":20,"most":10}'),
    CaveatUse("small", '{"most":"ten"}'),
]
ODD_USES = [*USES, CaveatUse("small", '{"nothing":1}'), CaveatUse("small", '{"most":true}')]
CONTEXTS: list[dict[str, object]] = [
    {},
    {},
    {},
    {"amount": 5},
    {"amount": 15, "most": 12},
    {"most": 3},
    {"amount": "ten"},
    {"amount": True},
    {"other": 1},
]
# Ends where every chain of the schema does, so that most answers are about something.
NAMES = {
    "user": ["live"],
    "group": ["member"],
    "run": ["delegated_by", "live"],
    "thing": ["use", "use", "use", "viewer", "viewer", "link", "under", "odd", "parent", "keeper"],
}


class Requests:
    """Draws requests from one seed, over the relationships that are there."""

    def __init__(self, seed: int, there: Sequence[Relationship] = ()) -> None:
        self.random = Random(seed)
        self.there = there

    def one_in(self, count: int) -> bool:
        return self.random.randrange(count) == 0

    def some(self, most: int) -> range:
        return range(self.random.randint(0, most))

    def of(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    # --- facts --------------------------------------------------------------------------------------------------

    def plain(self, *kinds: list[ObjectRef]) -> SubjectRef:
        return SubjectRef(*self.of(self.of(kinds)))

    def members(self) -> SubjectRef:
        return SubjectRef(*self.of(GROUPS), "member")

    def relationship(self) -> Relationship:
        """One in twelve has no place in any schema, or not in all of them."""
        return self.misfitting() if self.one_in(12) else self.fitting()

    def fitting(self) -> Relationship:
        match self.random.randrange(16):
            case 0 | 1:
                subject = self.members() if self.one_in(3) else self.plain(USERS)
                ends = Qualifiers(expiration_us=self.of(TIMES_US)) if not subject.relation and self.one_in(3) else PLAIN
                return Relationship(self.of(GROUPS), "member", subject, ends)
            case 2 | 3:
                return Relationship(self.of(RUNS), "delegated_by", self.plain(RUNS, USERS, USERS))
            case 4:
                return Relationship(self.of(RUNS), self.of(["hold", "ended"]), self.plain(GROUPS))
            case 5 | 6:
                return Relationship(self.of(THINGS), "parent", self.plain(THINGS))
            case 7 | 8:
                subject = self.of([self.plain(USERS, RUNS, RUNS), self.members(), SubjectRef("user", "*")])
                return Relationship(self.of(THINGS), "viewer", subject)
            case 9 | 10 | 11 | 12:
                time_us = self.of(TIMES_US)
                qualifiers = [
                    Qualifiers(self.of(USES)),
                    Qualifiers(self.of(USES)),
                    Qualifiers(expiration_us=time_us),
                    Qualifiers(not_before_us=time_us),
                ]
                return Relationship(self.of(THINGS), "viewer", self.plain(USERS), self.of(qualifiers))
            case 13 | 14:
                ends = Qualifiers(expiration_us=self.of(TIMES_US)) if self.one_in(2) else PLAIN
                return Relationship(self.of(THINGS), "keeper", self.plain(USERS), ends)
            case _:
                if self.one_in(2):
                    time_us = self.of(TIMES_US)
                    return Relationship(self.of(THINGS), "banned", self.plain(USERS), Qualifiers(expiration_us=time_us))
                return Relationship(self.of(THINGS), "banned", self.of([self.plain(USERS, RUNS), self.members()]))

    def misfitting(self) -> Relationship:
        thing, user = self.of(THINGS), self.plain(USERS)
        return self.of(
            [
                Relationship(thing, "use", user),
                Relationship(thing, "nothing", user),
                Relationship(thing, "parent", user),
                Relationship(thing, "banned", user, Qualifiers(not_before_us=self.of(TIMES_US))),
                Relationship(thing, "viewer", user, Qualifiers(self.of(ODD_USES))),
                Relationship(NOBODY, "viewer", user),
            ]
        )

    def world(self) -> list[Relationship]:
        """Enough to begin with, that fits the fullest schema: what is single has one subject."""
        facts = [Relationship(run, "delegated_by", self.plain(RUNS, USERS, USERS)) for run in RUNS]
        facts += [self.fitting() for _ in range(20)]
        singles = {each.key[:2]: each for each in facts if each.relation in ("delegated_by", "keeper")}
        others = {each.key: each for each in facts if each.key[:2] not in singles and '"ten"' not in repr(each)}
        return [*singles.values(), *others.values()]

    def known(self) -> Relationship:
        """Mostly one that is there."""
        return self.of(self.there) if self.there and not self.one_in(4) else self.relationship()

    def contextual(self) -> list[Relationship]:
        return [self.known() if self.one_in(3) else self.relationship() for _ in range(1, 3)] if self.one_in(3) else []

    # --- writes -------------------------------------------------------------------------------------------------

    def updates(self) -> list[Update]:
        operations = [Operation.TOUCH, Operation.TOUCH, Operation.TOUCH, Operation.CREATE, Operation.DELETE]
        found: list[Update] = []
        for _ in self.some(4):
            operation = self.of(operations)
            there = self.known() if operation is not Operation.TOUCH or self.one_in(4) else self.relationship()
            found.append(Update(operation, there))
        if self.one_in(8):
            return found
        return list({each.relationship.key: each for each in found}.values())

    def filter(self, parts: int = 2) -> RelationshipFilter:
        """About so many parts of a relationship; one in twenty has a name that is nowhere."""
        if self.one_in(20):
            return RelationshipFilter(resource_type=self.of(["ghost", "thing"]), relation="nothing")
        model = self.known()

        def sometimes(value: str) -> str | None:
            return value if self.random.random() < parts / 6 else None

        resource_id = sometimes(model.resource.id)
        prefix = model.resource.id[:1] if resource_id is None and self.one_in(2) else None
        return RelationshipFilter(
            None if self.one_in(8) else model.resource.type,
            resource_id,
            prefix,
            sometimes(model.relation),
            sometimes(model.subject.type),
            sometimes(model.subject.id),
            sometimes(model.subject.relation),
        )

    def preconditions(self) -> list[Precondition]:
        """One in four has one, which mostly holds."""
        if not self.one_in(4):
            return []
        filter = self.filter(parts=4)
        holds = any(filter.matches(each.key) for each in self.there)
        return [Precondition(filter, holds ^ self.one_in(4))]

    def schema(self) -> str:
        return self.of(BROKEN) if self.one_in(8) else self.of(SCHEMAS)

    # --- questions ----------------------------------------------------------------------------------------------

    def asked(self) -> tuple[ObjectRef, str]:
        """What may be had; one in twenty is a name that its type may not have."""
        if self.one_in(20):
            return self.of([NOBODY, *OBJECTS]), self.of(["viewer", "member", "nothing"])
        resource = self.of(THINGS) if self.random.random() < 0.7 else self.of(OBJECTS)
        return resource, self.of(NAMES[resource.type])

    def subject(self) -> SubjectRef:
        if self.one_in(40):
            return SubjectRef(*NOBODY)
        return self.of([self.plain(USERS), self.plain(RUNS), self.plain(RUNS), self.members()])

    def context(self) -> dict[str, object]:
        return self.of(CONTEXTS)

    def questions(self, most: int) -> list[Question]:
        """About one subject and with one context, so that they share; mostly what some fact is about."""
        subject, context = self.subject(), self.context()
        about = [each for each in self.there if not each.subject.is_wildcard]
        pointed: list[tuple[ObjectRef, str]] = []
        if about and not self.one_in(3):
            fact = self.of(about)
            subject = fact.subject
            pointed = [(fact.resource, fact.relation), (fact.resource, self.of(NAMES[fact.resource.type]))]
        return [Question(*each, subject, context) for each in pointed + [self.asked() for _ in self.some(most)]]
