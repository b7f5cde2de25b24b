"""What one request may ask for: every limit with its default, and its own words when it is met.

Law: what is too much is refused before any work is spent on it, naming the limit and what was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from remit.budget import STEPS_MAX
from remit.errors import InvalidArgument, LimitExceeded
from remit.model import Relationship, RelationshipKey, Update
from remit.notation import canonical_json

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts, and sizes in bytes."""

    updates_max: int = 1_000
    preconditions_max: int = 100
    contextual_max: int = 100
    items_max: int = 1_000
    page_max: int = 1_000
    matches_max: int = 10_000  # relationships that one revision may remove by a filter
    filters_max: int = 100
    undone_max: int = 100_000  # changes that may lie between the head and a revision asked for exactly
    context_bytes_max: int = 4 * 1024
    relationship_context_bytes_max: int = 25_000
    metadata_bytes_max: int = 4 * 1024
    schema_bytes_max: int = 4 * MIB
    steps_max: int = STEPS_MAX

    def require_items(self, count: int) -> None:
        _require_count(count, self.items_max, "items")

    def require_context(self, context: Mapping[str, object]) -> None:
        if context:
            _require_bytes(canonical_json(context), self.context_bytes_max, "context")

    def require_schema(self, text: str) -> None:
        _require_bytes(text, self.schema_bytes_max, "schema")

    def require_write(self, updates: Sequence[Update], preconditions: int, metadata_json: str) -> None:
        """A triple may occur once: a request says one thing about a relationship."""
        _require_count(len(updates), self.updates_max, "updates")
        self._require_facts([update.relationship for update in updates], "updates")
        self.require_conditions(preconditions, metadata_json)

    def require_conditions(self, preconditions: int, metadata_json: str) -> None:
        _require_count(preconditions, self.preconditions_max, "preconditions")
        _require_bytes(metadata_json, self.metadata_bytes_max, "metadata")

    def require_import(self, relationships: Sequence[Relationship]) -> None:
        """Of one message, which becomes a revision of its own."""
        if not relationships:
            raise InvalidArgument("a message needs at least one of `relationships`", field="relationships")
        _require_count(len(relationships), self.updates_max, "relationships")
        self._require_facts(relationships, "relationships")

    def require_filters(self, count: int) -> None:
        _require_count(count, self.filters_max, "filters")

    def require_contextual(self, contextual: Sequence[Relationship]) -> None:
        _require_count(len(contextual), self.contextual_max, "contextual")
        self._require_facts(contextual, "contextual")

    def _require_facts(self, relationships: Sequence[Relationship], field: str) -> None:
        seen: set[RelationshipKey] = set()
        for index, relationship in enumerate(relationships):
            key = relationship.key
            if key in seen:
                raise InvalidArgument(
                    f"`{key}` occurs twice: a request says one thing about a relationship", field=f"{field}[{index}]"
                )
            seen.add(key)
            caveat = relationship.qualifiers.caveat
            if caveat is not None:
                text = caveat.context_json
                _require_bytes(text, self.relationship_context_bytes_max, f"caveat context of `{key}`")


def _require_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise LimitExceeded(
            f"a request has at most {most} {what}, and this one has {count}", field=what, limit=most, given=count
        )


def _require_bytes(text: str, most: int, what: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > most:
        raise LimitExceeded(
            f"the {what} has {size} bytes, more than the {most} allowed", field=what, limit=most, given=size
        )
