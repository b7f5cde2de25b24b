"""Histories to live through with the native core: writes, schemas, clocks, stores, threads, each beside a plain twin.

Everything is drawn from a seed, so a history that fails can be lived again; only the order of threads cannot, and that
is why each answer is judged by the revision and the time it names.
Law: every function here raises where the core and its twin differ, and returns how much was compared."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from random import Random

import pytest

from remit import native_core as built
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.results import CheckResult
from remit.engine.tokens import decode_token
from remit.errors import RemitError, WeakeningRefused
from remit.eval.semantics import Evaluation
from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import (
    PLAIN,
    CaveatUse,
    Change,
    ObjectRef,
    Operation,
    Provenance,
    Qualifiers,
    Question,
    Relationship,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
    Update,
    Verdict,
)
from remit.store.memory import MemoryStore
from tests.support.random_schemas import (
    PERMISSIONS,
    RELATIONS,
    TYPES,
    changed_schema,
    random_fact,
    random_schema,
    random_subject,
)

BEGUN_US = 1_000_000
BY_ANNE = Provenance("anne", "", 1)
TIMES = (None, None, None, 1, 2, 3, 4)

# --- the graph beside its plain twin ----------------------------------------------------------------------------


class Facts:
    """Facts about a few hubs, whose edges pass every length at which a list changes its form, and about anything."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.types = [f"t{number}" for number in range(random.choice((2, 6, 40)))]
        self.relations = [f"r{number}" for number in range(random.choice((2, 12, 30)))]
        count = random.choice((5, 60, 1000))
        self.ids = [f"{number}{'~' * random.choice((0, 0, 3, 30, 1000))}" for number in range(count)]
        self.crowd = [f"w{number}" for number in range(random.choice((150, 2000)))]
        self.hubs = [(self.object(), random.choice(self.relations)) for _ in range(3)]
        self.known = [SubjectRef(*self.object()) for _ in range(3)]

    def object(self) -> ObjectRef:
        return ObjectRef(self.random.choice(self.types), self.random.choice(self.ids))

    def subject(self, userset_share: float) -> SubjectRef:
        random = self.random
        if random.random() < userset_share:
            return SubjectRef(*self.object(), random.choice(self.relations))
        return SubjectRef(random.choice(self.types), "*") if random.random() < 0.05 else SubjectRef(*self.object())

    def key(self, about: str) -> RelationshipKey:
        random = self.random
        one_of_crowd = ObjectRef(random.choice(self.types[:2]), random.choice(self.crowd))
        if about == "hub":
            relation = random.choice(("", self.relations[0]))
            return RelationshipKey(*random.choice(self.hubs), SubjectRef(*one_of_crowd, relation))
        if about == "known":
            return RelationshipKey(one_of_crowd, random.choice(self.relations), random.choice(self.known))
        resource, relation = self.object(), random.choice(self.relations)
        if random.random() < 0.05:
            return RelationshipKey(resource, relation, SubjectRef(*resource, relation))  # a userset that holds itself
        return RelationshipKey(resource, relation, self.subject(0.9 if about == "usersets" else 0.4))

    def qualifiers(self) -> Qualifiers:
        random = self.random
        if random.random() < 0.7:
            return PLAIN
        context = random.choice(("{}", f'{{"x":{random.randrange(50)}}}'))
        caveat = CaveatUse(random.choice("cd"), context) if random.random() < 0.5 else None
        return Qualifiers(caveat, random.choice(TIMES), random.choice(TIMES))


def graphs_side_by_side(seed: int, rounds: int) -> int:
    """Two graphs of one process grow, shrink and are emptied; how many changes they went through."""
    random = Random(seed)
    facts = Facts(random)
    pairs: list[tuple[NativeGraph, Graph, dict[RelationshipKey, Qualifiers]]]
    pairs = [(NativeGraph(), Graph(), {}) for _ in range(2)]
    changed = 0
    for round in range(rounds):
        graph, plain, held = random.choice(pairs)
        growth = 0.0 if round % 20 == 19 else random.choice((0.9, 0.5, 0.1))
        about = random.choice(("hub", "known", "usersets", "anything"))
        for _ in range(random.choice((2, 20))):
            changes = _changes(facts, held, about, growth)
            graph.apply(changes)
            plain.apply(changes)
            changed += len(changes)
        graph.check_invariants()
        assert len(graph) == len(plain) == len(held), f"seed {seed}, round {round}"
        assert {each.key: each.qualifiers for each in graph.relationships()} == held, f"seed {seed}, round {round}"
        for resource, relation, subject in random.sample(sorted(held), min(10, len(held))):
            assert sorted(graph.nodes_of(subject)) == sorted(plain.nodes_of(subject))
            assert dict(graph.edges(resource, relation)) == dict(plain.edges(resource, relation))
    return changed


