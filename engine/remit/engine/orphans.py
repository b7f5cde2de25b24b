"""What a change of schema would leave without a place, looked for before the change is made.

What has expired is as absent, so it is no reason to refuse a schema; but its row is there until it is swept, for the
past, and a row without a place could be read by nobody. So it goes in the very revision that takes its place away: the
head has it no more, and every revision before, asked for exactly, is under its own schema and has it still.

To look takes as long as there are relationships, and writes, a hold among them, must not wait for it: so the looking is
done on views, and within the write only at what was written since.
What is final stays final: a schema in which its relation is no longer has no place for it either, or whoever may write
schemas could delete it in two steps.
Law: after an accepted schema, every stored relationship is one that a write would accept, and none is final no more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from remit.engine.admission import check_relationship, require_relation
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.errors import (
    DocumentInvalid,
    InvalidContext,
    RelationshipRefused,
    SchemaOrphansRelationships,
    TooManyMatch,
    UnknownType,
)
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.language.plan import Relation, Schema
from remit.model import Relationship, RelationshipFilter, RelationshipKey
from remit.notation import format_relationship
from remit.store.port import ReadTransaction

_ORPHANS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Orphans:
    """The relationships of one relation that a schema has no place for: how many, and some, each with the reason."""

    type: str
    relation: str
    count: int
    examples: tuple[tuple[Relationship, str], ...]


def check_orphans(
    view: ReadTransaction, old: Schema, new: Schema, now_us: int, interrupt: Interrupt = never_interrupted
) -> None:
    """That the new schema has a place for every relationship there is. Raises SchemaOrphansRelationships, counting and
    naming them, and what the interrupt raises."""
    _require_none(old, list(find_orphans(view, old, new, now_us, interrupt)))


def _require_none(old: Schema, orphans: Sequence[Orphans]) -> None:
    if not orphans:
        return
    count = sum(each.count for each in orphans)
    examples = [example for each in orphans for example in each.examples][:_ORPHANS_NAMED]
    named = ", ".join(f"`{format_relationship(relationship)}` ({reason})" for relationship, reason in examples)
    more = f", and {count - len(examples)} more" if count > len(examples) else ""
    final = [each for each in orphans if old.definitions[each.type].relations[each.relation].final]
    advice = f"keep `{final[0].type}#{final[0].relation}`, which is final" if final else "delete them first"
    raise SchemaOrphansRelationships(
        f"the schema leaves no place for {count} relationships: {named}{more}; {advice}",
        field="schema",
        count=count,
        relations=", ".join(f"{each.type}#{each.relation} ({each.count})" for each in orphans),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The relationships of one revision under a change of schema: each has a place, or is among `over`, which have
    expired and have none. At most `over_max` of them."""

    old: Schema
    new: Schema
    revision: int
    over: frozenset[RelationshipKey]
    over_max: int

    def caught_up(self, view: ReadTransaction, now_us: int, interrupt: Interrupt = never_interrupted) -> Judged:
        """The same of a later view, under the same schema. Cost: O(changes since), and under a relation that becomes
        single the facts of the places that were changed. Raises as `judge`, RevisionGone."""
        changed = set(_changed_relations(self.old, self.new))
        touched = {
            change.key
            for delta in (view.changelog(self.revision) if changed else ())
            for change in delta.changes
            if (change.key.resource.type, change.key.relation) in changed
        }
        over = set(self.over - touched)
        orphans: dict[tuple[str, str], list[tuple[Relationship, str]]] = {}
        for misplaced, reason in self._misfits(
            view, sorted(touched), now_us, paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        ):
            if misplaced.qualifiers.is_over(now_us):
                over.add(misplaced.key)
            else:
                orphans.setdefault((misplaced.resource.type, misplaced.relation), []).append((misplaced, reason))
        found = [Orphans(*relation, len(each), tuple(each)) for relation, each in orphans.items()]
        _require_none(self.old, found)
        _require_few(over, self.over_max)
        return replace(self, revision=view.head.revision, over=frozenset(over))

    def _misfits(
        self, view: ReadTransaction, keys: Iterable[RelationshipKey], now_us: int, look: Interrupt
    ) -> Iterator[tuple[Relationship, str]]:
        """Those of the keys that have no place, with the reason."""
        for key in keys:
            look()
            stored = view.get(key)
            if stored is not None:
                neighbour = self._neighbour(view, key, now_us, look)
                gone = _gone(self.old, self.new, key.resource.type, key.relation)
                if reason := gone or misfit(self.new, stored.relationship, neighbour, now_us):
                    yield stored.relationship, reason

    def _neighbour(
        self, view: ReadTransaction, key: RelationshipKey, now_us: int, look: Interrupt
    ) -> RelationshipKey | None:
        """Another that counts, where there may be one only."""
        definition = self.new.definitions.get(key.resource.type)
        relation = definition.relations.get(key.relation) if definition is not None else None
        if relation is None or not relation.single:
            return None
        place = RelationshipFilter(resource_type=key.resource.type, resource_id=key.resource.id, relation=key.relation)
        for stored in view.scan(place, look=look):
            if stored.relationship.key != key and not stored.relationship.qualifiers.is_over(now_us):
                return stored.relationship.key
        return None


