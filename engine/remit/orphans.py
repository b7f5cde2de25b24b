"""What a change of schema would leave without a place, looked for before the change is made.

What has expired is as absent, so it is no reason to refuse a schema; but its row is there until it is swept, for the
past, and a row without a place could be read by nobody. So it goes in the very revision that takes its place away: the
head has it no more, and every revision before, asked for exactly, is under its own schema and has it still.
Law: after an accepted schema, every stored relationship is one that a write would accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remit.admission import check_relationship
from remit.errors import InvalidContext, RelationshipRefused, SchemaOrphansRelationships, TooManyMatch, UnknownType
from remit.language.plan import Relation, Schema
from remit.model import Relationship, RelationshipFilter, RelationshipKey
from remit.notation import format_relationship
from remit.store.interface import ReadTransaction, WriteTransaction

_ORPHANS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Orphans:
    """The relationships of one relation that a schema has no place for: how many, and some, each with the reason."""

    type: str
    relation: str
    count: int
    examples: tuple[tuple[Relationship, str], ...]


def check_orphans(view: ReadTransaction, old: Schema, new: Schema, now_us: int) -> None:
    """That the new schema has a place for every relationship there is. Raises SchemaOrphansRelationships, counting and
    naming them."""
    orphans = list(find_orphans(view, old, new, now_us))
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


def remove_over(view: WriteTransaction, old: Schema, new: Schema, now_us: int, count_max: int) -> None:
    """Remove what has expired and the new schema has no place for. Raises TooManyMatch beyond `count_max`.
    Cost: O(relationships of the changed relations that can expire)."""
    over: list[RelationshipKey] = []
    for type, relation in _changed_relations(old, new):
        if not any(each.expiration for each in old.definitions[type].relations[relation].subject_types):
            continue
        for stored in view.scan(RelationshipFilter(resource_type=type, relation=relation)):
            relationship = stored.relationship
            if relationship.qualifiers.is_over(now_us) and misfit(new, relationship, None, now_us):
                over.append(relationship.key)
                if len(over) > count_max:
                    raise TooManyMatch(
                        f"the schema leaves no place for more than {count_max} relationships that have expired, as of "
                        f"`{type}#{relation}`: delete those of the relation first, in parts",
                        field="schema",
                        name="matches_max",
                        limit=count_max,
                        given=len(over),  # or more: nobody counted on
                    )
    for key in over:
        view.delete(key)


def find_orphans(view: ReadTransaction, old: Schema, new: Schema, now_us: int) -> Iterator[Orphans]:
    """By relation; what has expired is none. Only relations whose declaration, or whose caveats, have changed are
    looked through. Cost: O(relationships of the types that declare those)."""
    for type, relation in _changed_relations(old, new):
        count = 0
        examples: list[tuple[Relationship, str]] = []
        last: RelationshipKey | None = None
        for stored in view.scan(RelationshipFilter(resource_type=type, relation=relation)):
            relationship = stored.relationship
            if relationship.qualifiers.is_over(now_us):
                continue
            reason = misfit(new, relationship, last, now_us)
            last = relationship.key
            if reason:
                count += 1
                if len(examples) < _ORPHANS_NAMED:
                    examples.append((relationship, reason))
        if count:
            yield Orphans(type, relation, count, tuple(examples))


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
