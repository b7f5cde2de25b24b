"""Importing: a stream of writes, each durable on its own, sent ahead of what has been acknowledged.

Every message is a revision of TOUCHes (or of CREATEs), queued while its predecessor is still on its way to the disk.
Law: messages are written in the order they came, and none after one that was refused."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from remit.engine.admission import KnownContexts, apply_updates, check_updates
from remit.engine.clock import Clock
from remit.engine.limits import Limits
from remit.engine.tokens import encode_token
from remit.errors import Cancelled
from remit.interrupt import Interrupt, never_interrupted
from remit.language.plan import Schema
from remit.model import Caller, Delta, Operation, Relationship, Update
from remit.store.port import BULK_WEIGHT, Admission, Draft, ReadTransaction, StoreIdentity, WriteTransaction

# Messages of all imports that are read and wait for the writer, or are being written: one of each. What is read is a
# thousand objects of Python and more, and with those of a hundred imports the garbage collector stopped everybody for
# 0.4 s at a time.
READ_MAX = 2


class Backlog:
    """Room for what is read of all imports and not yet written: who waits for it stands on no thread, and callers take
    turns. Safe from many threads."""

    def __init__(self, most: int = READ_MAX) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._waiting: OrderedDict[str, deque[Future[None]]] = OrderedDict()  # by client, whose turn is next first

    def room(self, client_id: str) -> Future[None]:
        """Done once there is room for a message of this client. Until then it may be cancelled; after that, `leave` or
        `leave_after` gives the room back."""
        room: Future[None] = Future()
        with self._lock:
            is_free = self._free > 0
            if is_free:
                self._free -= 1
            else:
                self._waiting.setdefault(client_id, deque()).append(room)
        if is_free:
            room.set_result(None)
        else:
            room.add_done_callback(partial(self._forget_cancelled, client_id))
        return room

    def leave(self) -> None:
        """Give room back, to whoever waits for it."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                client_id, rooms = next(iter(self._waiting.items()))
                room = rooms.popleft()
                if rooms:
                    self._waiting.move_to_end(client_id)  # behind everybody else
                else:
                    del self._waiting[client_id]
            if room.set_running_or_notify_cancel():
                room.set_result(None)
                return

    def leave_after(self, reading: Future[Future[Delta]]) -> None:
        """Give room back once what is read into it is settled: written or refused, or not read at all."""

        def read(_: Future[Future[Delta]]) -> None:
            if reading.cancelled() or reading.exception() is not None:
                self.leave()
            else:
                reading.result().add_done_callback(lambda _: self.leave())

        reading.add_done_callback(read)

    def _forget_cancelled(self, client_id: str, room: Future[None]) -> None:
        if room.cancelled():
            with self._lock, suppress(ValueError):  # `leave` may have taken it at this moment, and passes it by
                rooms = self._waiting.get(client_id, deque())
                rooms.remove(room)
                if not rooms:
                    del self._waiting[client_id]


class Import:
    """One stream into one store. One thread at a time."""

    def __init__(
        self,
        identity: StoreIdentity,
        submit: Callable[[Admission, int], Future[Delta]],
        schema_of: Callable[[ReadTransaction], Schema],
        schema_now: Callable[[], Schema | None],
        clock: Clock,
        limits: Limits,
        caller: Caller,
        backlog: Backlog,
        operation: Operation = Operation.TOUCH,
    ) -> None:
        """`backlog`: what whoever brings many waits for before a message is read."""
        self.backlog = backlog
        self._identity = identity
        self._submit = submit
        self._schema_of = schema_of
        self._schema_now = schema_now
        self._clock = clock
        self._limits = limits
        self._caller = caller
        self._operation = operation
        self._last: _Message | None = None

    def take(self, relationships: Sequence[Relationship], interrupt: Interrupt = never_interrupted) -> Future[Delta]:
        """Queue a message; the future holds its delta once it is durable, or why it was refused. Never waits for the
        disk. Raises LimitExceeded and InvalidArgument for what is refused unseen, and what the interrupt raises."""
        self._limits.require_import(relationships)
        known = KnownContexts.of(self._schema_now(), relationships, interrupt)
        message = _Message(self._last)
        updates = [Update(self._operation, relationship) for relationship in relationships]

        def admission(view: WriteTransaction) -> Draft:
            message.begin()
            schema = self._schema_of(view)
            managed = check_updates(schema, updates, self._caller, known, "relationships")
            apply_updates(view, schema, updates, self._caller, self._clock.now_us(), "relationships")
            message.is_refused = False
            return Draft(self._caller.principal, managed_bypass=managed)

        # Bulk, however few they are: a message that went with the small ones would overtake those before it.
        message.future = self._submit(admission, max(len(updates), BULK_WEIGHT))
        self._last = message
        return message.future

    def token_of(self, delta: Delta) -> str:
        return encode_token(self._identity, delta.revision)


class _Message:
    """A message in the writer's queue, and the one before it."""

    def __init__(self, before: _Message | None) -> None:
        self._before = before
        self.future: Future[Delta] | None = None
        self.is_refused = False

    def begin(self) -> None:
        """The writer's thread is at this message. An admission may be called again, so it begins as if it had not been.
        Raises Cancelled where the one before did not become a revision."""
        self.is_refused = True
        before = self._before
        if before is None:
            return
        if before.has_failed:
            raise Cancelled("an earlier message of this import was refused: this one was not tried")
        if before.is_settled:
            self._before = None  # it is a fact, and what was before it matters no more

    @property
    def is_settled(self) -> bool:
        return self.future is not None and self.future.done()

    @property
    def has_failed(self) -> bool:
        """Refused in the very batch that is being written, or settled with an error: the commit itself may fail."""
        if self.future is not None and self.future.done():
            return self.future.cancelled() or self.future.exception() is not None
        return self.is_refused
