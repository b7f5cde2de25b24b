"""A law of imports that ended: the errors of what was under way then are no defects, and are not logged as such."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from remit.errors import StoreFull
from remit.server.handlers.relationships import _Queued, _see


@pytest.mark.parametrize("is_refused_first", [False, True])
def test_a_commit_that_nobody_waits_for_may_fail_unheard(is_refused_first: bool) -> None:
    told: list[dict[str, Any]] = []

    async def an_import_that_ends() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        delta = loop.create_future()

        async def receive() -> _Queued:
            return _Queued(1, (), lambda _: "", delta)

        reading = asyncio.create_task(receive())
        await reading
        if is_refused_first:
            delta.set_exception(StoreFull("no room is left"))
        reading.add_done_callback(_see)
        await asyncio.sleep(0)
        if not is_refused_first:
            delta.set_exception(StoreFull("no room is left"))
        await asyncio.sleep(0)
        del reading

    asyncio.run(an_import_that_ends())
    gc.collect()
    assert told == []
