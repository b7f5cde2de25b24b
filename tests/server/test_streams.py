"""Laws of a stream's steps: which threads they are done on, and what is measured of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from remit.server import call as calls
from remit.server.call import Call
from remit.server.commit_notifier import CommitNotifier
from remit.server.limits.fair_quota import FairQuota
from remit.server.limits.thread_pool import ThreadPool
from remit.server.limits.work_queue import WorkQueue
from remit.server.streams import Stream
from remit.server.verb import Queue


@pytest.fixture(autouse=True)
def every_look_is_too_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A light step that looks at its interrupt is heavy, however quick the machine."""
    monkeypatch.setattr(calls, "LIGHT_S", 0.0)


def on_a_stream(told: Callable[[Stream, WorkQueue], Awaitable[None]]) -> None:
    async def run() -> None:
        heavy = {each: ThreadPool(f"heavy {each}", threads=1) for each in (Queue.READS, Queue.WRITES)}
        schemas = ThreadPool("schemas", threads=1)
        queue = WorkQueue("streams", threads=1, in_flight_max=2)
        await told(
            Stream(Call(peer="ann"), queue, heavy, schemas, CommitNotifier(), FairQuota("remembered", 1, "bytes")),
            queue,
        )
        for each in (queue, schemas, *heavy.values()):
            each.close()

    asyncio.run(run())


def place() -> str:
    return threading.current_thread().name.rpartition("-")[0]


def test_what_is_measured_of_a_light_step_ends_with_it() -> None:
    async def told(stream: Stream, _: WorkQueue) -> None:
        def look() -> str:
            stream.call.interrupt()
            return place()

        def fail() -> None:
            raise ValueError

        assert await stream.run_until_heavy(Queue.READS, place) == "remit-streams"
        assert await stream.run(look) == "remit-streams"
        with pytest.raises(ValueError):
            await stream.run_until_heavy(Queue.READS, fail)
        assert await stream.run(look) == "remit-streams"
        assert not stream.call.is_heavy

    on_a_stream(told)


def test_steps_are_heavy_from_the_one_that_turned_out_to_be_until_the_stream_has_caught_up() -> None:
    async def told(stream: Stream, _: WorkQueue) -> None:
        def look() -> str:
            stream.call.interrupt()
            return place()

        assert await stream.run_until_heavy(Queue.READS, look) == "remit-heavy-reads"
        assert await stream.run_until_heavy(Queue.READS, place) == "remit-heavy-reads"
        stream.caught_up()
        assert await stream.run_until_heavy(Queue.READS, place) == "remit-streams"

    on_a_stream(told)


def test_every_step_has_a_place_of_the_streams_queue_while_it_lasts() -> None:
    async def told(stream: Stream, queue: WorkQueue) -> None:
        def taken() -> int:
            return queue.in_flight

        assert await stream.run(taken) == 1
        assert await stream.run_heavy(Queue.READS, taken) == 1
        assert await stream.run_schema(taken) == 1
        assert await asyncio.wrap_future(stream.submit_next(Queue.WRITES, taken)) == 1
        assert queue.in_flight == 0

    on_a_stream(told)
