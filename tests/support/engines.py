"""An engine for tests: over either store, with a clock that is told the time, and asked and written to in text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import REMIT_WIRE, Limits, Wire
from remit.engine.results import CheckResult, WriteResult
from remit.engine.upkeep import RETENTION_US
from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.model import (
    LOCAL_CALLER,
    Caller,
    Operation,
    Precondition,
    Question,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    Update,
    Verdict,
)
from remit.notation import format_relationship, parse_question, parse_relationship
from remit.store.changelog import replay, rewind
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.tables.table_store import TableStore
from tests.support.small_worlds import NOW_US

MAP_SIZE_BYTES = 64 * 2**20
STRANGER = Caller("stranger")


class EngineOfTest:
    """Words for what tests do with an engine. `engine`, `store` and `clock` are the real ones."""

    def __init__(self, kind: str, path: Path, limits: Limits | None = None, retention_us: int = RETENTION_US) -> None:
        self.kind = kind
        self.path = path
        self.limits = limits
        self.retention_us = retention_us
        self.clock = ManualClock(NOW_US)
        self.open()

    def open(self) -> None:
        self.store: TableStore = (
            LmdbStore(self.path, clock_us=self.clock.now_us, map_size_bytes=MAP_SIZE_BYTES)
            if self.kind == "lmdb"
            else MemoryStore(clock_us=self.clock.now_us)
        )
        self.engine = Engine(self.store, self.clock, self.limits, retention_us=self.retention_us)

    def reopen(self) -> None:
        """End the process, as it were, and begin another on the same directory."""
        assert self.kind == "lmdb", "memory ends with its process"
        self.engine.close()
        self.open()

    # --- writing ------------------------------------------------------------------------------------------------

    def schema(self, text: str) -> str:
        """The token of the new schema."""
        return self.engine.schemas.write("", text).token

    def write(
        self,
        *lines: str,
        preconditions: Sequence[Precondition] = (),
        caller: Caller = LOCAL_CALLER,
        replace: RelationshipFilter | None = None,
        dry_run: bool = False,
        wire: Wire = REMIT_WIRE,
    ) -> WriteResult:
        """Each line a relationship, after `create ` or `delete ` if it is not to be touched."""
        return self.engine.relationships.write(
            "",
            [update(line) for line in lines],
            preconditions=preconditions,
            caller=caller,
            replace=replace,
            dry_run=dry_run,
            wire=wire,
        )

    # --- asking -------------------------------------------------------------------------------------------------

    def check(self, question: str, context: Mapping[str, object] | None = None, **options: object) -> CheckResult:
        asked = Question(*parse_question(question), context or {})
        return self.engine.questions.check("", asked, **options)  # type: ignore[arg-type]

    def verdict(self, question: str, context: Mapping[str, object] | None = None, **options: object) -> Verdict:
        return self.check(question, context, **options).verdict

    def facts(self, filter: RelationshipFilter | None = None, limit: int = 0) -> list[str]:
        """Everything a filter means, page by page."""
        return [format_relationship(stored.relationship) for stored in self.stored(filter, limit)]

    def stored(self, filter: RelationshipFilter | None = None, limit: int = 0) -> list[StoredRelationship]:
        found: list[StoredRelationship] = []
        cursor = ""
        while True:
            page = self.engine.relationships.read("", filter or RelationshipFilter(), limit=limit, cursor=cursor)
            assert page.items or not page.next_cursor, "an empty page is the last"
            found += page.items
            cursor = page.next_cursor
            if not cursor:
                return found

    def graph(self) -> Graph | NativeGraph:
        """What questions are answered from."""
        graph = self.engine.loaded.of("").graph
        assert isinstance(graph, Graph | NativeGraph)
        return graph

    def check_laws(self) -> None:
        """The graph is what the store holds, which is what the changelog made of what was there at its beginning."""
        for loaded in self.engine.loaded.all():
            graph = loaded.graph
            graph.check_invariants()
            with self.store.read(loaded.identity.name) as view:
                view.check_invariants()
                rows = {stored.relationship.key: stored for stored in view.scan(RelationshipFilter())}
                deltas = list(view.changelog(view.head.oldest_revision))
            held = {stored.relationship for stored in rows.values()}
            first = rewind(rows, deltas)
            assert set(graph.relationships()) == held
            assert {stored.relationship for stored in replay(deltas, first).values()} == held
            rebuilt = Graph(stored.relationship for stored in first.values())
            for delta in deltas:
                rebuilt.apply(delta.changes)
            assert set(rebuilt.relationships()) == held
            loaded.beginnings.check_invariants(held)
            loaded.expirations.check_invariants(held)


def update(line: str) -> Update:
    word, _, rest = line.partition(" ")
    if word in ("create", "delete", "touch"):
        return Update(Operation(word), parse_relationship(rest))
    return Update(Operation.TOUCH, parse_relationship(line))


def facts(*lines: str) -> tuple[Relationship, ...]:
    return tuple(map(parse_relationship, lines))


EngineOpener = Callable[..., EngineOfTest]
