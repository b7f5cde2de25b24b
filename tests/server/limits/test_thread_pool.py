"""Laws of the thread pools of a work queue: few heavy ones are at work at once, and fewer of one client; what is light
never waits for them; whatever happens, what was taken is given back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from queue import Queue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import RemitError, StoreUnavailable
from remit.interrupt import TooHeavy, TurnEnded
from remit.server.limits.thread_pool import HEAVY_PER_CLIENT_MAX, ThreadPool
from remit.server.limits.work_queue import WorkQueue
from tests.support.serving import PATIENCE_S, until


class TwoPools(WorkQueue):
    """A queue, and the pool where its work begins again that turns out to be heavy."""

    def __init__(self, heavy_threads: int, threads: int = 1) -> None:
        self.heavy = ThreadPool("heavy tests", threads=heavy_threads, per_client_max=HEAVY_PER_CLIENT_MAX)
        super().__init__("tests", threads=threads, heavy=self.heavy, in_flight_max=1_000)

    def close(self) -> None:
        super().close()
        self.heavy.close()


@contextmanager
def queue_of(heavy_threads: int, threads: int = 1) -> Iterator[TwoPools]:
    queue = TwoPools(heavy_threads, threads)
    try:
        yield queue
    finally:
        queue.close()


class Stage:
    """Heavy work that says when it begins, and ends when it is told to."""

    def __init__(self, queue: TwoPools) -> None:
        self.queue = queue
        self.begun: list[str] = []
        self.gates: dict[str, Queue[bool]] = {}
        self.futures: list[Future[str]] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody waits for a gate that a failed test has left closed."""
        for gate in self.gates.values():
            for _ in self.futures:
                gate.put(True)

    def submit(self, client_id: str, *, turns_out: bool = False) -> Future[str]:
        """`turns_out`: it is only learned at work that it is heavy."""
        gate = self.gates.setdefault(client_id, Queue())
        is_known = not turns_out

        def work() -> str:
            nonlocal is_known
            if not is_known:
                is_known = True
                raise TooHeavy
            self.begun.append(client_id)
            assert gate.get(timeout=PATIENCE_S)
            return client_id

        future = self.queue.submit_among(self.queue.light if turns_out else self.queue.heavy, client_id, work)
        self.futures.append(future)
        return future

    @property
    def done(self) -> int:
        return sum(future.done() and not future.cancelled() for future in self.futures)

    def at_work(self) -> Counter[str]:
        ended = Counter(future.result(0) for future in self.futures if future.done() and not future.cancelled())
        return Counter(self.begun) - ended


@settings(max_examples=40, deadline=None)
@given(
    heavy_threads=st.integers(1, 5),
    asked=st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=16),
    choices=st.lists(st.integers(0, 59), min_size=16, max_size=16),
)
def test_heavy_ones_are_few_at_once_and_fewer_of_one_client_and_a_light_one_passes_them_all(
    heavy_threads: int, asked: list[tuple[str, bool]], choices: list[int]
) -> None:
    with queue_of(heavy_threads) as queue, Stage(queue) as stage:
        for client_id, turns_out in asked:
            stage.submit(client_id, turns_out=turns_out)
        for choice in choices[: len(asked)]:
            until(lambda: not may_begin(stage.at_work(), waiting_of(asked, stage), heavy_threads))
            at_work = stage.at_work()
            assert 0 < at_work.total() <= heavy_threads
            assert max(at_work.values()) <= HEAVY_PER_CLIENT_MAX
            # A stop of anybody's, of the greediest too, is answered meanwhile.
            assert queue.submit("abcde"[choice % 5], lambda: "stopped").result(PATIENCE_S) == "stopped"
            ending = sorted(at_work)[choice % len(at_work)]
            before = stage.done
            stage.gates[ending].put(True)
            until(lambda before=before: stage.done == before + 1)  # type: ignore[misc]
        assert Counter(stage.begun) == Counter(client for client, _ in asked), "each began once"
        until(lambda: queue.heavy.at_work == 0)
        assert (queue.in_flight, queue.heavy.waiting) == (0, 0)


def waiting_of(asked: list[tuple[str, bool]], stage: Stage) -> Counter[str]:
    return Counter(client for client, _ in asked) - Counter(stage.begun)


def may_begin(at_work: Counter[str], waiting: Counter[str], threads: int) -> bool:
    """The plain rule: nobody begins who has two at work, or more than threads are free."""
    free = threads - at_work.total()
    return free > 0 and any(at_work[client] < HEAVY_PER_CLIENT_MAX and at_work[client] <= free for client in waiting)


def test_turns_go_around_among_clients_whose_heavy_work_waits() -> None:
    with queue_of(heavy_threads=1) as queue, Stage(queue) as stage:
        stage.submit("gate")
        until(lambda: stage.begun == ["gate"])
        for client_id in ("eve", "eve", "eve", "ann"):
            stage.submit(client_id, turns_out=client_id == "ann")
        queue.submit("eve", lambda: None).result(PATIENCE_S)  # the light one is done with ann's
        for client_id in ("gate", "eve", "ann", "eve", "eve"):
            stage.gates[client_id].put(True)
        for future in stage.futures:
            future.result(PATIENCE_S)
        assert stage.begun == ["gate", "eve", "ann", "eve", "eve"]


