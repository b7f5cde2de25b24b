"""Law: of one caller one schema is compiled at a time; who waits leaves with its own interrupt, and others go on."""

from __future__ import annotations

import threading

import pytest

from remit.engine.one_at_a_time import OneAtATime
from remit.errors import Cancelled
from remit.interrupt import never_interrupted


def gone() -> None:
    raise Cancelled("the caller went away")


def test_a_second_of_the_same_caller_waits_and_another_caller_does_not() -> None:
    turns = OneAtATime()
    with turns.turn("one", never_interrupted):
        with pytest.raises(Cancelled), turns.turn("one", gone):
            raise AssertionError("it is not its turn")
        with turns.turn("two", gone):
            pass
    with turns.turn("one", gone):
        pass


def test_a_turn_that_fails_ends() -> None:
    turns = OneAtATime()
    with pytest.raises(ValueError, match="wrong"), turns.turn("one", never_interrupted):
        raise ValueError("wrong")
    with turns.turn("one", gone):
        pass


def test_never_two_at_once() -> None:
    turns, inside, most = OneAtATime(), 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns.turn("one", never_interrupted):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)
