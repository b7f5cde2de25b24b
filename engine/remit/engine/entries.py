"""The entries of verbs, taken from the changelog to where they are kept for good.

A verb's entry is committed with its facts, in the changelog, and its caller is answered then: nothing else has to be
durable before. A thread of its own takes entries from there, in the order of the revisions, so that a slow or a full
disk makes no verb wait, and no memory fills while it does. What was kept says how far it is, so a process that was
killed goes on behind the last entry that is whole.
The changelog forgets, so before it does, what is due is kept; and where nothing was due for long, a mark is, which
says up to where that is so.
Law: every entry is kept once, in order, whatever the process died of; what was forgotten unkept is told as a gap."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from remit.engine.clock import Clock
from remit.engine.loaded import LoadedStore, LoadedStores
from remit.errors import RemitError, StoreNotFound
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Delta
from remit.notation import canonical_json
from remit.store.port import StoreIdentity

# What a mark stands for, in revisions without an entry: so many are looked through in a third of a second at the start.
PASSED_MAX = 10_000
_STEP_REVISIONS = 1_000  # looked at in one view, which is held no longer
_STEP_ENTRIES = 100  # kept at once; an entry has some kilobytes at most
_RETRY_S = 1.0
_PRINCIPAL = "remit"  # whose a gap and a mark are

_log = logging.getLogger(__name__)


class EntrySink(Protocol):
    """Where entries go. It is asked by one thread at a time. Each raises StoreFull and StoreUnavailable."""

    def kept(self, identity: StoreIdentity) -> int:
        """The last revision that is kept of this life of a store; 0 for none."""
        ...

    def keep(self, identity: StoreIdentity, deltas: Sequence[Delta]) -> None:
        """Keep the entries of some revisions, later ones than all before; one without an entry is a mark. Where it
        raises, those up to one of them may be kept."""
        ...

    def sync(self, identity: StoreIdentity) -> None:
        """What is kept of a store survives the machine."""
        ...


class _Due(NamedTuple):
    """An entry of `revision` is not kept yet, nor perhaps those of earlier ones; and since when some entry is not."""

    revision: int
    since_us: int


class _Place(NamedTuple):
    """How far a store's entries are kept: all up to `revision`. `told` is the last that the sink has, and nothing later
    was committed before `told_us`. `is_begun`: the sink has any."""

    revision: int
    told: int
    told_us: int
    is_begun: bool


class Entries:
    """Takes the entries of all stores to a sink. Safe from many threads."""

    def __init__(self, stores: LoadedStores, sink: EntrySink, clock: Clock, retention_us: int) -> None:
        """Made before anything is written."""
        self._stores = stores
        self._sink = sink
        self._clock = clock
        self._mark_every_us = retention_us // 2  # so that the changelog has not forgotten the last one by the next
        self._lock = threading.Lock()  # of what is due
        self._taking = threading.Lock()  # of the sink, and of the places
        now_us = clock.now_us()
        self._due = {each.identity: _Due(each.revision, now_us) for each in stores.all()}
        self._heard: dict[StoreIdentity, int] = {}  # the last revision that was looked at for an entry
        self._places: dict[StoreIdentity, _Place] = {}
        self._doubtful: set[StoreIdentity] = set()  # of which more may be kept than their place says
        self._wake = threading.Event()
        self._wake.set()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="remit-entries", daemon=True)
        stores.after_commit.append(self._committed)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Keep some more of what is due, which is all of it where the disk is well. Call it before the store is
        closed."""
        self._is_closed = True
        self._wake.set()
        self._thread.join()

    def behind_us(self) -> int:
        """For how long some entry has been waiting to be kept; 0 where none is."""
        with self._lock:
            since_us = min((each.since_us for each in self._due.values()), default=None)
        return 0 if since_us is None else max(self._clock.now_us() - since_us, 0)

    def _committed(self, name: str, deltas: Sequence[Delta]) -> None:
        """Of the store's own thread. Cost: O(deltas), and nothing of a disk."""
        identity = self._stores.of(name).identity
        entered = [each for each in deltas if each.entry_json]
        if entered:
            with self._lock:
                before = self._due.get(identity)
                since_us = entered[0].committed_at_us if before is None else before.since_us
                self._due[identity] = _Due(entered[-1].revision, since_us)
            self._wake.set()
        self._heard[identity] = deltas[-1].revision

    # --- taking -------------------------------------------------------------------------------------------------

    def take(self, interrupt: Interrupt = never_interrupted) -> None:
        """Keep all that is due. What fails of one store does not hold up another, and the first failure is raised; what
        the interrupt raises, too."""
        failure: RemitError | None = None
        for identity in list(self._due):
            try:
                with self._taking:
                    self._take(identity, interrupt)
            except RemitError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def settle(self, loaded: LoadedStore, interrupt: Interrupt = never_interrupted) -> None:
        """Keep durably what is due of a store, before its changelog forgets. Raises what the sink and the interrupt
        raise."""
        identity = loaded.identity
        with self._taking:
            if identity not in self._places:  # made or restored since the start, perhaps with entries of its past
                with self._lock:
                    self._due.setdefault(identity, _Due(loaded.revision, self._clock.now_us()))
            heard = self._heard.get(identity, 0)
            if self._take(identity, interrupt):
                self._mark(identity, heard)
                self._sink.sync(identity)

    def forget_removed(self) -> None:
        """Know no more of stores that are not there any more."""
        with self._taking, self._lock:
            known = {*self._due, *self._heard, *self._places}
            for identity in known - {each.identity for each in self._stores.all()}:
                for each in (self._due, self._heard, self._places):
                    each.pop(identity, None)
                self._doubtful.discard(identity)

    def _take(self, identity: StoreIdentity, interrupt: Interrupt) -> bool:
        """Whether the store is still there."""
        due = self._due.get(identity)
        if due is None:
            return identity in self._places
        try:
            place = self._place(identity)
            while place.revision < due.revision:
                found, after = self._next(identity, place.revision, due.revision)
                place = self._keep(identity, found, after)
                interrupt()
        except StoreNotFound:  # it was removed, and its changelog with it
            with self._lock:
                self._due.pop(identity, None)
            return False
        with self._lock:
            if self._due[identity].revision == due.revision:
                del self._due[identity]
            else:
                self._due[identity] = self._due[identity]._replace(since_us=self._clock.now_us())
        return True

    def _place(self, identity: StoreIdentity) -> _Place:
        place = self._places.get(identity)
        if place is None or identity in self._doubtful:
            kept = self._sink.kept(identity)
            if kept:
                begin = max(kept, place.revision) if place is not None else kept
            elif place is not None:
                begin = place.revision
            else:  # it begins with what there is: nothing is missed of what was before
                with self._stores.view(identity) as view:
                    begin = view.head.oldest_revision
            place = self._places[identity] = _Place(begin, kept or begin, 0, kept > 0)
            self._doubtful.discard(identity)
        return place

    def _next(self, identity: StoreIdentity, after: int, until: int) -> tuple[list[Delta], int]:
        """Some of what has an entry, and up to where there is no more of that."""
        found: list[Delta] = []
        with self._stores.view(identity) as view:
            oldest = view.head.oldest_revision
            if after < oldest:
                return [self._told(oldest, canonical_json({"gap": {"after": after, "until": oldest}}))], oldest
            for _, delta in zip(range(_STEP_REVISIONS), view.changelog(after), strict=False):
                after = delta.revision
                if delta.entry_json:
                    found.append(delta)
                if after >= until or len(found) == _STEP_ENTRIES:
                    break
        return found, after

    def _mark(self, identity: StoreIdentity, heard: int) -> None:
        """Say how far all is kept, where the changelog may forget soon what the sink's last revision was, or much would
        have to be looked through after a crash."""
        place = self._places[identity]
        reached = max(heard, place.revision)
        is_old = place.is_begun and self._clock.now_us() - place.told_us >= self._mark_every_us
        if reached - place.told >= (1 if is_old else PASSED_MAX):
            self._keep(identity, [self._told(reached, "")], reached)

    def _keep(self, identity: StoreIdentity, deltas: Sequence[Delta], revision: int) -> _Place:
        """What the place is then."""
        place = self._places[identity]._replace(revision=revision)
        if deltas:
            self._doubtful.add(identity)
            self._sink.keep(identity, deltas)
            self._doubtful.discard(identity)
            place = _Place(revision, deltas[-1].revision, deltas[-1].committed_at_us, True)
        self._places[identity] = place
        return place

    def _told(self, revision: int, entry_json: str) -> Delta:
        return Delta(revision, self._clock.now_us(), _PRINCIPAL, entry_json=entry_json)

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failing = ""
        is_last = False
        while not is_last:
            self._wake.wait(_RETRY_S if failing else None)
            self._wake.clear()
            is_last = self._is_closed
            try:
                self.take(self._interrupt)
                self.forget_removed()
                if failing:
                    _log.info("entries are kept again")
                failing = ""
            except _Closed:
                return
            except RemitError as error:
                # A full disk, say. The next look tries again; once told is enough.
                if error.reason != failing:
                    _log.warning("entries put off: %s", error.message)
                failing = error.reason
            except Exception:  # noqa: BLE001  # whatever it was, the next look may do better
                _log.exception("entries not kept")
                failing = RemitError.reason

    def _interrupt(self) -> None:
        if self._is_closed:
            raise _Closed


class _Closed(Exception):  # not an error: how a long look ends early
    """The server stops: the next one goes on from there."""
