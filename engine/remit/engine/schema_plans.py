"""The compiled schemas of all stores, by their texts: those in force, and a few that were, or are about to be.

Law: a text has one plan, so whoever compares plans by identity compares schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from remit.errors import SchemaNotFound
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.store.port import ReadTransaction

PLANS_MAX = 16  # schemas kept compiled besides those in force: their successors, and what was in force in the past
NO_SCHEMA = Schema({}, {})  # of a store before its first one


class SchemaPlans:
    """Safe from many threads. `in_force` says which schemas stores have now; None for a store without one."""

    def __init__(self, in_force: Callable[[], Iterable[Schema | None]]) -> None:
        self._in_force = in_force
        self._plans: dict[str, Schema] = {}

    def of(self, text: str) -> Schema:
        """The plan of a schema that was in force. It compiled when it was written, so a failure here is our own."""
        plan = self._plans.get(text)
        if plan is None:
            plan = compile_schema(text).schema
            self.remember(text, plan)
        return plan

    def of_transaction(self, view: ReadTransaction) -> Schema:
        """The schema in force in a transaction. Raises SchemaNotFound."""
        head = view.head
        if head.schema_text is None:
            raise no_schema(head.identity.name)
        return self.of(head.schema_text)

    def remember(self, text: str, plan: Schema) -> None:
        """Keep a plan at hand, for the moment its text comes into force; then as long as it is. Cost: O(stores)."""
        in_force = {schema.text: schema for schema in self._in_force() if schema is not None}
        others = {text: plan, **self._plans}
        newest = islice((each for each in others.items() if each[0] not in in_force), PLANS_MAX)
        # A new dictionary each time: other threads may be reading the old one.
        self._plans = {**dict(newest), **in_force}


def no_schema(store: str) -> SchemaNotFound:
    return SchemaNotFound(f"store `{store}` has no schema yet: write one first")
