"""What a change of schema means: each difference in a sentence, and whether it may turn answers to yes or to no.

Judged from the schemas alone, whatever the facts: an effect says what a difference may do, now or once facts follow.
A name that stands to the right of a `-` anywhere works both ways there, so its effect is reported as both.
Law: sound, never tight. An answer that turns to yes between two schemas, the facts being equal, has a difference whose
effect may widen; one that turns away from yes, a difference that may narrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from remit.arguments.side import Side
from remit.interrupt import Interrupt, never_interrupted
from remit.language.effort import Effort
from remit.language.plan import (
    Definition,
    Exclusion,
    Expression,
    Intersection,
    Member,
    Permission,
    Relation,
    Schema,
    Union,
    asked_by_documents,
    operands_of,
    reads_of,
)


class Effect(Enum):
    """What a difference may do to answers."""

    NONE = 1
    WIDENS = 2
    NARROWS = 3
    BOTH = 4


_ONE_WAY = (Effect.WIDENS, Effect.NARROWS)


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference. `code` is a stable word; `definition` may name a caveat; `name` is empty where all is meant."""

    code: str
    message: str
    definition: str
    name: str
    effect: Effect


def diff(old: Schema, new: Schema, interrupt: Interrupt = never_interrupted) -> tuple[SchemaChange, ...]:
    """Every difference in meaning, by definition and name. Comments, annotations and order are none. Raises what the
    interrupt raises. Cost: O(both schemas)."""
    effort = Effort(interrupt)
    # What either schema subtracts, since both ends of the change matter.
    subtracted = _subtracted(old, effort) | _subtracted(new, effort)
    describing = _describing(old) | _describing(new)
    changes: list[SchemaChange] = []
    for change in (*_caveats(old, new), *_definitions(old, new, subtracted, describing, effort)):
        effort.step()
        changes.append(change)
    return tuple(changes)


def _definitions(
    old: Schema, new: Schema, subtracted: frozenset[str], describing: frozenset[Member], effort: Effort
) -> Iterator[SchemaChange]:
    for name in sorted({*old.definitions, *new.definitions}):
        effort.step()
        before, after = old.definitions.get(name), new.definitions.get(name)
        if before is None:
            effect = Effect.BOTH if any(type == name for type, _ in describing) else Effect.NONE
            yield SchemaChange("definition-added", f"definition `{name}` is new", name, "", effect)
        elif after is None:
            yield SchemaChange("definition-removed", f"definition `{name}` is gone", name, "", Effect.BOTH)
        else:
            yield from _relations(before, after, subtracted, describing, effort)
            yield from _permissions(before, after, subtracted, effort)


def _relations(
    before: Definition, after: Definition, subtracted: frozenset[str], describing: frozenset[Member], effort: Effort
) -> Iterator[SchemaChange]:
    type = before.name
    for name in sorted({*before.relations, *after.relations}):
        was, now = before.relations.get(name), after.relations.get(name)
        effort.step(sum(len(each.subject_types) for each in (was, now) if each is not None))
        if was is None:
            effect = Effect.BOTH if (type, name) in describing else Effect.NONE
            yield SchemaChange("relation-added", f"relation `{name}` of `{type}` is new", type, name, effect)
        elif now is None:
            effect = _seen_from(Effect.NARROWS, name, subtracted)
            yield SchemaChange("relation-removed", f"relation `{name}` of `{type}` is gone", type, name, effect)
        else:
            yield from _subject_types(type, was, now, subtracted)
            yield from _modifiers(type, was, now)


def _subject_types(type: str, was: Relation, now: Relation, subtracted: frozenset[str]) -> Iterator[SchemaChange]:
    before, after = set(was.subject_types), set(now.subject_types)
    for each in was.subject_types:
        if each not in after:
            effect = _seen_from(Effect.NARROWS, was.name, subtracted)
            message = f"relation `{was.name}` of `{type}` no longer takes `{each}`"
            yield SchemaChange("subject-type-removed", message, type, was.name, effect)
    for each in now.subject_types:
        if each not in before:
            effect = _seen_from(Effect.WIDENS, was.name, subtracted)
            message = f"relation `{was.name}` of `{type}` now takes `{each}`"
            yield SchemaChange("subject-type-added", message, type, was.name, effect)


def _modifiers(type: str, was: Relation, now: Relation) -> Iterator[SchemaChange]:
    for modifier, before, after in (
        ("single", was.single, now.single),
        ("final", was.final, now.final),
        ("managed", was.managed, now.managed),
    ):
        if before != after:
            verb = "is now" if after else "is no longer"
            message = f"relation `{was.name}` of `{type}` {verb} {modifier}"
            yield SchemaChange(f"relation-{modifier}-changed", message, type, was.name, Effect.NONE)


