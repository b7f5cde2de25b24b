"""What one request may ask for: every limit with its default, and its own words when it is met.

Law: what is too much is refused before any work is spent on it, naming the limit and what was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from remit.errors import AnswerTooLarge, Fault, InvalidArgument, LimitExceeded, StepBudgetSpent
from remit.eval.budget import EVALUATION_BYTES_MAX, STEPS_MAX
from remit.language.effort import EXPRESSION_LENGTH_MAX, TERMS_MAX
from remit.model import ObjectRef, Relationship, SubjectRef, Update
from remit.notation import canonical_json

MIB = 1024 * 1024

# How large a message may be: the server refuses what is larger, and the client is ready for it.
REQUEST_BYTES_MAX = 8 * MIB  # a thousand updates with long ids and full contexts come to some 6 MiB
# In JSON, over HTTP: what Python makes of it to read it may take some thirty times as much.
JSON_BYTES_MAX = MIB
RESPONSE_BYTES_MAX = 64 * MIB  # an expansion of some half a million facts

# A protobuf Struct has fewer bytes than this for each byte of its JSON: a number in a list has 11, and 2 as `1,`.
_SENT_TIMES = 8


# Of a store, and of a list of updates: some tens of microseconds each at most.
ROWS_BETWEEN_INTERRUPTS = 32


class Wire(NamedTuple):
    """What a request is judged by that came over one of the wires: which of the limits, and whether a write without
    updates is one that changes nothing."""

    items_max: str = "items_max"
    preconditions_max: str = "preconditions_max"
    metadata_bytes_max: str = "metadata_bytes_max"
    may_write_nothing: bool = False


REMIT_WIRE = Wire()
SPICEDB_WIRE = Wire(
    "spicedb_items_max", "spicedb_preconditions_max", "spicedb_metadata_bytes_max", may_write_nothing=True
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts, and sizes in bytes. Each is a flag of `remit serve` by the same name."""

    updates_max: int = 1_000
    preconditions_max: int = 100
    contextual_max: int = 100
    items_max: int = 1_000
    page_max: int = 1_000
    matches_max: int = 10_000  # relationships that one revision may remove by a filter
    # Rows that the filters of one write may look at, meant or not: all other writers wait. Measured: 3 to 5 µs a row by
    # resource, and by subject up to 15 where it is meant; so a tenth of a second, and three at worst.
    scanned_max: int = 20_000
    filters_max: int = 100
    # Changes between the head and a revision asked for exactly, and changes committed in the middle of a question.
    undone_max: int = 100_000
    context_bytes_max: int = 4 * 1024
    relationship_context_bytes_max: int = 25_000
    metadata_bytes_max: int = 4 * 1024
    # What SpiceDB's wire takes instead, as SpiceDB does: see `SPICEDB_WIRE`.
    spicedb_items_max: int = 10_000
    spicedb_import_max: int = 10_000  # relationships in a message: ten times what its tools send
    spicedb_preconditions_max: int = 1_000
    spicedb_metadata_bytes_max: int = 65_000
    # Of all that is sent the costliest to read, and larger than any that people have written: a second of work.
    schema_bytes_max: int = 256 * 1024
    schema_terms_max: int = TERMS_MAX
    expression_length_max: int = EXPRESSION_LENGTH_MAX
    stores_max: int = 1_000
    steps_max: int = STEPS_MAX
    # What Python may remember of one question, as reckoned, until it is answered: 33,000 documents in one another, or
    # 110,000 groups of one. As much again of a past that is asked for exactly. What the core answers takes little.
    evaluation_bytes_max: int = EVALUATION_BYTES_MAX
    # Sets and relationships of an expansion: 1.1 KB each while the answer is made, so 52 MiB. The frontend answers by
    # itself what has less than the lowest that may be chosen.
    expanded_max: int = 50_000
    request_bytes_max: int = REQUEST_BYTES_MAX
    json_bytes_max: int = JSON_BYTES_MAX
    response_bytes_max: int = RESPONSE_BYTES_MAX

    def require_request(self, size: int) -> None:
        """Of the bytes of a whole request."""
        if size > self.request_bytes_max:
            raise _exceeded(
                f"the request has {size} bytes, more than the {self.request_bytes_max} allowed: send it in parts",
                "request_bytes_max",
                self.request_bytes_max,
                size,
            )

    def require_json(self, size: int) -> None:
        """Of the bytes of a whole request in JSON."""
        if size > self.json_bytes_max:
            raise _exceeded(
                f"the body has {size} bytes, more than the {self.json_bytes_max} allowed: send it in parts, or over "
                "gRPC",
                "json_bytes_max",
                self.json_bytes_max,
                size,
            )

    def require_response(self, size: int) -> None:
        """Of the bytes of an answer. Raises AnswerTooLarge."""
        if size > self.response_bytes_max:
            raise AnswerTooLarge(
                f"the answer has {size} bytes, more than the {self.response_bytes_max} allowed: ask for less, by "
                "`limit` or `depth`",
                name="response_bytes_max",
                limit=self.response_bytes_max,
                given=size,
            )

    @contextmanager
    def expanding(self) -> Iterator[int]:
        """With the steps that an expansion may take. Raises AnswerTooLarge where they are spent and are those of
        `expanded_max`."""
        steps_max = min(self.steps_max, self.expanded_max)
        try:
            yield steps_max
        except StepBudgetSpent as error:
            if steps_max == self.steps_max or error.metadata["name"] != "steps_max":
                raise
            raise AnswerTooLarge(
                f"the expansion has more than {steps_max} sets and relationships: ask for less by `depth`, or read the "
                "relationships, which come in pages",
                name="expanded_max",
                limit=steps_max,
                given=steps_max + 1,  # or more: nobody counted on
            ) from None

    def require_count(self, name: str, count: int, field: str, *, or_more: bool = False) -> None:
        """Of what a request repeats, by the name of its limit. `or_more`: nobody has counted on."""
        _require_count(count, getattr(self, name), name, field, or_more=or_more)

    def require_limit(self, name: str, asked: int, field: str) -> None:
        """Of how many a request asks for at most, where more than a limit is no wish but an error."""
        most: int = getattr(self, name)
        if asked > most:
            raise _exceeded(f"`{field}` is {asked}, more than the {most} allowed", name, most, asked, field)

    def require_sent(self, name: str, size: int, field: str) -> None:
        """Of the bytes of a JSON object as it was sent: refuses what cannot be within that limit once it is read. What
        is less, only reading will tell."""
        if self.is_beyond(name, size):
            most = getattr(self, name)
            message = f"`{field}` was sent in {size} bytes, more than {most} bytes of JSON can need"
            raise _exceeded(message, name, most, size, field)

    def is_beyond(self, name: str, size: int) -> bool:
        """Whether JSON within that limit, however it is sent, has fewer bytes."""
        most: int = getattr(self, name)
        return size > _SENT_TIMES * most

    def require_items(self, count: int, wire: Wire = REMIT_WIRE) -> None:
        self.require_count(wire.items_max, count, "items")

    def require_context(self, context: Mapping[str, object]) -> None:
        if context:
            _require_bytes(canonical_json(context), self.context_bytes_max, "context_bytes_max", "context")

    def require_schema(self, text: str) -> None:
        _require_bytes(text, self.schema_bytes_max, "schema_bytes_max", "schema")

    def require_stores(self, count: int) -> None:
        if count > self.stores_max:
            raise _exceeded(
                f"a server has at most {self.stores_max} stores: delete one first", "stores_max", self.stores_max, count
            )

    def require_write(
        self, updates: Sequence[Update], preconditions: int, metadata_json: str, wire: Wire = REMIT_WIRE
    ) -> None:
        """A triple may occur once: a request says one thing about a relationship."""
        _require_count(len(updates), self.updates_max, "updates_max", "updates")
        self._require_facts([update.relationship for update in updates], "updates")
        if preconditions or metadata_json != "{}":
            self.require_conditions(preconditions, metadata_json, wire)

    def require_conditions(self, preconditions: int, metadata_json: str, wire: Wire = REMIT_WIRE) -> None:
        self.require_count(wire.preconditions_max, preconditions, "preconditions")
        name = wire.metadata_bytes_max
        _require_bytes(metadata_json, getattr(self, name), name, "metadata")

    def require_import(self, relationships: Sequence[Relationship]) -> None:
        """Of one message, which becomes a revision of its own."""
        if not relationships:
            raise InvalidArgument("a message needs at least one of `relationships`", field="relationships")
        _require_count(len(relationships), self.updates_max, "updates_max", "relationships")
        self._require_facts(relationships, "relationships")

    def require_filters(self, count: int) -> None:
        _require_count(count, self.filters_max, "filters_max", "filters")

    def require_contextual(self, contextual: Sequence[Relationship]) -> None:
        _require_count(len(contextual), self.contextual_max, "contextual_max", "contextual")
        self._require_facts(contextual, "contextual")

    def _require_facts(self, relationships: Sequence[Relationship], field: str) -> None:
        if len(relationships) == 1 and relationships[0].qualifiers.caveat is None:
            return
        seen: set[tuple[ObjectRef, str, SubjectRef]] = set()
        for index, relationship in enumerate(relationships):
            seen.add((relationship.resource, relationship.relation, relationship.subject))
            if len(seen) == index:
                raise InvalidArgument(
                    f"`{relationship.key}` occurs twice: a request says one thing about a relationship",
                    field=f"{field}[{index}]",
                    type=relationship.resource.type,
                    relationship=relationship.key,
                ).with_fault(Fault.UPDATE_REPEATED)
            caveat = relationship.qualifiers.caveat
            if caveat is not None:
                most, name = self.relationship_context_bytes_max, "relationship_context_bytes_max"
                what = f"caveat context of `{relationship.key}`"
                _require_bytes(caveat.context_json, most, name, what, f"{field}[{index}]")


def _require_count(count: int, most: int, name: str, field: str, *, or_more: bool = False) -> None:
    if count > most:
        has = f"{count} or more" if or_more else f"{count}"
        raise _exceeded(f"a request has at most {most} {field}, and this one has {has}", name, most, count, field)


def _require_bytes(text: str, most: int, name: str, what: str, field: str = "") -> None:
    if 4 * len(text) <= most:  # a character has at most so many bytes
        return
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > most:
        raise _exceeded(f"the {what} has {size} bytes, more than the {most} allowed", name, most, size, field or what)


def _exceeded(message: str, name: str, most: int, given: int, field: str = "") -> LimitExceeded:
    return LimitExceeded(message, field=field, name=name, limit=most, given=given)