def judge(
    view: ReadTransaction,
    old: Schema,
    new: Schema,
    now_us: int,
    over_max: int,
    interrupt: Interrupt = never_interrupted,
) -> Judged:
    """What the new schema has no place for, of all that is stored. Cost: O(relationships of the types that declare
    what has changed). Raises SchemaOrphansRelationships, and TooManyMatch beyond `over_max` that have expired."""
    check_orphans(view, old, new, now_us, interrupt)
    over = frozenset(_find_over(view, old, new, now_us, over_max, interrupt))
    return Judged(old, new, view.head.revision, over, over_max)


def _find_over(
    view: ReadTransaction, old: Schema, new: Schema, now_us: int, over_max: int, interrupt: Interrupt
) -> set[RelationshipKey]:
    over: set[RelationshipKey] = set()
    look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
    for type, relation in _changed_relations(old, new):
        if not any(each.expiration for each in old.definitions[type].relations[relation].subject_types):
            continue
        for stored in view.scan(RelationshipFilter(resource_type=type, relation=relation), look=look):
            relationship = stored.relationship
            if relationship.qualifiers.is_over(now_us) and misfit(new, relationship, None, now_us):
                over.add(relationship.key)
                _require_few(over, over_max)
    return over


def _require_few(over: Collection[RelationshipKey], over_max: int) -> None:
    if len(over) > over_max:
        key = max(over)
        raise TooManyMatch(
            f"the schema leaves no place for more than {over_max} relationships that have expired, as of "
            f"`{key.resource.type}#{key.relation}`: delete those of the relation first, in parts",
            field="schema",
            name="matches_max",
            limit=over_max,
            given=len(over),  # or more: nobody counted on
        )


def find_orphans(
    view: ReadTransaction, old: Schema, new: Schema, now_us: int, interrupt: Interrupt = never_interrupted
) -> Iterator[Orphans]:
    """By relation; what has expired is none. Only relations whose declaration, or whose caveats, have changed are
    looked through. Raises what the interrupt raises. Cost: O(relationships of the types that declare those)."""
    look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
    for type, relation in _changed_relations(old, new):
        interrupt()
        count = 0
        examples: list[tuple[Relationship, str]] = []
        last: RelationshipKey | None = None
        gone = _gone(old, new, type, relation)
        for stored in view.scan(RelationshipFilter(resource_type=type, relation=relation), look=look):
            relationship = stored.relationship
            if relationship.qualifiers.is_over(now_us):
                continue
            # Why is worked out for a few alone: to say it costs many times what it costs to see it.
            if gone or not has_place(new, relationship, last, now_us):
                count += 1
                if len(examples) < _ORPHANS_NAMED:
                    examples.append((relationship, gone or misfit(new, relationship, last, now_us)))
            last = relationship.key
        if count:
            yield Orphans(type, relation, count, tuple(examples))


def _gone(old: Schema, new: Schema, type: str, relation: str) -> str:
    """Why no relationship of a relation has a place any more, whatever it says; "" where some may."""
    try:
        successor = require_relation(new, type, relation)
    except (UnknownType, RelationshipRefused) as error:
        return error.message
    loses_final = old.definitions[type].relations[relation].final and not successor.final
    return f"`{relation}` of `{type}` would no longer be final" if loses_final else ""


def has_place(schema: Schema, relationship: Relationship, before: RelationshipKey | None, now_us: int) -> bool:
    """Whether `misfit` has nothing to say."""
    definition = schema.definitions.get(relationship.resource.type)
    relation = definition.relations.get(relationship.relation) if definition is not None else None
    if relation is None or relation.alternative(relationship.subject, relationship.qualifiers) is None:
        return False
    return not misfit(schema, relationship, before, now_us)


def misfit(schema: Schema, relationship: Relationship, before: RelationshipKey | None, now_us: int) -> str:
    """Why the relationship has no place under the schema; "" where it has. `before` is the one scanned before it."""
    try:
        relation = check_relationship(schema, relationship)
    except (UnknownType, RelationshipRefused, InvalidContext, DocumentInvalid) as error:
        return error.message
    same_place = before is not None and before[:2] == (relationship.resource, relationship.relation)
    if relation.single and same_place and not relationship.qualifiers.is_over(now_us):
        return f"`{relation.name}` would be single"
    return ""


def _changed_relations(old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    for type, definition in old.definitions.items():
        kept = new.definitions[type].relations if type in new.definitions else {}
        for name, relation in definition.relations.items():
            successor = kept.get(name)
            if (
                successor is None
                or not set(relation.subject_types) <= set(successor.subject_types)
                or (successor.single and not relation.single)
                or (relation.final and not successor.final)
                or any(old.caveats.get(use) != new.caveats.get(use) for use in _caveats_of(relation))
            ):
                yield type, name


def _caveats_of(relation: Relation) -> set[str]:
    return {each.caveat for each in relation.subject_types if each.caveat is not None}