def _permissions(
    before: Definition, after: Definition, subtracted: frozenset[str], effort: Effort
) -> Iterator[SchemaChange]:
    type = before.name
    for name in sorted({*before.permissions, *after.permissions}):
        was, now = before.permissions.get(name), after.permissions.get(name)
        effort.step()
        if was is None:
            # An arrow or a `subject->` elsewhere may have been waiting for this very name.
            effect = _seen_from(Effect.WIDENS, name, subtracted)
            yield SchemaChange("permission-added", f"permission `{name}` of `{type}` is new", type, name, effect)
        elif now is None:
            effect = _seen_from(Effect.NARROWS, name, subtracted)
            yield SchemaChange("permission-removed", f"permission `{name}` of `{type}` is gone", type, name, effect)
        elif was.expression != now.expression:
            effect = _seen_from(_compared(was, now), name, subtracted)
            message = f"permission `{name}` of `{type}` is defined otherwise"
            yield SchemaChange("permission-changed", message, type, name, effect)


def _compared(was: Permission, now: Permission) -> Effect:
    """The effect of one expression in the place of another, where their shapes show it; otherwise both."""
    old, new = was.expression, now.expression
    if old == new:
        return Effect.NONE
    if _is_part(old, new, Union) or _is_part(new, old, Intersection) or _is_base(new, old):
        return Effect.WIDENS
    if _is_part(new, old, Union) or _is_part(old, new, Intersection) or _is_base(old, new):
        return Effect.NARROWS
    return Effect.BOTH


def _is_part(part: Expression, whole: Expression, kind: type[Union] | type[Intersection]) -> bool:
    """Whether every operand of `part` is one of `whole`, which is of that kind."""
    if not isinstance(whole, kind):
        return False
    operands = part.children if isinstance(part, kind) else (part,)
    return set(operands) <= set(whole.children)


def _is_base(base: Expression, whole: Expression) -> bool:
    return isinstance(whole, Exclusion) and whole.base == base


def _caveats(old: Schema, new: Schema) -> Iterator[SchemaChange]:
    for name in sorted({*old.caveats, *new.caveats}):
        before, after = old.caveats.get(name), new.caveats.get(name)
        if old.side_of(name) is not None or new.side_of(name) is not None:
            what = "is the one that is built in" if after is None else "is no longer the one that is built in"
            yield SchemaChange("caveat-changed", f"caveat `{name}` {what}", name, "", Effect.BOTH)
        elif before is None:
            yield SchemaChange("caveat-added", f"caveat `{name}` is new", name, "", Effect.NONE)
        elif after is None:
            # Nothing may use it any more, which is reported where it was used.
            yield SchemaChange("caveat-removed", f"caveat `{name}` is gone", name, "", Effect.NONE)
        elif before != after:
            what = "takes other parameters" if before.parameters != after.parameters else "decides otherwise"
            yield SchemaChange("caveat-changed", f"caveat `{name}` {what}", name, "", Effect.BOTH)


# --- what is subtracted -----------------------------------------------------------------------------------------


def _seen_from(effect: Effect, name: str, subtracted: frozenset[str]) -> Effect:
    """The effect on answers, where the name may also be taken away from something."""
    return Effect.BOTH if effect in _ONE_WAY and name in subtracted else effect


def _subtracted(schema: Schema, effort: Effort) -> frozenset[str]:
    """The names that a `-` somewhere takes away, whatever their type, and all that those are made of, through
    expressions and through the usersets of relations."""
    made_of: dict[str, set[str]] = {}
    waiting = [name for _, name in _describing(schema)]
    for definition in schema.definitions.values():
        for relation in definition.relations.values():
            effort.step(1 + len(relation.subject_types))
            usersets = (each.relation for each in relation.subject_types if each.relation)
            made_of.setdefault(relation.name, set()).update(usersets)
            made_of[relation.name].update(name for _, name in asked_by_documents(schema, relation))
            if any(each.caveat == Side.MATCHING.value for each in relation.subject_types):
                # By `unrelated` a document takes away what it asks for.
                waiting += (name for each in relation.subject_types for _, name in each.declared)
        for permission in definition.permissions.values():
            names = made_of.setdefault(permission.name, set())
            nodes: list[tuple[Expression, bool]] = [(permission.expression, False)]
            while nodes:
                effort.step()
                node, is_subtracted = nodes.pop()
                names.update(_names(node))
                if is_subtracted:
                    waiting += _names(node)
                for at, operand in enumerate(operands_of(node)):
                    nodes.append((operand, is_subtracted or (at == 1 and isinstance(node, Exclusion))))
    found: set[str] = set()
    while waiting:
        effort.step()
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += made_of.get(name, ())
    return frozenset(found)


def _describing(schema: Schema) -> frozenset[Member]:
    """The relation that says by what a call of a tool is judged, where any document judges calls: without it they are
    judged otherwise, and with it and no edge not at all."""
    relations = (relation for definition in schema.definitions.values() for relation in definition.relations.values())
    asked = (member for relation in relations for member in asked_by_documents(schema, relation))
    return frozenset(member for member in asked if member == schema.describing)


def _names(node: Expression) -> Iterator[str]:
    """Every name that a node has beside its operands."""
    reads = reads_of(node)
    yield from (*reads.here, *reads.subject, *reads.edges)
    for relation, name in reads.targets:
        yield relation
        yield name
