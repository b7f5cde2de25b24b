"""Law: at most one rehearsal is at work, and clients take turns; what is taken on is judged, and leaves no trace."""

from __future__ import annotations

import threading
import time

import pytest

from remit.errors import DeadlineExceeded, FairShareSpent, RemitError, StoreNotFound, StoreOverloaded
from remit.interrupt import never_interrupted
from remit.model import RelationshipFilter
from remit.store.port import Admission, Draft, WriteTransaction
from remit.store.tables.rehearsals import REHEARSALS_MAX, Rehearsals
from remit.store.tables.table_store import TableStore
from tests.support.store.held_writer import HeldWriter
from tests.support.store.worlds import everything, key, putting, refusing, texts, write

NAMES = [f"doc:{number}#viewer@user:anne" for number in range(3)]


def test_a_rehearsal_waits_for_no_write_and_sees_what_is_committed(store: TableStore) -> None:
    write(store, putting(NAMES[0]))
    held = HeldWriter(store)
    waiting = store.submit("default", putting(NAMES[1]), "ann")
    seen: list[list[str]] = []
    revisions: list[int] = []

    def admission(view: WriteTransaction) -> Draft:
        putting(NAMES[2])(view)
        view.delete(key(NAMES[0]))
        seen.append(texts(view.scan(RelationshipFilter())))
        revisions.append(view.next_revision)
        return Draft("ann")

    store.rehearse("default", admission, "ann")  # while the writer is held
    assert (seen, revisions) == ([[NAMES[2]]], [2])
    held.let_go(waiting)
    assert texts(everything(store)) == NAMES[:2]
    with pytest.raises(StoreNotFound):
        store.rehearse("elsewhere", admission)


def test_a_rehearsal_that_is_refused_says_why_and_keeps_no_turn(store: TableStore) -> None:
    refusal = RemitError("no")
    for _ in range(REHEARSALS_MAX + 1):
        with pytest.raises(RemitError) as caught:
            store.rehearse("default", refusing(refusal, putting(NAMES[0])), "ann")
        assert caught.value is refusal
    assert everything(store) == []


def test_rehearsals_are_judged_one_at_a_time_and_clients_take_turns(store: TableStore) -> None:
    gate, entered = threading.Event(), threading.Event()
    order: list[str] = []
    at_work: list[int] = [0]

    def first(view: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    def noting(client_id: str) -> Admission:
        def admission(view: WriteTransaction) -> Draft:
            at_work[0] += 1
            assert at_work[0] == 1
            order.append(client_id)
            at_work[0] -= 1
            return Draft(client_id)

        return admission

    def start(admission: Admission, client_id: str, queued: int) -> threading.Thread:
        thread = threading.Thread(target=store.rehearse, args=("default", admission, client_id))
        thread.start()
        while store._rehearsing.taken < queued:
            time.sleep(0)  # until it waits, so that the order is known
        return thread

    threads = [start(first, "gate", 1)]
    assert entered.wait(60)
    for client_id in ("eve", "eve", "eve", "eve", "ann", "bob"):
        threads.append(start(noting(client_id), client_id, len(threads) + 1))
    gate.set()
    for thread in threads:
        thread.join(60)
    assert order == ["eve", "ann", "bob", "eve", "eve", "eve"]


def test_a_rehearsal_that_nobody_waits_for_any_more_leaves_its_turn_to_others() -> None:
    rehearsals, order = Rehearsals(), list[str]()
    given_up = threading.Event()

    def interrupt() -> None:
        if given_up.is_set():
            raise DeadlineExceeded("nobody waits")

    def rehearse(client_id: str) -> None:
        try:
            with rehearsals.turn(client_id, interrupt if client_id == "eve" else never_interrupted):
                order.append(client_id)
        except DeadlineExceeded:
            order.append("given up")

    threads = [threading.Thread(target=rehearse, args=(client_id,)) for client_id in ("eve", "ann")]
    with rehearsals.turn("gate"):
        for number, thread in enumerate(threads):
            thread.start()
            while rehearsals.taken < number + 2:
                time.sleep(0)  # until it waits
        given_up.set()
        threads[0].join(60)
        assert (order, rehearsals.taken) == (["given up"], 2)
    threads[1].join(60)
    assert (order, rehearsals.taken) == (["given up", "ann"], 0)


def test_of_a_greedy_client_only_so_many_rehearsals_wait_and_others_are_taken() -> None:
    """Each that waits keeps a thread, which a hold may need."""
    rehearsals, done = Rehearsals(), threading.Semaphore(0)

    def rehearse(client_id: str) -> None:
        with rehearsals.turn(client_id):
            done.release()

    threads: list[threading.Thread] = []
    with rehearsals.turn("eve"):
        for client_id in ["eve"] * (REHEARSALS_MAX // 2 - 1) + ["ann", "bob"]:
            threads.append(threading.Thread(target=rehearse, args=(client_id,)))
            threads[-1].start()
            while rehearsals.taken <= len(threads):
                time.sleep(0)  # until it waits
            if rehearsals.taken == REHEARSALS_MAX // 2:
                with pytest.raises(FairShareSpent):
                    rehearse("eve")
    for thread in threads:
        thread.join(60)
    assert rehearsals.taken == 0
    assert sum(done.acquire(blocking=False) for _ in range(99)) == len(threads)


def test_only_so_many_rehearsals_of_all_are_taken_on() -> None:
    rehearsals, gate = Rehearsals(), threading.Event()

    def rehearse(client_id: str) -> None:
        with rehearsals.turn(client_id):
            assert gate.wait(60)

    threads = [threading.Thread(target=rehearse, args=(f"client {at}",)) for at in range(REHEARSALS_MAX)]
    for taken, thread in enumerate(threads, 1):
        thread.start()
        while rehearsals.taken < taken:
            time.sleep(0)  # until it waits
    with pytest.raises(StoreOverloaded) as caught:
        rehearse("one more")
    assert caught.value.metadata["waiting"] == str(REHEARSALS_MAX)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert rehearsals.taken == 0
