"""Random small schemas and worlds as compiled plans: every operator, cycles of both signs, caveats, times.

Names are few and objects fewer, so that cycles are the rule and not the exception. A world is a function of its seed:
drawing whole worlds through Hypothesis took a tenth of a second each, this takes a tenth of a millisecond, and a
failing seed is told and kept."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from random import Random

from remit.language import plan
from remit.language.caveats import Caveat
from remit.language.parameters import ParameterType
from remit.model import PLAIN, CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef

NOW_US = 1_000_000
CHAIN = "boss"  # the chain relation of type `run`
NAMES = ("p0", "p1", "p2", "r0", "r1", CHAIN)
OBJECTS = [ObjectRef(t, i) for t in ("doc", "run") for i in "abc"] + [ObjectRef("user", "a"), ObjectRef("user", "b")]
USES = [
    CaveatUse("small"),
    CaveatUse("small", '{"x":5}'),
    CaveatUse("small", '{"x":50}'),
    CaveatUse("both"),
    CaveatUse("both", '{"x":1}'),
    CaveatUse("ratio"),
    CaveatUse("ratio", '{"z":0}'),
]
TIMES = (None, None, None, None, NOW_US - 1, NOW_US, NOW_US + 1)


@functools.cache
def caveats() -> dict[str, Caveat]:
    whole = ParameterType("int")
    return {
        "small": Caveat("small", {"x": whole}, "x < 10"),
        "both": Caveat("both", {"x": whole, "y": whole}, "x < 10 && y < 10"),
        "ratio": Caveat("ratio", {"z": whole}, "10 / z > 1"),  # fails for 0
    }


@dataclass(frozen=True)
class RandomWorld:
    """A schema, facts, a subject to ask about and the context of the request."""

    schema: plan.Schema
    relationships: list[Relationship]
    subject: SubjectRef
    context: dict[str, object]


def random_world(seed: int) -> RandomWorld:
    """The world of a seed. A third have no caveats and times, so that cycles are met bare."""
    random = Random(seed)
    schema = random_schema(random)
    qualified = random.random() < 0.66
    facts = [random_relationship(random, qualified) for _ in range(random.randint(6, 32))]
    subject = SubjectRef(*random.choice(OBJECTS))
    if random.random() < 0.2:
        subject = SubjectRef(*random.choice(OBJECTS[:6]), random.choice(("r0", "p0")))
    context: dict[str, object] = {name: random.choice((1, 50)) for name in ("x", "y") if random.random() < 0.4}
    if random.random() < 0.5:
        context["z"] = random.choice((0, 2, 50))
    return RandomWorld(schema, list({r.key: r for r in facts}.values()), subject, context)


def declared_as_held(world: RandomWorld) -> plan.Schema:
    """Its schema with each relation declared as what the world's facts hold, which is as tight as may be."""
    held: dict[tuple[str, str], set[plan.SubjectType]] = {}
    for fact in world.relationships:
        subject = fact.subject
        kind = plan.SubjectType(subject.type, subject.relation, wildcard=subject.is_wildcard)
        held.setdefault((fact.resource.type, fact.relation), set()).add(kind)
    definitions = {
        type_: replace(
            definition,
            relations={
                name: replace(relation, subject_types=tuple(held.get((type_, name), ())))
                for name, relation in definition.relations.items()
            },
        )
        for type_, definition in world.schema.definitions.items()
    }
    return replace(world.schema, definitions=definitions)


def random_schema(random: Random) -> plan.Schema:
    anything = tuple(plan.SubjectType(t) for t in ("doc", "run", "user"))
    definitions = {}
    for type in ("user", "doc", "run"):
        relations = {} if type == "user" else {"r0": anything, "r1": anything}
        if type == "run":
            relations[CHAIN] = (plan.SubjectType("run"), plan.SubjectType("user"))
        names = [*relations, "p0", "p1", "p2"]
        permissions = {
            name: plan.Permission(name, random_expression(random, names, list(relations), random.randint(0, 3)))
            for name in ("p0", "p1", "p2")
        }
        declared = {name: plan.Relation(name, types) for name, types in relations.items()}
        definitions[type] = plan.Definition(type, declared, permissions)
    return plan.Schema(definitions, caveats(), chain_relations=frozenset({CHAIN}))


def random_expression(random: Random, names: list[str], relations: list[str], depth: int) -> plan.Expression:
    def deeper() -> plan.Expression:
        return random_expression(random, names, relations, depth - 1)

    if depth > 0:
        match random.choice(("union", "union", "intersection", "exclusion", "leaf")):
            case "union":
                return plan.Union((deeper(), deeper()))
            case "intersection":
                return plan.Intersection((deeper(), deeper()))
            case "exclusion":
                return plan.Exclusion(deeper(), deeper())
    kinds = ["name", "name", "name", "name", "subject", "along", "self", "nil"]
    if relations:
        kinds += ["arrow", "arrow", "arrow", "all", "exists"]
    match random.choice(kinds):
        case "name":
            return plan.Name(random.choice(names))
        case "arrow":
            return plan.Arrow(random.choice(relations), random.choice(NAMES))
        case "all":
            return plan.Arrow(random.choice(relations), random.choice(NAMES), all=True)
        case "subject":
            return plan.SubjectArrow(random.choice(NAMES))
        case "exists":
            return plan.Exists(random.choice(relations))
        case "along":
            return plan.Along(random.choice(names), (CHAIN,))
        case "self":
            return plan.Self()
        case _:
            return plan.Nil() if random.random() < 0.3 else plan.Self()


def random_relationship(random: Random, qualified: bool) -> Relationship:
    resource = random.choice(OBJECTS[:6])
    relation = random.choice(("r0", "r1", CHAIN) if resource.type == "run" else ("r0", "r1"))
    if relation == CHAIN:
        return Relationship(resource, relation, SubjectRef(*random.choice(OBJECTS[3:])))
    target = random.choice(OBJECTS)
    kind = random.random()
    if kind < 0.4 and target.type != "user":
        subject = SubjectRef(*target, random.choice(("r0", "r1", "p0", "p1", "p2")))
    elif kind > 0.9:
        # Wildcards stand under r1 only; arrows may still meet them there, which the compiler would refuse.
        subject, relation = SubjectRef(target.type, "*"), "r1"
    else:
        subject = SubjectRef(*target)
    qualifiers = PLAIN
    if qualified and random.random() < 0.45:
        use = random.choice(USES) if random.random() < 0.8 else None
        qualifiers = Qualifiers(use, random.choice(TIMES), random.choice(TIMES))
    return Relationship(resource, relation, subject, qualifiers)