def _changes(facts: Facts, held: dict[RelationshipKey, Qualifiers], about: str, growth: float) -> list[Change]:
    """A delta, `held` brought to after it. Without growth everything goes."""
    random = facts.random
    if growth == 0.0:
        gone = [Change(StoredRelationship(Relationship(*key, each), BY_ANNE), None) for key, each in held.items()]
        held.clear()
        return gone
    changes = []
    known = list(held)
    for _ in range(random.choice((1, 3, 40, 300))):
        is_added = random.random() < growth
        key = random.choice(known) if known and not is_added and random.random() < 0.8 else facts.key(about)
        qualifiers = facts.qualifiers()
        stored = StoredRelationship(Relationship(*key, qualifiers), BY_ANNE)
        changes.append(Change(None, stored) if is_added else Change(stored, None))
        if is_added:
            held[key] = qualifiers
        else:
            held.pop(key, None)
    return changes


# --- an engine over the core beside one without -----------------------------------------------------------------


class Twins:
    """An engine over the core and one over Python alone, which are told the same and asked the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clocks = (ManualClock(BEGUN_US), ManualClock(BEGUN_US))
        engines = []
        for switch, clock in zip(("on", "off"), self.clocks, strict=True):
            with monkeypatch.context() as patched:
                patched.setenv(built.SWITCH, switch)
                engines.append(Engine(MemoryStore(clock_us=clock.now_us), clock))
        self.engines = tuple(engines)
        assert [engine.core is not None for engine in engines] == [True, False]

    def advance_us(self, by_us: int) -> None:
        for clock in self.clocks:
            clock.advance_us(by_us)

    def is_taken(self, write: str, *arguments: object) -> bool:
        """The same verb of both: whether they took it; they agree."""
        refusals = []
        for engine in self.engines:
            try:
                attrgetter(write)(engine)(*arguments)
                refusals.append("")
            except RemitError as error:
                refusals.append(error.message)
        assert bool(refusals[0]) == bool(refusals[1]), refusals
        return not refusals[0]

    def compare(self, store: str, asked: Sequence[Question]) -> Counter[object]:
        """Every question one by one and all together: the same verdict, or the same error in the same words."""
        counts: Counter[object] = Counter()
        together = [engine.questions.check_many(store, asked).results for engine in self.engines]
        for question, *shared in zip(asked, *together, strict=True):
            alone = [_said(engine, store, question) for engine in self.engines]
            assert alone[0] == alone[1] == _told(shared[0]) == _told(shared[1]), f"{question}: {alone} {shared}"
            counts[alone[0][0]] += 1
        return counts


def _said(engine: Engine, store: str, question: Question) -> tuple[object, ...]:
    try:
        return _told(engine.questions.check(store, question))
    except RemitError as error:
        return _told(error)


def _told(result: CheckResult | RemitError) -> tuple[object, ...]:
    if isinstance(result, RemitError):
        return type(result).__name__, result.message, result.field
    return result.verdict, result.missing, result.evaluated_at_us, result.historical


def engines_side_by_side(seed: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> Counter[object]:
    """Schemas as users write them, facts that begin and end, stores made anew under their name, strangers, typos."""
    random = Random(seed)
    twins = Twins(monkeypatch)
    schemas: dict[str, tuple[str, Schema]] = {}
    counts: Counter[object] = Counter()
    again = [_question(random) for _ in range(8)]
    for _ in range(steps):
        store = random.choice(("default", "default", "other"))
        if store == "other" and random.random() < 0.1:
            schemas.pop(store, None)
            if not twins.is_taken("stores.delete", store):
                assert twins.is_taken("stores.create", store)
        if store not in schemas or random.random() < 0.06:
            schema = changed_schema(random, schemas[store][0]) if store in schemas else random_schema(random)
            if twins.is_taken("schemas.write", store, schema[0]):
                schemas[store] = schema
        if store not in schemas:
            continue
        now_us = twins.clocks[0].now_us()
        facts = [random_fact(random, schemas[store][1], now_us) for _ in range(random.choice((0, 1, 2, 6, 20)))]
        by_key = {fact.key: fact for fact in facts}
        kinds = (Operation.TOUCH, Operation.TOUCH, Operation.DELETE)
        updates = [Update(random.choice(kinds), fact) for fact in by_key.values()]
        if updates and not twins.is_taken("relationships.write", store, updates):
            for update in updates:  # each by itself, or one that is refused would keep out all the others
                twins.is_taken("relationships.write", store, [update])
        twins.advance_us(random.choice((0, 0, 1, 1, 7)))
        if random.random() < 0.03:
            assert twins.is_taken("upkeep")
        counts += twins.compare(store, again + [_question(random) for _ in range(4)])
    for engine in twins.engines:
        engine.close()
    return counts


def _question(random: Random) -> Question:
    type = random.choice(TYPES)
    resource = ObjectRef(type, random.choice("abcz"))
    name, subject = random.choice((*RELATIONS[type], *PERMISSIONS)), random_subject(random)
    match random.randrange(40):
        case 0:
            resource = ObjectRef("nothing", "a")
        case 1:
            name = "nothing"
        case 2:
            subject = SubjectRef("nothing", "a")
        case 3:
            subject = SubjectRef("doc", "a", "nothing")
        case 4:
            subject = SubjectRef(subject.type, "*")
        case 5 | 6:
            subject = SubjectRef(subject.type, "stranger", subject.relation)
    context = random.choice(({}, {}, {"x": 5}, {"x": 50}, {"x": 5, "y": 9}, {"x": "not a number"}))
    return Question(resource, name, subject, context)


# --- many threads, one engine -----------------------------------------------------------------------------------

SHARED = """
use delegation
use expiration
definition user {{}}
definition group {{
  relation member: user | group#member | user with expiration
  relation banned: user
  permission trusted = member - banned
}}
definition doc {{
  relation viewer: user | user:* | group#member
  relation parent: doc
  relation banned: user | group#member
  permission view = (viewer + parent->view) {sign} banned
  permission sealed = parent.all(view) & view
  permission has = parent.exists()
}}
"""
SHARED_SCHEMAS = [SHARED.format(sign=sign) for sign in "-&"]
_JOIN_S = 120.0

Given = tuple[int, Question, Verdict, int]  # revision, question, verdict, time


class Shared:
    """Writers, askers and a clock that runs, all at once over one engine; afterwards each answer is judged."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.clock = ManualClock(BEGUN_US)
        self.engine = Engine(MemoryStore(clock_us=self.clock.now_us), self.clock)
        self.acknowledged = decode_token(self.engine.schemas.write("", SHARED_SCHEMAS[0]).token)[2]
        self.writes: dict[int, list[Update] | str] = {self.acknowledged: SHARED_SCHEMAS[0]}
        self.given: list[Given] = []
        self.failures: list[BaseException] = []
        self.ended = threading.Event()

    def live(self, revisions: int) -> int:
        """How many answers were given and judged."""
        writers = [threading.Thread(target=self._guarded, args=(self._write, n, revisions // 2)) for n in range(2)]
        askers = [threading.Thread(target=self._guarded, args=(self._ask, n, 0)) for n in range(2, 6)]
        for thread in (*writers, *askers):
            thread.daemon = True
            thread.start()
        for thread in writers:
            thread.join(_JOIN_S)
        self.ended.set()
        for thread in askers:
            thread.join(_JOIN_S)
        assert not any(thread.is_alive() for thread in (*writers, *askers)), "a thread waits for ever"
        for failure in self.failures:
            raise failure
        self.engine.close()
        return self._judge()

    def _guarded(self, work: object, number: int, count: int) -> None:
        try:
            work(Random(self.seed * 100 + number), count)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - raised by `live`, whatever it is
            self.failures.append(error)
            self.ended.set()

    def _write(self, random: Random, count: int) -> None:
        for _ in range(count):
            if random.random() < 0.03:
                text = random.choice(SHARED_SCHEMAS)
                revision = decode_token(self.engine.schemas.write("", text).token)[2]
                self.writes[revision] = text
            else:
                facts = {fact.key: fact for fact in (self._fact(random) for _ in range(random.choice((1, 2, 8))))}
                kinds = (Operation.TOUCH, Operation.TOUCH, Operation.DELETE)
                updates = [Update(random.choice(kinds), fact) for fact in facts.values()]
                try:
                    revision = self.engine.relationships.write("", updates).revision
                except WeakeningRefused:  # of one that would hold back less: none of them is written
                    self.clock.advance_us(1)
                    self._check(random, at_least=self.acknowledged)
                    continue
                self.writes[revision] = updates
            self.acknowledged = max(self.acknowledged, revision)  # never ahead of what was acknowledged
            self.clock.advance_us(1)
            self._check(random, at_least=revision)

    def _ask(self, random: Random, _: int) -> None:
        while not self.ended.is_set():
            acknowledged = self.acknowledged
            if random.random() < 0.5:
                self._check(random, at_least=acknowledged)
                continue
            asked = [_shared_question(random) for _ in range(8)]
            answered = self.engine.questions.check_many("", asked)
            revision = decode_token(answered.token)[2]
            assert revision >= acknowledged, f"revision {acknowledged} was acknowledged, {revision} seen"
            for question, result in zip(asked, answered.results, strict=True):
                assert isinstance(result, CheckResult), result
                self.given.append((revision, question, result.verdict, answered.evaluated_at_us))

    def _check(self, random: Random, at_least: int) -> None:
        question = _shared_question(random)
        now_us = self.clock.now_us()
        result = self.engine.questions.check("", question)
        revision = decode_token(result.token)[2]
        assert revision >= at_least, f"revision {at_least} was acknowledged, {revision} seen"
        assert result.evaluated_at_us >= now_us, "an answer is of a time after it was asked for"
        self.given.append((revision, question, result.verdict, result.evaluated_at_us))

    def _fact(self, random: Random) -> Relationship:
        group, other = (ObjectRef("group", str(random.randrange(30))) for _ in range(2))
        document, user = ObjectRef("doc", random.choice("123")), SubjectRef("user", random.choice("abcd"))
        kind = random.random()
        if kind < 0.4:
            return Relationship(document, random.choice(("viewer", "viewer", "banned")), SubjectRef(*group, "member"))
        if kind < 0.55:
            over_us = self.clock.now_us() + random.choice((5, 20, 60))
            return Relationship(group, "member", user, random.choice((PLAIN, Qualifiers(expiration_us=over_us))))
        if kind < 0.7:
            return Relationship(group, "member", SubjectRef(*other, "member"))
        if kind < 0.8:
            return Relationship(document, "viewer", random.choice((user, SubjectRef("user", "*"))))
        # A document leads to later ones only: a cycle through `banned` would have no answer.
        above = SubjectRef("doc", str(int(document.id) + 1))
        return Relationship(document, "parent", above) if kind < 0.9 else Relationship(document, "banned", user)

    def _judge(self) -> int:
        by_revision: dict[int, set[Given]] = {}
        for given in self.given:
            by_revision.setdefault(given[0], set()).add(
                (given[0], _frozen(given[1]), given[2], given[3])  # type: ignore[arg-type]
            )
        held: dict[RelationshipKey, Relationship] = {}
        schema = compile_schema(SHARED_SCHEMAS[0]).schema
        for revision in range(min(self.writes), max(self.writes) + 1):
            written = self.writes[revision]
            if isinstance(written, str):
                schema = compile_schema(written).schema
                written = []
            for update in written:
                held.pop(update.relationship.key, None)
                if update.operation is Operation.TOUCH:
                    held[update.relationship.key] = update.relationship
            graph = Graph(held.values())
            for _, question, verdict, now_us in by_revision.pop(revision, set()):
                expected = Evaluation(schema, graph, now_us=now_us).check(*question).verdict  # type: ignore[misc]
                assert verdict is expected, f"revision {revision}, {now_us}: {question} is {expected}, said {verdict}"
        assert not by_revision, f"answers of revisions that were never written: {sorted(by_revision)}"
        return len(self.given)


def _frozen(question: Question) -> tuple[ObjectRef, str, SubjectRef]:
    return question.resource, question.permission, question.subject


def _shared_question(random: Random) -> Question:
    subject = SubjectRef("user", random.choice("abcdz"))
    if random.random() < 0.1:
        subject = SubjectRef("group", str(random.randrange(30)), "member")
    return Question(
        ObjectRef("doc", random.choice("1239")), random.choice(("view", "viewer", "sealed", "has")), subject
    )
