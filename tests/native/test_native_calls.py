"""Law 1 for calls: whatever the core answers of one, `semantics.py` answers the same, with documents beside any
relationship, with goals in them on both sides of a `-`, and in circles through what they ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.errors import DescriptorInvalid
from remit.eval import native
from remit.graph.native import NativeGraph
from remit.language import compile_schema, plan
from remit.model import Call, CaveatUse, ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import canonical_json, parse_relationship
from tests.support.native.worlds import (
    HubWorlds,
    Questions,
    WideWorlds,
    cache_of,
    compare,
    every_question,
    needs_core,
    split,
)
from tests.support.random_worlds import NOW_US, OBJECTS, random_world
from tests.support.seeds import Seeds

pytestmark = needs_core

Document = dict[str, object]

NOBODY_ELSE = "nobody"  # an id that no relationship names


def call_of(objects: Iterable[ObjectRef]) -> Call:
    """A call with every object's id as an argument, and a number where a text is meant."""
    arguments: dict[str, object] = {f"{each.type}_{each.id}": each.id for each in objects}
    return Call("pay", canonical_json({**arguments, "number": 7, "none": NOBODY_ELSE}).encode(), "invoices")


class Documents:
    """Draws documents that come to every shape there is for `call_of`: yes, no, unknown, and goals about the subject,
    together in every way and, under `matching`, turned around. Half of the goals are among the `likely`."""

    def __init__(
        self,
        random: Random,
        names: dict[str, list[str]],
        objects: Iterable[ObjectRef],
        likely: Iterable[tuple[ObjectRef, str]] = (),
    ) -> None:
        self.random = random
        self.names = names
        self.objects = [each for each in objects if each.type in names]
        self.likely = [(each, name) for each, name in likely if each in self.objects]

    def use(self) -> CaveatUse:
        side = self.random.choice(("arguments", "matching"))
        return CaveatUse(side, canonical_json(self.document(side, self.random.choice((0, 0, 1, 1, 2, 3)))))

    def document(self, side: str, depth: int) -> Document:
        random = self.random
        if depth and random.random() < 0.7:
            parts = [self.document(side, depth - 1) for _ in range(random.randint(1, 3))]
            return {random.choice(("any_of", "all_of")): parts}
        kind = random.randrange(20)
        if kind == 0:
            return {"tool": {"equals": "pay"}} | self.rest(side)
        if kind == 1:
            return {"purpose": {"equals": "fun"}} | self.rest(side)
        if kind == 2:
            return {"number": {"prefix": "7"}} | self.rest(side)
        word = "unrelated" if side == "matching" and random.random() < 0.3 else "related"
        if kind == 3:
            type_ = random.choice(list(self.names))
            return {"none": {word: self.goal(type_)}} | self.rest(side)
        object = random.choice(self.objects)
        name = f"{object.type}_{object.id}"
        if kind == 4:
            asked = [{word: self.goal(object.type)} for _ in range(2)]
            return {name: {random.choice(("any_of", "all_of")): asked}} | self.rest(side)
        if self.likely and random.random() < 0.5:
            object, permission = random.choice(self.likely)
            name, goal = f"{object.type}_{object.id}", {"type": object.type, "permission": permission}
        else:
            goal = self.goal(object.type)
        return {name: {word: goal}} | self.rest(side)

    def goal(self, type_: str) -> Document:
        return {"type": type_, "permission": self.random.choice(self.names[type_])}

    @staticmethod
    def rest(side: str) -> Document:
        return {"additional": True} if side == "arguments" else {}


def names_of(schema: plan.Schema) -> dict[str, list[str]]:
    found = {type_: [*each.relations, *each.permissions] for type_, each in schema.definitions.items()}
    return {type_: names for type_, names in found.items() if names}


