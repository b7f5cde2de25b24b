"""How an admission becomes a revision, or is rehearsed without a trace.

A write waits for its turn at the store's one writer. Whether it is small enough to go first may only be seen when it is
tried (how many relationships does a filter mean?), so it is tried as a small one where it may be one, and queued again
as bulk where it turns out not to be. A dry run goes past the writer: it is judged against the last revision, on the
thread of its caller, and no write waits for it.
Law: a dry run is judged exactly as the write would be, by the same admission, at the revision it sees."""

from __future__ import annotations

from typing import NamedTuple

from remit.engine.admission import NotSmall, Scanning
from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.tokens import encode_token
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Caller
from remit.store.port import BULK_WEIGHT, SMALL_WEIGHT_MAX, Admission


class Committed(NamedTuple):
    """The revision an admission became; "" and 0 where it was rehearsed."""

    token: str = ""
    revision: int = 0


def commit(
    stores: LoadedStores,
    loaded: LoadedStore,
    admission: Admission,
    caller: Caller,
    dry_run: bool,
    scanning: Scanning,
    *,
    changes: int,
    changes_max: int,
    before_bulk: Interrupt = never_interrupted,
    interrupt: Interrupt = never_interrupted,
) -> Committed:
    """Durable, and seen, when it returns; of a dry run nothing remains. The admission makes so many changes at least,
    and so many at most if its filters, which it looks for by `scanning`, mean many. `before_bulk` is called before it
    is rehearsed, or queued as bulk: what it raises ends it, and nothing has happened. A dry run that waits asks
    `interrupt` whether to. Raises StoreNotFound, and what the admission raises."""
    identity, client_id = loaded.identity, caller.client_id
    if dry_run:
        before_bulk()
        stores.rehearse(identity, admission, client_id, interrupt)
        return Committed()
    scanning.is_small = not is_bulk(changes)
    if not scanning.is_small:
        before_bulk()
    # A filter counts as much as a small write may cost: with a weight of 0 its client's turn would never end.
    weight = max(min(changes_max, SMALL_WEIGHT_MAX), 1) if scanning.is_small else changes_max
    try:
        delta = stores.write(identity, admission, client_id, weight)
    except NotSmall:
        before_bulk()
        scanning.is_small = False
        delta = stores.write(identity, admission, client_id, max(changes_max, BULK_WEIGHT))
    return Committed(encode_token(identity, delta.revision), delta.revision)


def is_bulk(changes: int) -> bool:
    """Whether a write of so many changes waits among the bulk."""
    return changes > SMALL_WEIGHT_MAX
