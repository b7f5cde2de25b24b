"""Turns of callers on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from remit.server.limits.turns import Turn, Turns


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def taken(turns: Turns, callers: Sequence[str], order: list[str], held: list[Turn]) -> list[asyncio.Task[None]]:
    async def take(caller: str) -> None:
        turn = await turns.turn(caller)
        order.append(caller)
        held.append(turn)

    tasks = []
    for caller in callers:
        tasks.append(asyncio.create_task(take(caller)))
        await settle()
    return tasks


def test_callers_take_turns_and_each_has_its_own_in_order() -> None:
    async def run() -> list[str]:
        order: list[str] = []
        held: list[Turn] = []
        turns = Turns(1)
        tasks = await taken(turns, ["ann", "ann", "ann", "ann", "bob", "cy", "bob"], order, held)
        assert order == ["ann"]
        for _ in tasks:
            held[-1].end()
            await settle()
        return order

    assert asyncio.run(run()) == ["ann", "ann", "bob", "cy", "ann", "bob", "ann"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["end", "cancel", "keep"])), max_size=30))
def test_no_turn_is_lost_and_none_is_made(steps: list[tuple[str, str]]) -> None:
    """Whoever goes while it waits, or in the moment in which its turn comes."""

    async def run() -> None:
        turns = Turns(2)
        order: list[str] = []
        held: list[Turn] = []
        tasks: list[asyncio.Task[None]] = []
        for caller, then in steps:
            tasks += await taken(turns, [caller], order, held)
            if then == "cancel":
                tasks[-1].cancel()
            elif then == "end" and held:
                turn = held.pop()
                turn.end()
                turn.end()  # no more than once
                if len(tasks) > 1:
                    tasks[-2].cancel()
            await settle()
            assert len(held) <= 2
        for _ in steps:
            while held:
                held.pop().end()
            await settle()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns._free == 2 and not turns._waiting

    asyncio.run(run())
