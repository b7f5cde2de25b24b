"""Of messages that come slowly but few are waited for, and who keeps us waiting for most gives up the oldest."""

from __future__ import annotations

import asyncio

import pytest

from remit.errors import SlowRequest
from remit.server.limits.readings import Readings


def readings(slow_max: int, patience_s: float) -> Readings:
    return Readings(slow_max, patience_s, lambda: SlowRequest("it did not come"))


async def begun(waiting: Readings, *client_ids: str) -> tuple[list[asyncio.Task[object]], list[str]]:
    """One message of each that never comes; and who was told that it is waited for no longer, as that happens."""
    ended: list[str] = []
    loop = asyncio.get_running_loop()
    tasks = []
    for client_id in client_ids:
        reading = waiting.read(client_id, loop.create_future(), lambda client_id=client_id: ended.append(client_id))
        tasks.append(asyncio.create_task(reading))
        await asyncio.sleep(0)
    return tasks, ended


async def cancel(tasks: list[asyncio.Task[object]]) -> None:
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_message_that_comes_is_read() -> None:
    async def reads() -> None:
        waiting = readings(0, 30.0)
        message: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(waiting.read("ann", message))
        await asyncio.sleep(0)
        assert len(waiting) == 1
        message.set_result(b"here")
        assert await reading == b"here"
        assert (len(waiting), waiting.ended) == (0, 0)

    asyncio.run(reads())


def test_who_keeps_us_waiting_for_most_gives_up_the_oldest() -> None:
    async def waits() -> None:
        waiting = readings(3, 0.0)
        tasks, ended = await begun(waiting, "bob", "ann", "ann", "ann", "ann")
        with pytest.raises(SlowRequest):
            await tasks[1]
        with pytest.raises(SlowRequest):
            await tasks[2]
        assert (ended, len(waiting), waiting.ended) == (["ann", "ann"], 3, 2)
        await cancel(tasks)
        assert (len(waiting), waiting._by_client) == (0, {})

    asyncio.run(waits())


def test_within_its_patience_nobody_is_ended_but_to_make_room() -> None:
    async def waits() -> None:
        waiting = readings(0, 30.0)
        tasks, ended = await begun(waiting, "bob", "ann", "ann")
        assert ended == []
        assert waiting.end_oldest_of("bob")
        assert waiting.end_oldest_of_most()
        assert not waiting.end_oldest_of("cara")
        with pytest.raises(SlowRequest):
            await tasks[0]
        assert (ended, len(waiting)) == (["bob", "ann"], 1)
        await cancel(tasks)
        assert not waiting.end_oldest_of_most()

    asyncio.run(waits())


def test_a_caller_who_leaves_is_no_slow_one() -> None:
    async def leaves() -> None:
        waiting = readings(8, 30.0)
        tasks, ended = await begun(waiting, "ann")
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert (ended, len(waiting), waiting.ended) == ([], 0, 0)

    asyncio.run(leaves())
