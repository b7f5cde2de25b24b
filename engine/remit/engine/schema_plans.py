"""The compiled schemas of all stores, by the texts that are kept of them: those in force, and a few that were, or are
about to be.

Law: a text has one plan at a time, so whoever compares plans by identity compares schemas; and what is kept beside
those in force is what was in force, or was asked for, last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from remit.engine.one_at_a_time import OneAtATime
from remit.errors import SchemaNotFound
from remit.interrupt import Interrupt, never_interrupted
from remit.language import compile_kept
from remit.language.plan import Schema
from remit.store.port import ReadTransaction

PLANS_MAX = 16  # schemas kept compiled besides those in force: their successors, and what was in force in the past
NO_SCHEMA = Schema({}, {})  # of a store before its first one


class SchemaPlans:
    """Safe from many threads. `in_force` says which schemas stores have now; None for a store without one."""

    def __init__(self, in_force: Callable[[], Iterable[Schema | None]]) -> None:
        self._in_force = in_force
        self._plans: dict[str, Schema] = {}  # what was remembered last comes first
        self._compiling = OneAtATime()  # a text, whoever asks for it

    def of(self, text: str, interrupt: Interrupt = never_interrupted) -> Schema:
        """The plan of a schema that was in force. It compiled when it was written, so a failure here is our own. One of
        long ago is compiled again, which may take a second: raises what the interrupt raises."""
        if (plan := self._plans.get(text)) is not None:
            return plan
        with self._compiling.turn(text, interrupt):
            if (plan := self._plans.get(text)) is None:  # else whoever was before us has compiled it
                plan = compile_kept(text, interrupt=interrupt)
                self.remember(plan)
            return plan

    def of_transaction(self, view: ReadTransaction) -> Schema:
        """The schema in force in a transaction. Raises SchemaNotFound."""
        head = view.head
        if head.schema_text is None:
            raise no_schema(head.identity.name)
        return self.of(head.schema_text)

    def remember(self, plan: Schema) -> None:
        """Keep a plan at hand, for the moment its text comes into force; then as long as it is. Cost: O(stores)."""
        in_force = {schema.kept: schema for schema in self._in_force() if schema is not None}
        # Those in force come before those that were: once they are replaced, they are what was in force last.
        known = {plan.kept: plan, **in_force, **self._plans}
        newest = islice((each for each in known if each not in in_force), PLANS_MAX)
        kept = in_force.keys() | set(newest)
        # A new dictionary each time: other threads may be reading the old one.
        self._plans = {each: of for each, of in known.items() if each in kept}


def no_schema(store: str) -> SchemaNotFound:
    return SchemaNotFound(f"store `{store}` has no schema yet: write one first")
