"""Law: whoever holds the lock is alone; one who waits to hold it is overtaken by nobody who comes later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

import pytest

from remit.shared_lock import SharedLock

PATIENCE_S = 30  # how long a test waits for what must come; nothing waits so long when it works


class Started:
    """A thread whose failure is the test's failure."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - told in `ended`
            self.error = error

    def ended(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the thread still waits"
        if self.error is not None:
            raise self.error


class Queue(threading.Condition):
    """The lock's own condition, which tells when somebody begins to wait on it."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self._waits.release()
        return super().wait(timeout)

    def one_more_waits(self) -> None:
        assert self._waits.acquire(timeout=PATIENCE_S)
        with self:
            pass  # it told us while it held the condition; now it has let go and stands in the queue


def test_many_share_at_once() -> None:
    lock = SharedLock()
    together = threading.Barrier(5, timeout=PATIENCE_S)

    def share() -> None:
        with lock.shared():
            together.wait()  # passed only when all five are inside

    threads = [Started(share) for _ in range(5)]
    for thread in threads:
        thread.ended()


def test_whoever_holds_it_is_alone() -> None:
    """Threads of both kinds, crossing at random; each looks who else is inside."""
    lock = SharedLock()
    inside = {"shared": 0, "held": 0}
    counting = threading.Lock()
    seen: set[tuple[int, int]] = set()
    start = threading.Barrier(6, timeout=PATIENCE_S)

    def visit(kind: str, seed: int) -> Callable[[], None]:
        def run() -> None:
            random = Random(seed)
            start.wait()
            for _ in range(300):
                with lock.shared() if kind == "shared" else lock.held():
                    with counting:
                        inside[kind] += 1
                        seen.add((inside["shared"], inside["held"]))
                    for _ in range(random.randrange(50)):
                        pass
                    with counting:
                        inside[kind] -= 1

        return run

    threads = [Started(visit("held" if i < 2 else "shared", i)) for i in range(6)]
    for thread in threads:
        thread.ended()
    assert inside == {"shared": 0, "held": 0}
    assert seen >= {(1, 0), (0, 1)}
    assert all(held == 0 or (shared, held) == (0, 1) for shared, held in seen), seen


def test_one_who_waits_to_hold_it_is_overtaken_by_nobody_who_comes_later() -> None:
    lock = SharedLock()
    queue = lock._changed = Queue()
    order: list[str] = []
    first_inside, let_go = threading.Event(), threading.Event()

    def share_long() -> None:
        with lock.shared():
            first_inside.set()
            assert let_go.wait(PATIENCE_S)
            order.append("first")

    def hold() -> None:
        with lock.held():
            order.append("holder")

    def share() -> None:
        with lock.shared():
            order.append("later")

    first = Started(share_long)
    assert first_inside.wait(PATIENCE_S)
    holder = Started(hold)
    queue.one_more_waits()
    later = [Started(share) for _ in range(3)]
    for _ in later:
        queue.one_more_waits()
    assert order == [], "nobody who came later is inside"
    let_go.set()
    for thread in (first, holder, *later):
        thread.ended()
    assert order == ["first", "holder", "later", "later", "later"]


@pytest.mark.parametrize("kind", ["shared", "held"])
def test_an_error_inside_lets_the_lock_go(kind: str) -> None:
    lock = SharedLock()
    with pytest.raises(ValueError, match="inside"), lock.shared() if kind == "shared" else lock.held():
        raise ValueError("inside")

    def hold() -> None:
        with lock.held(), pytest.raises(KeyError):
            raise KeyError

    Started(hold).ended()
