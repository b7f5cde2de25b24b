"""Permits of a fair semaphore on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from remit.server.limits.fair_semaphore import FairSemaphore, Permit


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def taken(
    semaphore: FairSemaphore, callers: Sequence[str], order: list[str], held: list[Permit]
) -> list[asyncio.Task[None]]:
    async def take(caller: str) -> None:
        permit = await semaphore.acquire(caller)
        order.append(caller)
        held.append(permit)

    tasks = []
    for caller in callers:
        tasks.append(asyncio.create_task(take(caller)))
        await settle()
    return tasks


def test_callers_take_turns_and_each_has_its_own_in_order() -> None:
    async def run() -> list[str]:
        order: list[str] = []
        held: list[Permit] = []
        semaphore = FairSemaphore(1)
        tasks = await taken(semaphore, ["ann", "ann", "ann", "ann", "bob", "cy", "bob"], order, held)
        assert order == ["ann"]
        for _ in tasks:
            held[-1].release()
            await settle()
        return order

    assert asyncio.run(run()) == ["ann", "ann", "bob", "cy", "ann", "bob", "ann"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["end", "cancel", "keep"])), max_size=30))
def test_no_permit_is_lost_and_none_is_made(steps: list[tuple[str, str]]) -> None:
    """Whoever goes while it waits, or in the moment in which its permit comes."""

    async def run() -> None:
        semaphore = FairSemaphore(2)
        order: list[str] = []
        held: list[Permit] = []
        tasks: list[asyncio.Task[None]] = []
        for caller, then in steps:
            tasks += await taken(semaphore, [caller], order, held)
            if then == "cancel":
                tasks[-1].cancel()
            elif then == "end" and held:
                permit = held.pop()
                permit.release()
                permit.release()  # no more than once
                if len(tasks) > 1:
                    tasks[-2].cancel()
            await settle()
            assert len(held) <= 2
        for _ in steps:
            while held:
                held.pop().release()
            await settle()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert semaphore._free == 2 and not semaphore._waiting

    asyncio.run(run())
