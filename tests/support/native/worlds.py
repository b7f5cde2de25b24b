"""What the laws of the native core share: graphs of both kinds from the same facts, and one comparison for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random

import pytest

from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle, StepBudgetSpent
from remit.eval import native
from remit.eval.calls import DescriptorOf, JudgedCall, no_descriptors
from remit.eval.semantics import Evaluation
from remit.graph.native import NativeGraph, available
from remit.graph.overlay import Changed
from remit.graph.plain import Graph
from remit.language import compile_schema, plan
from remit.model import PLAIN, Call, CaveatUse, ObjectRef, Qualifiers, Relationship, RelationshipKey, SubjectRef
from tests.support import random_worlds
from tests.support.places import CONFORMANCE, SHIPPED_WORLDS, SMALL_WORLDS
from tests.support.random_worlds import CHAIN, USES, RandomWorld, random_schema

needs_core = pytest.mark.skipif(not available(), reason="the native core is not built here")

Questions = list[tuple[ObjectRef, str, SubjectRef]]
TIMES = (None, None, None, 1, 2, 3, 4)
# World files whose questions the core is asked: the shipped ones, the small ones of tests/worlds, and SpiceDB's.
WORLD_FILES = [
    path
    for folder in (
        SHIPPED_WORLDS,
        SMALL_WORLDS,
        CONFORMANCE / "spicedb",
        CONFORMANCE / "spicedb-answers",
    )
    for path in sorted(folder.glob("*.yaml"))
]


@contextmanager
def cache_of(answers: int) -> Iterator[None]:
    """This thread's cache, of that size for a while."""
    native.set_cache(answers)
    try:
        yield
    finally:
        native.set_cache(2**14)


@contextmanager
def dear_from(steps: int) -> Iterator[None]:
    """This thread's walks, dear from that step on for a while."""
    native.set_dear(steps)
    try:
        yield
    finally:
        native.set_dear(256)


def compare(
    schema: plan.Schema,
    graph: NativeGraph,
    relationships: Iterable[Relationship],
    asked: Questions,
    now_us: int,
    context: Mapping[str, object] | None = None,
    changed: Changed | None = None,
    call: Call | None = None,
    descriptor_of: DescriptorOf = no_descriptors,
) -> Counter[object]:
    """Ask the core what `semantics.py` is asked, one by one and all together, from the resource's side and, sooner or
    later, from the subject's; count what was answered by whom. What the request changes, the core has laid over its
    graph, and `semantics.py` among its relationships."""
    stored = {each.key: each.qualifiers for each in relationships}
    edges = {**stored, **(changed or {})}.items()
    relationships = [Relationship(*key, qualifiers) for key, qualifiers in edges if qualifiers is not None]
    judged = JudgedCall(call, descriptor_of) if call is not None else None
    evaluation = Evaluation(schema, Graph(relationships), now_us=now_us, context=context, call=judged)
    has_caveats = any(each.qualifiers.caveat is not None for each in relationships)
    counts: Counter[object] = Counter()
    contexts = [context or {}] * len(asked)
    calls = [call] * len(asked) if call is not None else None
    for place, question in enumerate(asked):  # what is given up leaves nothing behind for those who ask next
        with suppress(StepBudgetSpent), dear_from(place % 3):
            native.check(
                graph, *question, now_us=now_us, context=context, changed=changed, call=call, steps_max=1 + place % 5
            )
    together = native.check_many(graph, asked, now_us=now_us, contexts=contexts, changed=changed, calls=calls)
    with dear_from(len(asked) % 7):
        upwards = native.check_many(graph, asked, now_us=now_us, contexts=contexts, changed=changed, calls=calls)
    for place, (question, shared, met) in enumerate(zip(asked, together, upwards, strict=True)):
        assert not isinstance(shared, StepBudgetSpent) and not isinstance(met, StepBudgetSpent)
        with dear_from(place % 12):
            soon = native.check(graph, *question, now_us=now_us, context=context, changed=changed, call=call)
        alone = native.check(graph, *question, now_us=now_us, context=context, changed=changed, call=call)
        try:
            expected = evaluation.check(*question).verdict
        except (NegativeCycle, CaveatFailed, CallUnjudgeable) as error:
            answers = (alone, shared, met, soon)
            assert answers == (None,) * 4, f"{question} is undefined, answered {answers}"
            counts[type(error).__name__] += 1
            continue
        for answered in (alone, shared, met, soon):
            if answered is None:
                assert has_caveats, f"{question} is {expected}, left to Python"
                counts["elsewhere"] += 1
            else:
                assert answered.verdict is expected, f"{question} is {expected}, answered {answered}"
                counts[expected] += 1
    return counts


