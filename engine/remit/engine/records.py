"""The records of a store, as they are and as they were. They are written with the relationships they go with.

Law: a record of a past revision is the one that its revision left, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

from remit.engine.loaded import LoadedStores
from remit.engine.tokens import revision_of
from remit.model import RecordKey, StoredRecord


class Records:
    """The records of all stores. Safe from many threads."""

    def __init__(self, stores: LoadedStores) -> None:
        self._stores = stores

    def read(self, store: str, key: RecordKey, *, at_exactly: str = "") -> StoredRecord | None:
        """The record of a key with who wrote it, now or at a past revision; None where there is, or was, none.

        Raises StoreNotFound, InvalidToken, ForeignToken, FutureToken, RevisionGone. Cost: O(log n + bytes), and of the
        past O(changes since)."""
        return self.read_many(store, (key,), at_exactly=at_exactly)[0]

    def read_many(self, store: str, keys: Sequence[RecordKey], *, at_exactly: str = "") -> list[StoredRecord | None]:
        """The same of many, all of one revision, in their order. Cost: as of one, and of each O(log n + bytes)."""
        loaded = self._stores.of(store)
        with self._stores.view(loaded.identity) as view:
            since: dict[RecordKey, StoredRecord | None] = {}
            if at_exactly:
                revision = revision_of(at_exactly, loaded.identity, view.head.revision)
                for delta in view.changelog(revision):
                    for change in delta.records:
                        since.setdefault(change.key, change.before)
            return [since[key] if key in since else view.get_record(key) for key in keys]
