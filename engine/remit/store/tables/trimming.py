"""Forgetting: the oldest revisions of a changelog go, and with them the schemas that nothing needs any more.

A store that has been written for years would otherwise keep every change for ever. What goes is whole revisions, oldest
first and a bounded number at a time, in one transaction with the record of the oldest revision that can still be seen.
Law: every revision from the oldest on can be rebuilt, schema and all, whatever was forgotten before it."""

from __future__ import annotations

from remit.errors import StoreDamaged
from remit.store.changelog import decode_commit
from remit.store.codec import pack
from remit.store.tables.interface import Table
from remit.store.tables.keys import decode_revision, revision_key, schema_key
from remit.store.tables.staging import Staging
from remit.store.tables.store_reader import HeadRecord, StoreReader

# Rows that go in one transaction, and so how long the writes queued behind it wait: about a millisecond. Revisions come
# in single rows, but for large ones; a revision goes whole, however many rows it has.
TRIM_ROWS = 256


class StoreTrimmer(StoreReader):
    """Forgets old revisions of one named store, in what a commit is about to write."""

    _snapshot: Staging

    def forget(self, until_us: int) -> int:
        """Forget revisions committed at a time or before, some `TRIM_ROWS` rows of them; how many rows went.
        Cost: O(rows log n)."""
        doomed = self._doomed_revisions(until_us)
        head = self._head
        oldest = head.oldest_revision + len(doomed)
        if doomed:
            self._snapshot.put(Table.HEADS, self._prefix, pack(HeadRecord(head.revision, head.schema_revision, oldest)))
        rows = [(Table.CHANGELOG, key) for keys in doomed for key in keys]
        # Schemas are forgotten even where no revision is: those that one piece had no room for.
        rows += [(Table.SCHEMAS, key) for key in self._needless_schemas(oldest, max(TRIM_ROWS - len(rows), 1))]
        for table, key in rows:
            if not self._snapshot.delete(table, key):
                raise StoreDamaged(f"row `{key!r}` of the {table.name.lower()} is missing")
        return len(rows)

    def _doomed_revisions(self, until_us: int) -> list[list[bytes]]:
        """For each revision that goes, the keys of its rows."""
        doomed: list[list[bytes]] = []
        count = 0
        rows = self._rows(Table.CHANGELOG, b"", b"")
        for key, value in rows:
            revision, part = decode_revision(key)
            if (revision, part) != (self._head.oldest_revision + len(doomed) + 1, 0):
                raise StoreDamaged(f"the changelog begins with part `{part}` of revision `{revision}`")
            committed_at_us, parts = decode_commit(value)
            if committed_at_us > until_us or count >= TRIM_ROWS:
                break
            doomed.append([revision_key(self._prefix, revision, number) for number in range(parts)])
            count += parts
            for _ in range(1, parts):
                next(rows, None)
        return doomed

    def _needless_schemas(self, oldest: int, rows_max: int) -> list[bytes]:
        """The keys of schemas that were replaced at the oldest revision or before: newest first, all but the first."""
        needless: list[bytes] = []
        found = self._rows(Table.SCHEMAS, b"", schema_key(b"", oldest))
        next(found, None)
        for key, _ in found:
            needless.append(key)
            if len(needless) == rows_max:
                break
        return needless