def constrained_schema(random: Random, schema: plan.Schema) -> plan.Schema:
    """The schema with documents beside every relationship. Of some relations they may ask less than all."""
    everything = [(type_, name) for type_, names in names_of(schema).items() for name in names]

    def constrained(relation: plan.Relation) -> plan.Relation:
        declared = tuple(everything if random.random() < 0.9 else random.sample(everything, len(everything) // 2))
        places = [(type_, "", wildcard) for type_ in schema.definitions for wildcard in (False, True)] + [
            (type_, name, False)
            for type_, each in schema.definitions.items()
            for name in (*each.relations, *each.permissions)
        ]
        alternatives = [
            plan.SubjectType(*place, caveat, expiration, not_before, declared)
            for place, caveat, expiration, not_before in product(
                places, ("arguments", "matching"), (False, True), (False, True)
            )
        ]
        return replace(relation, subject_types=(*relation.subject_types, *alternatives))

    definitions = {
        type_: replace(each, relations={name: constrained(of) for name, of in each.relations.items()})
        for type_, each in schema.definitions.items()
    }
    return replace(schema, definitions=definitions, uses_arguments=True)


def with_documents(
    random: Random, schema: plan.Schema, facts: Iterable[Relationship], objects: Iterable[ObjectRef]
) -> list[Relationship]:
    facts = list(facts)
    likely = [(each.resource, each.relation) for each in facts]
    documents = Documents(random, names_of(schema), objects, likely)
    share = random.choice((0.15, 0.4, 0.8))
    kept = [documents.use() for _ in range(4)]  # of which each stands beside several

    def constrained(fact: Relationship) -> Relationship:
        if random.random() > share:
            return fact
        use = random.choice(kept) if random.random() < 0.5 else documents.use()
        return replace(fact, qualifiers=fact.qualifiers._replace(caveat=use))

    return [constrained(fact) for fact in facts]


def judge_world(seed: int) -> Counter[object]:
    random = Random(seed)
    world = random_world(seed)
    schema = constrained_schema(random, world.schema)
    facts = with_documents(random, schema, world.relationships, OBJECTS)
    graph = NativeGraph(facts)
    native.install(graph, schema)
    asked = every_question(schema, OBJECTS, [world.subject])
    random.shuffle(asked)
    call = call_of(OBJECTS)
    counts = compare(schema, graph, facts, asked, NOW_US, world.context, call=call)
    # Without a call, and with it, what was remembered of the other is nobody's answer.
    counts["without"] += sum(compare(schema, graph, facts, asked, NOW_US, world.context).values())
    return counts


@pytest.mark.seeds(600, shards=4)
@pytest.mark.parametrize("cached", [0, 4096])
def test_the_core_judges_calls_as_semantics_does(seeds: Seeds, cached: int) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in seeds:
            counts += judge_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "NegativeCycle", "CallUnjudgeable", "elsewhere"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")
    decided = counts[Verdict.NO] + counts[Verdict.YES]
    seeds.require(counts["elsewhere"] < decided / 4, f"left to Python: {counts}")


def judge_wide_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = WideWorlds(random, caveats=False)
    facts = list({fact.key: fact for fact in (worlds.fact() for _ in range(random.choice((60, 200))))}.values())
    return judge_facts(random, worlds.schema, facts, worlds.questions(60))


@pytest.mark.seeds(120, shards=2)
def test_what_is_met_from_the_subject_is_judged_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_wide_world(seed)
    for kind in (Verdict.NO, Verdict.YES):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def judge_hub_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = HubWorlds(random, caveats=False)
    return judge_facts(random, worlds.schema, worlds.world().relationships, worlds.questions(50))


@pytest.mark.seeds(160, shards=2)
def test_hubs_with_documents_mean_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_hub_world(seed)
    for kind in (Verdict.NO, Verdict.YES):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def judge_facts(
    random: Random, plain: plan.Schema, facts: Iterable[Relationship], asked: Questions, now_us: int = 2
) -> Counter[object]:
    facts = list(facts)
    schema = constrained_schema(random, plain)
    objects = sorted(
        {each.resource for each in facts} | {each.subject.object for each in facts if each.subject.id != "*"}
    )
    named = random.sample(objects, min(len(objects), 8))
    facts = with_documents(random, schema, facts, named)
    graph = NativeGraph(facts)
    native.install(graph, schema)
    return compare(schema, graph, facts, asked, now_us, call=call_of(named))


def judge_contextual_world(seed: int) -> Counter[object]:
    random = Random(seed)
    world = random_world(seed)
    schema = constrained_schema(random, world.schema)
    facts = with_documents(random, schema, world.relationships, OBJECTS)
    stored, brought = split(random, facts, 2)
    graph = NativeGraph(stored)
    native.install(graph, schema)
    asked = every_question(schema, OBJECTS, [world.subject])
    random.shuffle(asked)
    counts: Counter[object] = Counter()
    for changed in brought:
        counts += compare(schema, graph, stored, asked, NOW_US, world.context, changed, call_of(OBJECTS))
    return counts


@pytest.mark.seeds(200, shards=2)
def test_documents_that_a_request_brings_are_judged_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_contextual_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "CallUnjudgeable"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


# --- tools, and what describes them -----------------------------------------------------------------------------

TOOLS = compile_schema("""
use arguments
use expiration
definition user {
    relation friend: user | user:*
    permission contact = friend
}
definition group { relation member: user | group#member }
definition descriptor { relation of: user }
definition tool {
    relation descriptor: descriptor | descriptor:* | descriptor#of | descriptor with expiration
    relation may_use: user with arguments(user#contact) | user:* with arguments |
        group#member with arguments(user#contact)
    relation barred: user with matching(user#contact) | user:* with matching(user#contact)
    permission use = may_use - barred
}
definition set {
    relation tool: tool
    relation may_use: user with arguments(user#contact)
    permission use = may_use + tool->use
    permission every = tool.all(use)
}
""").schema
PROPERTIES = {"to": {"type": "string"}, "amount": {"type": "string", "default": "5"}, "cc": {"type": "array"}}
DESCRIPTORS = {
    "plain": b'{"input_schema":{"type":"object"}}',
    "open": b'{"input_schema":{"additionalProperties":true,"type":"object"}}',
    "typed": canonical_json(
        {"input_schema": {"type": "object", "properties": PROPERTIES}, "types": {"amount": "decimal"}}
    ).encode(),
    "strict": canonical_json(
        {"input_schema": {"type": "object", "properties": PROPERTIES, "required": ["to"]}, "types": {"to": "email"}}
    ).encode(),
    "broken": b"{}",
}
ARGUMENTS = (
    b"{}",
    b'{"to":"b"}',
    b'{"amount":"7","to":"a"}',
    b'{"amount":"7.50","cc":["a","b"]}',
    b'{"amount":7,"to":"c"}',
    b'{"more":1,"to":"b"}',
)
TOOL_DOCUMENTS: dict[str, list[Document]] = {
    "arguments": [
        {"to": {}, "amount": {"max": "6"}, "cc": {"optional": True}},
        {"to": {"related": {"type": "user", "permission": "contact"}}, "additional": True},
        {"amount": {"min": "6", "optional": True}, "additional": True},
        {"cc": {"each": {"related": {"type": "user", "permission": "contact"}}, "optional": True}, "additional": True},
        {"tool": {"one_of": ["pay", "get"]}, "additional": True},
    ],
    "matching": [
        {"amount": {"min": "6"}},
        {"to": {"unrelated": {"type": "user", "permission": "contact"}, "if_present": True}},
        {"cc": {"some": {"related": {"type": "user", "permission": "contact"}}, "if_present": True}},
        {"tool": {"equals": "get"}},
    ],
}


def tool_facts(random: Random) -> list[Relationship]:
    tools, users = ("pay", "get", "put"), ("a", "b", "c")

    def use(side: str) -> str:
        return f"[{side}:{canonical_json(random.choice(TOOL_DOCUMENTS[side]))}]"

    lines = []
    for _ in range(random.randint(6, 26)):
        tool, user = random.choice(tools), random.choice(users)
        subject = random.choice((f"user:{user}", f"user:{user}", "user:*", f"group:{random.choice('xy')}#member"))
        descriptor = f"descriptor:{random.choice((*DESCRIPTORS, 'missing'))}"
        rare = random.choice(
            ("descriptor:*", f"{descriptor}#of", f"{descriptor}[expiration:1970-01-01T00:00:00.000001Z]")
        )
        barred = random.choice((f"user:{user}", "user:*"))
        lines.append(
            random.choice(
                (
                    f"tool:{tool}#may_use@{subject}{use('arguments')}",
                    f"tool:{tool}#may_use@{subject}{use('arguments')}",
                    f"tool:{tool}#barred@{barred}{use('matching')}",
                    f"tool:{tool}#descriptor@{rare if random.random() < 0.1 else descriptor}",
                    f"tool:{tool}#descriptor@{descriptor}",
                    f"set:s#tool@tool:{tool}",
                    f"set:s#may_use@user:{user}{use('arguments')}",
                    f"user:{random.choice(users)}#friend@{random.choice((f'user:{user}', 'user:*'))}",
                    f"group:{random.choice('xy')}#member@{random.choice((f'user:{user}', 'group:x#member'))}",
                )
            )
        )
    facts = [parse_relationship(line) for line in lines]
    return list({fact.key: fact for fact in facts}.values())


def judge_tools(seed: int) -> Counter[object]:
    random = Random(seed)
    facts = tool_facts(random)
    schema = TOOLS
    if random.random() < 0.3:  # and calls of tools that say nothing of themselves
        tool = schema.definitions["tool"]
        relations = {name: each for name, each in tool.relations.items() if name != "descriptor"}
        schema = replace(schema, definitions={**schema.definitions, "tool": replace(tool, relations=relations)})
        facts = [fact for fact in facts if fact.relation != "descriptor"]
    kept = {digest: document for digest, document in DESCRIPTORS.items() if random.random() < 0.9}
    graph = NativeGraph(facts)
    native.install(graph, schema)
    graph.apply((), descriptors=kept.items())
    asked = every_question(
        schema,
        [ObjectRef("tool", "pay"), ObjectRef("tool", "get"), ObjectRef("set", "s")],
        [SubjectRef("user", id) for id in "abcd"],
    )
    named = random.choice(("", "", "", *DESCRIPTORS))
    call = Call(random.choice(("pay", "get", "none")), random.choice(ARGUMENTS), "", named)
    return compare(schema, graph, facts, asked, now_us=2, call=call, descriptor_of=lambda digest: read(kept, digest))


def read(kept: dict[str, bytes], digest: str) -> Descriptor | None:
    try:
        return read_descriptor(kept[digest]) if digest in kept else None
    except DescriptorInvalid:
        return None


@pytest.mark.seeds(800, shards=4)
def test_a_call_is_read_by_its_tools_descriptor_as_semantics_reads_it(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_tools(seed)
    for kind in (Verdict.NO, Verdict.YES, "CallUnjudgeable"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")
    assert not counts["elsewhere"], "what can be judged is judged in the core"


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=8, fresh=True)
def test_the_core_judges_calls_as_semantics_does_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge_world(seed)
        judge_contextual_world(seed)
        judge_hub_world(seed)
        judge_wide_world(seed)
        judge_tools(seed)
