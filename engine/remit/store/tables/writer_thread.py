"""The one writer: a thread takes what is queued, small tasks first, and one durable commit carries many.

Who asks for little does not wait for who asks for much: a commit carries the small tasks that wait, or one bulk task
and the small ones that came while it ran (see `write_queue.py` for whose turn it is).

Where that thread has nothing to do, who has a small task writes it on its own thread, in the writer's place: to wake
the writer and to be woken by it cost about as much as to judge, encode and apply one relationship. Measured over a
store in memory, one at a time: 319 µs of a processor by way of the writer's thread, some 165 in its place. So
there is one writer at any time, but not always the same thread.

A task either succeeds, and its successors in the batch see what it did, or it raises and all it wrote is taken back
(see `staging.py`). No caller is answered before the commit is durable, not even with a refusal, which may rest on what
a predecessor wrote; if the commit fails, every task of the batch fails.
Law: an answer means durable; tasks of one client and class happen in the order they were queued, and what was queued
after an answer comes after what was answered."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

from remit.errors import RemitError, StoreFull, StoreUnavailable
from remit.precedence import python_lock
from remit.store.port import SMALL_WEIGHT_MAX, Commit
from remit.store.tables.interface import Claim, Transaction, TransactionPoisoned
from remit.store.tables.reserve_shares import ReserveShares
from remit.store.tables.staging import StagedCommit
from remit.store.tables.task import Task
from remit.store.tables.write_queue import WriteQueue

logger = logging.getLogger(__name__)

T = TypeVar("T")

# What one commit carries at most: few enough that the first in the batch does not wait long for the last (some 50 µs a
# request), many enough that the fsync (some 0.25 ms) is shared well. Requests that cost more than most end a batch by
# the time they took; a bulk task is not counted there, since none is begun behind another.
BATCH_TASKS_MAX = 256
BATCH_WRITES_MAX = 10_000
BATCH_S = 0.01


_Outcome = tuple[Task[Any], Any, BaseException | None]  # of a task: what it returned, or raised


def stop_process(message: str) -> None:
    """What happens when memory no longer equals the disk: nothing may be answered any more, not even an exit handler
    may run."""
    os._exit(70)  # EX_SOFTWARE


class WriterThread:
    """Owns the queue and the thread. `begin` opens a transaction, `give_up_reserve` makes room on a full disk (see
    `Tables`); `chore` gives work for idle moments, or None;
    `apply` is called when all tasks of a commit are settled, before any caller is answered, and must not fail."""

    def __init__(
        self,
        begin: Callable[[], Transaction],
        *,
        give_up_reserve: Callable[[], bool],
        chore: Callable[[], Task[Any] | None],
        apply: Callable[[], None],
        fatal: Callable[[str], None],
        queue_max: int,
    ) -> None:
        self._begin = begin
        self._give_up_reserve = give_up_reserve
        self._shares = ReserveShares()
        self._chore = chore
        self._apply = apply
        self._fatal = fatal
        self._queue = WriteQueue(queue_max)
        self._has_failed = False  # memory is not what the disk is: nothing more may be written
        self._borrower: int | None = None  # the thread that writes in this one's place
        self._are_many = False  # the last commit carried several
        self._unanswered: list[_Outcome] = []  # of the last commit: durable and in memory, and not yet told
        self._lock = threading.Lock()
        self._observers: tuple[Callable[[Commit], None], ...] = ()
        self._thread = threading.Thread(target=self._run, name="remit-writer", daemon=True)
        self._thread.start()

    @property
    def is_current_thread(self) -> bool:
        return threading.get_ident() in (self._thread.ident, self._borrower)

    @property
    def problem(self) -> str:
        """Why nothing is taken any more; "" where it is."""
        refusal = self._queue.refusal
        return refusal.message if refusal is not None else ""

    @property
    def waiting(self) -> int:
        """How many tasks are queued."""
        return len(self._queue)

    def observe(self, observer: Callable[[Commit], None]) -> Callable[[], None]:
        """Call `observer` after each commit that had something to write, on the thread that wrote it. Returns what ends
        it."""
        with self._lock:
            self._observers = (*self._observers, observer)

        def end() -> None:
            with self._lock:
                self._observers = tuple(each for each in self._observers if each is not observer)

        return end

    def submit(self, task: Task[T], *, may_be_refused: bool = True) -> None:
        """Queue a task. A refusal, too, is found in its future. Cost: O(1).

        `may_be_refused` false goes beyond the bound: for the store's own few, whose callers wait for them."""
        refusal = self._queue.put(task, may_be_refused)
        if refusal is not None:
            task.future.set_exception(refusal)

    def write_or_submit(self, task: Task[T]) -> None:
        """For who will wait for a task in any case: carry it out here and now where the writer has nothing to do, else
        queue it."""
        if not self._may_borrow(task) or not self._queue.borrow_place():
            self.submit(task)
            return
        self._borrower = threading.get_ident()
        try:
            self._write([task])
            self._answer()
        finally:
            if self._has_failed:
                self._refuse_queued()
            self._borrower = None
            self._queue.give_place_back()

    def _may_borrow(self, task: Task[Any]) -> bool:
        """Not where several come at once: the first of them would have a commit for itself, and all others wait for it;
        with 32 in flight a commit carried half as many then. And never the main thread: there Python raises what a
        signal means (Ctrl-C) between any two steps, so also between a commit and what memory makes of it."""
        return (
            not self._are_many
            and task.weight <= SMALL_WEIGHT_MAX
            and threading.get_ident() != threading.main_thread().ident
        )

    def close(self) -> None:
        """Finish what is queued, then end the thread. It may be called again."""
        self._queue.close(StoreUnavailable("the store is shutting down"))
        self._thread.join()

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._has_failed and not self._queue.is_at_end:
                self._write(self._batch(self._chore()))
        finally:
            # However the thread ends, nobody may wait for it for ever.
            self._answer()
            self._queue.close(StoreUnavailable("the store's writer has ended"))
            self._refuse_queued()

    def _batch(self, chore: Task[Any] | None) -> Iterator[Task[Any]]:
        """What the queue gives first, then the small tasks that wait by the time it is done, and so on; the chore comes
        last."""
        queue = self._queue
        task = queue.take_first(wait=False)
        if task is None or task.weight > SMALL_WEIGHT_MAX:
            self._answer()  # what comes now may take long
        if task is None and chore is None:
            task = queue.take_first(wait=True)
        if task is not None:
            if task.future.set_running_or_notify_cancel():
                yield task
            ends_s = time.perf_counter() + BATCH_S
            for _ in range(BATCH_TASKS_MAX - 1):
                task = queue.take_small()
                if task is None:
                    break
                if task.future.set_running_or_notify_cancel():  # somebody still waits for it
                    yield task
                    if time.perf_counter() >= ends_s:
                        break
        if chore is not None:
            yield chore

    def _write(self, tasks: Iterable[Task[Any]]) -> None:
        """One commit for all. What finds no room beside the others of its commit, and may have more of it than what is
        ordinary, is the first of the next: what a commit needs is estimated for all that it carries, and too high."""
        rest = iter(tasks)
        postponed: list[Task[Any]] = []
        while True:
            first, postponed = postponed, []
            self._write_together(chain(first, rest), postponed)
            if not postponed:
                return

    def _write_together(self, tasks: Iterable[Task[Any]], postponed: list[Task[Any]]) -> None:
        """Where what lies below gives up on the whole transaction, one commit for each. Where it has no room left,
        those that may have more of it are tried again without the others."""
        tried: list[Task[Any]] = []
        try:
            try:
                outcomes = self._commit_together(tasks, tried, postponed)
            finally:
                self._answer()
        except TransactionPoisoned as error:
            if len(tried) == 1:
                self._fail_or_retry(tried, error.reason)
            else:
                for task in tried:
                    self._write([task])
        except RemitError as error:
            self._fail_or_retry(tried, error)
        except BaseException as error:  # whatever it was, the callers must hear of it, and the thread live on
            logger.exception("a batch of %d writes could not be committed", len(tried))
            _fail(tried, StoreUnavailable(f"the write could not be committed: {error}"))
        else:
            self._settle(outcomes)

    def _fail_or_retry(self, tried: list[Task[Any]], error: RemitError) -> None:
        """Every task of a commit that failed hears why, but for those that are worth another attempt."""
        again: list[Task[Any]] = []
        if isinstance(error, StoreFull):
            again = [task for task in tried if task.claim > Claim.ORDINARY]
            if len(again) == len(tried) and not self._give_up_reserve():
                again = []
        _fail([task for task in tried if task not in again], error)
        if again:
            self._write(again)

    def _commit_together(
        self, tasks: Iterable[Task[Any]], tried: list[Task[Any]], postponed: list[Task[Any]]
    ) -> list[_Outcome]:
        """Run the tasks in one transaction and make it durable. `tried` grows by each task that is begun, but for one
        that is postponed, with which it ends."""
        outcomes: list[_Outcome] = []
        transaction: StagedCommit | None = None
        self._shares.begin()
        try:
            for task in tasks:
                tried.append(task)
                with python_lock.writing:
                    if transaction is None:
                        transaction = StagedCommit(self._begin())
                    outcome = _attempt(task, transaction, self._shares)
                if isinstance(outcome[2], StoreFull) and task.claim > Claim.ORDINARY and transaction.writes:
                    postponed.append(tried.pop())
                    break
                outcomes.append(outcome)
                if transaction.writes >= BATCH_WRITES_MAX:
                    break
            if transaction is not None:
                self._are_many = len(outcomes) > 1
                self._commit(transaction, len(outcomes))
                self._shares.keep(transaction.grown_bytes)
        finally:
            if transaction is not None:
                transaction.abort()  # nothing, once it is committed
        return outcomes

    def _commit(self, transaction: StagedCommit, requests: int) -> None:
        rows, began_s, failed = transaction.writes, time.perf_counter(), "INTERNAL"
        try:
            with python_lock.at_disk:
                with python_lock.writing:
                    transaction.write_down()
                    self._answer()
                transaction.commit()
            failed = ""
        except RemitError as error:
            failed = error.reason
            raise
        except TransactionPoisoned as error:
            failed = error.reason.reason
            if requests > 1:
                rows = 0  # each is tried alone, and reported then
            raise
        finally:
            if rows:
                self._report(Commit(requests, rows, time.perf_counter() - began_s, failed))

    def _report(self, commit: Commit) -> None:
        for observer in self._observers:
            try:
                observer(commit)
            except Exception:  # whoever counts must not cost a write
                logger.exception("an observer of commits failed")

    def _settle(self, outcomes: list[_Outcome]) -> None:
        """The commit is durable: memory follows, and then every caller may be answered."""
        try:
            with python_lock.writing:
                for task, result, refusal in outcomes:
                    if refusal is None:
                        task.settled(result)
                self._apply()
        except BaseException as error:  # whatever it was, memory no longer equals the disk
            message = f"a committed write could not be applied in memory, the process must stop: {error}"
            logger.critical(message, exc_info=True)
            self._fatal(message)
            # Only where `fatal` returns, in a test: no more writes, and no caller hears that all is well.
            self._queue.close(StoreUnavailable(message))
            self._has_failed = True
            _fail([task for task, _, _ in outcomes], StoreUnavailable(message))
        else:
            self._unanswered = outcomes

    def _answer(self) -> None:
        """Tell those whose commit is done. Where more small tasks wait already, they are judged first, and this is done
        when their commit is on its way to the disk: who is told wants Python's lock at once, and here it is let go at
        each look into LMDB and each row that is put: beside a busy thread a put of 0.2 µs took 27, and a look 78."""
        outcomes, self._unanswered = self._unanswered, []
        for task, result, refusal in outcomes:
            if refusal is None:
                task.future.set_result(result)
            else:
                task.future.set_exception(refusal)

    def _refuse_queued(self) -> None:
        """Whoever is still queued when the thread ends early hears why."""
        refusal = self._queue.refusal
        while refusal is not None and (task := self._queue.take_first(wait=False)) is not None:
            if task.future.set_running_or_notify_cancel():
                _fail([task], refusal)


def _attempt(task: Task[Any], transaction: StagedCommit, shares: ReserveShares) -> _Outcome:
    """Run one task and keep what it wrote, or nothing. Raises TransactionPoisoned where the transaction is lost."""
    try:
        result = task.run(transaction)
        if transaction.lost is None:
            shares.require(transaction, task.claim, task.client_id)
    except BaseException as error:  # the caller of the task gets it, whatever it is
        if transaction.lost is not None:
            raise TransactionPoisoned(transaction.lost) from error
        transaction.take_back()
        return task, None, error
    if transaction.lost is not None:  # and the task hides it
        raise TransactionPoisoned(transaction.lost)
    transaction.keep()
    return task, result, None


def _fail(tasks: Iterable[Task[Any]], error: BaseException) -> None:
    for task in tasks:
        task.future.set_exception(error)