def split(
    random: Random, facts: Iterable[Relationship], requests: int
) -> tuple[list[Relationship], list[dict[RelationshipKey, Qualifiers | None]]]:
    """A graph, and what each of some requests lays over it: most of the facts are in the graph or brought. Who brings
    one may bring it with other qualifiers, or say that there is none."""
    stored: list[Relationship] = []
    brought: list[dict[RelationshipKey, Qualifiers | None]] = [{} for _ in range(requests)]
    facts = list(facts)
    all_qualifiers = [PLAIN, *(each.qualifiers for each in facts)]
    share = random.choice((0.0, 0.5, 0.8, 0.9))
    for fact in facts:
        if random.random() < share:
            stored.append(random.choice((fact, Relationship(*fact.key, random.choice(all_qualifiers)))))
        for each in brought:
            kind = random.random()
            if kind < 0.6:
                each[fact.key] = fact.qualifiers
            elif kind < 0.7:
                each[fact.key] = random.choice((None, None, random.choice(all_qualifiers)))
    return stored, brought


def every_question(schema: plan.Schema, objects: Iterable[ObjectRef], subjects: Iterable[SubjectRef]) -> Questions:
    """Every relation and permission of the objects, for every subject."""
    subjects = list(subjects)
    return [
        (object, name, subject)
        for object in objects
        for definition in (schema.definitions[object.type],)
        for name in (*definition.relations, *definition.permissions)
        for subject in subjects
    ]


class LargerWorlds:
    """Random worlds as of `random_worlds.py` with more objects, so that cycles are longer; no caveats, some times."""

    def __init__(self, random: Random, ids: int = 14) -> None:
        self.random = random
        self.schema = random_schema(random)
        self.ids = [str(number) for number in range(ids)]
        self.objects = [ObjectRef(type, id) for type in ("doc", "run") for id in self.ids]
        self.objects += [ObjectRef("user", "a"), ObjectRef("user", "b")]

    def fact(self) -> Relationship:
        random = self.random
        resource = ObjectRef(random.choice(("doc", "run")), random.choice(self.ids))
        relation = random.choice(("r0", "r1", CHAIN) if resource.type == "run" else ("r0", "r1"))
        qualifiers = Qualifiers(None, random.choice(TIMES), random.choice(TIMES))
        target = random.choice(self.objects)
        if relation == CHAIN:
            chain = target if target.type != "doc" else ObjectRef("run", target.id)
            return Relationship(resource, relation, SubjectRef(*chain), qualifiers)
        kind = random.random()
        if kind < 0.5 and target.type != "user":
            name = random.choice(("r0", "r1", "p0", "p1", "p2"))
            return Relationship(resource, relation, SubjectRef(*target, name), qualifiers)
        if kind > 0.95:
            return Relationship(resource, "r1", SubjectRef(target.type, "*"), qualifiers)
        return Relationship(resource, relation, SubjectRef(*target), qualifiers)

    def subject(self) -> SubjectRef:
        random = self.random
        if random.random() < 0.2:
            return SubjectRef("doc", random.choice(self.ids), random.choice(("r0", "p0")))
        return SubjectRef(*random.choice(self.objects))

    def change_schema(self) -> None:
        self.schema = random_schema(self.random)

    def questions(self, count: int) -> Questions:
        """So many, with objects that no fact names among them."""
        objects = [*self.objects, ObjectRef("doc", "unknown"), ObjectRef("run", "unknown")]
        subjects = [self.subject(), SubjectRef("run", "unknown"), SubjectRef("user", "a")]
        asked = every_question(self.schema, objects, subjects)
        return self.random.sample(asked, min(count, len(asked)))


