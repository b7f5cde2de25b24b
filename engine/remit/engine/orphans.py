"""What a change of schema would leave without a place, looked for before the change is made.

What has expired is as absent, so it is no reason to refuse a schema; but its row is there until it is swept, for the
past, and a row without a place could be read by nobody. So it goes in the very revision that takes its place away: the
head has it no more, and every revision before, asked for exactly, is under its own schema and has it still.

To look takes as long as there are relationships, and writes, a hold among them, must not wait for it: so the looking is
done on views, and within the write only at what was written since.
Law: after an accepted schema, every stored relationship is one that a write would accept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from remit.engine.admission import check_relationship, require_relation
from remit.errors import InvalidContext, RelationshipRefused, SchemaOrphansRelationships, TooManyMatch, UnknownType
from remit.interrupt import Interrupt, never_interrupted
from remit.language.plan import Relation, Schema
from remit.model import Relationship, RelationshipFilter, RelationshipKey
from remit.notation import format_relationship
from remit.store.port import ReadTransaction

_ORPHANS_NAMED = 5
_ITEMS_BETWEEN_INTERRUPTS = 128  # each takes some tens of microseconds at most

_Item = TypeVar("_Item")


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
    _require_none(list(find_orphans(view, old, new, now_us, interrupt)))


def _require_none(orphans: Sequence[Orphans]) -> None:
    if not orphans:
        return
    count = sum(each.count for each in orphans)
    examples = [example for each in orphans for example in each.examples][:_ORPHANS_NAMED]
    named = ", ".join(f"`{format_relationship(relationship)}` ({reason})" for relationship, reason in examples)
    more = f", and {count - len(examples)} more" if count > len(examples) else ""
    raise SchemaOrphansRelationships(
        f"the schema leaves no place for {count} relationships: {named}{more}; delete them first",
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
        for misplaced, reason in self._misfits(view, _paced(sorted(touched), interrupt), now_us):
            if misplaced.qualifiers.is_over(now_us):
                over.add(misplaced.key)
            else:
                orphans.setdefault((misplaced.resource.type, misplaced.relation), []).append((misplaced, reason))
        _require_none([Orphans(*relation, len(each), tuple(each)) for relation, each in orphans.items()])
        _require_few(over, self.over_max)
        return replace(self, revision=view.head.revision, over=frozenset(over))

    def _misfits(
        self, view: ReadTransaction, keys: Iterable[RelationshipKey], now_us: int
    ) -> Iterator[tuple[Relationship, str]]:
        """Those of the keys that have no place, with the reason."""
        for key in keys:
            stored = view.get(key)
            if stored is not None:
                neighbour = self._neighbour(view, key, now_us)
                if reason := misfit(self.new, stored.relationship, neighbour, now_us):
                    yield stored.relationship, reason

    def _neighbour(self, view: ReadTransaction, key: RelationshipKey, now_us: int) -> RelationshipKey | None:
        """Another that counts, where there may be one only."""
        definition = self.new.definitions.get(key.resource.type)
        relation = definition.relations.get(key.relation) if definition is not None else None
        if relation is None or not relation.single:
            return None
        place = RelationshipFilter(resource_type=key.resource.type, resource_id=key.resource.id, relation=key.relation)
        for stored in view.scan(place):
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
    for type, relation in _changed_relations(old, new):
        if not any(each.expiration for each in old.definitions[type].relations[relation].subject_types):
            continue
        for stored in _paced(view.scan(RelationshipFilter(resource_type=type, relation=relation)), interrupt):
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
    for type, relation in _changed_relations(old, new):
        count = 0
        examples: list[tuple[Relationship, str]] = []
        last: RelationshipKey | None = None
        gone = _gone(new, type, relation)
        for stored in _paced(view.scan(RelationshipFilter(resource_type=type, relation=relation)), interrupt):
            relationship = stored.relationship
            if relationship.qualifiers.is_over(now_us):
                continue
            reason = gone or misfit(new, relationship, last, now_us)
            last = relationship.key
            if reason:
                count += 1
                if len(examples) < _ORPHANS_NAMED:
                    examples.append((relationship, reason))
        if count:
            yield Orphans(type, relation, count, tuple(examples))


def _paced(items: Iterable[_Item], interrupt: Interrupt) -> Iterator[_Item]:
    """The items, and a look at the interrupt every so many."""
    for count, item in enumerate(items):
        if count % _ITEMS_BETWEEN_INTERRUPTS == 0:
            interrupt()
        yield item


def _gone(schema: Schema, type: str, relation: str) -> str:
    """Why no relationship of a relation has a place any more, whatever it says; "" where some may."""
    try:
        require_relation(schema, type, relation)
    except (UnknownType, RelationshipRefused) as error:
        return error.message
    return ""


def misfit(schema: Schema, relationship: Relationship, before: RelationshipKey | None, now_us: int) -> str:
    """Why the relationship has no place under the schema; "" where it has. `before` is the one scanned before it."""
    try:
        relation = check_relationship(schema, relationship)
    except (UnknownType, RelationshipRefused, InvalidContext) as error:
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
                or any(old.caveats[use] != new.caveats[use] for use in _caveats_of(relation))
            ):
                yield type, name


def _caveats_of(relation: Relation) -> set[str]:
    return {each.caveat for each in relation.subject_types if each.caveat is not None}
