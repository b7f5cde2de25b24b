"""Laws of lanes: turns go around, what is accepted is run, what is cancelled leaves no trace."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import FairShareSpent, Overloaded
from remit.server.limits.work_queue import Lane
from tests.support.serving import PATIENCE_S


@contextmanager
def lane_of(threads: int, in_flight_max: int = 100) -> Iterator[Lane]:
    lane = Lane("tests", threads=threads, in_flight_max=in_flight_max)
    try:
        yield lane
    finally:
        lane.close()


@contextmanager
def busy(lane: Lane) -> Iterator[None]:
    """The lane's one thread is at work until the end of the `with`."""
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert gate.wait(PATIENCE_S)

    done = lane.submit("somebody", work)
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
    with lane_of(threads=1) as lane:
        with busy(lane):
            waiting = [
                lane.submit(caller, lambda caller=caller, number=number: served.append((caller, number)))
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
    served: queue.Queue[str] = queue.Queue()
    with lane_of(threads=1, in_flight_max=300) as lane:
        with busy(lane):
            for _ in range(100):
                lane.submit("greedy", served.put, "greedy")
            modest = lane.submit("modest", served.put, "modest")
        modest.result(PATIENCE_S)
        assert [served.get_nowait(), served.get_nowait()] == ["greedy", "modest"]


def test_what_is_cancelled_while_it_waits_is_never_run_and_gives_its_place_back() -> None:
    served: list[str] = []
    with lane_of(threads=1, in_flight_max=4) as lane:
        with busy(lane):
            given_up = lane.submit("anne", served.append, "given up")
            kept = lane.submit("anne", served.append, "kept")
            with pytest.raises(FairShareSpent):
                lane.submit("anne", served.append, "too many")
            assert given_up.cancel()
            assert lane.in_flight == 2
            another = lane.submit("anne", served.append, "another")
        kept.result(PATIENCE_S)
        another.result(PATIENCE_S)
    assert served == ["kept", "another"]
    assert (lane.in_flight, lane.refused) == (0, 1)


def test_a_failure_reaches_whoever_asked_and_the_thread_lives_on() -> None:
    def fail() -> None:
        raise SystemExit("not even this")

    with lane_of(threads=1) as lane:
        assert isinstance(lane.submit("anne", fail).exception(PATIENCE_S), SystemExit)
        assert lane.submit("anne", lambda: "alive").result(PATIENCE_S) == "alive"


def test_as_many_threads_work_as_there_may_be_and_no_more() -> None:
    at_work, gate = threading.Semaphore(0), threading.Event()

    def work() -> str:
        at_work.release()
        assert gate.wait(PATIENCE_S)
        return threading.current_thread().name

    with lane_of(threads=3) as lane:
        waiting = [lane.submit(f"caller-{number}", work) for number in range(6)]
        for _ in range(3):
            assert at_work.acquire(timeout=PATIENCE_S)
        assert not at_work.acquire(blocking=False)
        gate.set()
        assert len({future.result(PATIENCE_S) for future in waiting}) == 3


def test_a_lane_that_closes_finishes_what_is_at_work_and_drops_the_rest() -> None:
    lane = Lane("tests", threads=1, in_flight_max=100)
    with busy(lane):
        dropped = lane.submit("anne", lambda: None)
        closing = threading.Thread(target=lane.close)
        closing.start()
        with pytest.raises(BaseException) as cancelled:
            dropped.result(PATIENCE_S)
        assert type(cancelled.value).__name__ == "CancelledError"
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert lane.in_flight == 0
    lane.close()


def test_everything_taken_is_told_apart_from_what_one_caller_may_have() -> None:
    with lane_of(threads=1, in_flight_max=2) as lane, busy(lane):
        lane.submit("anne", lambda: None)
        with pytest.raises(Overloaded) as full:
            lane.submit("ben", lambda: None)
        assert type(full.value) is Overloaded
        assert full.value.metadata["name"] == "tests_in_flight_max"