class HubWorlds(LargerWorlds):
    """The same with a few objects that everything leads from, by usersets of a few names and by plain edges that arrows
    follow, and with subjects that much leads to: so that which side is met from which differs from question to
    question. Now and then with caveats, which its questions' context decides or not."""

    def __init__(self, random: Random, caveats: bool = False) -> None:
        super().__init__(random, ids=random.choice((12, 24)))
        self.caveats = caveats
        self.hubs = [ObjectRef(type, "0") for type in ("doc", "run")]
        self.held = [SubjectRef(random.choice(("doc", "run")), "", name) for name in random.sample(HELD, 2)]

    def fact(self) -> Relationship:
        random = self.random
        kind = random.random()
        other = random.choice(self.objects)
        if kind < 0.5:
            resource, relation = random.choice(self.hubs), random.choice(("r0", "r1"))
            held = random.choice(self.held)
            userset = SubjectRef(held.type, random.choice(self.ids), held.relation)
            subject = SubjectRef(*other) if relation == "r1" else userset
        elif kind < 0.85:
            resource = ObjectRef(random.choice(("doc", "run")), random.choice(self.ids))
            relation = random.choice(("r0", "r1"))
            known = self.objects[-1]  # who ends up in more relations than are kept together
            subject = SubjectRef(*random.choice((known, known, known, *self.hubs, other)))
        else:
            resource, relation, subject = super().fact().key
        return Relationship(resource, relation, subject, self.qualifiers())

    def qualifiers(self) -> Qualifiers:
        random = self.random
        if random.random() < 0.6:
            return PLAIN
        use = random.choice(USES) if self.caveats and random.random() < 0.5 else None
        return Qualifiers(use, random.choice(random_worlds.TIMES), random.choice(random_worlds.TIMES))

    def world(self) -> RandomWorld:
        """As many facts as are few and as are many; of times about `NOW_US`."""
        facts = {fact.key: fact for fact in (self.fact() for _ in range(self.random.choice((40, 80, 300))))}
        context: dict[str, object] = {name: self.random.choice((1, 50)) for name in "xyz" if self.random.random() < 0.5}
        return RandomWorld(self.schema, list(facts.values()), self.subject(), context)

    def questions(self, count: int) -> Questions:
        """Half of them about the hubs."""
        subjects = [
            *(SubjectRef(*each) for each in self.objects),
            SubjectRef("run", "unknown"),
            SubjectRef("user", "*"),
        ]
        about_hubs = every_question(self.schema, self.hubs, subjects)
        return self.random.sample(about_hubs, count // 2) + super().questions(count - count // 2)


HELD = ("r0", "r1", "p0", "p1", "p2", "p0", "p1", "p2")
WIDE = {
    "closed": "relation viewer: user | user:* | group#member",
    "open": "relation viewer: user | user:* | group#member | group#trusted",
}
# What `trusted` may be: all but the last two come down to relations of the group.
TRUSTED = (
    "member - banned",
    "(member + deputy) - banned",
    "deputy & member",
    "(member & above->trusted) - banned",
    "self + deputy",
    "(self & above.exists()) + member",
    "deputy + above->trusted",
    "above.exists() - banned",
)


class WideWorlds:
    """Documents shared with dozens of groups, which hold each other, and kept in dozens of them, which arrows follow;
    times, now and then a permission among them."""

    def __init__(self, random: Random, caveats: bool = False) -> None:
        self.random = random
        self.caveats = caveats
        self.groups = [str(number) for number in range(random.choice((20, 60)))]
        self.users = [str(number) for number in range(6)]
        self.change_schema()

    def change_schema(self) -> None:
        """Between one where all that is beneath a viewer is a relation, and one where it is not."""
        text = f"""
        use delegation
        use self
        caveat weekday(day int) {{ day < 6 }}
        definition user {{}}
        definition group {{
          relation member: user | group | group#member
          relation deputy: user | user:*
          relation banned: user
          relation above: group
          permission trusted = {self.random.choice(TRUSTED)}
        }}
        definition doc {{
          {WIDE["open" if self.random.random() < 0.6 else "closed"]}
          relation parent: doc
          relation kept: group
          relation banned: user | group#member
          permission keeper = kept->{self.random.choice(("trusted", "trusted", "member", "deputy"))}
          permission view = (viewer + parent->view + keeper) - banned
        }}
        """
        self.schema = compile_schema(text).schema

    def fact(self) -> Relationship:
        """As the schema would take it, but for times, caveats and a group that everybody is in."""
        random = self.random
        qualifiers = Qualifiers(None, random.choice(TIMES), random.choice(TIMES))
        if self.caveats and random.random() < 0.1:
            qualifiers = Qualifiers(CaveatUse("weekday", random.choice(('{"day":3}', '{"day":7}', "{}"))))
        if random.random() < 0.5:
            qualifiers = PLAIN
        group, other = (ObjectRef("group", random.choice(self.groups)) for _ in range(2))
        document = ObjectRef("doc", random.choice("012"))
        user = SubjectRef("user", random.choice(self.users))
        kind = random.random()
        if kind < 0.4:
            names = [each.relation for each in self.schema.definitions["doc"].relations["viewer"].subject_types]
            userset = SubjectRef(*group, random.choice([name for name in names if name]))
            return Relationship(document, random.choice(("viewer", "viewer", "viewer", "banned")), userset, qualifiers)
        if kind < 0.65:
            return Relationship(document, "kept", SubjectRef(*group), qualifiers)
        if kind < 0.75:
            member = random.choice((user, user, SubjectRef(*other)))
            return Relationship(group, random.choice(("member", "member", "deputy")), member, qualifiers)
        if kind < 0.9:
            return Relationship(group, "member", SubjectRef(*other, "member"), qualifiers)
        if kind < 0.95:
            above = Relationship(group, "above", SubjectRef(*other), qualifiers)
            return random.choice((above, Relationship(document, "parent", SubjectRef("doc", random.choice("012")))))
        if kind < 0.97:
            return Relationship(group, "banned", user, qualifiers)
        crowd, relation = random.choice(((group, "member"), (group, "deputy"), (document, "viewer")))
        return Relationship(crowd, relation, SubjectRef("user", "*"), qualifiers)

    def questions(self, count: int) -> Questions:
        random = self.random
        subjects = [
            *(SubjectRef("user", id) for id in (*self.users, "unknown", "*")),
            *(SubjectRef("group", id) for id in ("1", "2", "unknown")),
            SubjectRef("group", "1", "member"),
        ]
        objects = [*(ObjectRef("doc", id) for id in ("0", "1", "2", "unknown")), ObjectRef("group", "1")]
        asked = every_question(self.schema, objects, subjects)
        return random.sample(asked, min(count, len(asked)))
