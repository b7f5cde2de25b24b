"""What the asyncio client knows of waiting: for an event, and for a call that may be lost under it.

Law: a task ends as cancelled only where somebody cancelled it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from remit.client.channel import closed_under


@contextlib.contextmanager
def told_when_lost() -> Iterator[None]:
    """Raises RemoteError where the call that is awaited within was cancelled, and not the task that awaits it: grpc.aio
    raises CancelledError for both, as when the client is closed under its calls."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise closed_under() from None


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event that long at most; whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
