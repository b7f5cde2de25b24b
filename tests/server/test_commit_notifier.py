"""No commit is missed by who waits for it; a storm of them costs the writer one call, and the loop half its time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from remit.server.commit_notifier import CommitNotifier


class Counting:
    """The running loop, seen through: how often the notifier called it from outside, and how long it was to rest."""

    def __init__(self, notifier: CommitNotifier) -> None:
        self.calls = 0
        self.rests: list[tuple[float, Callable[..., object]]] = []
        self._loop: Any = notifier._loop
        notifier._loop = self  # type: ignore[assignment]

    def time(self) -> float:
        return 1.0

    def call_soon_threadsafe(self, callback: Callable[..., object], *arguments: object) -> None:
        self.calls += 1
        self._loop.call_soon_threadsafe(callback, *arguments)

    def call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon(callback, self.time() - 0.5)  # as if waking had taken half a second

    def call_later(self, delay_s: float, callback: Callable[..., object]) -> None:
        self.rests.append((delay_s, callback))


def test_a_commit_after_one_looked_and_before_one_waits_is_heard() -> None:
    async def run() -> None:
        notifier = CommitNotifier()
        with notifier.subscribed("a") as event, notifier.subscribed("b") as other:
            event.clear()
            notifier.notify("a")
            await asyncio.wait_for(event.wait(), 60)
            assert not other.is_set()
        assert notifier.waiting == 0

    asyncio.run(run())


def test_where_nobody_waits_the_loop_is_left_alone() -> None:
    async def run() -> None:
        notifier = CommitNotifier()
        counting = Counting(notifier)
        notifier.notify("a")
        with notifier.subscribed("b"):
            notifier.notify("a")
            assert counting.calls == 0
            notifier.notify("b")
        assert counting.calls == 1
        notifier.notify("b")
        await asyncio.sleep(0)

    asyncio.run(run())


def test_everyone_who_waits_is_woken_by_each_commit_from_any_thread() -> None:
    async def listen(notifier: CommitNotifier, count: list[int]) -> int:
        """How far one who listens sees the count go; it looks, then waits."""
        with notifier.subscribed("a") as event:
            while True:
                event.clear()
                if count[0] == 200:
                    return count[0]
                await event.wait()

    async def run() -> None:
        notifier, count = CommitNotifier(), [0]

        def commit() -> None:
            for _ in range(200):
                count[0] += 1
                notifier.notify("a")

        listeners = [asyncio.create_task(listen(notifier, count)) for _ in range(50)]
        await asyncio.sleep(0)
        thread = threading.Thread(target=commit)
        thread.start()
        assert await asyncio.wait_for(asyncio.gather(*listeners), 20) == [200] * 50
        thread.join()

    asyncio.run(run())


def test_a_batch_of_commits_is_one_call_into_the_loop_which_rests_as_long_as_it_worked() -> None:
    async def run() -> None:
        notifier = CommitNotifier()
        counting = Counting(notifier)
        with notifier.subscribed("a") as event:
            for _ in range(1_000):
                notifier.notify("a")
            assert counting.calls == 1
            await asyncio.wait_for(event.wait(), 60)
            while not counting.rests:
                await asyncio.sleep(0)
            event.clear()
            notifier.notify("a")  # while it rests: heard afterwards, without another call
            assert not event.is_set()
            delay_s, rested = counting.rests.pop()
            assert delay_s == 0.5
            rested()
            assert event.is_set() and counting.calls == 1
            while not counting.rests:
                await asyncio.sleep(0)
            counting.rests.pop()[1]()
            event.clear()
            notifier.notify("a")
            assert counting.calls == 2
            await asyncio.wait_for(event.wait(), 60)

    asyncio.run(run())


def test_a_bell_whose_loop_has_ended_rings_for_nobody() -> None:
    async def make() -> CommitNotifier:
        return CommitNotifier()

    notifier = asyncio.run(make())
    notifier.notify("a")
    notifier.notify("a")
    assert notifier.waiting == 0
