"""A task of the writer: what is to be written, for whom, and who waits for it.

Law: a task is settled once, with what it returned or with what it raised."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from remit.store.tables.interface import Claim
from remit.store.tables.staging import Staging

T = TypeVar("T")


class OneShotFuture(Generic[T]):
    """What a caller waits for who does nothing else meanwhile: the least that a `Future` is, at a fifth of its cost.

    Law: set once, waited for once."""

    __slots__ = ("_error", "_lock", "_result")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()  # until it is set
        self._result: T  # once it is set, unless there is an error
        self._error: BaseException | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """Whether anybody waits still, as a future says it: the caller cannot give up."""
        return True

    def set_result(self, result: T) -> None:
        self._result = result
        self._lock.release()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._lock.release()

    def result(self) -> T:
        """Wait for it. Raises what the task raised."""
        self._lock.acquire()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # the error leads to this frame, and must not lead back
        return self._result


class Task(ABC, Generic[T]):
    """One thing to be written, and who waits for it. `client_id` is whose turn it takes, `weight` about how many
    changes it makes: see `write_queue.py`. `claim` is what it may take of the last room; `run` changes it where that is
    only seen then."""

    __slots__ = ("claim", "client_id", "future", "weight")

    def __init__(
        self, future: Future[T] | OneShotFuture[T], client_id: str, weight: int, claim: Claim = Claim.ORDINARY
    ) -> None:
        self.future = future
        self.client_id = client_id
        assert weight > 0, "a task without a weight would never end its client's turn"
        self.weight = weight
        self.claim = claim

    @abstractmethod
    def run(self, transaction: Staging) -> T:
        """Write it. It may be called again, on a new transaction, if its batch could not be finished."""

    def settled(self, result: T) -> None:
        """Called once the commit is durable, before any caller is answered; it must not fail."""


class FunctionTask(Task[T]):
    """A task of two functions: what to run, and what to call once it is settled."""

    __slots__ = ("_run", "_settled")

    def __init__(
        self,
        run: Callable[[Staging], T],
        settled: Callable[[T], None] | None,
        future: Future[T] | OneShotFuture[T],
        client_id: str = "",
        weight: int = 1,
        claim: Claim = Claim.ORDINARY,
    ) -> None:
        super().__init__(future, client_id, weight, claim)
        self._run = run
        self._settled = settled

    def run(self, transaction: Staging) -> T:
        return self._run(transaction)

    def settled(self, result: T) -> None:
        if self._settled is not None:
            self._settled(result)
