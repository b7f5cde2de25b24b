"""Upkeep: what a store does for itself while nobody asks. Expired relationships are swept, and runs that ended; old
revisions are forgotten.

Both only touch what has been past for as long as the retention window: within it every revision can be asked about and
watched. A sweep is an ordinary revision, seen by whoever watches; forgetting is none.
Law: upkeep changes no answer, of the head or of any revision of the window, but those about a run that is over itself:
it is told to have ended, and then is a name that nobody has heard of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from remit.engine.clock import Clock
from remit.engine.ended_runs import EndedRuns, end_where_over
from remit.engine.entries import Entries
from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.remembered import forgettable
from remit.errors import RemitError, StoreFull, StoreNotFound
from remit.interrupt import Interrupt, never_interrupted
from remit.notation import canonical_json
from remit.store.port import BULK_WEIGHT, SMALL_WEIGHT_MAX, Draft, Store, WriteTransaction

DAY_US = 24 * 3600 * 1_000_000
RETENTION_US = DAY_US  # how long every revision can be asked about and watched

PRINCIPAL = "remit"  # who a sweep is by
SWEEP = canonical_json({"sweep": True})  # the metadata of its revision
SWEEP_MAX = 1_000  # as many as a write may have updates

EVERY_S = 10.0  # what there is to do is looked up, not searched for: a round with nothing to do costs microseconds

_log = logging.getLogger(__name__)


class Upkeep:
    """The upkeep of all stores of one data directory, one round at a time."""

    def __init__(
        self, store: Store, stores: LoadedStores, clock: Clock, retention_us: int, entries: Entries | None
    ) -> None:
        assert retention_us >= 0, "a window has a length"
        self._store = store
        self._stores = stores
        self._clock = clock
        self._retention_us = retention_us
        self._ended_runs = EndedRuns(stores)
        self._entries = entries

    def round(self, interrupt: Interrupt = never_interrupted) -> None:
        """Everything there is to do now, in pieces between which others write. What fails in one store does not keep
        it from the others, and is raised at the end: the first of it."""
        until_us = self._clock.now_us() - self._retention_us
        failure: RemitError | None = None
        for loaded in self._stores.all():
            name = loaded.identity.name
            if self._entries is not None:
                try:
                    self._entries.settle(loaded, interrupt)
                except RemitError as error:  # on a full disk, what forgets makes the room that entries wait for
                    failure = failure or error
            try:
                # In a full store there may be room for what forgets, and none for a sweep before that.
                while self._store.trim(name, until_us):
                    interrupt()
                while self._sweep(loaded, until_us):
                    interrupt()
                while self._forget_requests(loaded):
                    interrupt()
                self._ended_runs.sweep(loaded, interrupt)
            except StoreNotFound:
                _log.debug("store `%s` was removed during its upkeep", name)
            except RemitError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _sweep(self, loaded: LoadedStore, until_us: int) -> int:
        """Remove some relationships that were over at a time; how many. Cost: O(swept log n)."""
        with loaded.lock:
            due = loaded.expirations.by(until_us, SWEEP_MAX)
        if not due:
            return 0
        swept = 0

        def admission(view: WriteTransaction) -> Draft:
            nonlocal swept
            found = [view.get(key) for key in due]
            # Looked at again here, where nobody writes: what was written anew meanwhile is not what was over.
            over = [stored.relationship for stored in found if stored is not None]
            over = [relationship for relationship in over if relationship.qualifiers.is_over(until_us)]
            swept = len(over)
            if not over:
                raise _NothingOver
            end_where_over(self._stores, view, over, self._clock.now_us())
            for relationship in over:
                view.delete(relationship.key)
            return Draft(PRINCIPAL, SWEEP)

        while True:
            try:
                # A run that ends with the last that it declared is one change more.
                self._stores.submit(loaded.identity, admission, weight=max(2 * len(due), BULK_WEIGHT)).result()
            except _NothingOver:
                return 0
            except StoreFull:
                if len(due) <= SMALL_WEIGHT_MAX:
                    raise
                due = due[: max(len(due) // 10, SMALL_WEIGHT_MAX)]  # a full store takes a few
            else:
                return swept

    def _forget_requests(self, loaded: LoadedStore) -> int:
        """Remove some records of requests that would not be recalled any more; how many. Cost: O(removed log n)."""
        with self._stores.view(loaded.identity) as view:
            due = forgettable(view, self._clock.now_us(), SWEEP_MAX)
        if not due:
            return 0

        def admission(view: WriteTransaction) -> Draft:
            for key in due:
                view.delete_record(key)
            return Draft(PRINCIPAL, SWEEP)

        self._stores.submit(loaded.identity, admission, weight=max(len(due), BULK_WEIGHT)).result()
        return len(due)


class _NothingOver(Exception):  # not an error: how a sweep leaves its transaction without a revision
    """All that was over has been written anew or removed meanwhile."""


class Housekeeper:
    """A thread that does a round every now and then, from `start` to `close`."""

    def __init__(self, work: Callable[[Interrupt], None], every_s: float = EVERY_S) -> None:
        self._work = work
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="remit-upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish the piece under way, and no more. Call it before the store is closed."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        failing = ""
        while not self._closed.wait(self._every_s):
            try:
                self._work(self._interrupt)
                failing = ""
            except _Closed:
                return
            except RemitError as error:
                # A full disk, say. The next round tries again; once told is enough.
                if error.reason != failing:
                    _log.warning("upkeep put off: %s", error.message)
                failing = error.reason
            except Exception:  # noqa: BLE001  # whatever it was, the next round may do better
                _log.exception("upkeep failed")

    def _interrupt(self) -> None:
        if self._closed.is_set():
            raise _Closed


class _Closed(Exception):  # not an error: how a round ends early
    """The housekeeper was told to stop."""
