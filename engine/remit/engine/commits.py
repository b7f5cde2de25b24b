"""How an admission becomes a revision, or is rehearsed without a trace.

Law: a dry run is judged exactly as the write would be, by the same admission in the same transaction."""

from __future__ import annotations

from typing import NamedTuple

from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.tokens import encode_token
from remit.store.port import Admission, Draft, WriteTransaction


class Committed(NamedTuple):
    """The revision an admission became; "" and 0 where it was rehearsed."""

    token: str = ""
    revision: int = 0


def commit(stores: LoadedStores, loaded: LoadedStore, admission: Admission, dry_run: bool) -> Committed:
    """Durable, and seen, when it returns; of a dry run nothing remains. Raises StoreNotFound, and what the admission
    raises."""
    if not dry_run:
        revision = stores.write(loaded.identity, admission).revision
        return Committed(encode_token(loaded.identity, revision), revision)

    def rehearsal(view: WriteTransaction) -> Draft:
        admission(view)
        raise _Rehearsed

    try:
        stores.write(loaded.identity, rehearsal)
    except _Rehearsed:
        return Committed()
    raise AssertionError("a rehearsal never commits")


class _Rehearsed(Exception):  # not an error: how a dry run leaves its transaction
    """A dry run went through."""
