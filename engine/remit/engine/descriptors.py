"""The descriptors of tools, found by their digests and kept as they were read.

Law: what is found at a revision is the record that stood at it; what it was read as depends on the digest alone."""

from __future__ import annotations

import threading
from collections import OrderedDict

from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.engine.loaded import LoadedStores
from remit.engine.record_kinds import DESCRIPTOR
from remit.errors import DescriptorInvalid, RevisionGone
from remit.model import ObjectRef, Record, RecordKey, StoredRecord
from remit.store.port import ReadTransaction, StoreIdentity, WriteTransaction

# A tenth of a millisecond to read one, and some hundred kilobytes where it is large.
KEPT_MAX = 256


class Descriptors:
    """The descriptors of all stores. Safe from many threads."""

    def __init__(self, stores: LoadedStores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._read: OrderedDict[str, Descriptor | None] = OrderedDict()  # by digest, the latest asked for last

    def at(self, identity: StoreIdentity, digest: str, revision: int) -> Descriptor | None:
        """What a store had at a revision under a digest. Raises StoreNotFound, RevisionGone. Cost: O(log n + bytes),
        and O(changes since) where the record is gone, or came later."""
        with self._stores.view(identity) as view:
            stored = _record_at(view, RecordKey(DESCRIPTOR, ObjectRef(DESCRIPTOR, digest)), revision)
        return self._as_read(stored.record) if stored is not None else None

    def staged(self, transaction: WriteTransaction, digest: str, revision: int) -> Descriptor | None:
        """What a transaction would leave under a digest."""
        assert revision == transaction.next_revision, "it sees what it is about to be"
        stored = transaction.get_record(RecordKey(DESCRIPTOR, ObjectRef(DESCRIPTOR, digest)))
        return self._as_read(stored.record) if stored is not None else None

    def _as_read(self, record: Record) -> Descriptor | None:
        digest = record.object.id
        with self._lock:
            if digest in self._read:
                self._read.move_to_end(digest)
                return self._read[digest]
        try:
            descriptor = read_descriptor(record.document)
        except DescriptorInvalid:
            # It was written before what is refused now was: whoever asks cannot judge by it.
            descriptor = None
        with self._lock:
            self._read[digest] = descriptor
            if len(self._read) > KEPT_MAX:
                self._read.popitem(last=False)
        return descriptor


def _record_at(view: ReadTransaction, key: RecordKey, revision: int) -> StoredRecord | None:
    """Who wrote a record that never changes tells since when it has been there, so the changelog is seldom read."""
    stored = view.get_record(key)
    if (stored is not None and stored.provenance.revision <= revision) or view.head.revision == revision:
        return stored
    try:
        deltas = view.changelog(revision)
    except RevisionGone as error:
        error.field = "consistency"
        raise
    since = next((change for delta in deltas for change in delta.records if change.key == key), None)
    return since.before if since is not None else stored
