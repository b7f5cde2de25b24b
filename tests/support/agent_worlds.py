"""What is asked of an agent schema and its worlds, whichever of the two it is: that its words are there, that each no
is owed to its flaw, and that no condition of the schema is idle.

Law: nothing in here knows what the schema is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import CallUnjudgeable, InvalidCall
from remit.eval.calls import JudgedCall
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import plan
from remit.model import Operation, Update, Verdict
from remit.notation import parse_relationship, parse_time
from remit.store.memory import MemoryStore
from remit.world import World
from remit.world.file import Assertion

NOW_US = parse_time("2026-01-01T00:00:00Z")


@dataclass(frozen=True)
class Repair:
    """What takes the flaw out of a world. Questions that begin with one of `still_no` stay a no: they have no cure."""

    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    still_no: tuple[str, ...] = ()


def undocumented(schema: plan.Schema) -> list[str]:
    """The definitions without words, and the relations and permissions without words of their own."""
    found = [name for name, definition in schema.definitions.items() if not definition.doc]
    for definition in schema.definitions.values():
        members = (*definition.relations.values(), *definition.permissions.values())
        found += [f"{definition.name}#{each.name}" for each in members if not each.doc.startswith(f"{each.name} ")]
    return found


def relations_that(schema: plan.Schema, are: Callable[[plan.Relation], bool]) -> set[str]:
    return {
        f"{definition.name}#{name}"
        for definition in schema.definitions.values()
        for name, relation in definition.relations.items()
        if are(relation)
    }


@contextmanager
def written(world: World) -> Iterator[Engine]:
    """An engine whose store holds the schema and the facts of a world, written as anyone would."""
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    try:
        engine.schemas.write("", world.schema.text)
        engine.relationships.write("", [Update(Operation.TOUCH, fact) for fact in world.relationships])
        yield engine
    finally:
        engine.close()


def uncured(shipped: World, repair: Repair) -> list[str]:
    """The questions of a world that are not answered yes once its flaw is gone, or are although they have no cure.
    An attack that failed for another reason would show nothing. What hangs on a call that is missing or cannot be
    judged may hang on it still."""
    graph = shipped.graph()
    for text in repair.removed:
        key = parse_relationship(text).key
        assert graph.find(*key) is not None, f"`{text}` is not in {shipped.path}"
        graph.remove(key)
    for text in repair.added:
        graph.add(parse_relationship(text))
    found = []
    for assertion in shipped.assertions:
        uncurable = assertion.expected is Verdict.NO and assertion.text.startswith(repair.still_no or ("\0",))
        hanging = {assertion.expected} - {Verdict.NO}
        verdict = verdict_of(shipped, shipped.schema, graph, assertion)
        if verdict not in ({Verdict.NO} if uncurable else {Verdict.YES, *hanging}):
            found.append(assertion.text)
    return found


def verdict_of(world: World, schema: plan.Schema, graph: Graph, asked: Assertion) -> Verdict | None:
    """What a question of a world is answered with; None where its call cannot be judged, or not even be read."""
    try:
        call = JudgedCall(asked.call, world.descriptor) if asked.call is not None else None
        evaluation = Evaluation(schema, graph, now_us=NOW_US, call=call)
        return evaluation.check(asked.resource, asked.permission, asked.subject).verdict
    except (CallUnjudgeable, InvalidCall):
        return None


def idle_conditions(worlds: list[World]) -> list[str]:
    """The conditions of the worlds' schema that could be left away without any of their assertions telling."""
    graphs = [world.graph() for world in worlds]
    return [
        what
        for what, weak in weakened(worlds[0].schema)
        if all(_agrees(world, weak, graph) for world, graph in zip(worlds, graphs, strict=True))
    ]


def weaker(expression: plan.Expression) -> Iterator[plan.Expression]:
    """The expression with one thing less in it, in every way."""
    match expression:
        case plan.Union(children) | plan.Intersection(children):
            for index, child in enumerate(children):
                rest = (*children[:index], *children[index + 1 :])
                yield rest[0] if len(rest) == 1 else type(expression)(rest)
                for less in weaker(child):
                    yield type(expression)((*children[:index], less, *children[index + 1 :]))
        case plan.Exclusion(base, subtracted):
            yield base
            yield from (plan.Exclusion(less, subtracted) for less in weaker(base))
            yield from (plan.Exclusion(base, less) for less in weaker(subtracted))
        case plan.Arrow(relation, name, all=True):
            yield plan.Arrow(relation, name)
        case plan.Along(child, relations):
            yield plan.Name(child)
            yield from (plan.Along(child, tuple(r for r in relations if r != gone)) for gone in relations)
        case plan.SubjectArrow() | plan.Exists() | plan.Arrow() | plan.Name() | plan.Self() | plan.Nil():
            return  # the smallest parts go as a whole, from what holds them


def weakened(schema: plan.Schema) -> Iterator[tuple[str, plan.Schema]]:
    """The schema with one condition less, in every way."""
    for definition in schema.definitions.values():
        for permission in definition.permissions.values():
            for expression in weaker(permission.expression):
                changed = {**definition.permissions, permission.name: replace(permission, expression=expression)}
                definitions = {**schema.definitions, definition.name: replace(definition, permissions=changed)}
                yield f"{definition.name}#{permission.name} = {expression}", replace(schema, definitions=definitions)


def _agrees(shipped: World, schema: plan.Schema, graph: Graph) -> bool:
    return all(verdict_of(shipped, schema, graph, asked) is asked.expected for asked in shipped.assertions)