def test_what_others_wait_for_goes_before_the_rest_of_its_client_s_and_no_one_else_s() -> None:
    begun: list[str] = []
    with queue_of(heavy_threads=1) as queue, Stage(queue) as stage:
        stage.submit("gate")
        until(lambda: stage.begun == ["gate"])
        for client_id in ("eve", "eve", "ann"):
            queue.submit_among(queue.heavy, client_id, begun.append, client_id)
        last = queue.heavy.submit_next("ann", begun.append, "ann's next")
        queue.heavy.submit_next("eve", begun.append, "eve's next")
        stage.gates["gate"].put(True)
        last.result(PATIENCE_S)
        queue.submit_among(queue.heavy, "eve", lambda: None).result(PATIENCE_S)
        assert begun == ["eve's next", "ann's next", "eve", "ann", "eve"]


def test_what_is_cancelled_while_it_waits_among_the_heavy_never_begins() -> None:
    with queue_of(heavy_threads=1) as queue, Stage(queue) as stage:
        stage.submit("gate")
        until(lambda: stage.begun == ["gate"])
        given_up, kept = stage.submit("ann"), stage.submit("ann")
        assert given_up.cancel()
        assert (queue.in_flight, queue.heavy.waiting) == (2, 1)
        stage.gates["gate"].put(True)
        stage.gates["ann"].put(True)
        assert kept.result(PATIENCE_S) == "ann"
        assert stage.begun == ["gate", "ann"]
    assert queue.in_flight == 0


def test_a_failure_among_the_heavy_reaches_whoever_asked_and_the_thread_lives_on() -> None:
    def fail() -> None:
        raise SystemExit("not even this")

    with queue_of(heavy_threads=1) as queue:
        assert isinstance(queue.submit_among(queue.heavy, "anne", fail).exception(PATIENCE_S), SystemExit)
        assert queue.submit_among(queue.heavy, "anne", lambda: "alive").result(PATIENCE_S) == "alive"
        until(lambda: queue.heavy.at_work == 0)


def test_where_there_is_no_pool_for_what_is_heavy_whoever_asked_is_told_and_the_thread_lives_on() -> None:
    def turn_out_heavy() -> None:
        raise TooHeavy

    with queue_of(heavy_threads=1) as queue:
        assert isinstance(queue.heavy.submit("anne", turn_out_heavy).exception(PATIENCE_S), TooHeavy)
        assert queue.heavy.submit("bob", lambda: "alive").result(PATIENCE_S) == "alive"
        until(lambda: queue.heavy.at_work == 0)


def test_a_queue_that_closes_refuses_what_waits_among_the_heavy_and_what_turns_out_to_be_one() -> None:
    queue = TwoPools(heavy_threads=1)
    stage = Stage(queue)
    at_work, known, turned_out = stage.submit("ann"), stage.submit("ann"), stage.submit("ann", turns_out=True)
    until(lambda: len(stage.begun) == 1 and queue.heavy.waiting == 2)
    closing = threading.Thread(target=queue.close)
    closing.start()
    for future in (known, turned_out):
        with pytest.raises(StoreUnavailable, match="stopping"):
            future.result(PATIENCE_S)
    for pool in (queue.light, queue.heavy):
        with pytest.raises(StoreUnavailable, match="stopping"):
            queue.submit_among(pool, "ann", lambda: None)
    stage.gates["ann"].put(True)
    assert at_work.result(PATIENCE_S) == "ann"
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert queue.in_flight == 0


def test_whatever_becomes_of_many_nothing_of_them_is_kept() -> None:
    """Ends, failures, cancellations and a close, all at once, by many threads."""

    def end(outcome: int, tried: list[int]) -> int:
        tried.append(outcome)
        if outcome == 1:
            raise RemitError("no")
        if outcome == 2 and len(tried) == 1:
            raise TooHeavy
        return outcome

    queue = TwoPools(heavy_threads=3, threads=3)
    taken: list[tuple[Future[int], list[int]]] = []

    def ask(client_id: str) -> None:
        for number in range(150):
            tried: list[int] = []
            with suppress(RemitError):
                pool = queue.light if number % 3 else queue.heavy
                outcome = number % 5 if number % 3 else number % 2
                future = queue.submit_among(pool, client_id, end, outcome, tried)
                taken.append((future, tried))
                if number % 7 == 0:
                    future.cancel()

    threads = [threading.Thread(target=ask, args=(f"client-{number % 3}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(taken) > 300)
    queue.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (queue.in_flight, queue.heavy.at_work, queue.heavy.waiting) == (0, 0, 0)
    for future, tried in taken:
        assert future.done()
        assert len(tried) <= 2
        if future.cancelled():
            assert not tried
            with pytest.raises(CancelledError):
                future.result()


@pytest.mark.parametrize("begins_light", [False, True])
def test_what_ends_its_turn_goes_on_after_others_had_theirs(begins_light: bool) -> None:
    order: list[str] = []
    with queue_of(1) as queue:
        others: list[Future[None]] = []

        def in_three_parts() -> str:
            order.append("part")
            if len(order) == 1:
                others.append(queue.heavy.submit("other", order.append, "other"))
                others.append(queue.heavy.submit("one", order.append, "later of the same"))
            if order.count("part") < 3:
                raise TurnEnded
            return "done"

        submit = queue.submit if begins_light else queue.heavy.submit
        assert submit("one", in_three_parts).result(PATIENCE_S) == "done"
        for other in others:
            other.result(PATIENCE_S)
        assert queue.in_flight == 0
    if not begins_light:
        assert order == ["part", "other", "later of the same", "part", "part"]


def test_what_waits_for_its_next_turn_is_refused_where_the_server_stops() -> None:
    with queue_of(1) as queue:
        stopping = threading.Event()

        def unending() -> None:
            if stopping.is_set():
                queue.heavy._is_closed = True  # as `close` does, which would wait for this very thread
            stopping.set()
            raise TurnEnded

        with pytest.raises(StoreUnavailable):
            queue.heavy.submit("one", unending).result(PATIENCE_S)
