"""Importing: a stream of writes, each durable on its own, sent ahead of what has been acknowledged.

Every message is a revision of TOUCHes (or of CREATEs), queued while its predecessor is still on its way to the disk.
Law: messages are written in the order they came, and none after one that was refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

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
_LOOK_S = 0.05  # how often one that waits asks whether to


class Backlog:
    """What is read of all imports and not yet written. Safe from many threads."""

    def __init__(self, most: int = READ_MAX) -> None:
        self._free = threading.Semaphore(most)

    def queue(self, read_and_queue: Callable[[], Future[Delta]], interrupt: Interrupt) -> Future[Delta]:
        """What `read_and_queue` gives, which is called once there is room; it takes room until it is settled. Raises
        what it raises, and what `interrupt` raises while this waits."""
        while not self._free.acquire(timeout=_LOOK_S):
            interrupt()
        try:
            future = read_and_queue()
        except BaseException:
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        return future


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
        """`backlog`: where messages wait before they are read, by whoever brings many."""
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
