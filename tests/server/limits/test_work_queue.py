"""Laws of work queues: turns go around, what is accepted is run, what is cancelled leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import FairShareSpent, Overloaded, StoreUnavailable
from remit.server.limits.work_queue import WorkQueue
from tests.support.serving import PATIENCE_S


@contextmanager
def queue_of(threads: int, in_flight_max: int = 100) -> Iterator[WorkQueue]:
    queue = WorkQueue("tests", threads=threads, in_flight_max=in_flight_max)
    try:
        yield queue
    finally:
        queue.close()


@contextmanager
def busy(queue: WorkQueue) -> Iterator[None]:
    """The queue's one thread is at work until the end of the `with`."""
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert gate.wait(PATIENCE_S)

    done = queue.submit("somebody", work)
    assert begun.wait(PATIENCE_S)
    try:
        yield
    finally:
        gate.set()
        done.result(PATIENCE_S)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=24))
def test_turns_go_around_among_those_who_wait_and_each_caller_is_served_in_order(callers: list[str]) -> None:
    served: list[tuple[str, int]] = []
    with queue_of(threads=1) as queue:
        with busy(queue):
            waiting = [
                queue.submit(caller, lambda caller=caller, number=number: served.append((caller, number)))
                for number, caller in enumerate(callers)
            ]
        for future in waiting:
            future.result(PATIENCE_S)
    assert sorted(number for _, number in served) == list(range(len(callers)))
    for caller in set(callers):
        numbers = [number for each, number in served if each == caller]
        assert numbers == sorted(numbers)
    # Between two turns of one caller, nobody who waits has two, and everybody who waits has one.
    left = {caller: callers.count(caller) for caller in callers}
    order = [caller for caller, _ in served]
    while order:
        waiting_callers = [caller for caller, count in left.items() if count]
        turn, order = order[: len(waiting_callers)], order[len(waiting_callers) :]
        assert sorted(turn) == sorted(waiting_callers)
        for caller in turn:
            left[caller] -= 1


def test_one_request_does_not_wait_behind_another_callers_hundred() -> None:
    served: Queue[str] = Queue()
    with queue_of(threads=1, in_flight_max=300) as queue:
        with busy(queue):
            for _ in range(100):
                queue.submit("greedy", served.put, "greedy")
            modest = queue.submit("modest", served.put, "modest")
        modest.result(PATIENCE_S)
        assert [served.get_nowait(), served.get_nowait()] == ["greedy", "modest"]


def test_what_is_cancelled_while_it_waits_is_never_run_and_gives_its_place_back() -> None:
    served: list[str] = []
    with queue_of(threads=1, in_flight_max=4) as queue:
        with busy(queue):
            given_up = queue.submit("anne", served.append, "given up")
            kept = queue.submit("anne", served.append, "kept")
            with pytest.raises(FairShareSpent):
                queue.submit("anne", served.append, "too many")
            assert given_up.cancel()
            assert queue.in_flight == 2
            another = queue.submit("anne", served.append, "another")
        kept.result(PATIENCE_S)
        another.result(PATIENCE_S)
    assert served == ["kept", "another"]
    assert (queue.in_flight, queue.refused) == (0, 1)


def test_a_failure_reaches_whoever_asked_and_the_thread_lives_on() -> None:
    def fail() -> None:
        raise SystemExit("not even this")

    with queue_of(threads=1) as queue:
        assert isinstance(queue.submit("anne", fail).exception(PATIENCE_S), SystemExit)
        assert queue.submit("anne", lambda: "alive").result(PATIENCE_S) == "alive"


def test_as_many_threads_work_as_there_may_be_and_no_more() -> None:
    at_work, gate = threading.Semaphore(0), threading.Event()

    def work() -> str:
        at_work.release()
        assert gate.wait(PATIENCE_S)
        return threading.current_thread().name

    with queue_of(threads=3) as queue:
        waiting = [queue.submit(f"caller-{number}", work) for number in range(6)]
        for _ in range(3):
            assert at_work.acquire(timeout=PATIENCE_S)
        assert not at_work.acquire(blocking=False)
        gate.set()
        assert len({future.result(PATIENCE_S) for future in waiting}) == 3


def test_a_work_queue_that_closes_finishes_what_is_at_work_and_drops_the_rest() -> None:
    queue = WorkQueue("tests", threads=1, in_flight_max=100)
    with busy(queue):
        dropped = queue.submit("anne", lambda: None)
        closing = threading.Thread(target=queue.close)
        closing.start()
        with pytest.raises(StoreUnavailable, match="stopping"):
            dropped.result(PATIENCE_S)
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert queue.in_flight == 0
    queue.close()


def test_everything_taken_is_told_apart_from_what_one_caller_may_have() -> None:
    with queue_of(threads=1, in_flight_max=2) as queue, busy(queue):
        queue.submit("anne", lambda: None)
        with pytest.raises(Overloaded) as full:
            queue.submit("ben", lambda: None)
        assert type(full.value) is Overloaded
        assert full.value.metadata["name"] == "tests_in_flight_max"
