"""Laws of what waits for the writer: nothing is lost, small goes first, clients take turns, and places are shared."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import FairShareSpent, RemitError, StoreOverloaded, StoreUnavailable
from remit.server.limits.fair_quota import crowd, share
from remit.store.port import BULK_WEIGHT, SMALL_WEIGHT_MAX
from remit.store.tables.task import FunctionTask, OneShotFuture, Task
from remit.store.tables.write_queue import BULK_TURN, PASSED_MAX, SMALL_TURN, Turns, WriteQueue

CLIENTS = st.sampled_from(["", "ann", "bob", "eve"])
SMALL = st.integers(1, SMALL_WEIGHT_MAX)
BULK = st.integers(BULK_WEIGHT, 10_000)
WEIGHTS = st.one_of(SMALL, BULK)
PUT = st.tuples(st.just("put"), CLIENTS, WEIGHTS)
TAKE = st.tuples(st.sampled_from(["first", "small"]), st.just(""), st.just(0))


def task(client_id: str = "", weight: int = 1) -> Task[None]:
    return FunctionTask(lambda transaction: None, None, OneShotFuture(), client_id, weight)


def is_small(each: Task[None]) -> bool:
    return each.weight <= SMALL_WEIGHT_MAX


def drained(queue: WriteQueue) -> list[Task[None]]:
    taken = []
    while (each := queue.take_first(wait=False)) is not None:
        taken.append(each)
    return taken


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PUT, PUT, TAKE), max_size=60))
def test_every_task_is_taken_once_and_in_order_of_its_client_and_class(steps: list[tuple[str, str, int]]) -> None:
    queue = WriteQueue(10_000)
    queued: dict[tuple[str, bool], list[Task[None]]] = defaultdict(list)
    taken: dict[tuple[str, bool], list[Task[None]]] = defaultdict(list)
    waiting = 0
    for verb, client_id, weight in steps:
        if verb == "put":
            each: Task[None] | None = task(client_id, weight)
            assert each is not None
            assert queue.put(each) is None
            queued[client_id, is_small(each)].append(each)
            waiting += 1
        else:
            smalls = any(len(queued[key]) > len(taken[key]) for key in list(queued) if key[1])
            each = queue.take_first(wait=False) if verb == "first" else queue.take_small()
            assert (each is not None) == (waiting > 0 if verb == "first" else smalls)
            if each is not None:
                taken[each.client_id, is_small(each)].append(each)
                waiting -= 1
        assert len(queue) == waiting
    for each in drained(queue):
        taken[each.client_id, is_small(each)].append(each)
    assert taken == queued or {key: tasks for key, tasks in taken.items() if tasks} == queued
    assert len(queue) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(1, 3_000), min_size=1, max_size=30), min_size=2),
    st.sampled_from([1, SMALL_TURN, BULK_TURN]),
)
def test_clients_who_all_wait_are_served_alike(tasks: dict[str, list[int]], turn: int) -> None:
    """As long as two wait, what they have had differs by a turn and the largest task at most, whatever they ask for."""
    turns: Turns[Task[None]] = Turns(turn)
    for client_id, weights in tasks.items():
        for weight in weights:
            turns.put(task(client_id, weight))
    left = {client_id: len(weights) for client_id, weights in tasks.items()}
    served: Counter[str] = Counter()
    most = turn + max(weight for weights in tasks.values() for weight in weights)
    while turns.lines:
        each = turns.take()
        served[each.client_id] += each.weight
        left[each.client_id] -= 1
        both = [served[client_id] for client_id, count in left.items() if count]
        if both:
            assert max(both) - min(both) <= most
    assert not any(left.values())


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(1, 3_000), min_size=1, max_size=9), min_size=1),
    st.integers(1, 1_000),
)
def test_turns_are_those_of_deficit_round_robin_said_plainly(tasks: dict[str, list[int]], turn: int) -> None:
    turns: Turns[Task[None]] = Turns(turn)
    for client_id, weights in tasks.items():
        for weight in weights:
            turns.put(task(client_id, weight))
    waiting = {client_id: list(weights) for client_id, weights in tasks.items()}
    credit = dict.fromkeys(waiting, turn)
    while waiting:
        client_id = next(iter(waiting))
        weight = waiting[client_id][0]
        if weight > credit[client_id] and len(waiting) > 1:  # a turn at a time, and the next client's
            credit[client_id] += turn
            waiting[client_id] = waiting.pop(client_id)
            continue
        each = turns.take()
        assert (each.client_id, each.weight) == (client_id, weight)
        credit[client_id] = max(credit[client_id] - waiting[client_id].pop(0), 0)
        if not waiting[client_id]:
            del waiting[client_id]
    assert not turns.lines


def test_a_task_of_any_weight_is_taken_at_once() -> None:
    """One turn after another it would be ten million million of them."""
    turns: Turns[Task[None]] = Turns(1)
    for client_id in ("ann", "bob"):
        turns.put(task(client_id, 10**13))
    assert [turns.take().client_id for _ in range(2)] == ["ann", "bob"]


@given(st.lists(SMALL, max_size=40), st.lists(BULK, max_size=40))
def test_a_client_that_comes_last_waits_for_one_turn_of_each_other(smalls: list[int], bulks: list[int]) -> None:
    queue = WriteQueue(10_000)
    for weight in (*bulks, *smalls):
        for client_id in ("ann", "bob", "eve"):
            queue.put(task(client_id, weight))
    hold = task("zoe")
    queue.put(hold)
    before = drained(queue)
    before = before[: before.index(hold)]
    assert all(map(is_small, before[:PASSED_MAX]))
    small = [each for each in before if is_small(each)]
    assert all(sum(each.weight for each in small if each.client_id == other) <= SMALL_TURN for other in ("ann", "bob"))
    assert len(before) - len(small) <= len(before) // PASSED_MAX


@given(st.integers(1, 50), st.integers(1, 400))
def test_a_bulk_task_is_passed_by_so_often_and_no_more(bulk: int, small: int) -> None:
    queue = WriteQueue(10_000)
    for _ in range(bulk):
        queue.put(task("ann", BULK_WEIGHT))
    for _ in range(small):
        queue.put(task("bob"))
    passed = 0
    for each in drained(queue):
        passed = passed + 1 if is_small(each) else 0
        assert passed <= PASSED_MAX or not bulk
        bulk -= not is_small(each)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.lists(st.one_of(st.tuples(CLIENTS, WEIGHTS), st.none()), max_size=80))
def test_places_are_shared_and_never_more_than_there_are(places: int, steps: list[tuple[str, int] | None]) -> None:
    """By the rule of the server's quotas; the process itself is refused only where none is left."""
    queue = WriteQueue(places)
    held: Counter[str] = Counter()
    for step in steps:
        if step is None:
            taken = queue.take_first(wait=False)
            if taken is not None:
                held[taken.client_id] -= 1
            continue
        client_id, weight = step
        free = places - held.total()
        refusal = queue.put(task(client_id, weight))
        expected: type[RemitError] | None = None
        if free == 0:
            expected = StoreOverloaded
        elif client_id and held[client_id] > share(places, free):
            expected = FairShareSpent
        assert (type(refusal) if refusal is not None else None) is expected
        held[client_id] += refusal is None
        assert len(queue) == held.total() <= places


