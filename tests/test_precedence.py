"""Who stands aside for whom, by threads that wait where the test lets them go."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from remit import precedence
from remit.precedence import Precedence

PATIENCE_S = 20.0  # of a test, for what is about to happen


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Precedence:
    """Of which nobody loses patience."""
    monkeypatch.setattr(precedence, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(precedence, "SHORT_PATIENCE_S", PATIENCE_S)
    return Precedence()


@contextmanager
def workers(lock: Precedence, count: int) -> Iterator[list[threading.Thread]]:
    """Each stands aside once, at its work."""

    def work() -> None:
        with lock.working:
            lock.stand_aside()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def ended(threads: list[threading.Thread], within_s: float = 0.2) -> int:
    until_s = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    return sum(not thread.is_alive() for thread in threads)


def test_nobody_stands_aside_where_nobody_goes_first(lock: Precedence) -> None:
    with workers(lock, 3) as threads:
        assert ended(threads, PATIENCE_S) == 3


def test_all_who_work_stand_aside_for_a_writer_until_it_is_done(lock: Precedence) -> None:
    with lock.writing, workers(lock, 3) as threads:
        assert ended(threads) == 0
        lock.writing.leave()  # as the end of the `with` does it
        assert ended(threads, PATIENCE_S) == 3


def test_who_waits_for_the_disk_in_the_middle_keeps_them_until_it_has_come(lock: Precedence) -> None:
    with lock.at_disk:
        with lock.writing:
            held = workers(lock, 2)
            threads = held.__enter__()
            assert ended(threads) == 0
        assert ended(threads) == 0  # they look up when all is done, and no earlier
    assert ended(threads, PATIENCE_S) == 2
    held.__exit__(None, None, None)


def test_one_works_while_a_writer_only_waits_for_the_disk(lock: Precedence) -> None:
    with lock.at_disk, lock.working:
        lock.stand_aside()  # at once: nobody else is at work
        with workers(lock, 1) as threads:
            assert ended(threads) == 0
            lock.at_disk.leave()
            assert ended(threads, PATIENCE_S) == 1


def test_a_writer_and_who_is_not_at_work_stand_aside_for_nobody(lock: Precedence) -> None:
    with lock.writing:
        lock.stand_aside()
        with ThreadPoolExecutor(1) as other:
            other.submit(lock.stand_aside).result(PATIENCE_S)


def test_all_go_on_in_the_end_though_a_writer_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "PATIENCE_S", 0.001)
    lock = Precedence()
    with lock.writing, workers(lock, 5) as threads:
        assert ended(threads, PATIENCE_S) == 5


def test_an_event_loop_goes_first_while_it_is_awake_and_not_while_it_waits(lock: Precedence) -> None:
    loop = asyncio.SelectorEventLoop(lock.selector())

    async def serve() -> None:
        with workers(lock, 2) as threads:
            assert ended(threads) == 0
            await asyncio.to_thread(ended, threads, PATIENCE_S)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve())
    assert not lock._serving
    with workers(lock, 1) as threads:
        assert ended(threads, PATIENCE_S) == 1