def test_a_client_that_fills_the_queue_is_refused_while_others_are_taken() -> None:
    queue = WriteQueue(100)
    refusals = [queue.put(task("eve", BULK_WEIGHT)) for _ in range(200)]
    assert refusals.count(None) == 45
    assert {type(each) for each in refusals if each is not None} == {FairShareSpent}
    assert queue.put(task("ann")) is None
    taken = queue.take_first(wait=False)
    assert taken is not None and taken.client_id == "ann"


def test_after_many_who_took_all_that_they_could_get_another_finds_a_place() -> None:
    queue = WriteQueue(256)
    for number in range(crowd(256) - 1):
        while queue.put(task(f"eve{number}", BULK_WEIGHT)) is None:
            pass
    assert queue.put(task("ann")) is None


def test_the_stores_own_go_beyond_the_bound() -> None:
    queue = WriteQueue(1)
    assert queue.put(task("ann")) is None
    assert isinstance(queue.put(task()), StoreOverloaded)
    assert queue.put(task(), may_be_refused=False) is None
    assert len(drained(queue)) == 2


def test_what_is_queued_is_taken_after_the_end_and_nothing_else_is() -> None:
    queue = WriteQueue(10)
    queue.put(task("ann"))
    first, second = StoreUnavailable("the end"), StoreUnavailable("again")
    queue.close(first)
    queue.close(second)
    assert queue.put(task("bob")) is first
    assert queue.put(task(), may_be_refused=False) is first
    assert not queue.is_at_end
    assert queue.take_first(wait=True) is not None
    assert queue.is_at_end
    assert queue.take_first(wait=True) is None


def test_the_writer_is_woken_by_a_task_and_by_the_end() -> None:
    queue = WriteQueue(10)
    woken: list[bool] = []
    goes_on = threading.Semaphore(0)

    def writer() -> None:
        while True:
            woken.append(queue.take_first(wait=True) is not None)
            if not woken[-1]:
                return
            goes_on.release()

    thread = threading.Thread(target=writer)
    thread.start()
    for _ in range(50):
        queue.put(task("ann"))
        assert goes_on.acquire(timeout=60)
    queue.close(StoreUnavailable("the end"))
    thread.join(60)
    assert woken == [True] * 50 + [False]
